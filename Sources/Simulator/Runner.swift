import Scheduler

/// Runs a scenario with each sender.
package struct Runner: Sendable {
    /// What a sender did in a scenario.
    package struct Row: Sendable {
        package var sender: String
        package var values: [Measure: Double]
    }

    private let scenario: Scenario
    private let seed: UInt64

    package init(_ scenario: Scenario, seed: UInt64) {
        self.scenario = scenario
        self.seed = seed
    }

    /// Sluice first.
    package func rows() -> [Row] {
        var rows = [row { SluiceSender(policy: scenario.policy, seed: $0) }]
        guard !scenario.isAlone else { return rows }
        for rules in PeerRules.all {
            rows.append(
                row { PeerSender(rules, limit: scenario.policy.limits.concurrency, seed: $0) })
        }
        return rows
    }

    private func row<Sender: SimulatedSender>(_ sender: (UInt64) -> Sender) -> Row {
        let records = (0..<scenario.runs).map { run in
            record(of: sender(seed &+ UInt64(run)), seed: seed &+ UInt64(run) &* 7919)
        }
        var values: [Measure: Double] = [:]
        for measure in scenario.measures {
            values[measure] = measure.value(of: records, in: scenario)
        }
        return Row(sender: sender(seed).name, values: values)
    }

    private func record<Sender: SimulatedSender>(of sender: Sender, seed: UInt64) -> Record {
        var simulation = Simulation(sender, model: scenario.receiver, seed: seed)
        for mail in Traffic(scenario, seed: seed) { simulation.add(mail) }
        let recovery = scenario.endsWithDelivery ? scenario.recovery : nil
        simulation.run(until: Receiver.start + scenario.duration) { record in
            guard let recovery, let last = record.deliveries.last else { return false }
            return last.at >= recovery
        }
        return simulation.record
    }
}
