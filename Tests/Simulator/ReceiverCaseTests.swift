import Scheduler
import Testing

@testable import Simulator

/// The scheduler against small receivers of many kinds; `make simulate` has the large ones.
@Suite struct ReceiverCaseTests {
    private func values(
        _ measures: [Measure], minutes: Int64 = 6, queued: Int, seed: UInt64 = 4,
        _ change: (inout Scenario) -> Void
    ) -> [Measure: Double] {
        var scenario = Scenario()
        scenario.duration = .seconds(minutes * 60)
        scenario.runs = 1
        scenario.isAlone = true
        scenario.measures = measures
        scenario.streams = [Scenario.Stream()]
        scenario.streams[0].queued = queued
        scenario.receiver.transactionTime = .seconds(2)
        change(&scenario)
        return Runner(scenario, seed: seed).rows()[0].values
    }

    @Test(
        arguments: [(1, ReceiverModel.LimitStage.greeting)]
            + [3, 10].flatMap { limit in
                ReceiverModel.LimitStage.allCases.map { (limit, $0) }
            })
    func aLimitOfConnections(limit: Int, stage: ReceiverModel.LimitStage) throws {
        let values = values([.deferred, .throughput, .connections], queued: 2500) {
            $0.receiver.connectionLimit = limit
            $0.receiver.limitAt = stage
            if limit == 1 { $0.receiver.transactionTime = .milliseconds(500) }
        }
        #expect(try #require(values[.deferred]) <= 0.03)
        #expect(try #require(values[.throughput]) >= 0.95)
    }

    @Test(
        arguments: [
            ("5/s", 20, true), ("5/s", 100, false), ("1/s", 5, true),
            ("30/min", 5, false), ("30/min", 1, true), ("40/min", 1, false), ("20/min", 1, true),
        ] as [(String, Double, Bool)])
    func aLimitedRate(rate: String, burst: Double, closes: Bool) throws {
        let values = values([.deferredLate, .throughput], minutes: 15, queued: 5000) {
            $0.receiver.transactionTime = .milliseconds(400)
            $0.receiver.quota = ReceiverModel.Quota(
                rate: Rate(text: rate)!, burst: burst, closes: closes)
        }
        #expect(try #require(values[.deferredLate]) <= 0.03)
        #expect(try #require(values[.throughput]) >= 0.9)
    }

    @Test(
        arguments: [
            (2, .busy, 1), (4, .refuse, 1), (4, .busy, 1), (4, .busy, nil), (4, .timeout, 20),
            (8, .busy, 20), (4, .timeout, 1), (8, .timeout, 1), (40, .timeout, 1),
            (2, .timeout, 1),
        ] as [(Int, ReceiverModel.Fault, Int?)])
    func oneBadMachine(of machines: Int, fault: ReceiverModel.Fault, perConnection: Int?) throws {
        let values = values([.throughput], queued: 4500) {
            $0.receiver.machines = machines
            $0.receiver.badMachines = 1
            $0.receiver.fault = fault
            $0.receiver.messagesPerConnection = perConnection
        }
        #expect(try #require(values[.throughput]) >= (machines == 2 ? 0.5 : 0.7))
    }

    /// That it is one machine of several is found out while the first thousand messages go, however
    /// fast that is: of the time that a healthy pool would take for most of them.
    @Test(arguments: [5, 20, nil])
    func aBusyMachineIsFoundOutSoon(perConnection: Int?) throws {
        func time(machines: Int, seed: UInt64) -> Duration {
            var scenario = Scenario()
            scenario.policy.limits.concurrency = 10
            scenario.streams = [Scenario.Stream()]
            scenario.streams[0].queued = 1000
            scenario.receiver.connectTime = .milliseconds(1)
            scenario.receiver.transactionTime = .milliseconds(24)
            scenario.receiver.messagesPerConnection = perConnection
            scenario.receiver.machines = machines
            scenario.receiver.badMachines = machines - 1 > 0 ? 1 : 0
            scenario.receiver.fault = .busy
            var simulation = Simulation(
                SluiceSender(policy: scenario.policy, seed: seed), model: scenario.receiver,
                seed: seed)
            for mail in Traffic(scenario, seed: seed) { simulation.add(mail) }
            simulation.run(until: Receiver.start + .seconds(60)) { $0.deliveries.count >= 850 }
            return simulation.record.deliveries.last!.at - Receiver.start
        }
        let well = time(machines: 1, seed: 1)
        let shares = (1...40).map { well / time(machines: 4, seed: $0) }.sorted()
        #expect(shares[20] >= 0.7, "the median of \(shares)")
        #expect(shares[4] >= 0.4, "the worst but four")
    }

    @Test(arguments: [true, false])
    func aLimitedRateOfConnections(names: Bool) throws {
        let values = values([.deferredLate, .throughput], minutes: 12, queued: 1500) {
            $0.receiver.connectionQuota = ReceiverModel.Quota(
                rate: Rate(text: "40/min")!, burst: 6)
            $0.receiver.namesConnectionRate = names
            $0.receiver.messagesPerConnection = 2
        }
        #expect(try #require(values[.deferredLate]) <= 0.03)
        #expect(try #require(values[.throughput]) >= 0.9)
    }

    @Test(arguments: ReceiverModel.Fault.allCases)
    func anOutage(fault: ReceiverModel.Fault) throws {
        let values = values(
            [.probes, .recoveryHigh, .limitAfter, .connections], minutes: 180, queued: 600
        ) {
            $0.receiver.transactionTime = .seconds(1)
            $0.receiver.outage = .init(from: .seconds(2), length: .seconds(7200), fault: fault)
        }
        #expect(try #require(values[.probes]) <= 31)
        #expect(try #require(values[.recoveryHigh]) <= 330)
        #expect(try #require(values[.limitAfter]) <= 60)
        #expect(try #require(values[.connections]) <= 20)
    }

    /// Most outages are short: a restart.
    @Test(arguments: [(1, 120.0), (10, 330)])
    func aShortOutage(minutes: Int64, most: Double) throws {
        for fault in ReceiverModel.Fault.allCases {
            let values = values([.probes, .recoveryHigh], minutes: 20, queued: 300) {
                $0.runs = 4
                $0.endsWithDelivery = true
                $0.receiver.outage = .init(
                    from: .seconds(30), length: .seconds(minutes * 60), fault: fault)
            }
            #expect(try #require(values[.recoveryHigh]) <= most)
            #expect(try #require(values[.probes]) <= 5)
        }
    }

    /// Greylisting is not always set to five minutes.
    @Test(arguments: [(1, 6.0), (5, 6), (15, 17), (30, 33), (60, 65)])
    func greylisting(minutes: Int64, most: Double) throws {
        let values = values([.delayMedian, .delayHigh], minutes: 90, queued: 100) {
            $0.receiver.greylisting = .seconds(minutes * 60)
        }
        #expect(try #require(values[.delayMedian]) <= most * 60)
        #expect(try #require(values[.delayHigh]) <= most * 60 + 30)
    }

    /// A hundred thousand that wait do not delay a password reset.
    @Test func aBulkRunBesideResets() throws {
        let values = values([.secondMedian, .secondHigh], minutes: 4, queued: 100_000) {
            $0.streams.append(Scenario.Stream())
            $0.streams[1].rate = Rate(text: "20/min")
            $0.streams[1].from = .seconds(30)
        }
        // Two seconds are the transaction's own.
        #expect(try #require(values[.secondMedian]) <= 2.6)
        #expect(try #require(values[.secondHigh]) <= 4)
    }

    @Test func theSameSeedGivesTheSameFigures() {
        func run(_ seed: UInt64) -> [Measure: Double] {
            values([.deferred, .throughput, .delayHigh], queued: 1000, seed: seed) {
                $0.receiver.machines = 3
                $0.receiver.badMachines = 1
                $0.receiver.messagesPerConnection = 2
            }
        }
        #expect(run(1) == run(1) && run(1) != run(2))
    }

    /// The models of the others do what their manuals say about an outage.
    @Test func peers() throws {
        var scenario = Scenario()
        scenario.duration = .seconds(3600)
        scenario.runs = 1
        scenario.streams = [Scenario.Stream()]
        scenario.streams[0].queued = 200
        scenario.receiver.outage = .init(from: .zero, length: .seconds(1800), fault: .refuse)
        scenario.measures = [.attempts, .recoveryMedian]
        let rows = Runner(scenario, seed: 1).rows()
        #expect(rows.map(\.sender) == ["Sluice", "Postfix", "Exim", "Haraka", "KumoMTA"])
        let attempts = rows.map { $0.values[.attempts] ?? 0 }
        #expect(attempts[0] < 20 && attempts[1] < attempts[3])
        // Each message at 0, 64, 192, 448, 960 s: nobody looks at the host.
        #expect(attempts[3] == 1000)
    }
}
