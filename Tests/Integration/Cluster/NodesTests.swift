import Control
import DatabaseServer
import Foundation
import Glibc
import Mail
import NIOCore
import PostgreSQL
import Scheduler
import Testing

@testable import Testbed

extension Integration {
    /// Several daemons on one database.
    @Suite struct NodesTests {
        /// A database of the test's own, and receivers that are a destination each.
        struct Rig {
            let server: DatabaseServer
            let database: DatabaseAddress
            let receivers: [Receiver]
            let scene: Scene
            let limit: Int
            private let nodes = Shared<[Daemon]>([])

            private let undo: [String]

            init(
                in scene: Scene, manner: ReceiverManner = .fast, limit: Int = 20,
                undo: [String] = [], ownServer: Bool = false
            ) async throws {
                self.scene = scene
                self.undo = undo
                self.limit = limit
                server = try ownServer ? DatabaseServer() : DatabaseServer.shared.get()
                database = try server.createDatabase()
                var receivers: [Receiver] = []
                for number in 0..<Self.count {
                    receivers.append(
                        try await scene.receiver("mx\(number)", manner, keep: .deliveries))
                }
                self.receivers = receivers
            }

            static let count = 12

            func settings(_ name: String?, lease: String) -> DaemonSettings {
                var settings = DaemonSettings()
                settings.workers = 1
                for (number, receiver) in receivers.enumerated() {
                    settings.routes["d\(number).test"] = receiver.route
                }
                settings.limits = ["rate = \"off\"", "concurrency = \(limit)"]
                settings.undo = undo
                settings.more = "[spool]\nurl = \"\(database.url)\""
                if let name {
                    settings.more += "\n[cluster]\nnode = \"\(name)\"\nlease = \"\(lease)\""
                }
                return settings
            }

            func node(_ name: String, lease: String) async throws -> Daemon {
                let node = try await scene.daemon(settings(name, lease: lease), name: name)
                nodes.value.append(node)
                return node
            }

            /// So many messages to each receiver, over this node.
            func send(_ count: Int, _ prefix: String, over daemon: Daemon) async throws {
                let mails = (0..<count * Self.count).map {
                    TestMail("\(prefix)\($0)", to: "u\($0)@d\($0 % Self.count).test")
                }
                try await scene.send(mails, to: daemon.port)
            }

            /// Each receiver's destination has worked once, and is paused.
            func pauseAll(over daemon: Daemon) async throws {
                try await send(1, "first", over: daemon)
                try await daemon.awaitEmptyQueue()
                let paused = try await daemon.act(.pause, Selector(filter: "queued = 0"))
                #expect(paused.counts.destinations == Self.count)
            }

            /// Waits until each of the messages that were sent with these counts and prefixes has come.
            func takes(_ sent: [(count: Int, prefix: String)]) async throws {
                do {
                    try await waitUntil("all is delivered") { missing(sent).isEmpty }
                } catch {
                    let logs = nodes.value.map { node in
                        node.logText.split(separator: "\n").suffix(30).joined(separator: "\n")
                    }
                    throw Overdue(
                        description: "\(error), missing: \(missing(sent).sorted())\n"
                            + logs.joined(separator: "\n--\n"))
                }
            }

            func missing(_ sent: [(count: Int, prefix: String)]) -> Set<String> {
                var missing: Set<String> = []
                for (count, prefix) in sent {
                    for number in 0..<count * Self.count { missing.insert("\(prefix)\(number)") }
                }
                for receiver in receivers {
                    for delivery in receiver.statistics.deliveries.keys {
                        missing.remove(delivery.id)
                    }
                }
                return missing
            }

            var delivered: Int { receivers.reduce(0) { $0 + $1.statistics.messages } }
            var duplicates: Int { receivers.reduce(0) { $0 + $1.statistics.duplicates } }
        }

        /// With a lease so long that nothing but a hand-over in good order gets anywhere.
        @Test func joinAndLeave() async throws {
            try await withRig { rig in
                let a = try await rig.node("a", lease: "10m")
                try await rig.send(5, "alone", over: a)
                try await rig.takes([(5, "alone")])
                // It takes its share from the first one, and mail for it comes in at both.
                let b = try await rig.node("b", lease: "10m")
                var waves = 0
                try await waitUntil("both deliver") {
                    waves += 1
                    try await rig.send(1, "w\(waves)a", over: a)
                    try await rig.send(1, "w\(waves)b", over: b)
                    let all = (1...waves).flatMap { [(1, "w\($0)a"), (1, "w\($0)b")] }
                    try await rig.takes(all)
                    return try await b.ownTotals().delivered > 0
                }
                #expect(try await a.ownTotals().delivered > 0)
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                // The first one goes; the second has everything at once.
                #expect(try await a.end(SIGTERM) == .exit(0))
                try await rig.send(3, "after", over: b)
                try await rig.takes([(3, "after")])
                // And comes back.
                try await a.start()
                try await rig.send(3, "again", over: a)
                try await rig.takes([(3, "again")])
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
            }
        }

        /// What lies in the queue goes with its destination, and is delivered once.
        @Test func aQueueIsHandedOver() async throws {
            var manner = ReceiverManner.fast
            manner.delays.endOfData = .milliseconds(20)
            try await withRig(manner: manner, limit: 2) { rig in
                let a = try await rig.node("a", lease: "10m")
                try await rig.send(60, "m", over: a)
                let b = try await rig.node("b", lease: "10m")
                var sent = [(60, "m")]
                try await waitUntil("the other one delivers too") {
                    sent.append((5, "w\(sent.count)-"))
                    try await rig.send(5, sent.last?.1 ?? "", over: a)
                    return try await b.ownTotals().delivered > 0
                }
                try await rig.takes(sent)
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
                for receiver in rig.receivers {
                    #expect(receiver.statistics.transactionsMax <= 2, "\(receiver.name)")
                }
            }
        }

        /// What the scheduler knows of a destination goes along: the next owner does not begin anew
        /// with a receiver that has been down for a while.
        @Test func aBreakerIsHandedOver() async throws {
            try await withRig { rig in
                let a = try await rig.node("a", lease: "10m")
                for receiver in rig.receivers { await receiver.goDown() }
                try await rig.send(1, "m", over: a)
                // One that begins anew would have failed once at most.
                try await waitUntil("each has failed several times") {
                    try await a.act(.retry, Selector(filter: "state = delayed or state = ready"))
                    let rows = try await a.control.destinations().rows
                    return rows.count == Rig.count
                        && rows.allSatisfy { $0.failures >= 3 && $0.state == .backoff }
                }
                let before = try await a.control.destinations().rows
                let b = try await rig.node("b", lease: "10m")
                let moved = try await eventually("it has its share") {
                    let rows = try await b.control.destinations().rows.filter {
                        $0.node == "b" && $0.worker != nil && $0.queued > 0
                    }
                    let share = try await b.control.nodes().rows.first { $0.name == "b" }
                    return share.map { $0.has == $0.share } == true && !rows.isEmpty ? rows : nil
                }
                for row in moved {
                    let last = try #require(before.first { $0.id == row.id })
                    #expect(row.failures >= last.failures, "\(row.name)")
                    #expect(row.state == .backoff || row.state == .probing, "\(row.name)")
                }
                for receiver in rig.receivers { try await receiver.comeUp() }
                try await a.act(.retry, Selector(filter: "state = delayed or state = ready"))
                try await rig.takes([(1, "m")])
                #expect(rig.duplicates == 0)
            }
        }

        /// Killed with its workers under load: the other one delivers what it had, nothing is lost,
        /// and no receiver sees more connections than its limit.
        @Test func aNodeIsKilled() async throws {
            var manner = ReceiverManner.fast
            manner.delays.endOfData = .milliseconds(20)
            try await withRig(manner: manner, limit: 2) { rig in
                let a = try await rig.node("a", lease: "4s")
                let b = try await rig.node("b", lease: "4s")
                try await rig.send(60, "m", over: a)
                try await rig.send(60, "n", over: b)
                try await waitUntil("both deliver") {
                    let first = try await a.ownTotals().delivered
                    let second = try await b.ownTotals().delivered
                    return first > 0 && second > 0
                }
                let workers = try await workers(of: a)
                let killed = ContinuousClock.now
                try await a.end(SIGKILL)
                try await waitUntil("it is declared dead") {
                    b.logText.contains("declared dead")
                }
                print("declared dead after \(ContinuousClock.now - killed), lease 4 s")
                try await rig.takes([(60, "m"), (60, "n")])
                print("all is delivered after \(ContinuousClock.now - killed)")
                try await waitUntil("nothing is left") {
                    try await b.control.messages().total == 0
                }
                for receiver in rig.receivers {
                    #expect(receiver.statistics.transactionsMax <= 2, "\(receiver.name)")
                }
                // What was delivered and not yet recorded came twice, and nothing else.
                try await waitUntil("its workers have ended") {
                    workers.allSatisfy { kill($0, 0) != 0 }
                }
                let unrecorded = try journal(of: a).count
                // (Where the other one stood still for longer than its lease, it was cut off too.)
                let stoodStill = b.logText.contains("cannot renew its lease")
                #expect(rig.duplicates <= unrecorded || stoodStill)
                print("\(rig.duplicates) came twice, \(unrecorded) were not recorded")
                // It comes back, and takes its share.
                try await a.start()
                try await rig.send(2, "again", over: a)
                try await rig.takes([(2, "again")])
            }
        }

        private func workers(of node: Daemon) async throws -> [Int32] {
            try await node.control.nodeStatus().workers.compactMap { $0.pid.map(Int32.init) }
        }

        /// The results that a node's workers have left.
        private func journal(of node: Daemon) throws -> Set<DeliveryID> {
            var found: Set<DeliveryID> = []
            let files = try FileManager.default.contentsOfDirectory(atPath: node.dataDirectory)
            for file in files where file.hasSuffix(".journal") {
                let url = URL(fileURLWithPath: node.dataDirectory + "/" + file)
                var buffer = ByteBuffer(bytes: try Data(contentsOf: url))
                while let frame = try FrameDecoder.next(in: &buffer) {
                    guard case .results(let reports) = frame else { continue }
                    found.formUnion(reports.map(\.delivery))
                }
            }
            return found
        }

        /// The database is away for longer than the lease: intake says 4xx, nothing is delivered
        /// meanwhile, and all goes on by itself.
        @Test func theDatabaseIsAway() async throws {
            try await withRig(ownServer: true) { rig in
                let a = try await rig.node("a", lease: "3s")
                let b = try await rig.node("b", lease: "3s")
                try await rig.send(2, "before", over: a)
                try await rig.takes([(2, "before")])
                try rig.server.stop(.fast)
                for daemon in [a, b] {
                    try await waitUntil("its lease ends") {
                        daemon.logText.contains("cannot renew its lease")
                    }
                }
                try rig.server.start()
                for daemon in [a, b] {
                    try await waitUntil("it records again") {
                        try await daemon.control.status().spoolError == nil
                    }
                }
                try await rig.send(2, "m", over: a)
                try await rig.send(2, "n", over: b)
                try await rig.takes([(2, "m"), (2, "n")])
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
            }
        }

        /// It stands still for so long that it is declared dead, and goes on after that.
        @Test func aNodeStandsStill() async throws {
            try await withRig { rig in
                let a = try await rig.node("a", lease: "4s")
                let b = try await rig.node("b", lease: "4s")
                try await rig.send(2, "before", over: a)
                try await rig.takes([(2, "before")])
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                let pids = [a.pid] + (try await workers(of: a))
                for pid in pids { kill(pid, SIGSTOP) }
                try await waitUntil("it is declared dead") { b.logText.contains("declared dead") }
                try await rig.send(2, "m", over: b)
                try await rig.takes([(2, "m")])
                for pid in pids { kill(pid, SIGCONT) }
                try await waitUntil("it starts anew") { a.logText.contains("it starts anew") }
                try await rig.send(2, "n", over: a)
                try await rig.takes([(2, "n")])
                try await a.awaitEmptyQueue()
                try await b.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
            }
        }

        /// Three nodes that are killed, stopped and started again at random, under load: nothing is lost,
        /// and no receiver ever sees more than its limit.
        @Test(arguments: [UInt64(2)]) func threeNodesComeAndGo(_ seed: UInt64) async throws {
            var manner = ReceiverManner.fast
            manner.delays.endOfData = .milliseconds(10)
            try await withRig(manner: manner, limit: 2) { rig in
                var random = SplitMix64(seed: seed)
                var nodes: [Daemon] = []
                for name in ["a", "b", "c"] { nodes.append(try await rig.node(name, lease: "3s")) }
                var down: Int?
                var sent: [(Int, String)] = []
                var story: [String] = []
                for wave in 0..<12 {
                    let up = (0..<3).filter { $0 != down }
                    for place in up {
                        sent.append((3, "w\(wave)-\(place)-"))
                        try await rig.send(3, "w\(wave)-\(place)-", over: nodes[place])
                    }
                    if let place = down {
                        guard Bool.random(using: &random) else { continue }
                        try await nodes[place].start()
                        story.append("start \(place)")
                        down = nil
                    } else {
                        let place = Int.random(in: 0..<3, using: &random)
                        // The first one is killed whatever the seed.
                        let isKill = story.isEmpty || Bool.random(using: &random)
                        try await nodes[place].end(isKill ? SIGKILL : SIGTERM)
                        story.append("\(isKill ? "kill" : "stop") \(place)")
                        down = place
                    }
                }
                try await rig.takes(sent)
                print("\(story.joined(separator: ", ")): \(rig.duplicates) came twice")
                for receiver in rig.receivers {
                    #expect(receiver.statistics.transactionsMax <= 2, "\(receiver.name) \(story)")
                }
                let up = nodes[down == 0 ? 1 : 0]
                try await waitUntil("nothing is left") {
                    try await up.control.messages().total == 0
                }
            }
        }

        /// Seen, drained and foretold through the command line.
        @Test func nodesAreShownAndDrained() async throws {
            try await withRig { rig in
                func sluice(_ words: String..., at node: Daemon) async throws -> Program.Result {
                    try await Program.run(
                        try Program.sluice, words + ["--socket", node.socket])
                }
                let a = try await rig.node("a", lease: "10m")
                try await waitUntil("it has everything") {
                    try await a.control.nodes().rows.map(\.has) == [1]
                }
                // There is nobody to take over.
                let last = try await sluice("node", "drain", "a", at: a)
                #expect(last.status == 1 && last.errors.contains("no other node"), "\(last)")
                let unknown = try await sluice("node", "drain", "x", at: a)
                #expect(unknown.status == 1 && unknown.errors.contains("'x'"), "\(unknown)")
                let usage = try await sluice("rebalance", at: a)
                #expect(usage.status == 2, "\(usage)")
                // What a second one would get is what it gets.
                let foretold = try await a.control.rebalancing(without: nil, with: 1).rows
                #expect(foretold.count == 1 && foretold[0].from == "a")
                let b = try await rig.node("b", lease: "10m")
                for node in [a, b] {
                    try await waitUntil("each has its share") {
                        let rows = try await node.control.nodes().rows
                        return rows.count == 2
                            && rows.allSatisfy { $0.has == $0.share && $0.share > 0 }
                    }
                }
                let rows = try await a.control.nodes().rows
                #expect(rows.map(\.name) == ["a", "b"] && rows.map(\.isSelf) == [true, false])
                #expect(rows[1].has == foretold[0].part && rows[1].has < 0.65)
                let none = try await sluice("rebalance", "--dry-run", at: b)
                #expect(none.status == 0 && none.output == "nothing moves\n", "\(none)")
                let list = try await sluice("node", at: b)
                #expect(list.output.contains("b *") && list.output.contains("live"), "\(list)")
                // Drained over the other one's socket: it hands over and ends by itself.
                try await rig.send(3, "m", over: b)
                let drain = try await sluice("node", "drain", "b", at: a)
                #expect(drain.status == 0 && drain.output.contains("node b"), "\(drain)")
                let ending = try await eventually("it ends") { b.ending }
                #expect(ending == .exit(0))
                try await waitUntil("the other one has everything") {
                    let rows = try await a.control.nodes().rows
                    return rows.map(\.has) == [1, 0] && rows.map(\.state) == [.live, .gone]
                }
                try await rig.takes([(3, "m")])
                try await rig.send(3, "after", over: a)
                try await rig.takes([(3, "after")])
                #expect(rig.duplicates == 0)
            }
        }

        /// In what monitors and scripts are told: the nodes, and of mail the one that has it.
        @Test func mailAndStatusNameTheNodes() async throws {
            try await withRig { rig in
                let a = try await rig.node("a", lease: "10m")
                try await rig.pauseAll(over: a)
                try await rig.send(1, "m", over: a)
                let alone = try await a.control.messages().rows
                #expect(alone.count == Rig.count && alone.allSatisfy { $0.node == "a" })
                #expect(try await a.control.status().nodes?.map(\.name) == ["a"])
                let b = try await rig.node("b", lease: "10m")
                for node in [a, b] {
                    try await waitUntil("each has its share") {
                        let rows = try await node.control.status().nodes ?? []
                        return rows.count == 2
                            && rows.allSatisfy { $0.has == $0.share && $0.share > 0 }
                    }
                }
                func owners(_ rows: [MessageRow]) -> [String: String?] {
                    Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0.node) })
                }
                try await waitUntil("both say the same, of the same mail") {
                    let atA = try await a.control.messages().rows
                    let atB = try await b.control.messages().rows
                    return Set(atA.map(\.node)) == ["a", "b"] && owners(atA) == owners(atB)
                }
                try await waitUntil("of what is elsewhere is said what it waits for there") {
                    try await a.control.messages().rows.allSatisfy {
                        $0.worker != nil && $0.why.kind == "paused"
                    }
                }
                let shown = try await Program.run(
                    try Program.sluice,
                    ["top", "--page", "nodes", "--once", "--socket", a.socket])
                #expect(shown.status == 0 && shown.output.contains("a *"), "\(shown)")
            }
        }

        @Test func whoMayNotTakePart() async throws {
            try await withRig { rig in
                let a = try await rig.node("a", lease: "10m")
                // Another one of that name, elsewhere.
                let twin = try rig.scene.idleDaemon(
                    rig.settings("a", lease: "10m"), name: "twin")
                let (ending, said) = try await twin.startInVain()
                #expect(ending != .exit(0) && said.contains("another data directory"), "\(said)")
                // One that would be alone.
                let loner = try rig.scene.idleDaemon(rig.settings(nil, lease: ""), name: "loner")
                let alone = try await loner.startInVain()
                #expect(alone.ending != .exit(0) && alone.said.contains("in-use"), "\(alone.said)")
                try await a.end(SIGTERM)
                // And the other way round.
                try await loner.start()
                let late = try await a.startInVain()
                #expect(late.ending != .exit(0) && late.said.contains("in-use"), "\(late.said)")
            }
        }
    }
}

/// Nodes on a database of the test's own.
func withRig(
    manner: ReceiverManner = .fast, limit: Int = 20, undo: [String] = [],
    ownServer: Bool = false, _ body: (Integration.NodesTests.Rig) async throws -> Void
) async throws {
    try await withScene { scene in
        let rig = try await Integration.NodesTests.Rig(
            in: scene, manner: manner, limit: limit, undo: undo, ownServer: ownServer)
        defer { if ownServer { rig.server.end() } }
        try await body(rig)
    }
}
