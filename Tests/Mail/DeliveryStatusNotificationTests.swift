import Testing

@testable import Mail

@Suite struct DeliveryStatusNotificationTests {
    let arrival = UnixTime(milliseconds: 1_795_473_180_000)
    let date = UnixTime(milliseconds: 1_795_476_780_000)

    func make(
        kind: DeliveryStatusNotification.Kind = .failed, original: String,
        full: Bool = false, envelopeID: String = "",
        recipients: [DeliveryStatusNotification.Recipient]
    ) -> DeliveryStatusNotification {
        DeliveryStatusNotification(
            kind: kind, id: "1a2b.0", reportingMTA: "mta1.example.net",
            sender: "sender@example.org", envelopeID: envelopeID, arrival: arrival, date: date,
            recipients: recipients, original: Array(original.utf8), returnFull: full)
    }

    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    let message = "From: a@example.org\r\nSubject: Hello\r\n\r\nBody of the mail.\r\n"

    @Test func failure() {
        let dsn = make(
            original: message, envelopeID: "QQ+2B314159",
            recipients: [
                .init(
                    address: "user@example.com", originalRecipient: "rfc822;User+2Btag@Example.com",
                    reply: Reply(
                        code: 550, enhanced: EnhancedCode(5, 1, 1),
                        lines: [
                            "The email account that you tried to reach does not exist.",
                            "Please try double-checking the address for typos.",
                        ]), remoteMTA: "mx.example.com", lastAttempt: date)
            ])
        let expected = """
            From: Mail Delivery System <MAILER-DAEMON@mta1.example.net>
            To: <sender@example.org>
            Subject: Undelivered mail
            Date: Mon, 23 Nov 2026 23:33:00 +0000
            Message-ID: <1a2b.0.dsn@mta1.example.net>
            Auto-Submitted: auto-replied
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
            \tboundary="=_sluice.1a2b.0.0"

            --=_sluice.1a2b.0.0
            Content-Type: text/plain; charset=utf-8

            This is the mail system at mta1.example.net.

            Your message could not be delivered to the recipients below. It will not be tried
            again. What was answered last stands below each of them.

            <user@example.com>:
                mx.example.com said: 550 5.1.1 The email account that you tried to reach
                does not exist. Please try double-checking the address for typos.

            --=_sluice.1a2b.0.0
            Content-Type: message/delivery-status

            Reporting-MTA: dns; mta1.example.net
            Original-Envelope-Id: QQ+314159
            Arrival-Date: Mon, 23 Nov 2026 22:33:00 +0000

            Original-Recipient: rfc822; User+tag@Example.com
            Final-Recipient: rfc822; user@example.com
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; mx.example.com
            Diagnostic-Code: smtp; 550 5.1.1 The email account that you tried to reach
             does not exist. Please try double-checking the address for typos.
            Last-Attempt-Date: Mon, 23 Nov 2026 23:33:00 +0000

            --=_sluice.1a2b.0.0
            Content-Type: text/rfc822-headers

            From: a@example.org
            Subject: Hello

            --=_sluice.1a2b.0.0--

            """
        #expect(text(dsn.render()) == crlf(expected))
        #expect(dsn.render() == dsn.render())
    }

    @Test func delay() {
        let until = UnixTime(milliseconds: date.milliseconds + 86_400_000)
        let dsn = make(
            kind: .delayed, original: message, full: true,
            recipients: [
                .init(
                    address: "a@example.com",
                    reply: .local(EnhancedCode(4, 4, 1), "Connection refused"), retryUntil: until),
                .init(
                    address: "b@example.com", reply: Reply(451, nil, "Later"),
                    remoteMTA: "mx.example.com", retryUntil: until),
            ])
        let expected = """
            Reporting-MTA: dns; mta1.example.net
            Arrival-Date: Mon, 23 Nov 2026 22:33:00 +0000

            Final-Recipient: rfc822; a@example.com
            Action: delayed
            Status: 4.4.1
            Diagnostic-Code: x-sluice; 4.4.1 Connection refused
            Will-Retry-Until: Tue, 24 Nov 2026 23:33:00 +0000

            Final-Recipient: rfc822; b@example.com
            Action: delayed
            Status: 4.0.0
            Remote-MTA: dns; mx.example.com
            Diagnostic-Code: smtp; 451 Later
            Will-Retry-Until: Tue, 24 Nov 2026 23:33:00 +0000

            """
        let rendered = text(dsn.render())
        #expect(rendered.contains("\r\n\r\n" + crlf(expected)))
        #expect(rendered.contains("Subject: Delayed mail (still being retried)\r\n"))
        // A delay returns the header only, whatever RET says.
        #expect(!rendered.contains("Body of the mail."))
    }

    @Test func wholeMessageIfWantedAndSmall() {
        let recipients = [
            DeliveryStatusNotification.Recipient(
                address: "a@example.com", reply: Reply(550, nil, "No"))
        ]
        let small = text(make(original: message, full: true, recipients: recipients).render())
        #expect(small.contains("Content-Type: message/rfc822\r\n\r\n" + message))
        let padding = String(
            repeating: "x\r\n", count: DeliveryStatusNotification.maxOriginal / 3)
        let large = text(
            make(original: message + padding, full: true, recipients: recipients).render())
        #expect(large.contains("Content-Type: text/rfc822-headers\r\n"))
        #expect(!large.contains("Body of the mail."))
    }

    @Test func hugeHeadersAreCutAtALine() {
        let line = "X-Filler: " + String(repeating: "y", count: 988) + "\r\n"
        let dsn = make(
            original: String(repeating: line, count: 200),
            recipients: [.init(address: "a@example.com", reply: Reply(550, nil, "No"))])
        let bytes = dsn.render()
        #expect(bytes.count < DeliveryStatusNotification.maxOriginal + 4096)
        #expect(text(bytes).contains(line + "\r\n--=_sluice"))
    }

    @Test func boundaryCannotBeForged() {
        let forged = "Subject: x\r\n\r\n--=_sluice.1a2b.0.0\r\n--=_sluice.1a2b.0.1--\r\n"
        let dsn = make(
            original: forged, full: true,
            recipients: [.init(address: "a@example.com", reply: Reply(550, nil, "No"))])
        let rendered = text(dsn.render())
        #expect(rendered.contains("boundary=\"=_sluice.1a2b.0.2\""))
        #expect(rendered.hasSuffix("--=_sluice.1a2b.0.2--\r\n"))
    }

    @Test func hostileTextsStayInTheirFields() {
        let dsn = make(
            original: message, envelopeID: "a+0D+0ABcc:+20evil@example.com",
            recipients: [
                .init(
                    address: "a@example.com\r\nEvil: 1",
                    originalRecipient: "rfc822;x+0D+0AEvil: 2",
                    reply: Reply(550, nil, "no\r\n\r\n--x\u{1B}[2J"), remoteMTA: "mx\nEvil: 3")
            ])
        let rendered = text(dsn.render())
        for line in rendered.split(separator: "\r\n") {
            #expect(!line.hasPrefix("Evil") && !line.hasPrefix("Bcc") && !line.hasPrefix("--x"))
        }
        #expect(!rendered.contains("\u{1B}"))
        #expect(rendered.contains("Content-Transfer-Encoding: 8bit\r\n"))
    }

    @Test func everyLineEndsWithCRLF() {
        let bytes = make(
            original: message,
            recipients: [.init(address: "ü@example.com", reply: Reply(550, nil, "Nö"))]
        ).render()
        for index in bytes.indices where bytes[index] == 0x0A {
            #expect(index > 0 && bytes[index - 1] == 0x0D)
        }
        #expect(text(bytes).contains("Final-Recipient: utf-8; ü@example.com\r\n"))
    }

    @Test func statusFollowsTheReply() {
        func status(_ reply: Reply, _ status: EnhancedCode? = nil) -> Bool {
            let recipient = DeliveryStatusNotification.Recipient(
                address: "a@example.com", reply: reply, status: status)
            return text(make(original: message, recipients: [recipient]).render())
                .contains("Status: 5.0.0\r\n")
        }
        #expect(status(Reply(550, nil, "No")))
        #expect(status(Reply(550, EnhancedCode(2, 0, 0), "odd")))
        #expect(!status(Reply(451, nil, "Later")))
        #expect(!status(Reply(550, nil, "No"), EnhancedCode(4, 4, 7)))
    }

    @Test(arguments: [
        ("", "", true, true), ("", "NEVER", false, false), ("", "SUCCESS", false, false),
        ("", "FAILURE", true, false), ("", "SUCCESS,DELAY", false, true),
        ("", "FAILURE,DELAY", true, true),
    ])
    func applies(_: String, notify: String, failed: Bool, delayed: Bool) {
        typealias DSN = DeliveryStatusNotification
        #expect(DSN.applies(sender: "a@b", notify: notify, kind: .failed) == failed)
        #expect(DSN.applies(sender: "a@b", notify: notify, kind: .delayed) == delayed)
        #expect(!DSN.applies(sender: "", notify: notify, kind: .failed))
    }

    private func crlf(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
    }
}

extension DeliveryStatusNotificationTests {
    @Test func relayedAndFailedInOneReport() {
        let dsn = make(
            original: message,
            recipients: [
                .init(
                    address: "a@example.com", kind: .failed,
                    reply: Reply(550, EnhancedCode(5, 1, 1), "no such user")),
                .init(
                    address: "b@example.com", kind: .relayed,
                    reply: Reply(250, EnhancedCode(2, 6, 0), "queued"),
                    remoteMTA: "mx.example.com"),
            ])
        let report = text(dsn.render())
        #expect(report.contains("Subject: Undelivered mail\r\n"))
        #expect(report.contains("rfc822; a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"))
        #expect(report.contains("rfc822; b@example.com\r\nAction: relayed\r\nStatus: 2.6.0\r\n"))
        #expect(report.contains("passed on for the recipients below"))
    }

    /// A reply that a receiver means for good, and that a rule makes one for now.
    @Test func aDelayIsNeverFinal() {
        let dsn = make(
            kind: .delayed, original: message,
            recipients: [
                .init(
                    address: "a@example.com",
                    reply: Reply(554, EnhancedCode(5, 7, 1), "blocked"),
                    retryUntil: date)
            ])
        let report = text(dsn.render())
        #expect(report.contains("Action: delayed\r\nStatus: 4.7.1\r\n"))
        #expect(report.contains("Will-Retry-Until: Mon, 23 Nov 2026 23:33:00 +0000\r\n"))
    }

    @Test(arguments: [
        ("", true, true, false), ("NEVER", false, false, false), ("FAILURE", true, false, false),
        ("DELAY", false, true, false), ("success,failure", true, false, true),
    ])
    func notify(_ notify: String, _ failed: Bool, _ delayed: Bool, _ relayed: Bool) {
        func applies(_ kind: DeliveryStatusNotification.Kind, from sender: String) -> Bool {
            DeliveryStatusNotification.applies(sender: sender, notify: notify, kind: kind)
        }
        #expect(applies(.failed, from: "a@b.test") == failed)
        #expect(applies(.delayed, from: "a@b.test") == delayed)
        #expect(applies(.relayed, from: "a@b.test") == relayed)
        for kind in DeliveryStatusNotification.Kind.allCases {
            #expect(!applies(kind, from: ""))
        }
    }
}
