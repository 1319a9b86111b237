import Commands
import Control
import Mail
import Testing

private func options(_ arguments: String...) throws -> SendmailOptions {
    try SendmailOptions(program: "sendmail", arguments)
}

@Suite struct SendmailOptionsTests {
    @Test func usualFlags() throws {
        var expected = SendmailOptions()
        expected.recipients = ["bob@example.com"]
        #expect(try options("bob@example.com") == expected)
        expected.sender = "a@b.example"
        expected.ignoresDots = true
        #expect(try options("-oi", "-f", "a@b.example", "bob@example.com") == expected)
        #expect(try options("-i", "-fa@b.example", "--", "bob@example.com") == expected)
        #expect(try options("-o", "i", "-r", "a@b.example", "bob@example.com") == expected)
        expected.fullName = "A B"
        #expect(
            try options("-FA B", "-ifa@b.example", "-oem", "-o7", "-bm", "bob@example.com")
                == expected)
        #expect(
            try options(
                "-B8BITMIME", "-N", "never", "-R", "hdrs", "-V", "id", "-O", "x=y", "-v", "-U",
                "-F", "A B", "-if", "a@b.example", "-L", "tag", "-X", "log", "-p", "x", "-h", "3",
                "-em", "-Am", "-d", "0", "bob@example.com") == expected)
    }

    @Test func recipientsOfTheHeader() throws {
        let found = try options("-ti")
        #expect(found.readsRecipients && found.ignoresDots && found.recipients.isEmpty)
    }

    @Test func nullSender() throws {
        #expect(try options("-f", "<>", "x").sender == "")
        #expect(try options("-f", "", "x").sender == "")
        #expect(try options("-f", "-", "x").sender == "-")
    }

    @Test func afterTheFlags() throws {
        #expect(try options("--", "-t", "-x@y.example").recipients == ["-t", "-x@y.example"])
        #expect(try options("a", "-t", "b").recipients == ["a", "b"])
    }

    @Test func modes() throws {
        #expect(try options("-bp").mode == .printQueue)
        #expect(try options("-bi").mode == .nothing)
        #expect(try options("-I").mode == .nothing)
        #expect(try SendmailOptions(program: "mailq", []).mode == .printQueue)
        #expect(try SendmailOptions(program: "newaliases", []).mode == .nothing)
        #expect(SendmailOptions.programName("/usr/sbin/sendmail") == "sendmail")
        #expect(SendmailOptions.programName("") == "")
    }

    @Test(arguments: [["-f"], ["-bs"], ["-bd"], ["-q"], ["-q30m"], ["-Z"], ["-tZ"], ["-o"]])
    func usage(arguments: [String]) {
        let failure = #expect(throws: CommandFailure.self) {
            try SendmailOptions(program: "sendmail", arguments)
        }
        #expect(failure?.status == SysExit.usage)
    }
}

@Suite struct MessageInputTests {
    private func read(_ text: String, endsAtDot: Bool, cutAt cut: Int) -> String {
        var input = MessageInput(endsAtDot: endsAtDot)
        let bytes = Array(text.utf8)
        let isEnded = input.append(bytes[..<cut])
        if !isEnded { _ = input.append(bytes[cut...]) }
        return String(decoding: input.finish(), as: UTF8.self)
    }

    @Test(arguments: [
        ("a\nb\n", true, "a\r\nb\r\n"),
        ("a\r\nb\r\n", true, "a\r\nb\r\n"),
        ("a\nb\r\nc", true, "a\r\nb\r\nc\r\n"),
        ("a\n.\nb\n", true, "a\r\n"),
        ("a\r\n.\r\nb\n", true, "a\r\n"),
        ("a\n.\nb\n", false, "a\r\n.\r\nb\r\n"),
        ("a\n.", true, "a\r\n"),
        ("a\n.", false, "a\r\n.\r\n"),
        (".\n", true, ""),
        ("..\n. \n.x\nx.\n", true, "..\r\n. \r\n.x\r\nx.\r\n"),
        ("", true, ""),
        ("\n", true, "\r\n"),
        ("a\rb\n", true, "a\rb\r\n"),
        ("a\r", true, "a\r\n"),
        ("a\r\r\n", true, "a\r\r\n"),
    ])
    func lines(text: String, endsAtDot: Bool, result: String) {
        for cut in 0...text.utf8.count {
            #expect(read(text, endsAtDot: endsAtDot, cutAt: cut) == result, "cut at \(cut)")
        }
    }
}

@Suite struct SubmissionTests {
    private let author = Submission.Author(
        user: "alice", fullName: "Alice A.", domain: "mta.example")

    private func submission(
        _ text: String, _ change: (inout SendmailOptions) -> Void = { _ in }
    ) throws -> Submission {
        var options = SendmailOptions()
        change(&options)
        return try Submission(
            LineEnds.crlf(Array(text.utf8)), options: options, author: author, now: .start,
            unique: 0xABC)
    }

    private func text(_ submission: Submission) -> String {
        String(decoding: submission.message, as: UTF8.self)
    }

    @Test func completesTheHeader() throws {
        let made = try submission("Subject: x\nTo: bob\n\nHello\n") { $0.recipients = ["bob"] }
        #expect(made.sender == "alice@mta.example")
        #expect(made.recipients == ["bob@mta.example"])
        #expect(
            text(made) == "From: \"Alice A.\" <alice@mta.example>\r\n"
                + "Date: Mon, 23 Nov 2026 22:33:20 +0000\r\n"
                + "Message-ID: <1795473200000.abc@mta.example>\r\n"
                + "Subject: x\r\nTo: bob\r\n\r\nHello\r\n")
    }

    @Test func completeHeadersStay() throws {
        let whole =
            "fRoM: a@b.example\r\nDATE: now\r\nMessage-Id: <1@b>\r\nBcc: x@y.example\r\n\r\n.\r\n"
        let made = try submission(whole) { $0.recipients = ["c@d.example"] }
        #expect(text(made) == whole)
    }

    /// A mailbox's first line goes; a field with space before its colon is none.
    @Test func firstLines() throws {
        let header = "Date: now\nMessage-ID: <1@b>\n\nx\n"
        let mailbox = try submission("From a@b Mon Nov 23 22:33:20 2026\nFrom: c@d\n" + header) {
            $0.recipients = ["bob"]
        }
        #expect(text(mailbox).hasPrefix("From: c@d\r\nDate: now\r\n"))
        let field = try submission("From : c@d\n" + header) { $0.recipients = ["bob"] }
        #expect(text(field).hasPrefix("From : c@d\r\nDate: now\r\n"))
    }

    @Test func recipientsFromTheHeader() throws {
        let made = try submission(
            """
            To: Bob <bob@x.example>, team: c@x.example,
             d@x.example;
            Cc: "E, F" <ef@x.example>, bob@x.example
            BCC: secret@x.example,
            \tother@x.example
            From: a@b.example
            Date: now
            Message-ID: <1@b>
            Subject: kept
             folded

            Bcc: in the body
            """
        ) {
            $0.readsRecipients = true
            $0.recipients = ["extra@x.example"]
        }
        #expect(
            made.recipients == [
                "extra@x.example", "bob@x.example", "c@x.example", "d@x.example", "ef@x.example",
                "secret@x.example", "other@x.example",
            ])
        #expect(
            text(made) == "To: Bob <bob@x.example>, team: c@x.example,\r\n d@x.example;\r\n"
                + "Cc: \"E, F\" <ef@x.example>, bob@x.example\r\n"
                + "From: a@b.example\r\nDate: now\r\nMessage-ID: <1@b>\r\n"
                + "Subject: kept\r\n folded\r\n\r\nBcc: in the body\r\n")
    }

    @Test func resent() throws {
        let made = try submission("Resent-To: r@x.example\nResent-Bcc: s@x.example\nTo: old@x\n\n")
        {
            $0.readsRecipients = true
        }
        #expect(made.recipients == ["r@x.example", "s@x.example"])
        #expect(!text(made).contains("s@x.example"))
    }

    @Test(arguments: [
        ("just text\n", "\r\njust text\r\n"),
        ("\nbody: x\n", "\r\nbody: x\r\n"),
        ("From root Mon\nSubject: x\n\nb\n", "Subject: x\r\n\r\nb\r\n"),
        ("Subject: x\nno field\n", "Subject: x\r\n\r\nno field\r\n"),
        (" continued\n", "\r\n continued\r\n"),
        ("", "\r\n"),
        ("Subject: only", "Subject: only\r\n\r\n"),
    ])
    func oddHeaders(input: String, end: String) throws {
        let made = try submission(input) {
            $0.recipients = ["b@x.example"]
            $0.sender = "<>"
        }
        #expect(made.sender == "")
        #expect(text(made).hasSuffix("@mta.example>\r\n" + end))
        #expect(text(made).hasPrefix("From: \"Alice A.\" <alice@mta.example>\r\n"))
    }

    @Test func senders() throws {
        #expect(
            try submission("\n") {
                $0.sender = "A <a@b.example>"
                $0.recipients = ["x"]
            }.sender == "a@b.example")
        #expect(
            try submission("\n") {
                $0.sender = "bob"
                $0.recipients = ["x"]
            }.sender == "bob@mta.example")
        #expect(
            try submission("\n") { $0.recipients = ["\"a@b\"", "\"a@b\"@c.example"] }.recipients
                == ["\"a@b\"@mta.example", "\"a@b\"@c.example"])
    }

    @Test func names() throws {
        func from(_ name: String) throws -> String? {
            let made = try submission("Subject: x\n\n") {
                $0.fullName = name
                $0.recipients = ["x"]
            }
            return text(made).split(separator: "\r\n").first.map(String.init)
        }
        #expect(try from("Bob Smith") == "From: Bob Smith <alice@mta.example>")
        #expect(try from("B \"x\" \\") == "From: \"B \\\"x\\\" \\\\\" <alice@mta.example>")
        #expect(try from("Böb") == "From: =?UTF-8?B?QsO2Yg==?= <alice@mta.example>")
        #expect(try from("a\r\nBcc: x@y") == "From: \"aBcc: x@y\" <alice@mta.example>")
        #expect(try from("") == "From: alice@mta.example")
        let long = try #require(try from(String(repeating: "日", count: 40)))
        #expect(long.split(separator: " ").allSatisfy { $0.count <= 75 })
    }

    @Test(arguments: [
        ([], false, "\n", SysExit.usage),
        ([], true, "Subject: x\n\n", SysExit.usage),
        ([], true, "To: a b@c\n\n", SysExit.dataError),
        (["a b"], false, "\n", SysExit.noUser),
        (["a@b\u{1}"], false, "\n", SysExit.noUser),
    ])
    func failures(recipients: [String], reads: Bool, input: String, status: Int32) {
        let failure = #expect(throws: CommandFailure.self) {
            try submission(input) {
                $0.recipients = recipients
                $0.readsRecipients = reads
            }
        }
        #expect(failure?.status == status)
    }

    @Test func statuses() {
        func status(_ http: Int, _ code: String) -> Int32 {
            Submission.failure(
                SubmissionRefused(status: http, error: APIError(code: code, message: "m"))
            ).status
        }
        #expect(status(400, "bad-recipient") == SysExit.noUser)
        #expect(status(400, "bad-message") == SysExit.dataError)
        #expect(status(403, "forbidden") == SysExit.noPermission)
        #expect(status(429, "busy") == SysExit.temporary)
        #expect(status(503, "spool") == SysExit.temporary)
        let gone = ControlError(code: .noDaemon, message: "m")
        #expect(Submission.failure(gone).status == SysExit.temporary)
        #expect(CommandFailure(gone).status == ExitStatus.noDaemon)
        let denied = ControlError(code: .notAllowed, message: "m")
        #expect(Submission.failure(denied).status == SysExit.noPermission)
        #expect(CommandFailure(denied).status == ExitStatus.refused)
    }
}
