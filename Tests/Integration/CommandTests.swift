import Control
import Foundation
import NIOCore
import Testbed
import Testing

extension Integration {
    /// `sluice` as a shell runs it.
    @Suite struct CommandTests {
        private func sluice(
            _ daemon: Daemon, _ arguments: String..., input: String = ""
        ) async throws -> Program.Result {
            try await Program.run(
                try Program.sluice, arguments, input: input,
                environment: ["SLUICE_SOCKET": daemon.socket])
        }

        private func json<Value: Decodable>(_ result: Program.Result, as: Value.Type) throws
            -> Value
        {
            try JSON.decode(Value.self, from: ByteBuffer(string: result.output))
        }

        @Test func themesAndKeysAreChecked() async throws {
            try await withScene { scene in
                func run(_ arguments: String...) async throws -> Program.Result {
                    try await Program.run(
                        try Program.sluice, arguments, input: "",
                        environment: ["HOME": scene.directory.path])
                }
                let themes = try await run("theme", "check")
                #expect(themes.status == 0, "\(themes.output)")
                #expect(themes.output.contains("colour-blind: nothing is wrong"))
                let file = scene.directory.file("bad.toml")
                try Data("[meta]\nname = 5\n".utf8).write(to: URL(fileURLWithPath: file))
                let bad = try await run("theme", "check", file)
                #expect(bad.status == 1)
                #expect(bad.output.contains("\(file):2: meta.name: a string is meant"))

                #expect(try await run("keys").output.contains("page-down"))
                try Data("[keys]\nretry = \"D\"\n".utf8).write(to: URL(fileURLWithPath: file))
                let keys = try await run("keys", "--file", file)
                #expect(keys.status == 2)
                #expect(keys.errors.contains("\(file):2: keys.retry: 'D' is purge's already"))
            }
        }

        @Test func sendAndSendmail() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                let sent = try await sluice(
                    daemon, "send", "-f", "ops@sender.test", "user@rcpt.test",
                    input: "Subject: from the shell\n\n.\n..\nlast line without end")
                #expect(sent.status == 0, "\(sent.errors)")
                #expect(sent.output.hasPrefix("Accepted as "))
                try await receiver.takes(1)
                #expect(receiver.captured[0].sender == "ops@sender.test")
                #expect(
                    receiver.captured[0].text.hasSuffix(
                        "\r\n\r\n.\r\n..\r\nlast line without end\r\n"))

                let sendmail = scene.directory.file("sendmail")
                symlink(try Program.sluice, sendmail)
                let result = try await Program.run(
                    sendmail, ["-t", "-i", "-f", "cron@sender.test"],
                    input: "To: a@rcpt.test, B <b@rcpt.test>\nBcc: c@rcpt.test\n"
                        + "Subject: cron\n\nline\n.\nafter the dot\n",
                    environment: ["SLUICE_SOCKET": daemon.socket])
                #expect(result.status == 0, "\(result.errors)")
                try await receiver.takes(2)
                let mail = receiver.captured[1]
                #expect(mail.sender == "cron@sender.test")
                #expect(Set(mail.recipients) == ["a@rcpt.test", "b@rcpt.test", "c@rcpt.test"])
                #expect(mail.text.contains("\r\n.\r\nafter the dot\r\n"))
                #expect(!mail.text.contains("c@rcpt.test"))

                let bad = try await sluice(daemon, "send", "not an address", input: "x\n")
                #expect(bad.status == 1)
                #expect(!bad.errors.isEmpty)
            }
        }

        /// A copy that is taken under way is good, and a daemon delivers from it.
        @Test func backupAndCheck() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<5).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") }, to: daemon.port)
                try await waitUntil("all were tried") {
                    try await daemon.control.messages(filter: "attempts = 1").total == 5
                }
                let file = scene.directory.file("copy.db")
                #expect(try await sluice(daemon, "backup", file).status == 0)
                let again = try await sluice(daemon, "backup", file)
                #expect(again.status == 1 && again.errors.contains("--force"))
                #expect(try await sluice(daemon, "backup", "--force", file).status == 0)

                func fsck() async throws -> Program.Result {
                    try await Program.run(
                        try Program.sluiced, ["fsck", "--config", daemon.configuration])
                }
                let inUse = try await fsck()
                #expect(inUse.status == 1 && inUse.errors.contains("spool-in-use"))
                #expect(try await daemon.end(SIGTERM) == .exit(0))
                let manager = FileManager.default
                for name in try manager.contentsOfDirectory(atPath: daemon.dataDirectory)
                where name.hasPrefix("spool.db") {
                    try manager.removeItem(atPath: daemon.dataDirectory + "/" + name)
                }
                try manager.copyItem(atPath: file, toPath: daemon.dataDirectory + "/spool.db")
                let good = try await fsck()
                #expect(good.status == 0 && good.output.contains("5 messages"), "\(good.output)")
                try await daemon.start()
                #expect(
                    try await daemon.control.messages(filter: "attempts = 1").total == 5)
            }
        }

        @Test func listsAndActions() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<3).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") }, to: daemon.port)
                try await waitUntil("all were tried") {
                    try await daemon.control.messages(
                        filter: "attempts = 1 and state = delayed"
                    ).total == 3
                }
                let status = try json(try await sluice(daemon, "status", "--json"), as: Status.self)
                #expect(status.version == 1)
                #expect(status.totals.deliveries == 3)
                #expect(status.pid == Int(daemon.pid))

                let plain = try await sluice(daemon, "destinations")
                #expect(plain.status == 0)
                #expect(plain.output.contains("rcpt.test"))
                #expect(!plain.output.contains("\u{1b}"))
                let messages = try json(
                    try await sluice(daemon, "messages", "--json", "--filter", "code = 450"),
                    as: Page<MessageRow>.self)
                #expect(messages.total == 3)
                let id = try #require(messages.rows.first?.message)
                let shown = try await sluice(daemon, "show", id)
                #expect(shown.status == 0)
                #expect(shown.output.contains("Subject: Message"))
                #expect(shown.output.contains("Greylisted"))
                for command in ["workers", "actions", "status"] {
                    #expect(try await sluice(daemon, command).status == 0, "\(command)")
                }

                let dry = try await sluice(daemon, "purge", "rcpt.test", "--dry-run")
                #expect(dry.status == 0, "\(dry.errors)")
                #expect(dry.output.contains("3"))
                #expect(try await daemon.totals().purging == 0)
                // Nobody is there to say yes.
                #expect(try await sluice(daemon, "purge", "rcpt.test").status == 1)

                let retry = try await sluice(daemon, "retry", "rcpt.test", "--yes")
                #expect(retry.status == 0, "\(retry.errors)")
                try await waitUntil("tried again") {
                    try await daemon.control.messages(filter: "attempts = 2").total == 3
                }
                let purge = try await sluice(
                    daemon, "purge", "message = \(id)", "--yes", "--reason", "test", "--json")
                let document = try json(purge, as: ActionReport.self)
                #expect(document.action.counts.deliveries == 1)
                #expect(try await daemon.totals().purging == 1)
                #expect(try await sluice(daemon, "undo").status == 0)
                #expect(try await daemon.totals().purging == 0)
                #expect(try await sluice(daemon, "pause", "rcpt.test", "--yes").status == 0)
                #expect(try await daemon.destination("rcpt.test").state == .paused)
                #expect(try await sluice(daemon, "resume", "rcpt.test", "--yes").status == 0)
                #expect(try await sluice(daemon, "workers", "set", "1", "--yes").status == 0)
                try await waitUntil("one worker") {
                    try await daemon.control.workers().rows.count == 1
                }
                let once = try await sluice(daemon, "--once")
                #expect(once.status == 0)
                #expect(once.output.contains("rcpt.test"))
            }
        }

        private struct ActionReport: Decodable {
            var action: ActionRow
        }

        @Test func exitStatuses() async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                #expect(try await sluice(daemon, "status").status == 0)
                #expect(try await sluice(daemon, "retry", "nobody.test", "--yes").status == 1)
                #expect(try await sluice(daemon, "show", "ffffff").status == 1)
                #expect(try await sluice(daemon, "undo").status == 1)
                for usage in [["frobnicate"], ["retry"], ["status", "--frobnicate"]] {
                    let result = try await Program.run(
                        try Program.sluice, usage, environment: ["SLUICE_SOCKET": daemon.socket])
                    #expect(result.status == 2, "\(usage)")
                    #expect(!result.errors.isEmpty)
                }
                let filter = try await sluice(daemon, "messages", "--filter", "colour = red")
                #expect(filter.status == 2)
                #expect(filter.errors.contains("^"))
                try await daemon.end(SIGTERM)
                let gone = try await sluice(daemon, "status")
                #expect(gone.status == 3)
                #expect(gone.errors.contains(daemon.socket))
            }
        }
    }
}
