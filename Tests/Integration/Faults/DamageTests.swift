import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// A disk that does not keep what was written.
    @Suite struct DamageTests {
        /// One changed byte in a message: it is held and shown, the others are delivered.
        @Test func aChangedTextIsNeverSent() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", .dead)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    [
                        TestMail("good", to: "u@a.test", body: "All of it.\r\n"),
                        TestMail("bad", to: "v@a.test", body: "MARKED-TEXT\r\n"),
                    ], to: daemon.port)
                try await waitUntil("both were tried") {
                    try await daemon.control.messages(filter: "attempts = 0").total == 0
                }
                try await daemon.end(SIGTERM)
                try flip("MARKED-TEXT", in: daemon.dataDirectory + "/spool.db")
                try await daemon.start()
                try await receiver.comeUp()
                let row = try await eventually("the damaged one is held") {
                    try await daemon.control.messages(filter: "state = held").rows.first
                }
                #expect(row.recipients == ["v@a.test"])
                #expect(row.why.text == "its text is damaged")
                #expect(row.lastReply?.contains("restore it from a backup") == true)
                #expect(daemon.logText.contains("a message is damaged on disk"))
                try await receiver.takes(1)
                try await waitUntil("the other has left") {
                    try await daemon.control.messages().total == 1
                }
                let totals = try await daemon.totals()
                #expect(totals.held == 1 && totals.deliveries == 1)
                #expect(try await daemon.control.status().spoolError == nil)
                // It can be looked at, and released it is held again.
                #expect(try await daemon.control.message(row.message).sender == "app@sender.test")
                try await daemon.act(.release, Selector(messages: [row.message]))
                try await waitUntil("it is held again") {
                    try await daemon.control.messages(filter: "state = held").total == 1
                }
                try await daemon.act(.purge, Selector(messages: [row.message]))
                #expect(receiver.captured.count == 1)
                #expect(!receiver.captured.contains { $0.text.contains("u@a.test") == false })
            }
        }

        /// Flips one bit of a text that stands in a file once.
        private func flip(_ text: String, in path: String) throws {
            let file = URL(fileURLWithPath: path)
            var bytes = try Data(contentsOf: file)
            let range = try #require(bytes.range(of: Data(text.utf8)))
            bytes[range.lowerBound] ^= 0x20
            let handle = try FileHandle(forUpdating: file)
            try handle.seek(toOffset: UInt64(range.lowerBound))
            try handle.write(contentsOf: bytes[range])
            try handle.close()
        }
    }
}
