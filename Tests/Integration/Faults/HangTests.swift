import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// Processes and receivers that do not die and do nothing.
    @Suite struct HangTests {
        private static let supervision = """
            [supervision]
            heartbeat = "200ms"
            heartbeat_timeout = "3s"
            restart_first = "10ms"
            shutdown_timeout = "1s"
            """

        @Test func aWorkerThatHangsIsReplaced() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                settings.workers = 1
                settings.more = Self.supervision
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("first", to: "u@a.test"), to: daemon.port)
                try await receiver.takes(1)
                let row = try await eventually("the worker runs") {
                    try await daemon.control.workers().rows.first {
                        $0.pid != nil && $0.state == .running
                    }
                }
                let pid = try #require(row.pid)
                #expect(kill(Int32(pid), SIGSTOP) == 0)
                // Accepted while nobody delivers it.
                try await scene.send(TestMail("second", to: "u@a.test"), to: daemon.port)
                try await waitUntil("its silence is shown") {
                    try await daemon.control.workers().rows.contains {
                        $0.id == row.id && ($0.state == .silent || $0.restarts > 0)
                    }
                }
                try await waitUntil("it is replaced") {
                    try await daemon.control.workers().rows.contains {
                        $0.id == row.id && $0.pid != pid && $0.state == .running
                    }
                }
                #expect(daemon.logText.contains("a worker is silent; it is ended"))
                let screen = try await Program.run(
                    try Program.sluice, ["workers", "--socket", daemon.socket])
                let fields = screen.lines.last?.split(separator: " ") ?? []
                #expect(fields.count > 4 && fields[1] == "running" && fields[4] == "1", "\(screen)")
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == 2)
                #expect(receiver.statistics.deliveries.values.allSatisfy { $0 == 1 })
            }
        }

        /// Whether it has the message nobody knows: it is tried again (RFC 5321 §4.5.3.2.6 gives it
        /// ten minutes).
        @Test func aReceiverThatNeverAnswersTheFinalDot() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.endOfData = .seconds(3600)
                let silent = try await scene.receiver("silent", manner, keep: .deliveries)
                let other = try await scene.receiver("other", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["silent.test": silent.route, "b.test": other.route]
                settings.delivery = ["dot_timeout = \"300ms\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    TestMail("m", to: "u@silent.test", "u@b.test"), to: daemon.port)
                let row = try await eventually("it is put off") {
                    try await daemon.control.messages(filter: "domain = silent.test").rows.first {
                        $0.attempts > 0
                    }
                }
                let reply = try #require(row.lastReply)
                #expect(reply.contains("4.4.2 Timeout"), "\(reply)")
                // Sent again, which is what SMTP leaves no choice about.
                try await silent.takes(2)
                #expect(other.statistics.deliveries.values.allSatisfy { $0 == 1 })
                let words = "4.4.2 Timeout while waiting: dot"
                #expect(daemon.logText.contains("outcome=deferred"))
                #expect(daemon.logText.contains("reply=\"\(words)\""))
                let screen = try await Program.run(
                    try Program.sluice, ["top", "--once", "--socket", daemon.socket])
                #expect(screen.lines.contains { $0.contains("silent.test") && $0.contains(words) })
            }
        }
    }
}
