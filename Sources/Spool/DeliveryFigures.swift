package import Mail

/// What actions on many need to know of each delivery.
package struct DeliveryFigures: Hashable, Sendable {
    package var id: DeliveryID
    package var destination: Int64?
    package var state: StoredState
    package var attempts: Int
    package var nextAttemptAt: UnixTime
    package var receivedAt: UnixTime
    /// Bytes of the message.
    package var size: Int
    package var priority: Int
    package var recipients: Int
    package var domain: String
    package var sender: String

    package init(
        id: DeliveryID, destination: Int64?, state: StoredState, attempts: Int,
        nextAttemptAt: UnixTime, receivedAt: UnixTime, size: Int, priority: Int, recipients: Int,
        domain: String, sender: String
    ) {
        self.id = id
        self.destination = destination
        self.state = state
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.receivedAt = receivedAt
        self.size = size
        self.priority = priority
        self.recipients = recipients
        self.domain = domain
        self.sender = sender
    }
}

/// A part of what is queued for several destinations.
package struct QueuePage: Sendable {
    /// In the order of their ids.
    package var deliveries: [DeliveryFigures] = []
    /// After which the next part begins. Those that are damaged are not among the deliveries.
    package var last: DeliveryID?
    /// Nothing comes after it.
    package var isLast = false
    var found = 0
}
