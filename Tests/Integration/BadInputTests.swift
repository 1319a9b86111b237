import Control
import NIOCore
import Testbed
import Testing

extension Integration {
    /// What strangers and broken clients do to the intake.
    @Suite struct BadInputTests {
        private func withIntake(
            _ change: (inout DaemonSettings) -> Void = { _ in },
            _ body: (Scene, Daemon, Receiver) async throws -> Void
        ) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                change(&settings)
                let daemon = try await scene.daemon(settings)
                try await body(scene, daemon, receiver)
            }
        }

        private func talk<Result>(
            _ scene: Scene, _ daemon: Daemon, _ body: (inout Conversation) async throws -> Result
        ) async throws -> Result {
            try await Conversation.with(host: "127.0.0.1", port: daemon.port, group: scene.group) {
                try await $0.greet(as: "client.test")
                return try await body(&$0)
            }
        }

        @Test(arguments: ["[]", "[\"192.0.2.0/24\", \"::1/128\"]"])
        func noRelayingForStrangers(_ allow: String) async throws {
            try await withIntake({ $0.intake = ["allow = \(allow)"] }) { scene, daemon, receiver in
                let codes = try await talk(scene, daemon) { client in
                    var codes: [Int] = []
                    for command in [
                        "MAIL FROM:<a@sender.test>", "RCPT TO:<user@rcpt.test>",
                        "RCPT TO:<user%rcpt.test@mta1.example.net>", "RCPT TO:<\"a@b\"@rcpt.test>",
                        "DATA", "QUIT",
                    ] {
                        codes.append(try await client.command(command).code)
                    }
                    return codes
                }
                #expect(codes[1...3].allSatisfy { $0 == 554 }, "\(codes)")
                #expect(codes[4] == 503 || codes[4] == 554, "\(codes)")
                #expect(try await daemon.totals().accepted == 0)
                #expect(receiver.statistics.connections == 0)
            }
        }

        /// A message that hides a second one behind a line end that only some servers take for
        /// one. It is refused or stays one message; it never becomes two.
        @Test(arguments: [
            "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n\n.\r\n", "\r\r\n.\n",
        ])
        func smuggling(_ ending: String) async throws {
            try await withIntake { scene, daemon, receiver in
                let inner =
                    "MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@rcpt.test>\r\nDATA\r\n"
                    + "Subject: smuggled\r\n\r\nhello\r\n"
                let verdict: Int? = try await talk(scene, daemon) { client in
                    try await client.send(
                        "MAIL FROM:<a@sender.test>", "RCPT TO:<user@rcpt.test>", "DATA")
                    for code in [250, 250, 354] { #expect(try await client.reply().code == code) }
                    try await client.send(
                        ByteBuffer(string: "Subject: outer\r\n\r\ntext\(ending)\(inner)\r\n.\r\n"))
                    do {
                        return try await client.reply().code
                    } catch TestbedError.connectionClosed {
                        return nil
                    }
                }
                #expect(verdict != 354)
                try await daemon.awaitEmptyQueue()
                for message in receiver.captured {
                    #expect(message.sender == "a@sender.test")
                    #expect(message.recipients == ["user@rcpt.test"])
                }
                #expect(receiver.statistics.messages <= 1)
                #expect(receiver.statistics.messages == (verdict == 250 ? 1 : 0))
            }
        }

        @Test func tooLarge() async throws {
            try await withIntake({ $0.intake = ["max_message_size = \"64K\""] }) {
                scene, daemon, receiver in
                // Announced.
                let announced = try await talk(scene, daemon) {
                    try await $0.command("MAIL FROM:<a@sender.test> SIZE=100000").code
                }
                #expect(announced == 552)
                // Not announced.
                let mail = TestMail(
                    "large", to: "user@rcpt.test",
                    body: String(repeating: "0123456789\r\n", count: 10_000))
                let outcome = try await talk(scene, daemon) {
                    try await $0.send(from: mail.sender, to: mail.recipients, mail.content)
                }
                guard case .refused(let reply) = outcome else {
                    Issue.record("taken")
                    return
                }
                #expect(reply.code == 552)
                try await scene.send(TestMail("small", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
                #expect(try await daemon.totals().accepted == 1)
            }
        }

        @Test func clientThatVanishesInData() async throws {
            try await withIntake { scene, daemon, receiver in
                for part in [
                    "", "Subject: torn\r\n\r\nhalf a li", "Subject: torn\r\n\r\nline\r\n.\r",
                ] {
                    try await talk(scene, daemon) { client in
                        try await client.send(
                            "MAIL FROM:<a@sender.test>", "RCPT TO:<user@rcpt.test>", "DATA")
                        for code in [250, 250, 354] {
                            #expect(try await client.reply().code == code)
                        }
                        try await client.send(ByteBuffer(string: part))
                    }
                }
                try await scene.send(TestMail("whole", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.captured.map(\.text).allSatisfy { $0.contains("whole") })
                #expect(try await daemon.totals().accepted == 1)
            }
        }

        @Test func tooManyRecipients() async throws {
            try await withIntake({ $0.intake = ["max_recipients = 5"] }) {
                scene, daemon, receiver in
                let codes = try await talk(scene, daemon) { client in
                    _ = try await client.command("MAIL FROM:<a@sender.test>")
                    var codes: [Int] = []
                    for number in 0..<7 {
                        codes.append(
                            try await client.command("RCPT TO:<user\(number)@rcpt.test>").code)
                    }
                    #expect(try await client.command("DATA").code == 354)
                    try await client.send("Subject: five", "", "text", ".")
                    codes.append(try await client.reply().code)
                    return codes
                }
                #expect(codes == [250, 250, 250, 250, 250, 452, 452, 250])
                try await receiver.takes(1)
                #expect(receiver.captured[0].recipients.count == 5)
            }
        }

        @Test func nonsense() async throws {
            try await withIntake { scene, daemon, receiver in
                try await talk(scene, daemon) { client in
                    for (command, codes) in [
                        ("MAIL FROM:<not an address>", [501, 553]),
                        ("MAIL FROM:a@b.test", [501, 553]), ("RCPT TO:<a@b.test>", [503]),
                        ("DATA", [503]), ("MAIL FROM:<a@b.test> NONSENSE=1", [555, 501]),
                        ("FROBNICATE", [500, 502]), ("VRFY root", [252, 502]),
                    ] {
                        let reply = try await client.command(command)
                        #expect(codes.contains(reply.code), "\(command): \(reply)")
                    }
                    _ = try await client.command("MAIL FROM:<a@sender.test>")
                    for address in ["<@>", "<user@>", "<us er@b.test>", "<user@b..test>", "<>"] {
                        let reply = try await client.command("RCPT TO:\(address)")
                        #expect((500...555).contains(reply.code), "\(address): \(reply)")
                    }
                }
                // A line without end. The daemon may hang up before all of it is sent.
                let reply = try await talk(scene, daemon) { client -> Conversation.Reply? in
                    try? await client.send(
                        ByteBuffer(repeating: UInt8(ascii: "A"), count: 200_000))
                    try? await client.send("")
                    return try? await client.reply()
                }
                #expect(reply == nil || reply?.code == 500 || reply?.code == 421)
                try await scene.send(TestMail("after", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
            }
        }

        /// Escape sequences from a receiver reach neither the log nor the API.
        @Test func repliesCannotDriveATerminal() async throws {
            try await withScene { scene in
                var manner = ReceiverManner(name: "evil")
                manner.quota = ReceiverManner.Quota(
                    perSecond: 0.001, burst: 0, stage: .mail,
                    reply: ScriptedReply(451, "4.0.0", "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}x"),
                    hangsUp: false)
                let receiver = try await scene.receiver("evil", manner)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@rcpt.test"), to: daemon.port)
                let row = try await eventually("a reply") {
                    try await daemon.control.messages(filter: "attempts > 0").rows.first
                }
                let reply = try #require(row.lastReply)
                #expect(reply.contains("owned"))
                #expect(!reply.unicodeScalars.contains { $0 == "\u{1b}" || $0 == "\u{202e}" })
                try await waitUntil("the attempt is logged") { daemon.logText.contains("owned") }
                #expect(!daemon.logText.unicodeScalars.contains { $0 == "\u{1b}" || $0 == "\u{7}" })
            }
        }
    }
}
