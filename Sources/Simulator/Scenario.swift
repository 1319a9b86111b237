package import Scheduler

/// What is simulated: a receiver, traffic for it, and what is measured.
package struct Scenario: Hashable, Sendable {
    /// Mail of one kind.
    package struct Stream: Hashable, Sendable {
        package var name = "mail"
        /// Messages in the queue at the start.
        package var queued = 0
        /// Messages that arrive later on; nil: none.
        package var rate: Rate?
        /// When they begin to arrive, and for how long they do; nil: to the end.
        package var from = Duration.zero
        package var length: Duration?
        /// Bytes.
        package var size = 20_000
        /// 0…7; each step doubles its share.
        package var priority = 0

        package init() {}
    }

    /// The largest or smallest value that a measure may have.
    package struct Target: Hashable, Sendable {
        package var measure: Measure
        package var most: Double?
        package var least: Double?

        package func isMet(by value: Double) -> Bool {
            most.map { value <= $0 } ?? true && least.map { value >= $0 } ?? true
        }
    }

    package var name = ""
    package var title = ""
    package var about = ""
    package var receiver = ReceiverModel()
    package var streams: [Stream] = []
    /// How many destinations share the traffic, by Zipf's law where there are several.
    package var destinations = 1
    package var policy = DestinationPolicy()
    package var duration = Duration.seconds(1800)
    /// How many runs, each with another seed.
    package var runs = 5
    /// The first one ends the run.
    package var endsWithDelivery = false
    package var measures: [Measure] = []
    package var targets: [Target] = []
    /// Only Sluice: of no interest for the others, or too much for their models.
    package var isAlone = false

    package init() {}

    /// What the receiver takes in a second from a sender that does everything right: of its rates,
    /// its connections, and the sender's own limit, the least. A connection that it closes has to
    /// be opened again.
    package var capacity: Double {
        let connections = min(
            receiver.connectionLimit ?? policy.limits.concurrency, policy.limits.concurrency)
        let perConnection = Double(receiver.messagesPerConnection ?? .max)
        let time = receiver.transactionTime + receiver.connectTime / perConnection
        let byConnections = Double(connections) / (time / .seconds(1))
        let byOpening =
            (receiver.connectionQuota?.rate.perSecond ?? .infinity) * perConnection
        let own = policy.limits.rate?.perSecond ?? .infinity
        return min(byConnections, byOpening, receiver.quota?.rate.perSecond ?? .infinity, own)
    }

    package var recovery: Instant? {
        receiver.outage.map { Receiver.start + $0.from + $0.length }
    }
}
