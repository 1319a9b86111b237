/// One of several daemons that share a spool.
package struct NodeRow: Codable, Hashable, Sendable {
    package enum State: String, Codable, Sendable {
        case live
        /// It hands over what it has, and stops then.
        case draining
        /// It has left in good order, or was declared dead.
        case gone
    }

    package var name: String
    package var state: State
    /// The one that was asked.
    package var isSelf: Bool
    /// As configured.
    package var workers: Int
    /// The part of all destinations (0…1) that it has now, and that the ring gives it.
    package var has: Double
    package var share: Double
    /// Since the last sign of life of it that the asked one saw, in seconds, and for how long one
    /// counts.
    package var seenSeconds: Double
    package var leaseSeconds: Double
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Its load, as it last told it; nil where it never did: deliveries that it has, transactions and
    /// connections that run, recipients delivered per second, and of its workers the share of a
    /// core and the resident bytes.
    package var queued: Int?
    package var delivering: Int?
    package var connections: Int?
    package var deliveredPerSecond: Double?
    package var cpu: Double?
    package var memory: Int?
    /// How long ago that was, in seconds, where it cannot be asked now; nil: now.
    package var staleSeconds: Double?

    package init(
        name: String, state: State, isSelf: Bool, workers: Int, has: Double, share: Double,
        seenSeconds: Double, leaseSeconds: Double
    ) {
        self.name = name
        self.state = state
        self.isSelf = isSelf
        self.workers = workers
        self.has = has
        self.share = share
        self.seenSeconds = seenSeconds
        self.leaseSeconds = leaseSeconds
    }
}

/// What moves, or would move, from one node to another.
package struct NodeMove: Codable, Hashable, Sendable {
    /// nil: nobody has it.
    package var from: String?
    package var to: String
    /// The part of all destinations, 0…1.
    package var part: Double
    /// Those with mail, and their deliveries that are not held.
    package var destinations: Int
    package var deliveries: Int

    package init(from: String?, to: String, part: Double, destinations: Int, deliveries: Int) {
        self.from = from
        self.to = to
        self.part = part
        self.destinations = destinations
        self.deliveries = deliveries
    }
}
