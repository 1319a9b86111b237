import Control
import Mail
import Testing

@testable import Manager
@testable import Spool

/// What the page of a destination tells of its breaker.
@Suite(.timeLimit(.minutes(15))) struct BreakerHistoryTests {
    private static func report(
        _ destination: Int64, _ breaker: UInt8, until: Double? = nil, failures: Int
    ) -> DestinationReport {
        DestinationReport(
            destination: destination, ready: 1, delayed: 0, running: [], connections: 0, window: 5,
            limit: 20, tokens: nil, burst: nil, rate: nil, breaker: breaker,
            breakerUntil: until.map { UnixTime(milliseconds: Int64($0 * 1000)) },
            failures: failures, nextDue: nil, oldest: nil, suspended: 0, latestDue: nil,
            learnedRate: nil, learnedConnectionRate: nil, waits: [], exchangers: [], snapshot: [])
    }

    /// A probe that is refused at once is over before anybody has reported it.
    @Test func everyOpeningIsTold() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                let dispatcher = stage.dispatcher
                let destination = dispatcher.learn(
                    domain: "a.test", identity: "192.0.2.1", ttl: .seconds(600))
                destination.ownership = .owned(1)
                func states() -> [BreakerState] {
                    destination.past.breakerChanges.reversed().map(\.state)
                }
                for report in [
                    Self.report(destination.id, 0, failures: 1),
                    Self.report(destination.id, 1, until: 100, failures: 2),
                    // Nothing new; a transaction that was under way when it opened.
                    Self.report(destination.id, 1, until: 100, failures: 2),
                    Self.report(destination.id, 1, until: 100, failures: 3),
                ] {
                    dispatcher.reported([report], by: 1)
                }
                #expect(states() == [.open])
                dispatcher.reported(
                    [Self.report(destination.id, 1, until: 300, failures: 4)], by: 1)
                #expect(states() == [.open, .open])
                dispatcher.reported([Self.report(destination.id, 2, failures: 4)], by: 1)
                dispatcher.reported([Self.report(destination.id, 0, failures: 0)], by: 1)
                #expect(states() == [.open, .open, .halfOpen, .closed])
            }
        }
    }

    /// It was open before, and nobody has probed since.
    @Test func anotherOwnerOpensNothing() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                let dispatcher = stage.dispatcher
                let destination = dispatcher.learn(
                    domain: "a.test", identity: "192.0.2.1", ttl: .seconds(600))
                destination.ownership = .owned(1)
                destination.snapshot = StoredSnapshotTests.snapshot().bytes
                dispatcher.reported(
                    [Self.report(destination.id, 1, until: 100, failures: 2)], by: 1)
                #expect(destination.past.breakerChanges.isEmpty)
            }
        }
    }
}
