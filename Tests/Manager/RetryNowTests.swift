import Control
import Mail
import Scheduler
import Testing

@testable import Manager
@testable import Spool

/// "Retry now" for a destination that backs off for an hour, and what is left of it when processes
/// die.
@Suite("Retry now", .timeLimit(.minutes(15)))
struct RetryNowTests {
    /// A destination with one delivery that its worker backs off from, as it has reported.
    private func withBackoff(_ body: (Rig, Int64, ActionRunner, Planner) async throws -> Void)
        async throws
    {
        try await withRig { rig in
            let id = try await rig.destination(withMailTo: ["u@a.test"])
            try await report(rig, id, Self.backingOff())
            let handle = try await rig.on { DispatcherHandle($0.dispatcher) }
            try await body(
                rig, id, ActionRunner(dispatcher: handle, reader: rig.reader),
                Planner(dispatcher: handle, reader: rig.reader))
        }
    }

    private static func backingOff() throws -> [UInt8] {
        var scheduler = Scheduler(seed: 1)
        let id = DestinationID(rawValue: 1)
        let start = Instant(nanoseconds: 0)
        var policy = DestinationPolicy()
        policy.retry.breakerFirst = .seconds(3600)
        policy.retry.breakerCap = .seconds(3600)
        scheduler.add(id, policy: policy, snapshot: nil, at: start)
        scheduler.enqueue(
            Entry(
                id: DeliveryID(rawValue: 1 << 16), destination: id, due: start, received: start,
                attempts: 0, size: 100, sender: 1), at: start)
        let next = scheduler.next(at: start)
        let begun = try #require(next)
        _ = scheduler.finished(
            begun.delivery, of: id, .deferred(.connect, reply: "refused"), connection: .closed,
            at: start)
        let snapshot = scheduler.snapshot(id, at: start)
        return try #require(snapshot).encoded
    }

    private func report(_ rig: Rig, _ destination: Int64, _ snapshot: [UInt8]) async throws {
        try await rig.on { stage in
            stage.say(
                .status([
                    DestinationReport(
                        destination: destination, ready: 1, delayed: 0, running: [],
                        connections: 0, window: 5, limit: 20, tokens: nil, burst: nil, rate: nil,
                        breaker: 1, breakerUntil: nil, failures: 1, nextDue: nil, oldest: nil,
                        suspended: 0, latestDue: nil, learnedRate: nil,
                        learnedConnectionRate: nil, waits: [], exchangers: [], snapshot: snapshot)
                ]), from: 1)
        }
    }

    private func retry(_ runner: ActionRunner, _ planner: Planner) async throws {
        let plan = try await planner.plan(
            PlanRequest(action: .retry, selector: Selector(filter: "domain = a.test")))
        _ = try await runner.apply(plan.id, ApplyRequest(), by: "ann")
    }

    /// How long whoever gets it next is told to wait.
    private func waitOfNextOwner(_ rig: Rig) async throws -> Duration? {
        try await rig.on { stage in
            stage.killWorker(1)
            stage.addWorker(2)
            for case .assign(let assignment) in stage.frames(2).reversed() {
                return DestinationSnapshot(decoding: assignment.snapshot)?.openFor
            }
            return nil
        }
    }

    private func stored(_ rig: Rig, _ id: Int64) throws -> Duration? {
        let record = try rig.spool.destinations().first { $0.id == id }
        let bytes = StoredSnapshot(decoding: record?.scheduler ?? []).bytes
        return DestinationSnapshot(decoding: bytes)?.openFor
    }

    @Test func withoutItTheNextOwnerWaits() async throws {
        try await withBackoff { rig, _, _, _ in
            let wait = try await waitOfNextOwner(rig)
            #expect(wait ?? .zero > .seconds(3000))
        }
    }

    /// On disk with the due times: a start after a crash finds both.
    @Test func itIsStoredWithTheDueTimes() async throws {
        try await withBackoff { rig, id, runner, planner in
            try await retry(runner, planner)
            #expect(try stored(rig, id) == .zero)
        }
    }

    @Test func theNextOwnerKnows() async throws {
        try await withBackoff { rig, _, runner, planner in
            try await retry(runner, planner)
            #expect(try await waitOfNextOwner(rig) == .zero)
        }
    }

    /// The worker said so before it heard of it, and then dies.
    @Test func aReportFromBeforeDoesNotHideIt() async throws {
        try await withBackoff { rig, id, runner, planner in
            try await retry(runner, planner)
            try await report(rig, id, Self.backingOff())
            try await rig.on { $0.dispatcher.persistSnapshots() }
            try await rig.drain()
            #expect(try stored(rig, id) == .zero)
            #expect(try await waitOfNextOwner(rig) == .zero)
        }
    }

    /// It was tried, in vain: the destination backs off again, and its next owner too.
    @Test func anAttemptEndsIt() async throws {
        try await withBackoff { rig, id, runner, planner in
            try await retry(runner, planner)
            let delivery = try #require(try rig.stored().first).id
            try await rig.on { stage in
                stage.report(delivery, of: id, [.deferred], disposition: .retry, from: 1)
            }
            try await report(rig, id, Self.backingOff())
            let wait = try await waitOfNextOwner(rig)
            #expect(wait ?? .zero > .seconds(3000))
        }
    }
}
