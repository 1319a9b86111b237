package import Mail

package enum ActionKind: String, Codable, Sendable, CaseIterable {
    case retry, purge, hold, release, bounce, pause, resume, reassign
    /// `sluice workers set N`.
    case workers
    /// `sluice workers drain N`: the worker hands over what it has and gets nothing new.
    case drain, undrain

    /// True for what acts on deliveries; the others act on destinations (or on the workers).
    package var actsOnDeliveries: Bool {
        switch self {
        case .retry, .purge, .hold, .release, .bounce: true
        case .pause, .resume, .reassign, .workers, .drain, .undrain: false
        }
    }

    /// True for what is about the workers themselves and selects nothing.
    package var isAboutWorkers: Bool {
        switch self {
        case .workers, .drain, .undrain: true
        default: false
        }
    }
}

/// What an action is for. The parts are joined by *or*; a filter alone selects all that it
/// matches; an empty selector selects nothing.
package struct Selector: Codable, Hashable, Sendable {
    /// Destination ids.
    package var destinations: [String]
    /// Message or delivery ids.
    package var messages: [String]
    /// For an action on deliveries a filter over messages; else one over destinations.
    package var filter: String?
    /// A filter over destinations, whatever the action: all the mail of those that match.
    package var destinationFilter: String?

    package init(
        destinations: [String] = [], messages: [String] = [], filter: String? = nil,
        destinationFilter: String? = nil
    ) {
        self.destinations = destinations
        self.messages = messages
        self.filter = filter
        self.destinationFilter = destinationFilter
    }

    /// What is left out selects nothing.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        destinations = try container.decodeIfPresent([String].self, forKey: .destinations) ?? []
        messages = try container.decodeIfPresent([String].self, forKey: .messages) ?? []
        filter = try container.decodeIfPresent(String.self, forKey: .filter)
        destinationFilter = try container.decodeIfPresent(String.self, forKey: .destinationFilter)
    }
}

/// The body of `POST /v1/plans`.
package struct PlanRequest: Codable, Sendable {
    package var action: ActionKind
    package var selector: Selector
    package var reason: String
    /// For `reassign`: the worker to pin to, nil to unpin. For `workers`: how many. For `drain`
    /// and `undrain`: which.
    package var worker: Int?
    /// For `workers`, `drain`, `undrain` and `reassign`: the node whose workers are meant; nil: the
    /// one that is asked, or, to reassign, the destination's.
    package var node: String?
    /// The one of several hosts that it is for; nil: those of the ids in the selector, and all for
    /// a filter. Who asks several sees to it; a daemon does not.
    package var host: String?
    /// For `pause`: how long, in seconds; nil until resumed.
    package var seconds: Double?
    /// What `Status.running` calls the making of this plan; nil: it is not told there.
    package var progress: String?

    package init(
        action: ActionKind, selector: Selector, reason: String = "", worker: Int? = nil,
        node: String? = nil, seconds: Double? = nil, progress: String? = nil
    ) {
        self.progress = progress
        self.action = action
        self.selector = selector
        self.reason = reason
        self.worker = worker
        self.node = node
        self.seconds = seconds
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        action = try container.decode(ActionKind.self, forKey: .action)
        selector =
            try container.decodeIfPresent(Selector.self, forKey: .selector) ?? Selector()
        reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
        worker = try container.decodeIfPresent(Int.self, forKey: .worker)
        node = try container.decodeIfPresent(String.self, forKey: .node)
        seconds = try container.decodeIfPresent(Double.self, forKey: .seconds)
        progress = try container.decodeIfPresent(String.self, forKey: .progress)
    }
}

package struct Counts: Codable, Hashable, Sendable {
    package var destinations = 0
    package var messages = 0
    package var deliveries = 0
    package var recipients = 0
    package var bytes = 0

    package init() {}
}

package struct NamedCount: Codable, Hashable, Sendable {
    package var name: String
    package var count: Int

    package init(name: String, count: Int) {
        self.name = name
        self.count = count
    }
}

/// What an action would touch. It is bound to exactly that: applying it acts on these deliveries
/// or destinations and no others; what has left the queue since is counted as gone.
package struct Plan: Codable, Sendable {
    package var version = 1
    package var id: String
    package var request: PlanRequest
    package var at: UnixTime
    package var expiresAt: UnixTime
    package var counts: Counts
    /// What the selection names but the action cannot touch, and why: "3 are held".
    package var notes: [String]
    package var oldestAt: UnixTime?
    package var samples: [MessageRow]
    package var topDomains: [NamedCount]
    package var topSenders: [NamedCount]
    /// How long the selected mail takes to leave at the present limits.
    package var drainSeconds: Double?
    /// Where that takes longest, and the deliveries per second there; nil as in a destination.
    package var drainSlowest: String?
    package var drainPerSecond: Double?
    /// One line: what applying it does.
    package var effect: String
    /// Purge and bounce: seconds in which it can be undone before anything is destroyed.
    package var undoSeconds: Double?
    /// Apply must carry `count` = `counts.deliveries`, typed by the operator.
    package var mustTypeCount: Bool

    package init(
        id: String, request: PlanRequest, at: UnixTime, expiresAt: UnixTime, counts: Counts,
        effect: String
    ) {
        self.id = id
        self.request = request
        self.at = at
        self.expiresAt = expiresAt
        self.counts = counts
        self.effect = effect
        notes = []
        samples = []
        topDomains = []
        topSenders = []
        mustTypeCount = false
    }
}

/// The body of `POST /v1/plans/{id}/apply`.
package struct ApplyRequest: Codable, Sendable {
    package var count: Int?
    package var reason: String?

    package init(count: Int? = nil, reason: String? = nil) {
        self.count = count
        self.reason = reason
    }
}

package enum ActionState: String, Codable, Sendable {
    /// Done, and it can still be undone until `undoUntil` (nil: as long as it makes sense).
    case undoable
    case done
    case undone
    case failed
}

/// One row of `GET /v1/actions`, and the answer to apply and to undo.
package struct ActionRow: Codable, Sendable, Identifiable {
    package var version = 1
    package var id: String
    package var action: ActionKind
    package var at: UnixTime
    /// "name (uid 1000)".
    package var by: String
    package var reason: String
    /// The selection in words: a filter, or the names of what was selected.
    package var target: String
    /// What was really touched, read back afterwards.
    package var counts: Counts
    package var state: ActionState
    package var undoUntil: UnixTime?
    /// One line: what was done. "1,240 deliveries made due; 3 had left the queue."
    package var result: String
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Which node of a cluster did it; nil where there is one daemon alone, or several did.
    package var node: String?

    package init(
        id: String, action: ActionKind, at: UnixTime, by: String, reason: String, target: String,
        counts: Counts, state: ActionState, undoUntil: UnixTime?, result: String
    ) {
        self.id = id
        self.action = action
        self.at = at
        self.by = by
        self.reason = reason
        self.target = target
        self.counts = counts
        self.state = state
        self.undoUntil = undoUntil
        self.result = result
    }
}
