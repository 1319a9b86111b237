import Control
import FaultySystem
import Foundation
import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import Testbed

extension Integration {
    /// The machine around the daemon: descriptors that run out, a clock that jumps.
    @Suite struct SystemTests {
        @Test func tooManyOpenFiles() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("before", to: "u@a.test"), to: daemon.port)
                try await daemon.awaitEmptyQueue()

                // Room for a few clients more than are there.
                let old = try limitFiles(of: daemon.pid, to: openFiles(of: daemon.pid) + 4)
                var clients: [any Channel] = []
                for _ in 0..<12 {
                    // They get into the backlog, also where nobody accepts them.
                    clients.append(
                        try await ClientBootstrap(group: scene.group)
                            .connect(host: "127.0.0.1", port: daemon.port).get())
                }
                try await waitUntil("it is said in the log") {
                    daemon.logText.contains("clients cannot connect: Too many open files")
                }
                // And to whoever looks at it.
                #expect(
                    try await daemon.control.status().warning?.contains("LimitNOFILE") == true)
                for client in clients { try? await client.close() }

                // The limit is still low, and there is room again.
                try await scene.send(TestMail("after", to: "u@a.test"), to: daemon.port)
                try await daemon.awaitEmptyQueue()
                // A worker that dies now is started with as few.
                let worker = try #require(
                    try await daemon.control.workers().rows.first { $0.state == .running })
                let pid = try #require(worker.pid)
                kill(Int32(pid), SIGKILL)
                try await waitUntil("it is replaced") {
                    try await daemon.control.workers().rows.contains {
                        $0.id == worker.id && $0.pid != pid && $0.state == .running
                    }
                }
                _ = try limitFiles(of: daemon.pid, to: old)
                try await scene.send(TestMail("last", to: "u@a.test"), to: daemon.port)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == 3)
                #expect(receiver.statistics.deliveries.values.allSatisfy { $0 == 1 })
                #expect(try await daemon.control.status().spoolError == nil)
            }
        }

        private func openFiles(of pid: Int32) -> Int64 {
            // One past the highest: the limit is on numbers, not on how many there are.
            let numbers = entries(of: "/proc/\(pid)/fd").compactMap { Int64($0) }
            return (numbers.max() ?? 0) + 1
        }

        /// Returns the limit that was in force.
        private func limitFiles(of pid: Int32, to limit: Int64) throws -> Int64 {
            let old = faulty_limit_files(pid, limit)
            guard old >= 0 else { throw TestbedError.system("prlimit", errno) }
            return old
        }

        /// An hour either way, under way and across a restart: nothing is tried in a storm, nothing
        /// waits for the hour.
        @Test(arguments: [3600, -3600]) func aClockThatJumps(seconds: Int) async throws {
            try await withScene { scene in
                let grey = try await scene.receiver(
                    "grey", .greylisting(for: .milliseconds(1)), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["grey.test": grey.route]
                // The longest of all waits is what a due time from a wrong clock is cut to.
                settings.retry += ["full_first = \"300ms\"", "full_cap = \"2s\""]
                let daemon = try scene.idleDaemon(settings)
                let system = try FaultySystemControl(for: daemon)
                try await daemon.start()
                func send(_ name: String) async throws {
                    try await scene.send(
                        (0..<5).map { TestMail("\(name)-\($0)", to: "\(name)\($0)@grey.test") },
                        to: daemon.port)
                }
                try await send("before")
                try await waitUntil("all are put off") { grey.statistics.replies[450] == 5 }
                try system.setClock(.seconds(seconds))
                let way = seconds > 0 ? "ahead" : "back"
                try await waitUntil("it is noticed") {
                    daemon.logText.contains("the clock was set \(way) by 1h")
                }
                let status = try await Program.run(
                    try Program.sluice, ["status", "--socket", daemon.socket])
                #expect(
                    status.output.contains("WARNING: the clock was set \(way) by 1h"),
                    "\(status.output)")
                try await daemon.awaitEmptyQueue()
                // Each of them was tried twice, and no more.
                #expect(grey.statistics.transactions == 10)

                // Taken in with the wrong time, and restarted with the right one.
                try await send("after")
                try await waitUntil("all are put off") { grey.statistics.replies[450] == 10 }
                try await daemon.end(SIGTERM)
                try system.setClock(.zero)
                try await daemon.start()
                try await daemon.awaitEmptyQueue()
                #expect(grey.statistics.deliveries.count == 10)
                #expect(grey.statistics.deliveries.values.allSatisfy { $0 == 1 })
            }
        }
    }
}
