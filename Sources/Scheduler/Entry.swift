package import Mail

/// A delivery that waits to be started.
package struct Entry: Sendable, Hashable {
    package var id: DeliveryID
    package var destination: DestinationID
    /// Not before this, except when the destination works again or on "retry now".
    package var due: Instant
    /// It is given up when the policy's `maxAge` has gone by since then. May lie before the start of
    /// the process, and so be negative.
    package var received: Instant
    /// Attempts made so far.
    package var attempts: Int
    /// Bytes.
    package var size: Int
    /// A hash of the sender: deliveries with the same one share one place in the turn.
    package var sender: UInt32
    /// 0 to 7: each step doubles the share within the destination.
    package var priority: UInt8
    /// The destination was the cause of its last failure: it need not wait for its time when the
    /// destination works again.
    package var isSuspended: Bool

    package init(
        id: DeliveryID, destination: DestinationID, due: Instant, received: Instant,
        attempts: Int, size: Int, sender: UInt32, priority: UInt8 = 0, isSuspended: Bool = false
    ) {
        self.id = id
        self.destination = destination
        self.due = due
        self.received = received
        self.attempts = attempts
        self.size = size
        self.sender = sender
        self.priority = priority
        self.isSuspended = isSuspended
    }

    /// Never tried.
    package var fresh: Bool { attempts == 0 }
}
