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

        /// One changed bit in an address, or in the sender's: it goes to nobody else.
        @Test(arguments: ["marked@a.test\n", "marker@sender.test\n"])
        func aChangedEnvelopeIsNeverUsed(_ text: String) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", .dead)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    [
                        TestMail("good", to: "u@a.test"),
                        TestMail("bad", from: "marker@sender.test", to: "marked@a.test"),
                    ], to: daemon.port)
                try await waitUntil("both were tried") {
                    try await daemon.control.messages(filter: "attempts = 0").total == 0
                }
                try await daemon.end(SIGTERM)
                try flip(text, in: daemon.dataDirectory + "/spool.db")
                try await daemon.start()
                try await receiver.comeUp()
                let row = try await eventually("the damaged one is held") {
                    try await daemon.control.messages(filter: "state = held").rows.first
                }
                #expect(row.why.text == "its envelope is damaged")
                #expect(row.lastReply?.contains("restore it from a backup") == true)
                #expect(daemon.logText.contains("its envelope has changed"))
                try await waitUntil("the other has left") {
                    try await daemon.control.messages().total == 1
                }
                let screen = try await Program.run(
                    try Program.sluice, ["messages", "--socket", daemon.socket])
                #expect(screen.output.contains("its envelope is damaged"), "\(screen)")
                #expect(receiver.captured.allSatisfy { $0.text.contains("u@a.test") })
                try await daemon.end(SIGTERM)
                let check = try await Program.run(
                    try Program.sluiced, ["fsck", "--config", daemon.configuration])
                #expect(check.output.contains("its envelope has changed"), "\(check)")
                #expect(check.status == 1)
            }
        }

        /// Flips one bit of a text, wherever it stands: a page may have old copies of its rows.
        private func flip(_ text: String, in path: String) throws {
            let file = URL(fileURLWithPath: path)
            var bytes = try Data(contentsOf: file)
            var count = 0
            while let range = bytes.range(of: Data(text.utf8)) {
                bytes[range.lowerBound] ^= 0x20
                count += 1
            }
            #expect(count > 0, "\(text.debugDescription) is not in \(path)")
            let handle = try FileHandle(forUpdating: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
        }

        /// A page that SQLite cannot read: the daemon does not start, and says what to do.
        @Test func aChangedPage() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", .dead)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "u@a.test"), to: daemon.port)
                try await daemon.end(SIGTERM)
                let path = daemon.dataDirectory + "/spool.db"
                let good = try Data(contentsOf: URL(fileURLWithPath: path))
                // Of each page but the first one bit of what says how it is to be read.
                var bad = good
                for page in stride(from: 4096, to: bad.count, by: 4096) { bad[page] ^= 0x40 }
                try bad.write(to: URL(fileURLWithPath: path))
                let (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains("spool-damaged"), "\(said)")
                #expect(said.contains("sluiced fsck"), "\(said)")
                // Nothing of it was touched.
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bad)
                try good.write(to: URL(fileURLWithPath: path))
                try await daemon.start()
                try await receiver.comeUp()
                try await receiver.takes(1)
            }
        }

        /// The log ends in the middle of what nobody was told of: all that was answered is there.
        @Test func aTornLog() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", .dead, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                let mails = (1...20).map { TestMail("m\($0)", to: "u@a.test") }
                try await scene.send(mails, to: daemon.port)
                try await daemon.end(SIGKILL)
                // What a power cut leaves of a commit: a frame that looks whole, and half of one.
                let log = URL(fileURLWithPath: daemon.dataDirectory + "/spool.db-wal")
                let frame = 24 + 4096
                var bytes = try Data(contentsOf: log)
                let frames = (bytes.count - 32) / frame
                try #require(frames > 0)
                bytes = bytes.prefix(32 + frames * frame)
                let last = bytes.suffix(frame)
                bytes.append(last)
                bytes.append(last.prefix(frame / 2))
                try bytes.write(to: log)
                try await daemon.start()
                #expect(try await daemon.control.status().spoolError == nil)
                #expect(try await daemon.control.messages().total == mails.count)
                #expect(daemon.logText.contains("spool opened"))
                try await receiver.comeUp()
                try await daemon.act(.retry, Selector(filter: "age >= 0s"))
                try await receiver.takes(mails.count)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == mails.count)
            }
        }
    }
}
