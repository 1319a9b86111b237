import Control
import Mail
import Testing

@testable import Manager
@testable import Spool

/// Counts that are wrong become right; those that are right stay.
@Suite(.timeLimit(.minutes(15))) struct HealingTests {
    /// A destination at rest with two deliveries, of which its owner says that it has `reported`.
    private func withTwo(
        reported: Int, _ change: @escaping @Sendable (Destination) -> Void = { _ in },
        meanwhile: @escaping @Sendable (Stage, Destination) -> Void = { _, _ in }
    ) async throws -> Int {
        var count = -1
        try await withRig { rig in
            let id = try await rig.destination(withMailTo: ["u@a.test", "v@a.test"])
            try await rig.on { stage in
                stage.say(
                    .status([
                        DestinationReport(
                            destination: id, ready: reported, delayed: 0, running: [],
                            connections: 0, window: 5, limit: 20, tokens: nil, burst: nil,
                            rate: nil, breaker: 0, breakerUntil: nil, failures: 0, nextDue: nil,
                            oldest: nil, suspended: 0, latestDue: nil, learnedRate: nil,
                            learnedConnectionRate: nil, waits: [], exchangers: [], snapshot: [])
                    ]), from: 1)
                let destination = stage.dispatcher.table[id]!
                change(destination)
                destination.lastActive = stage.dispatcher.clocks.wall() + .seconds(-60)
                stage.dispatcher.healCounts()
                meanwhile(stage, destination)
            }
            try await rig.drain()
            count = try await rig.on { $0.dispatcher.table[id]!.queued }
        }
        return count
    }

    /// The owner said so before it got its mail, and this process stood still since.
    @Test func anOldReportChangesNothing() async throws {
        #expect(try await withTwo(reported: 0) == 2)
    }

    @Test func aWrongCountTakesTheSpools() async throws {
        #expect(try await withTwo(reported: 2) { $0.queued = 7 } == 2)
    }

    @Test func notWhileSomethingHappens() async throws {
        let queued = try await withTwo(reported: 2) {
            $0.queued = 7
        } meanwhile: { _, destination in
            destination.queued += 1
        }
        #expect(queued == 8)
    }
}
