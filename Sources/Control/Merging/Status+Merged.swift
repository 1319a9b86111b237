/// One of the hosts or nodes of which an answer is made.
package struct StatusPart: Codable, Hashable, Sendable {
    package var name: String
    /// False: it cannot be asked now, and what is shown of it is what it said last, if anything.
    package var reached: Bool
    /// How long ago that was; nil: now, or never.
    package var staleSeconds: Double?
    /// Why it cannot be reached.
    package var problem: String?
    /// It is one of several hosts that whoever shows this has asked itself; nil: a node.
    package var isHost: Bool?

    package init(
        name: String, reached: Bool, staleSeconds: Double? = nil, problem: String? = nil,
        isHost: Bool? = nil
    ) {
        self.isHost = isHost
        self.name = name
        self.reached = reached
        self.staleSeconds = staleSeconds
        self.problem = problem
    }
}

extension Status {
    /// The parts as one: what is counted is added up, as each said it last. Rates are those of the
    /// parts that were reached: what the others do now is not known.
    ///
    /// - Parameter parts: with nil where a part has never been reached. The workers, nodes and
    ///   running actions of each say by themselves whose they are.
    /// - Returns: nil where no part has ever been reached.
    package static func merged(_ parts: [(part: StatusPart, status: Status?)]) -> Status? {
        let known = parts.compactMap { part in part.status.map { (part: part.part, status: $0) } }
        guard var merged = known.first?.status else { return nil }
        let live = known.filter(\.part.reached)
        merged.parts = parts.map(\.part)
        merged.at = known.map(\.status.at).max() ?? merged.at
        merged.hostname = parts.map(\.part.name).joined(separator: ", ")
        merged.startedAt = known.map(\.status.startedAt).min() ?? merged.startedAt
        merged.totals = known.reduce(Totals()) { $0 + $1.status.totals }
        merged.rates = live.reduce(Rates()) { $0 + $1.status.rates }
        merged.workers = known.flatMap(\.status.workers)
        let nodes = known.compactMap(\.status.nodes)
        merged.nodes = nodes.isEmpty ? nil : nodes.flatMap { $0 }
        let running = known.flatMap { $0.status.running ?? [] }.sorted { $0.since < $1.since }
        merged.running = running.isEmpty ? nil : running
        func joined(_ text: (Status) -> String?) -> String? {
            PartTexts.joined(known.map { ($0.part.name, text($0.status)) })
        }
        merged.spoolError = joined(\.spoolError)
        merged.intakeError = joined(\.intakeError)
        merged.warning = joined(\.warning)
        merged.mayOperate = live.contains { $0.status.mayOperate }
        merged.mayNotOperateBecause = joined { status in
            status.mayOperate ? nil : status.mayNotOperateBecause ?? "not allowed"
        }
        return merged
    }
}

extension Totals {
    package static func + (a: Totals, b: Totals) -> Totals {
        var sum = a
        sum.messages += b.messages
        sum.deliveries += b.deliveries
        sum.routing += b.routing
        sum.ready += b.ready
        sum.delivering += b.delivering
        sum.delayed += b.delayed
        sum.held += b.held
        sum.purging += b.purging
        sum.destinations += b.destinations
        sum.paused += b.paused
        sum.backoff += b.backoff
        sum.connections += b.connections
        sum.accepted += b.accepted
        sum.delivered += b.delivered
        sum.deferred += b.deferred
        sum.bounced += b.bounced
        return sum
    }
}

extension Rates {
    package static func + (a: Rates, b: Rates) -> Rates {
        var sum = a
        sum.accepted += b.accepted
        sum.delivered += b.delivered
        sum.deferred += b.deferred
        sum.bounced += b.bounced
        sum.history = sum.history.addedFromTheEnd(b.history)
        return sum
    }
}

extension [Int] {
    /// The last with the last: histories end now, however long they are.
    package func addedFromTheEnd(_ other: [Int]) -> [Int] {
        let (longer, shorter) = count < other.count ? (other, self) : (self, other)
        var sum = longer
        for (index, value) in shorter.enumerated() {
            sum[longer.count - shorter.count + index] += value
        }
        return sum
    }
}
