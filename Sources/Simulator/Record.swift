package import Scheduler

/// What happened in a simulation, from which all figures are made.
package struct Record: Sendable {
    package struct Delivery: Sendable {
        package var at: Instant
        package var wait: Duration
        package var stream: Int
    }

    package internal(set) var arrived = 0
    /// In the queue at the end.
    package internal(set) var left = 0
    package internal(set) var mostConnections = 0
    /// Starts of attempts, in order.
    package private(set) var attempts: [Instant] = []
    package private(set) var deliveries: [Delivery] = []
    /// Ends of attempts that were deferred, in order.
    package private(set) var deferrals: [Instant] = []

    /// The open connections of all receivers, whenever their number rose.
    package private(set) var opened: [(at: Instant, connections: Int)] = []

    mutating func started(at now: Instant) { attempts.append(now) }

    mutating func opened(_ connections: Int, at now: Instant) {
        opened.append((now, connections))
    }

    mutating func delivered(_ mail: SimulatedMail, at now: Instant) {
        deliveries.append(Delivery(at: now, wait: now - mail.arrived, stream: mail.stream))
    }

    mutating func deferred(_ cause: Cause, at now: Instant) { deferrals.append(now) }

    // MARK: Figures

    /// Of the attempts that ended after `time`, the share (0…1) that was deferred.
    package func deferredShare(after time: Instant = Instant(nanoseconds: 0)) -> Double {
        let bad = deferrals.count { $0 >= time }
        let good = deliveries.count { $0.at >= time }
        return bad + good == 0 ? 0 : Double(bad) / Double(bad + good)
    }

    /// Messages delivered per second between two times.
    package func throughput(from: Instant, to: Instant) -> Double {
        Double(deliveries.count { $0.at >= from && $0.at < to }) / ((to - from) / .seconds(1))
    }

    package func firstDelivery(after time: Instant) -> Instant? {
        deliveries.first { $0.at >= time }?.at
    }

    /// When so many connections were open for the first time after `time`.
    package func filled(_ connections: Int, after time: Instant) -> Instant? {
        opened.first { $0.at >= time && $0.connections >= connections }?.at
    }

    package func attempts(from: Instant, to: Instant) -> Int {
        attempts.count { $0 >= from && $0 < to }
    }

    /// Between arrival and delivery, of one stream, ascending.
    package func waits(stream: Int) -> [Duration] {
        deliveries.filter { $0.stream == stream }.map(\.wait).sorted()
    }
}
