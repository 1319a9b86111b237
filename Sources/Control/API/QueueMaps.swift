package import Mail

/// The doubling ages of `GET /v1/ages`: the upper bounds of the buckets, in seconds. The last
/// bucket has no end.
package enum AgeBuckets {
    package static let bounds: [Double] = (0..<17).map { 15 * Double(1 << $0) }
    package static var count: Int { bounds.count + 1 }
}

/// `GET /v1/ages`: how much of what is queued is how old, by destination.
package struct AgeMap: Codable, Sendable {
    package var version = 1
    package var at: UnixTime
    /// When the queue was counted: counting takes the longer the more there is, and is not done
    /// for every answer.
    package var countedAt: UnixTime
    /// Seconds; bucket *i* holds what is younger than `bounds[i]` and not in one before.
    package var bounds: [Double]
    package var totals: [Int]
    /// Destinations with mail.
    package var destinations: Int
    /// Those with the most, the most first.
    package var rows: [AgeRow]

    package init(
        at: UnixTime, countedAt: UnixTime, bounds: [Double], totals: [Int], destinations: Int,
        rows: [AgeRow]
    ) {
        self.at = at
        self.countedAt = countedAt
        self.bounds = bounds
        self.totals = totals
        self.destinations = destinations
        self.rows = rows
    }
}

package struct AgeRow: Codable, Hashable, Sendable, Identifiable {
    /// The destination's.
    package var id: String
    package var name: String
    package var state: DestinationState
    package var counts: [Int]
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?

    package init(id: String, name: String, state: DestinationState, counts: [Int]) {
        self.id = id
        self.name = name
        self.state = state
        self.counts = counts
    }

    package var total: Int { counts.reduce(0, +) }
}

/// `GET /v1/schedule`: when what is queued goes, as far as that is known now.
package struct Schedule: Codable, Sendable {
    package var version = 1
    package var at: UnixTime
    package var countedAt: UnixTime
    /// Due already: waits for tokens, the window or a worker only.
    package var ready: DueCount
    /// Due within each of these, and not within one before; the last has no end.
    package var due: [DueCount]
    /// Kept back by operators.
    package var held: Int
    package var paused: DueCount
    /// DNS is asked where it goes.
    package var routing: Int
    /// The breakers that probe next, in that order.
    package var probes: [ProbeRow]
    package var openBreakers: Int
    /// What expires within an hour and within a day, and where the most of it is.
    package var expiresInHour: Int
    package var expiresInDay: Int
    package var expiring: [ExpiringRow]

    /// The upper bounds of `due` but the last, in seconds.
    package static let bounds: [Double] = [60, 600, 3600, 21_600, 86_400]

    package init(at: UnixTime, countedAt: UnixTime) {
        self.at = at
        self.countedAt = countedAt
        ready = DueCount()
        due = (Self.bounds + [.infinity]).map { DueCount(within: $0.isFinite ? $0 : nil) }
        held = 0
        paused = DueCount()
        routing = 0
        probes = []
        openBreakers = 0
        expiresInHour = 0
        expiresInDay = 0
        expiring = []
    }
}

package struct DueCount: Codable, Hashable, Sendable {
    /// Seconds; nil: without an end.
    package var within: Double?
    package var deliveries = 0
    package var destinations = 0

    package init(within: Double? = nil) {
        self.within = within
    }
}

package struct ProbeRow: Codable, Hashable, Sendable, Identifiable {
    /// The destination's.
    package var id: String
    package var name: String
    package var at: UnixTime
    package var queued: Int
    package var failures: Int
    package var lastReply: String?
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?

    package init(
        id: String, name: String, at: UnixTime, queued: Int, failures: Int, lastReply: String?
    ) {
        self.id = id
        self.name = name
        self.at = at
        self.queued = queued
        self.failures = failures
        self.lastReply = lastReply
    }
}

package struct ExpiringRow: Codable, Hashable, Sendable, Identifiable {
    /// The destination's.
    package var id: String
    package var name: String
    package var inHour: Int
    package var inDay: Int
    package var firstAt: UnixTime
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?

    package init(id: String, name: String, inHour: Int, inDay: Int, firstAt: UnixTime) {
        self.id = id
        self.name = name
        self.inHour = inHour
        self.inDay = inDay
        self.firstAt = firstAt
    }
}
