import Control
import Foundation
import Mail
import NIOCore
import Scheduler
import Settings
import Testing

@testable import Manager
@testable import Spool

/// Weights, pins, and what another number of workers moves.
@Suite(.timeLimit(.minutes(15))) struct WorkerShareTests {
    /// Workers 1…n and one delivery for each of so many destinations.
    private func withDestinations(
        _ count: Int, workers: Int, weights: [Double] = [],
        _ body: (Rig) async throws -> Void
    ) async throws {
        try await withRig({ $0.workerWeights = weights }) { rig in
            try await rig.on { stage in
                for worker in 1...workers { stage.addWorker(worker) }
                for number in 0..<count {
                    _ = stage.dispatcher.learn(
                        domain: "d\(number).test", identity: "192.0.2.\(number)",
                        ttl: .seconds(600))
                    _ = stage.accept(["u@d\(number).test"])
                }
            }
            try await rig.drain()
            try await body(rig)
        }
    }

    private func owners(_ rig: Rig) async throws -> [Int64: Int] {
        try await rig.on { stage in
            stage.dispatcher.table.compactMapValues { $0.ownership.worker }
        }
    }

    @Test func weightsDivideTheDestinations() async throws {
        try await withDestinations(200, workers: 2, weights: [1, 3]) { rig in
            let owners = try await owners(rig)
            let heavy = owners.values.count { $0 == 2 }
            #expect(owners.count == 200 && (130...170).contains(heavy))
            try await rig.on { stage in
                for worker in 1...2 {
                    stage.dispatcher.workerRows[worker] = WorkerRow(id: worker, state: .running)
                }
                let rows = stage.dispatcher.workerList(at: stage.dispatcher.clocks.wall())
                #expect(rows.map(\.weight) == [1, 3])
                #expect(abs(rows[1].share - 0.75) < 0.05)
                #expect(abs(rows.reduce(0) { $0 + $1.share } - 1) < 1e-9)
            }
        }
    }

    @Test func newWeightsMoveOnlyWhatMustMove() async throws {
        try await withDestinations(200, workers: 3) { rig in
            let before = try await owners(rig)
            try await rig.on { stage in
                stage.dispatcher.configuration.workerWeights = [1, 1, 2]
                stage.dispatcher.ring = stage.dispatcher.ring(of: [1, 2, 3])
                stage.dispatcher.rebalance()
            }
            // What has to move is asked back from its owner; all of it goes to the third.
            let (moving, targets) = try await rig.on { stage in
                let moving = stage.dispatcher.table.values.filter {
                    if case .surrendering = $0.ownership { true } else { false }
                }
                return (moving.count, Set(moving.compactMap { stage.dispatcher.target(of: $0) }))
            }
            #expect(targets == [3])
            // From a third to a half.
            #expect((20...50).contains(moving))
            #expect(before.values.count { $0 == 3 } + moving < 130)
        }
    }

    /// Mail must not wait for the others to come back.
    @Test func workersWithoutAWeightServeWhenNoOthersLive() async throws {
        try await withDestinations(20, workers: 2, weights: [1, 0]) { rig in
            #expect(try await Set(owners(rig).values) == [1])
            try await rig.on { $0.killWorker(1) }
            try await rig.drain()
            #expect(try await Set(owners(rig).values) == [2])
        }
    }

    /// A drained worker hands over all it has, also what is pinned to it, and gets nothing new.
    @Test func aDrainedWorkerGetsNothing() async throws {
        try await withDestinations(60, workers: 3) { rig in
            let foretold = try await rig.on { stage in
                let dispatcher = stage.dispatcher
                for (id, destination) in dispatcher.table where id % 7 == 0 { destination.pin = 2 }
                dispatcher.rebalance()
                return Set(
                    dispatcher.moves(toWorkers: 3, drained: [2: "ann"]).map(\.destination.id))
            }
            let (left, shares) = try await rig.on { stage in
                let dispatcher = stage.dispatcher
                let had = Set(
                    dispatcher.table.values.filter { $0.ownership.worker == 2 }.map(\.id))
                dispatcher.drained = [2: "ann"]
                dispatcher.ring = dispatcher.ring(of: [1, 2, 3])
                dispatcher.rebalance()
                let targets = dispatcher.table.values.map { dispatcher.target(of: $0) }
                return (
                    (had, Set(targets)), dispatcher.ring.shares
                )
            }
            #expect(left.0.isSubset(of: foretold) && !left.0.isEmpty)
            #expect(left.1 == [1, 3])
            #expect(shares[2] == nil)
            // Until no other lives.
            let last = try await rig.on { stage in
                stage.dispatcher.ring(of: [2]).shares[2]
            }
            #expect(last == 1)
        }
    }

    @Test func drainedWorkersAreWrittenDown() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-drained-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = DrainedWorkers(directory: folder)
        #expect(file.read() == [:])
        #expect(file.write([2: "ann (uid 7)", 11: "bob\n3 eve"]))
        #expect(file.read().keys.sorted() == [2, 11])
        #expect(file.read()[2] == "ann (uid 7)")
        #expect(file.write([:]))
        #expect(file.read() == [:])
        #expect(!DrainedWorkers(directory: folder + "/nowhere").write([1: "x"]))
    }

    @Test func moreWorkersAreForetold() async throws {
        try await withDestinations(200, workers: 2) { rig in
            let (before, moving) = try await rig.on { stage in
                let table = stage.dispatcher.table
                return (
                    table.compactMapValues { $0.ownership.worker },
                    Set(stage.dispatcher.moves(toWorkers: 3, drained: [:]).map(\.destination.id))
                )
            }
            #expect((40...90).contains(moving.count))
            try await rig.on { $0.addWorker(3) }
            let asked = try await rig.on { stage in
                Set(
                    stage.dispatcher.table.values.filter {
                        if case .surrendering = $0.ownership { true } else { false }
                    }.map(\.id))
            }
            #expect(asked == moving)
            #expect(before.count == 200)
        }
    }

    @Test func pinsSurviveARestart() async throws {
        try await withDestinations(1, workers: 2) { rig in
            let (id, other) = try await rig.on { stage in
                let known = stage.dispatcher.table.values.first!
                let other = 3 - known.ownership.worker!
                known.pin = other
                stage.dispatcher.persist(known)
                stage.dispatcher.move(known)
                return (known.id, other)
            }
            try await rig.drain()
            let record = try #require(try rig.spool.destinations().first { $0.id == id })
            #expect(record.pin == other)
            let state = try RestoredState(rig.spool)
            try await rig.on { stage in
                for known in Array(stage.dispatcher.table.values) { stage.dispatcher.strike(known) }
                stage.dispatcher.restore(state, lived: stage.dispatcher.clocks.wall())
                #expect(stage.dispatcher.table[id]?.pin == other)
                #expect(stage.dispatcher.target(of: stage.dispatcher.table[id]!) == other)
            }
        }
    }

    /// "Retry now" for a destination that is being handed over reaches its next owner.
    @Test func retryNowReachesTheNextOwner() async throws {
        try await withDestinations(1, workers: 2) { rig in
            let delivery = try #require(try rig.stored().first)
            let id = try #require(delivery.destination)
            let (owner, other) = try await rig.on { stage in
                let known = stage.dispatcher.table[id]!
                let owner = known.ownership.worker!
                known.pin = 3 - owner
                stage.dispatcher.move(known)
                stage.dispatcher.retryNow([delivery.id], of: id)
                return (owner, 3 - owner)
            }
            try await rig.on { stage in
                stage.say(.surrendered(destination: id, snapshot: []), from: owner)
            }
            try await rig.drain()
            try await rig.on { stage in
                let asked = stage.frames(other).contains {
                    if case .retryNow(id, let ids) = $0 { ids == [delivery.id] } else { false }
                }
                #expect(asked)
                #expect(stage.held(id, by: other) == [delivery.id])
            }
        }
    }
}
