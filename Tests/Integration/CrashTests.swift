import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// kill -9 and SIGTERM under load: nothing that was accepted is lost.
    @Suite struct CrashTests {
        /// Traffic into a daemon with four receivers behind it, and what became of it.
        private struct Load {
            static let concurrency = 6
            let daemon: Daemon
            let receivers: [Receiver]
            let traffic: Traffic

            static func start(in scene: Scene, messages: Int) async throws -> Load {
                var manner = ReceiverManner.fast
                manner.delays.endOfData = .milliseconds(20)
                var receivers: [Receiver] = []
                var settings = DaemonSettings()
                for number in 0..<4 {
                    let receiver = try await scene.receiver(
                        "mx\(number)", manner, keep: .deliveries)
                    receivers.append(receiver)
                    settings.routes["d\(number).test"] = receiver.route
                }
                // The generator connects again where it was connected.
                let port = try PortReservation.freePort()
                settings.listen = "127.0.0.1:\(port)"
                settings.workers = 2
                settings.limits = ["concurrency = \(concurrency)", "rate = \"off\""]
                var options = Traffic.Options()
                options.rate = 400
                options.limit = messages
                options.keepsAccepted = true
                let traffic = Traffic(
                    MailStream(domains: settings.routes.keys.sorted()), port: port,
                    group: scene.group, options: options)
                return Load(
                    daemon: try await scene.daemon(settings), receivers: receivers,
                    traffic: traffic)
            }

            var delivered: Int { receivers.reduce(0) { $0 + $1.statistics.recipients } }

            /// Runs the traffic and, when so many recipients have their mail, `body`.
            func run(
                interruptedAfter count: Int, _ body: @escaping @Sendable () async throws -> Void
            ) async throws {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await traffic.run() }
                    group.addTask {
                        try await waitUntil("\(count) deliveries") { delivered >= count }
                        try await body()
                    }
                    try await group.waitForAll()
                }
                try await daemon.awaitEmptyQueue()
            }

            /// Accepted for a recipient and never arrived there.
            var lost: [String] {
                let arrived = receivers.reduce(into: Set<ReceivedDelivery>()) {
                    $0.formUnion($1.statistics.deliveries.keys)
                }
                return traffic.statistics.accepted.flatMap { id, recipients in
                    recipients.filter {
                        !arrived.contains(ReceivedDelivery(id: id, recipient: $0))
                    }.map { "\(id) \($0)" }
                }
            }

            /// Messages that came twice, each once however many recipients it had.
            var duplicateMessages: Int {
                receivers.reduce(0) { sum, receiver in
                    sum
                        + Set(
                            receiver.statistics.deliveries.filter { $0.value > 1 }.map(\.key.id)
                        ).count
                }
            }
        }

        @Test func killedWorker() async throws {
            try await withScene { scene in
                let load = try await Load.start(in: scene, messages: 600)
                try await load.run(interruptedAfter: 200) {
                    let busy = try await eventually("a worker with destinations") {
                        try await load.daemon.control.workers().rows.first {
                            $0.destinations > 0 && $0.pid != nil
                        }
                    }
                    let pid = try #require(busy.pid)
                    #expect(kill(Int32(pid), SIGKILL) == 0)
                    let row = try await eventually("worker \(busy.id) is replaced") {
                        try await load.daemon.control.workers().rows.first {
                            $0.id == busy.id && $0.pid != nil && $0.pid != pid
                                && $0.state == .running
                        }
                    }
                    #expect(row.restarts == 1)
                }
                #expect(load.traffic.statistics.messages == 600)
                #expect(load.lost == [])
                // Only what was in a transaction at that instant.
                #expect(load.duplicateMessages <= Load.concurrency * 4)
                // Everybody is served again.
                let before = load.receivers.map(\.statistics.messages)
                try await scene.send(
                    (0..<4).map { TestMail("again-\($0)", to: "user@d\($0).test") },
                    to: load.daemon.port)
                try await load.daemon.awaitEmptyQueue()
                #expect(load.receivers.map(\.statistics.messages) == before.map { $0 + 1 })
            }
        }

        @Test func killedManager() async throws {
            try await withScene { scene in
                let load = try await Load.start(in: scene, messages: 600)
                let workers = Shared<[Int]>([])
                try await load.run(interruptedAfter: 200) {
                    workers.value = try await load.daemon.control.workers().rows.compactMap(\.pid)
                    try await load.daemon.end(SIGKILL)
                    try await load.daemon.start()
                }
                #expect(load.lost == [])
                // The workers outlive it long enough to say what they did.
                #expect(load.duplicateMessages == 0)
                // They are gone now: two owners of one destination must never be.
                #expect(workers.value.count == 2)
                #expect(workers.value.filter { isRunning(Int32($0)) } == [])
            }
        }

        @Test func everythingKilled() async throws {
            try await withScene { scene in
                let load = try await Load.start(in: scene, messages: 600)
                try await load.run(interruptedAfter: 200) {
                    // The whole process group, as when the machine's memory runs out.
                    let pid = load.daemon.pid
                    kill(-pid, SIGKILL)
                    try await load.daemon.end(SIGKILL)
                    try await load.daemon.start()
                }
                #expect(load.lost == [])
                #expect(load.duplicateMessages <= Load.concurrency * 4)
            }
        }

        @Test func orderlyRestart() async throws {
            try await withScene { scene in
                let load = try await Load.start(in: scene, messages: 600)
                try await load.run(interruptedAfter: 200) {
                    let ending = try await load.daemon.end(SIGTERM)
                    #expect(ending == .exit(0))
                    #expect(!FileManager.default.fileExists(atPath: load.daemon.socket))
                    try await load.daemon.start()
                }
                #expect(load.lost == [])
                #expect(load.duplicateMessages == 0)
            }
        }
    }
}
