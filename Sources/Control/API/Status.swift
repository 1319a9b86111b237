package import Mail

package struct Totals: Codable, Sendable {
    /// Messages and deliveries in the spool.
    package var messages = 0
    package var deliveries = 0
    package var routing = 0
    package var ready = 0
    package var delivering = 0
    package var delayed = 0
    package var held = 0
    package var purging = 0
    package var destinations = 0
    package var paused = 0
    package var backoff = 0
    package var connections = 0
    /// Since the daemon started: messages taken in, and recipients by outcome.
    package var accepted = 0
    package var delivered = 0
    package var deferred = 0
    package var bounced = 0

    package init() {}
}

package struct Rates: Codable, Sendable {
    /// Per second, over the last few seconds.
    package var accepted = 0.0
    package var delivered = 0.0
    package var deferred = 0.0
    package var bounced = 0.0
    /// Recipients delivered in each of the last seconds, oldest first, at most 60.
    package var history: [Int] = []

    package init() {}
}

package enum WorkerState: String, Codable, Sendable {
    case starting
    case running
    /// Alive, but its last heartbeat is older than it may be.
    case silent
    /// Ends its transactions and takes nothing new.
    case draining
    /// Dead; started again at `restartAt`.
    case dead
}

package struct WorkerRow: Codable, Sendable, Identifiable {
    /// 1, 2, …: the worker's place, kept when its process is replaced.
    package var id: Int
    package var state: WorkerState
    package var pid: Int?
    package var startedAt: UnixTime?
    package var restarts: Int
    package var restartAt: UnixTime?
    package var heartbeatAt: UnixTime?
    package var destinations: Int
    /// Assigned to it by an operator, with mail or without.
    package var pinned: Int
    /// Who drained it: it hands over what it has and gets nothing new; nil where nobody did.
    package var drainedBy: String?
    /// As configured, relative to 1, and the part of the ring (0…1) that it has now; nothing while
    /// it does not run.
    package var weight: Double
    package var share: Double
    package var queued: Int
    package var connections: Int
    package var deliveredPerSecond: Double
    /// Share of one core over the last heartbeat, 0…n.
    package var cpu: Double
    /// Resident bytes.
    package var memory: Int
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Which node of a cluster has it; nil where there is one daemon alone.
    package var node: String?
    /// How long ago this was so, in seconds, where its node or host cannot be reached now; nil: now.
    package var staleSeconds: Double?

    package init(id: Int, state: WorkerState) {
        self.id = id
        self.state = state
        restarts = 0
        destinations = 0
        pinned = 0
        weight = 1
        share = 0
        queued = 0
        connections = 0
        deliveredPerSecond = 0
        cpu = 0
        memory = 0
    }
}

/// How far an action is that is being carried out.
package struct RunningAction: Codable, Hashable, Sendable {
    package enum Phase: String, Codable, Sendable {
        /// Counts what a preview shows.
        case planning
        /// Finds out what has changed since the preview.
        case reading
        /// Changes the deliveries, on disk.
        case changing
        /// Reads back what has become of them.
        case checking
    }

    /// The id of the plan; for an undo that of the action; for a preview that is being made what its
    /// request said.
    package var id: String
    package var action: ActionKind
    package var by: String
    package var since: UnixTime
    package var phase: Phase
    /// Deliveries of this phase, and of the action.
    package var done: Int
    package var total: Int
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Which node of a cluster has it; nil where there is one daemon alone.
    package var node: String?

    package init(
        id: String, action: ActionKind, by: String, since: UnixTime, phase: Phase = .reading,
        done: Int = 0, total: Int
    ) {
        self.id = id
        self.action = action
        self.by = by
        self.since = since
        self.phase = phase
        self.done = done
        self.total = total
    }

    /// 0…1, over all phases: changing takes about as long as the others together.
    package var fraction: Double {
        guard total > 0 else { return 0 }
        let part = min(1, Double(done) / Double(total))
        return switch phase {
        case .planning: part
        case .reading: 0.25 * part
        case .changing: 0.25 + 0.5 * part
        case .checking: 0.75 + 0.25 * part
        }
    }
}

/// `GET /v1/status`.
package struct Status: Codable, Sendable {
    package var version = 1
    package var at: UnixTime
    package var hostname: String
    package var pid: Int
    package var startedAt: UnixTime
    /// Present while the spool cannot record: intake answers 4xx, delivery pauses.
    package var spoolError: String?
    /// Present while intake answers 4xx and delivery goes on: "the disk of the spool is nearly
    /// full".
    package var intakeError: String?
    /// Something to mend by which no mail is lost or stopped: "too many open files".
    package var warning: String?
    package var totals: Totals
    package var rates: Rates
    package var workers: [WorkerRow]
    /// The nodes that share the spool, as the asked one last saw them, by name; nil where there is
    /// one daemon alone.
    package var nodes: [NodeRow]?
    /// The actions that are being carried out, the oldest first; nil where there are none.
    package var running: [RunningAction]?
    /// Whether the peer that asks may act, and if not, why not.
    package var mayOperate: Bool
    package var mayNotOperateBecause: String?
    /// The hosts or nodes of which this is made, and which of them cannot be reached; nil where one
    /// daemon speaks for itself.
    package var parts: [StatusPart]?

    package init(
        at: UnixTime, hostname: String, pid: Int, startedAt: UnixTime, totals: Totals,
        rates: Rates, workers: [WorkerRow], mayOperate: Bool
    ) {
        self.at = at
        self.hostname = hostname
        self.pid = pid
        self.startedAt = startedAt
        self.totals = totals
        self.rates = rates
        self.workers = workers
        self.mayOperate = mayOperate
    }
}

/// A page of rows: what the daemon filtered, sorted and cut.
package struct Page<Row: Codable & Sendable>: Codable, Sendable {
    package var version = 1
    /// The instant to which all rows and `total` belong.
    package var at: UnixTime
    /// Rows that match the filter, on all pages.
    package var total: Int
    package var offset: Int
    package var rows: [Row]

    package init(at: UnixTime, total: Int, offset: Int, rows: [Row]) {
        self.at = at
        self.total = total
        self.offset = offset
        self.rows = rows
    }
}

/// The body of every answer that is not 2xx.
package struct APIError: Error, Codable, Sendable {
    /// Stable, for programs: `bad-filter`, `not-found`, `forbidden`, `plan-changed`, …
    package var code: String
    /// What happened, where, and what to do.
    package var message: String
    /// For a bad filter: the offset in it, in characters.
    package var position: Int?

    package init(code: String, message: String, position: Int? = nil) {
        self.code = code
        self.message = message
        self.position = position
    }
}

/// One event of `GET /v1/events`, a line of JSON each.
package struct Event: Codable, Sendable {
    package var at: UnixTime
    /// `accepted`, `delivered`, `deferred`, `bounced`, `breaker`, `worker`, `action`, `spool`.
    package var kind: String
    package var text: String
    package var message: String?
    package var destination: String?
    package var worker: Int?
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Which node of a cluster has it; nil where there is one daemon alone.
    package var node: String?

    package init(
        at: UnixTime, kind: String, text: String, message: String? = nil,
        destination: String? = nil, worker: Int? = nil
    ) {
        self.at = at
        self.kind = kind
        self.text = text
        self.message = message
        self.destination = destination
        self.worker = worker
    }
}

/// One line of `GET /v1/trace?destination=ID`.
package struct TraceLine: Codable, Sendable {
    /// Only for who asks with `content=1`, and may operate.
    package static let contentDirection = "|"

    package var at: UnixTime
    package var destination: String
    package var worker: Int
    package var connection: Int
    /// `>` sent, `<` received, `*` about the connection, `|` of what a message says.
    package var direction: String
    package var text: String
    /// Lines left out before this one because the reader was too slow.
    package var dropped: Int

    package init(
        at: UnixTime, destination: String, worker: Int, connection: Int, direction: String,
        text: String, dropped: Int
    ) {
        self.at = at
        self.destination = destination
        self.worker = worker
        self.connection = connection
        self.direction = direction
        self.text = text
        self.dropped = dropped
    }
}
