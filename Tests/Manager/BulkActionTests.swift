import Control
import Foundation
import Mail
import NIOCore
import Scheduler
import Settings
import Synchronization
import Testing

@testable import Manager
@testable import Spool

/// Actions on more deliveries than are changed in one transaction.
@Suite("Actions on many")
struct BulkActionTests {
    private static let count = ActionRunner.part * 2 + 500

    /// Mail for three destinations that a worker has, every tenth held.
    private func withQueue(
        undo window: Duration = .seconds(600),
        _ body: (Rig, ActionRunner, Planner) async throws -> Void
    ) async throws {
        try await withRig({ $0.undo.purgeWindow = window }) { rig in
            let now = UnixTime(milliseconds: 1_800_000_000_000)
            var writes = (1...3).map { number -> SpoolWrite in
                .destination(
                    DestinationRecord(
                        id: Int64(number), identity: "d\(number)", name: "d\(number)", domains: []))
            }
            let ids = try rig.spool.reserveMessageIDs(Self.count)
            for number in ids {
                let message = MessageID(rawValue: number)
                let id = DeliveryID(message: message, ordinal: 0)
                writes.append(
                    .accept(
                        NewMessage(
                            record: MessageRecord(
                                id: message, sender: "s\(number % 7)@x", receivedAt: now,
                                expiresAt: now + .seconds(86_400), size: 10),
                            body: ByteBuffer(string: "x"),
                            deliveries: [
                                NewDelivery(
                                    id: id, destination: number % 3 + 1, domain: "d.test",
                                    recipients: [StoredRecipient(address: "u\(number)@d.test")],
                                    nextAttemptAt: now)
                            ])))
                if number % 10 == 0 {
                    writes.append(.mark([id], from: [.queued], to: .held, at: nil))
                }
            }
            try rig.spool.commit(writes)
            let state = try RestoredState(rig.spool)
            try await rig.on { stage in
                stage.dispatcher.restore(state, lived: stage.dispatcher.clocks.wall())
                stage.addWorker(1)
            }
            try await rig.drain(rounds: 20)
            let handle = try await rig.on { DispatcherHandle($0.dispatcher) }
            try await body(
                rig, ActionRunner(dispatcher: handle, reader: rig.reader),
                Planner(dispatcher: handle, reader: rig.reader))
        }
    }

    /// What is stored, by state; what the loop counts; and what the worker has.
    private func counts(_ rig: Rig) async throws -> [[Int]] {
        var stored: [StoredState: Int] = [:]
        for delivery in try rig.stored() { stored[delivery.state, default: 0] += 1 }
        let states: [StoredState] = [.queued, .held, .purging]
        return try await rig.on { [stored] stage in
            let table = stage.dispatcher.table.values
            return [
                states.map { stored[$0, default: 0] },
                [
                    table.reduce(0) { $0 + $1.queued }, table.reduce(0) { $0 + $1.held },
                    table.reduce(0) { $0 + $1.purging },
                ],
                [(1...3).reduce(0) { $0 + stage.held($1, by: 1).count }],
            ]
        }
    }

    /// The worker has forgotten what it was told to, and none of it runs.
    private func answering<T: Sendable>(
        _ rig: Rig, _ body: () async throws -> T
    ) async throws -> T {
        try await rig.on { stage in
            stage.recorders[1]!.onFrame = { [unowned stage] in
                guard case .withdraw(let request, _)? = stage.recorders[1]?.frames.last else {
                    return
                }
                stage.dispatcher.loop.assumeIsolated().execute {
                    stage.say(.withdrawn(request: request, running: []), from: 1)
                }
            }
        }
        return try await body()
    }

    private func purge(
        _ rig: Rig, _ runner: ActionRunner, _ planner: Planner
    ) async throws -> ActionRow {
        let plan = try await planner.plan(
            PlanRequest(action: .purge, selector: Selector(filter: "domain = d.test")))
        #expect(plan.counts.deliveries == Self.count && plan.counts.recipients == Self.count)
        #expect(plan.counts.destinations == 3 && plan.samples.count == 10)
        #expect(plan.topSenders.count == 5)
        return try await answering(rig) {
            try await runner.apply(
                plan.id, ApplyRequest(count: plan.counts.deliveries), by: "ann")
        }
    }

    @Test func purgeAndUndo() async throws {
        let held = Self.count / 10
        let queued = Self.count - held
        try await withQueue { rig, runner, planner in
            let before = [[queued, held, 0], [queued, held, 0], [queued]]
            #expect(try await counts(rig) == before)
            let row = try await purge(rig, runner, planner)
            #expect(row.counts.deliveries == Self.count && row.by == "ann")
            #expect(row.state == .undoable && row.undoUntil != nil)
            #expect(
                try await counts(rig) == [[0, 0, Self.count], [0, 0, Self.count], [0]])
            #expect(try await rig.on { $0.dispatcher.marked.isEmpty })
            let undone = try await runner.undo(row.id, by: "bob")
            #expect(undone.counts.deliveries == Self.count && undone.state == .undone)
            #expect(try await counts(rig) == before)
            await #expect(throws: APIError.self) { try await runner.undo(row.id, by: "bob") }
        }
    }

    @Test func theDiskFillsUpHalfWay() async throws {
        try await withQueue { rig, runner, planner in
            let commits = Atomic<Int>(0)
            rig.spool.beforeCommit { writes in
                let marks = writes.contains { if case .mark = $0 { true } else { false } }
                guard marks, commits.add(1, ordering: .relaxed).newValue == 2 else { return }
                rig.spool.failCommits(true)
            }
            await #expect(throws: APIError.self) {
                _ = try await purge(rig, runner, planner)
            }
            rig.spool.failCommits(false)
            let found = try await counts(rig)
            #expect(found[0][2] == ActionRunner.part && found[1][2] == ActionRunner.part)
            #expect(found[0] == found[1])
            #expect(try await rig.on { $0.dispatcher.actions.progress.isEmpty })
            // What was marked is on record.
            let id = try #require(try rig.spool.actions(limit: 1, offset: 0).first).id
            let undone = try await runner.undo(String(id), by: "bob")
            #expect(undone.counts.deliveries == ActionRunner.part)
            #expect(try await counts(rig)[0][2] == 0)
        }
    }

    @Test func whatIsDestroyedInPartsIsCounted() async throws {
        try await withQueue(undo: .zero) { rig, runner, planner in
            let row = try await purge(rig, runner, planner)
            let number = try #require(Int64(row.id))
            let removed = Mutex<[Int]>([])
            rig.spool.beforeCommit { [spool = rig.spool] writes in
                let isPart = writes.contains { if case .removeAll = $0 { true } else { false } }
                guard isPart else { return }
                // What a start would find that comes after a crash here.
                removed.withLock { $0.append((try? spool.removed(for: number)) ?? -1) }
            }
            try await rig.on { $0.dispatcher.destroyDue() }
            // As long as it takes: a round waits for one reader, and there are two.
            var rounds = 0
            while try rig.spool.action(number)?.state != ActionState.done.rawValue, rounds < 10_000
            {
                try await rig.drain(rounds: 1)
                rounds += 1
            }
            #expect(removed.withLock { $0 } == [0, 1000, 2000, 3000, 4000])
            let record = try #require(try rig.spool.action(number))
            #expect(record.state == ActionState.done.rawValue)
            #expect(record.result.hasSuffix("; 4,500 deliveries deleted"))
            #expect(ActionRow(record).counts.deliveries == Self.count)
            #expect(try rig.spool.removed(for: record.id) == 0)
            #expect(try await counts(rig) == [[0, 0, 0], [0, 0, 0], [0]])
            #expect(try rig.spool.messageCount() == 0)
        }
    }

    @Test func detailsOfEarlierVersionsAreRead() throws {
        let old =
            #"{"counts":{"deliveries":3,"messages":2,"recipients":3,"bytes":9,"destinations":1},"queued":[65536,131072],"held":[131073],"routing":[],"destinations":[]}"#
        let details = try #require(ActionDetails(decoding: Array(old.utf8)))
        #expect(Array(details.deliveries).map(\.description) == ["1.0", "2.0", "2.1"])
        let again = try #require(ActionDetails(decoding: details.encoded))
        #expect(again.queued == details.queued && again.held == details.held)
        #expect(ActionDetails.counts(in: details.encoded).recipients == 3)
        let odd = #"{"counts":{},"queued":"gA=="}"#
        #expect(ActionDetails(decoding: Array(odd.utf8)) == nil)
    }

    // MARK: What has changed since the preview

    /// What others held meanwhile is not what was agreed to: it is left alone, and told.
    @Test func whatChangedSinceThePreviewIsLeftAlone() async throws {
        try await withQueue { rig, runner, planner in
            let everything = Selector(filter: "domain = d.test")
            let purge = try await planner.plan(PlanRequest(action: .purge, selector: everything))
            let hold = try await planner.plan(PlanRequest(action: .hold, selector: everything))
            _ = try await answering(rig) {
                try await runner.apply(hold.id, ApplyRequest(), by: "bob")
            }
            let row = try await answering(rig) {
                try await runner.apply(
                    purge.id, ApplyRequest(count: purge.counts.deliveries), by: "ann")
            }
            let held = Self.count - hold.counts.deliveries
            #expect(row.counts.deliveries == held)
            #expect(
                row.result.contains("4,050 were held, released or purged since")
            )
            #expect(try await counts(rig)[0] == [0, hold.counts.deliveries, held])
        }
    }

    @Test func nothingIsDoneWhereNothingIsAsItWasShown() async throws {
        try await withQueue { rig, runner, planner in
            let all = Selector(filter: "state = held")
            let first = try await planner.plan(PlanRequest(action: .release, selector: all))
            let second = try await planner.plan(PlanRequest(action: .release, selector: all))
            _ = try await runner.apply(first.id, ApplyRequest(), by: "ann")
            let error = await #expect(throws: APIError.self) {
                try await runner.apply(second.id, ApplyRequest(), by: "bob")
            }
            #expect(error?.code == "plan-changed")
            #expect(error?.message.contains("nothing was done") == true)
            // And there is no record of an action.
            #expect(try rig.spool.actionCount() == 1)
        }
    }

    @Test func aDestinationThatChangedRefuses() async throws {
        try await withQueue { rig, runner, planner in
            func plan(_ ids: [String]) async throws -> Plan {
                try await planner.plan(
                    PlanRequest(action: .pause, selector: Selector(destinations: ids)))
            }
            let (one, all) = (try await plan(["1"]), try await plan(["1", "2", "3"]))
            // Whose mail it is, as for any action.
            #expect(all.counts.deliveries == Self.count && all.counts.recipients == Self.count)
            #expect(all.counts.messages == Self.count && all.counts.destinations == 3)
            #expect(one.samples.count == 10 && one.topSenders.count == 5 && one.oldestAt != nil)
            try await rig.on { stage in
                stage.dispatcher.pause(
                    stage.dispatcher.table[1]!, by: "bob", until: nil, reason: "mine")
            }
            let error = await #expect(throws: APIError.self) {
                try await runner.apply(one.id, ApplyRequest(), by: "ann")
            }
            #expect(error?.code == "plan-changed")
            #expect(error?.message.contains("d1") == true)
            let row = try await runner.apply(all.id, ApplyRequest(), by: "ann")
            #expect(row.result.contains("2 destinations paused; 1 changed since the preview"))
            let by = try await rig.on { $0.dispatcher.table[1]?.pausedBy }
            #expect(by == "bob")
        }
    }

    @Test func drainingIsPlannedAndRefused() async throws {
        try await withQueue { rig, runner, planner in
            try await rig.on { stage in
                for number in 1...2 {
                    stage.dispatcher.workerRows[number] = WorkerRow(id: number, state: .running)
                }
            }
            func plan(_ action: ActionKind, _ worker: Int?) async throws -> Plan {
                try await planner.plan(
                    PlanRequest(action: action, selector: Selector(), worker: worker))
            }
            let drain = try await plan(.drain, 1)
            #expect(drain.counts.destinations == 3)
            #expect(drain.notes.contains { $0.contains("worker 2 gets 3") })
            #expect(drain.notes.contains { $0.contains("worker 1 0 %, worker 2 100 %") })
            let late = try await plan(.drain, 2)
            let row = try await runner.apply(drain.id, ApplyRequest(), by: "ann")
            #expect(row.state == .undoable)
            #expect(row.target == "worker 1")
            for (action, worker, code): (ActionKind, Int?, String) in [
                (.drain, 1, "drained-already"), (.drain, 2, "last-worker"),
                (.drain, 7, "no-such-worker"), (.drain, nil, "no-such-worker"),
                (.undrain, 2, "not-drained"),
            ] {
                let error = await #expect(throws: APIError.self) { try await plan(action, worker) }
                #expect(error?.code == code)
            }
            let reassign = await #expect(throws: APIError.self) {
                try await planner.plan(
                    PlanRequest(
                        action: .reassign, selector: Selector(destinations: ["1"]), worker: 1))
            }
            #expect(reassign?.code == "worker-drained")
            // The preview of before knew of no drain.
            let changed = await #expect(throws: APIError.self) {
                try await runner.apply(late.id, ApplyRequest(), by: "ann")
            }
            #expect(changed?.code == "plan-changed")
            _ = try await runner.undo(row.id, by: "ann")
            #expect(try await rig.on { $0.dispatcher.drained.isEmpty })
        }
    }

    // MARK: Progress

    @Test func progressIsTold() async throws {
        try await withQueue { rig, runner, planner in
            let seen = Mutex<[RunningAction]>([])
            let plan = try await planner.plan(
                PlanRequest(action: .purge, selector: Selector(filter: "domain = d.test")))
            _ = try await rig.on { stage in
                stage.recorders[1]!.onFrame = { [unowned stage] in
                    guard case .withdraw(let request, _)? = stage.recorders[1]?.frames.last else {
                        return
                    }
                    let running = stage.dispatcher.status().running ?? []
                    seen.withLock { $0 += running }
                    stage.dispatcher.loop.assumeIsolated().execute {
                        stage.say(.withdrawn(request: request, running: []), from: 1)
                    }
                }
            }
            _ = try await runner.apply(
                plan.id, ApplyRequest(count: plan.counts.deliveries), by: "ann")
            let all = seen.withLock { $0 }
            #expect(all.allSatisfy { $0.id == plan.id && $0.total == Self.count && $0.by == "ann" })
            #expect(all.map(\.phase).allSatisfy { $0 == .changing })
            #expect(all.map(\.done) == all.map(\.done).sorted() && (all.last?.done ?? 0) > 0)
            #expect(all.allSatisfy { (0...1).contains($0.fraction) })
            #expect(try await rig.on { $0.dispatcher.status().running == nil })
        }
    }
}
