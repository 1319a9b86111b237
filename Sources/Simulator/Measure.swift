import Scheduler

/// A figure of a scenario, made of the records of its runs.
package enum Measure: String, Hashable, Sendable, CaseIterable {
    case deferred
    case deferredLate = "deferred-late"
    case throughput
    case connections
    case attempts
    case probes
    case recoveryMedian = "recovery-median"
    case recoveryHigh = "recovery-p99"
    case limitAfter = "limit-after"
    case delayMedian = "delay-median"
    case delayHigh = "delay-p99"
    case secondMedian = "second-median"
    case secondHigh = "second-p99"
    case attemptsEach = "attempts-each"
    case left

    /// For the head of a column.
    package var title: String {
        switch self {
        case .deferred: "deferred"
        case .deferredLate: "deferred after 2 min"
        case .throughput: "of capacity"
        case .connections: "connections"
        case .attempts: "attempts in outage"
        case .probes: "… after 10 s of it"
        case .recoveryMedian: "first delivery, median"
        case .recoveryHigh: "first delivery, p99"
        case .limitAfter: "limit reached after"
        case .delayMedian: "delay, median"
        case .delayHigh: "delay, p99"
        case .secondMedian: "2nd stream, median"
        case .secondHigh: "2nd stream, p99"
        case .attemptsEach: "attempts each"
        case .left: "left"
        }
    }

    package enum Unit: Sendable {
        /// 0…1.
        case share
        case seconds
        case number
    }

    package var unit: Unit {
        switch self {
        case .deferred, .deferredLate, .throughput: .share
        case .connections, .attempts, .probes, .attemptsEach, .left: .number
        default: .seconds
        }
    }

    /// Whether it is about what happens in an outage and after it.
    var isOfAnOutage: Bool {
        switch self {
        case .attempts, .probes, .recoveryMedian, .recoveryHigh, .limitAfter: true
        default: false
        }
    }

    /// Whether it is about the second stream of traffic.
    var isOfTheSecondStream: Bool { self == .secondMedian || self == .secondHigh }

    /// The first minutes, in which a sender that knows nothing yet has to learn.
    private static let learning = Receiver.start + .seconds(120)

    private static let noticing = Duration.seconds(10)

    /// The median over the runs, but the worst for what must never be exceeded; nil where nothing
    /// happened that it could be made of.
    package func value(of records: [Record], in scenario: Scenario) -> Double? {
        let end = Receiver.start + scenario.duration
        func median(_ figure: (Record) -> Double?) -> Double? {
            percentile(records.compactMap(figure), 0.5)
        }
        func recoveries() -> [Double] {
            guard let recovery = scenario.recovery else { return [] }
            // A run that never saw one counts as the whole time.
            return records.map {
                ($0.firstDelivery(after: recovery) ?? end) - recovery
            }.map { $0 / .seconds(1) }
        }
        switch self {
        case .deferred: return median { $0.deferredShare() }
        case .deferredLate: return median { $0.deferredShare(after: Self.learning) }
        case .throughput:
            return median { $0.throughput(from: Self.learning, to: end) / scenario.capacity }
        case .connections: return records.map(\.mostConnections).max().map(Double.init)
        case .attempts, .probes:
            guard let outage = scenario.receiver.outage else { return nil }
            // What is under way when it begins is lost with it; what comes after are probes.
            let from = Receiver.start + outage.from + (self == .probes ? Self.noticing : .zero)
            let to = Receiver.start + outage.from + outage.length
            return median { Double($0.attempts(from: from, to: to)) }
        case .recoveryMedian: return percentile(recoveries(), 0.5)
        case .recoveryHigh: return percentile(recoveries(), 0.99)
        case .limitAfter:
            guard let recovery = scenario.recovery else { return nil }
            return median { record in
                guard let first = record.firstDelivery(after: recovery),
                    let full = record.filled(
                        scenario.policy.limits.concurrency, after: recovery)
                else { return nil }
                return max(0, (full - first) / .seconds(1))
            }
        case .delayMedian: return median { delay($0, stream: 0, 0.5) }
        case .delayHigh: return median { delay($0, stream: 0, 0.99) }
        case .secondMedian: return median { delay($0, stream: 1, 0.5) }
        case .secondHigh: return median { delay($0, stream: 1, 0.99) }
        case .attemptsEach:
            return median { $0.arrived == 0 ? nil : Double($0.attempts.count) / Double($0.arrived) }
        case .left: return median { Double($0.left) }
        }
    }

    private func delay(_ record: Record, stream: Int, _ share: Double) -> Double? {
        percentile(record.waits(stream: stream).map { $0 / .seconds(1) }, share)
    }
}

/// The smallest value that at least this share of the values does not exceed.
func percentile(_ values: [Double], _ share: Double) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let rank = Int((Double(sorted.count) * share).rounded(.up))
    return sorted[min(max(rank, 1), sorted.count) - 1]
}
