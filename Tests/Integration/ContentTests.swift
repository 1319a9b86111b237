import Control
import Foundation
import NIOCore
import Testing

@testable import Testbed

extension Integration {
    /// The message that arrives is byte for byte the one that was sent, plus one Received field.
    @Suite struct ContentTests {
        /// Everything that a relay may be tempted to touch.
        private static let awkward =
            ".\r\n..\r\n...three dots\r\n.hidden\r\n\r\n\r\n \r\n\t\r\n"
            + "From the start of a line\r\n>From quoted\r\n"
            + String(repeating: "x", count: 998) + "\r\n"
            + "h\u{e9}llo, w\u{f6}rld \u{2013} \u{1f4ec}\r\n"
            + "null \u{1} and \u{7f} and tab\t.\r\n"
            + "trailing space \r\n\r\n\r\n.\r\n"

        private static func mail(_ domain: String) -> TestMail {
            TestMail("awkward", to: "user@\(domain)", body: awkward)
        }

        @Test func arrivesByteForByte() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                var header = TestMail("header-only", to: "user@rcpt.test", body: "")
                // Not even the empty line that ends a header.
                header.content = ByteBuffer(string: "Subject: nothing else\r\n")
                var binary = TestMail("binary", to: "user@rcpt.test")
                binary.content.writeBytes([0xff, 0xfe, 0x80, 0x0d, 0x0a])
                let long = TestMail(
                    "long", to: "user@rcpt.test",
                    body: (0..<20_000).map { ".line \($0)\r\n" }.joined())
                let mails = [Self.mail("rcpt.test"), header, binary, long]
                for (count, mail) in mails.enumerated() {
                    try await scene.send(mail, to: daemon.port)
                    try await receiver.takes(count + 1)
                    let (field, rest) = receiver.captured[count].trace
                    #expect(field.hasPrefix("Received: from app.sender.test"))
                    #expect(field.contains("by mta1.example.net"))
                    #expect(rest == mail.content, "message \(mail.id)")
                }
                try await daemon.awaitEmptyQueue()
            }
        }

        @Test func arrivesByteForByteAtPostfix() async throws {
            try await withScene { scene in
                let postfix = try await Postfix.start(in: scene)
                var settings = DaemonSettings()
                settings.routes = ["postfix.test": "127.0.0.1:\(postfix.port)"]
                let daemon = try await scene.daemon(settings)
                let mail = Self.mail("postfix.test")
                try await scene.send(mail, to: daemon.port)
                let file = try await eventually("a message in the Maildir") {
                    postfix.messages().first
                }
                // Postfix's own fields come first; the daemon's is the second Received. Its files
                // have LF where the wire has CRLF.
                let text = String(decoding: file, as: UTF8.self)
                let start = try #require(text.range(of: "Received: from app.sender.test"))
                #expect(text[..<start.lowerBound].components(separatedBy: "\nReceived:").count == 2)
                var captured = CapturedMessage(
                    sender: "", recipients: [], content: ByteBuffer(), encrypted: false)
                captured.content.writeString(String(text[start.lowerBound...]))
                let sent = String(buffer: mail.content)
                    .replacingOccurrences(of: "\r\n", with: "\n")
                #expect(String(buffer: captured.trace.rest) == sent)
                try await daemon.awaitEmptyQueue()
            }
        }

        @Test func otherPeoplesClients() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)

                let swaks = try await Program.run(
                    try Program.find("swaks", package: "swaks"),
                    [
                        "--server", "127.0.0.1", "--port", "\(daemon.port)", "--from",
                        "swaks@sender.test", "--to", "user@rcpt.test", "--pipeline", "--body",
                        "from swaks",
                    ])
                #expect(swaks.status == 0, "\(swaks.output)\(swaks.errors)")
                try await receiver.takes(1)
                #expect(receiver.captured[0].sender == "swaks@sender.test")
                #expect(receiver.captured[0].text.contains("from swaks"))

                let python = try await Program.run(
                    try Program.find("python3", package: "python3"),
                    [
                        "-c",
                        """
                        import smtplib, sys
                        from email.message import EmailMessage
                        m = EmailMessage()
                        m["From"], m["To"], m["Subject"] = "py@sender.test", "a@rcpt.test", "h\\u00e9"
                        m.set_content("gr\\u00fc\\u00df dich\\n.\\n..dots\\n")
                        with smtplib.SMTP("127.0.0.1", \(daemon.port)) as s:
                            s.send_message(m)
                            s.sendmail("", ["b@rcpt.test", "c@rcpt.test"], b"Subject: 2\\r\\n\\r\\n.x\\r\\n")
                        """,
                    ])
                #expect(python.status == 0, "\(python.errors)")
                try await receiver.takes(3)
                let second = try #require(
                    receiver.captured.first { $0.sender.isEmpty })
                #expect(second.recipients == ["b@rcpt.test", "c@rcpt.test"])
                #expect(String(buffer: second.trace.rest) == "Subject: 2\r\n\r\n.x\r\n")
                try await daemon.awaitEmptyQueue()
            }
        }

        /// Load by Postfix's own tools: every message once, none bounced.
        @Test func smtpSourceToSmtpSink() async throws {
            try await withScene { scene in
                let folder = scene.directory.file("sink")
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true)
                // smtp-sink gives root's rights up.
                chmod(scene.directory.path, 0o755)
                chmod(folder, 0o777)
                let port = try PortReservation.freePort()
                let user = getuid() == 0 ? ["-u", "nobody"] : []
                let sink = try scene.process(
                    try Program.find("smtp-sink", package: "postfix"),
                    user + ["-d", "\(folder)/%M.", "inet:127.0.0.1:\(port)", "256"],
                    log: "sink.log")
                var settings = DaemonSettings()
                settings.routes = ["*": "127.0.0.1:\(port)"]
                let daemon = try await scene.daemon(settings)
                let source = try await Program.run(
                    try Program.find("smtp-source", package: "postfix"),
                    [
                        "-s", "10", "-m", "500", "-l", "4000", "-d", "-f", "a@sender.test", "-t",
                        "b@rcpt.test", "127.0.0.1:\(daemon.port)",
                    ])
                #expect(source.status == 0, "\(source.errors)")
                try await daemon.awaitEmptyQueue()
                #expect(sink.ending == nil)
                let files = try FileManager.default.contentsOfDirectory(atPath: folder)
                #expect(files.count == 500)
                let totals = try await daemon.totals()
                #expect(totals.accepted == 500)
                #expect(totals.delivered == 500)
                #expect(totals.bounced == 0)
            }
        }

        @Test func requiredEncryptionIsRequired() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.more = "[tls]\nmode = \"required\"\n"
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("tls", to: "user@rcpt.test"), to: daemon.port)
                try await waitUntil("an attempt is put off") {
                    try await daemon.totals().deferred > 0
                }
                #expect(receiver.statistics.messages == 0)
                #expect(try await daemon.control.messages().total == 1)
            }
        }
    }
}
