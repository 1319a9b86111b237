package import Mail

/// A delivery to start now. The caller owes exactly one `finished` for it.
package struct Start: Sendable, Hashable {
    package enum Connection: Sendable, Hashable {
        /// Take one of the destination's idle connections.
        case reuse
        /// Open a new one.
        case open
    }

    package let delivery: DeliveryID
    package let destination: DestinationID
    package let connection: Connection
    /// Whether the destination is used at all is decided by how this one goes.
    package let probe: Bool
    /// Attempts made so far.
    package let attempts: Int
    /// Most connections come about here, and some do not: one that cannot be used after this time
    /// is better given up than waited for. nil: as long as the configuration has it.
    package let patience: Duration?

    /// The longest patience until the connection is there, before its greeting: enough for two lost
    /// packets (RFC 6298 §2: sent again after one second, then after two).
    package static let haste = Duration.seconds(3)
}

/// How a started delivery ended.
package enum AttemptResult: Sendable, Hashable {
    /// Every recipient has a final outcome.
    case settled
    /// Some recipients remain.
    case deferred(Cause, reply: String)
    /// Some recipients remain, and the destination is to be left alone for so long, as the rule of
    /// that name has it.
    case suspended(Duration, reply: String, rule: String = "")
    /// Given up before anything was said to the receiver. Not an attempt; due again shortly.
    case notAttempted
}

/// What became of the connection of a started delivery.
package enum ConnectionFate: Sendable, Hashable {
    /// Kept for the next one.
    case idle
    case closed
}

/// What becomes of a delivery that ended.
package enum Verdict: Sendable, Hashable {
    /// Out of the queue.
    case gone
    /// Queued again; `attempts` includes the one that ended.
    case retry(at: Instant, attempts: Int)
    /// Out of the queue: its recipients have waited long enough, and are told.
    case expired
}

/// What `withdraw` found.
package enum Withdrawal: Sendable, Hashable {
    case removed
    /// In a transaction, whose result will come. It will not be queued again after it.
    case running
    case unknown
}
