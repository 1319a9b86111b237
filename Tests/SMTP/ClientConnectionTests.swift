import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

@Suite struct ClientConnectionTests {
    private let pipelined = "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"

    @Test func pipelinedDelivery() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        #expect(try wire.said() == pipelined)
        #expect(wire.connection.phase == "MAIL")
        #expect(try wire.hear("250 2.1.0 OK\r\n250 2.1.5 OK\r\n") == "")
        #expect(try wire.hear("354 Go\r\n") == "Subject: x\r\n\r\nHello\r\n.\r\n")
        #expect(wire.connection.phase == "dot")
        try wire.hear("250 2.0.0 Queued as 1\r\n")
        let result = try #require(wire.client.results.first)
        #expect(result.outcomes == [.delivered(Reply(250, EnhancedCode(2, 0, 0), "Queued as 1"))])
        #expect(result.reusable && result.dotSent && !result.closing && !result.unanswered)
        wire.connection.quit()
        #expect(try wire.said() == "QUIT\r\n")
        try wire.hear("221 Bye\r\n")
        #expect(wire.client.closings == [nil])
        #expect(!wire.channel.isActive && wire.connection.phase == "closed")
    }

    @Test func stepByStepWithoutPipelining() throws {
        let wire = try ClientWire().greeted(["HELP"])
        wire.connection.deliver(transaction(to: ["b@b.test", "no@b.test"]))
        #expect(try wire.said() == "MAIL FROM:<a@a.test>\r\n")
        #expect(try wire.hear("250 OK\r\n") == "RCPT TO:<b@b.test>\r\n")
        #expect(try wire.hear("250 OK\r\n") == "RCPT TO:<no@b.test>\r\n")
        #expect(try wire.hear("550 No\r\n") == "DATA\r\n")
        #expect(try wire.hear("354 Go\r\n").hasSuffix("\r\n.\r\n"))
        try wire.hear("250 OK\r\n")
        #expect(
            wire.client.results.first?.outcomes == [
                .delivered(Reply(250, nil, "OK")), .failed(Reply(550, nil, "No"), .rcpt),
            ])
    }

    @Test func allRefusedSendsNoData() throws {
        let step = try ClientWire().greeted(["HELP"])
        step.connection.deliver(transaction())
        try step.hear("250 OK\r\n")
        #expect(try step.hear("451 Later\r\n") == "")
        #expect(step.client.results[0].outcomes == [.deferred(Reply(451, nil, "Later"), .rcpt)])
        #expect(step.client.results[0].reusable)
        // The sender is still known there.
        step.connection.deliver(transaction())
        #expect(try step.said() == "RSET\r\n")
        #expect(try step.hear("250 OK\r\n") == "MAIL FROM:<a@a.test>\r\n")

        let piped = try ClientWire().greeted()
        piped.connection.deliver(transaction())
        #expect(try piped.hear("250 OK\r\n550 No\r\n554 No valid recipients\r\n") == pipelined)
        #expect(piped.client.results[0].outcomes == [.failed(Reply(550, nil, "No"), .rcpt)])
        piped.connection.deliver(transaction())
        #expect(try piped.said() == "RSET\r\n" + pipelined)
    }

    /// RFC 2920 §3.1: DATA was sent along and accepted although nobody gets the message.
    @Test func emptyMessageIfDataIsAcceptedForNobody() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        _ = try wire.said()
        #expect(try wire.hear("250 OK\r\n550 No\r\n354 Go\r\n") == ".\r\n")
        #expect(wire.client.results.isEmpty)
        try wire.hear("250 Accepted an empty message\r\n")
        #expect(wire.client.results[0].outcomes == [.failed(Reply(550, nil, "No"), .rcpt)])
        #expect(wire.client.results[0].reusable && !wire.client.results[0].dotSent)
        wire.connection.deliver(transaction())
        #expect(try wire.said() == pipelined)
    }

    @Test func senderRefused() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction(to: ["b@b.test", "c@b.test"]))
        _ = try wire.said()
        try wire.hear("550 5.7.1 Go away\r\n503 no\r\n503 no\r\n503 no\r\n")
        let refusal = Reply(550, EnhancedCode(5, 7, 1), "Go away")
        #expect(
            wire.client.results[0].outcomes == [.failed(refusal, .mail), .failed(refusal, .mail)])
        #expect(wire.client.results[0].reusable)
    }

    @Test func finalReplyRefuses() throws {
        for (reply, outcome) in [
            (
                "451 4.3.0 Full",
                RecipientOutcome.deferred(Reply(451, EnhancedCode(4, 3, 0), "Full"), .dot)
            ),
            ("554 Spam", .failed(Reply(554, nil, "Spam"), .dot)),
        ] {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction())
            try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n")
            try wire.hear(reply + "\r\n")
            #expect(wire.client.results[0].outcomes == [outcome])
            #expect(wire.client.results[0].reusable)
        }
    }

    /// A server that answers before it has the message does not get it: it counts as not sent.
    @Test(arguments: ["250 Early", "451 Early", "554 Early", "421 Early"])
    func answeredBeforeTheMessage(reply: String) throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        _ = try wire.said()
        let said = try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n\(reply)\r\n")
        #expect(said == "")
        #expect(wire.client.results.count == 1)
        #expect(!wire.client.results[0].dotSent && !wire.client.results[0].reusable)
    }

    /// 421 ends it at any step; what was decided before stays.
    @Test func closingReplies() throws {
        let closing = Reply(421, EnhancedCode(4, 7, 0), "Enough")
        let steps: [(String, Stage)] = [
            ("", .mail), ("250 OK\r\n550 No\r\n", .rcpt), ("250 OK\r\n550 No\r\n250 OK\r\n", .data),
            ("250 OK\r\n550 No\r\n250 OK\r\n354 Go\r\n", .dot),
        ]
        for (before, stage) in steps {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction(to: ["no@b.test", "b@b.test"]))
            try wire.hear(before)
            try wire.hear("421 4.7.0 Enough\r\n")
            let result = try #require(wire.client.results.first)
            #expect(result.closing && !result.reusable)
            #expect(result.dotSent == (stage == .dot))
            #expect(result.outcomes[1] == .deferred(closing, stage))
            if !before.isEmpty {
                #expect(result.outcomes[0] == .failed(Reply(550, nil, "No"), .rcpt))
            }
            #expect(wire.client.closings.map { $0?.stage } == [stage])
            #expect(wire.client.closings[0]?.reply == closing)
            #expect(!wire.channel.isActive)
        }
    }

    @Test func lostConnections() throws {
        let steps: [(String, Stage, Bool)] = [
            ("", .mail, true), ("250 OK\r\n", .rcpt, false),
            ("250 OK\r\n250 OK\r\n", .data, false), ("250 OK\r\n250 OK\r\n354 Go\r\n", .dot, false),
        ]
        for (before, stage, unanswered) in steps {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction())
            try wire.hear(before)
            try wire.channel.close().wait()
            let result = try #require(wire.client.results.first)
            guard case .deferred(let reply, stage) = result.outcomes[0] else {
                Issue.record("\(result.outcomes)")
                continue
            }
            #expect(reply.isLocal && reply.enhanced == EnhancedCode(4, 4, 2))
            #expect(result.dotSent == (stage == .dot))
            #expect(result.unanswered == unanswered && !result.reusable)
            #expect(wire.client.closings.map { $0?.stage } == [stage])
        }
    }

    @Test func dotStuffing() throws {
        for (body, dots, sent) in [
            (".a\r\n..\r\nb\r\n", true, "..a\r\n...\r\nb\r\n.\r\n"),
            ("no line end", false, "no line end\r\n.\r\n"),
            ("", false, ".\r\n"),
            (".", true, "..\r\n.\r\n"),
        ] {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction(body: body, dots: dots))
            _ = try wire.said()
            #expect(try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n") == sent)
        }
    }

    @Test func parametersOnlyWhereOffered() throws {
        var request = ClientTransaction(
            sender: "ü@a.test",
            recipients: [
                ClientRecipient(
                    address: "b@b.test", notify: "FAILURE", originalRecipient: "rfc822;b@b.test")
            ], body: ByteBuffer(string: "x\r\n"), hasLeadingDots: false, eightBit: true,
            utf8: true, ret: "HDRS", envelopeID: "e1")
        let full = try ClientWire().greeted(["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN"])
        full.connection.deliver(request)
        #expect(
            try full.said()
                == "MAIL FROM:<ü@a.test> SIZE=3 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1\r\n")
        #expect(
            try full.hear("250 OK\r\n")
                == "RCPT TO:<b@b.test> NOTIFY=FAILURE ORCPT=rfc822;b@b.test\r\n")

        let bare = try ClientWire().greeted(["HELP"])
        bare.connection.deliver(request)
        #expect(
            bare.client.results[0].outcomes == [
                .failed(
                    .local(EnhancedCode(5, 6, 7), "The server does not support SMTPUTF8"), .mail)
            ])
        #expect(bare.client.results[0].reusable)
        // Said, but not needed.
        request.sender = "a@a.test"
        bare.connection.deliver(request)
        #expect(try bare.said() == "MAIL FROM:<a@a.test>\r\n")
        #expect(try bare.hear("250 OK\r\n") == "RCPT TO:<b@b.test>\r\n")
    }

    @Test func utf8HeadersNeedSMTPUTF8() throws {
        for (body, sent) in [
            ("Subject: ü\r\n\r\nx\r\n", false), ("Subject: u\r\n\r\nü\r\n", true),
        ] {
            let wire = try ClientWire().greeted()
            var request = transaction(body: body)
            request.utf8 = true
            wire.connection.deliver(request)
            #expect(try wire.said().isEmpty == !sent)
        }
    }

    @Test func tooLargeForTheServer() throws {
        let wire = try ClientWire().greeted(["SIZE 10"])
        wire.connection.deliver(transaction(body: "0123456789\r\n"))
        guard case .failed(let reply, .mail) = wire.client.results[0].outcomes[0] else {
            Issue.record("not failed")
            return
        }
        #expect(reply.isLocal && reply.enhanced == EnhancedCode(5, 3, 4))
        #expect(try wire.said() == "")
    }

    @Test func hostileEnvelopesAreNotSent() throws {
        let wire = try ClientWire().greeted()
        for address in ["a@b.test>\r\nDATA\r\n", "a\u{0}@b.test"] {
            wire.connection.deliver(transaction(to: [address]))
        }
        var request = transaction()
        request.envelopeID = "x BODY=7BIT"
        wire.connection.deliver(request)
        #expect(wire.client.results.count == 3)
        #expect(try wire.said() == "")
    }

    @Test func tooManyRecipientsIsTemporary() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction(to: ["a@b.test", "b@b.test", "c@b.test", "d@b.test"]))
        try wire.hear("250 OK\r\n250 OK\r\n552 Too many\r\n552 5.2.2 Full\r\n552 5.5.3 Many\r\n")
        try wire.hear("354 Go\r\n")
        try wire.hear("250 OK\r\n")
        let kinds = wire.client.results[0].outcomes.map { outcome in
            switch outcome {
            case .delivered: "delivered"
            case .deferred: "deferred"
            case .failed: "failed"
            }
        }
        #expect(kinds == ["delivered", "deferred", "failed", "deferred"])
    }

    @Test func fallsBackToHELO() throws {
        let wire = try ClientWire()
        #expect(try wire.hear("220 old.test\r\n") == "EHLO me.test\r\n")
        #expect(try wire.hear("502 What?\r\n") == "HELO me.test\r\n")
        try wire.hear("250 old.test\r\n")
        #expect(wire.client.readyCount == 1)
        wire.connection.deliver(transaction())
        #expect(try wire.said() == "MAIL FROM:<a@a.test>\r\n")
    }

    @Test(arguments: [
        ("554 No\r\n", Stage.greeting, 554, "QUIT\r\n"),
        ("421 Busy\r\n", .greeting, 421, ""),
        ("220 hi\r\n421 Busy\r\n", .ehlo, 421, "EHLO me.test\r\n"),
        ("220 hi\r\n450 Later\r\n", .ehlo, 450, "EHLO me.test\r\nQUIT\r\n"),
        ("220 hi\r\n502 No\r\n550 No\r\n", .ehlo, 550, "EHLO me.test\r\nHELO me.test\r\nQUIT\r\n"),
    ])
    func refusedBeforeATransaction(script: String, stage: Stage, code: Int, said: String) throws {
        let wire = try ClientWire()
        var sent = ""
        for line in script.split(separator: "\r\n") { sent += try wire.hear(line + "\r\n") }
        #expect(sent == said)
        #expect(wire.client.closings.count == 1)
        #expect(wire.client.closings[0]?.stage == stage)
        #expect(wire.client.closings[0]?.reply?.code == code)
        #expect(!wire.channel.isActive)
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n", "220 hi\n", "\u{0}\u{1}\r\n"])
    func garbageEndsIt(text: String) throws {
        let wire = try ClientWire()
        try wire.hear(text)
        #expect(wire.client.closings.count == 1 && wire.client.closings[0]?.stage == .greeting)
        let running = try ClientWire().greeted()
        running.connection.deliver(transaction())
        try running.hear(text.replacing("220", with: "22"))
        #expect(running.client.results.count == 1 && running.client.closings.count == 1)
    }

    @Test func unexpectedRepliesAreProtocolErrors() throws {
        for (script, stage) in [
            ("354 what\r\n", Stage.mail), ("250 OK\r\n354 what\r\n", .rcpt),
            ("250 OK\r\n250 OK\r\n250 what\r\n", .data),
            ("250 OK\r\n250 OK\r\n354 Go\r\n354 what\r\n", .dot),
        ] {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction())
            for line in script.split(separator: "\r\n") { try wire.hear(line + "\r\n") }
            let result = try #require(wire.client.results.first)
            guard case .deferred(let reply, stage) = result.outcomes[0] else {
                Issue.record("\(script): \(result.outcomes)")
                continue
            }
            #expect(reply.isLocal && !result.reusable)
            #expect(wire.client.closings.count == 1)
        }
    }

    @Test func idleConnectionsEndQuietly() throws {
        let eof = try ClientWire().greeted()
        try eof.channel.close().wait()
        #expect(eof.client.closings == [nil])
        let told = try ClientWire().greeted()
        try told.hear("421 4.4.2 Timeout\r\n")
        #expect(told.client.closings == [nil])
        #expect(!told.channel.isActive)
    }

    @Test func noReuseIfTheServerSaidGoodbyeAlong() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n")
        try wire.hear("250 OK\r\n421 Enough for today\r\n")
        #expect(wire.client.results[0].outcomes == [.delivered(Reply(250, nil, "OK"))])
        #expect(!wire.client.results[0].reusable)
        #expect(wire.client.closings == [nil])
    }

    @Test func nextOneFromWithinFinished() throws {
        let wire = try ClientWire()
        var left = 3
        wire.client.onReady = { $0.deliver(transaction()) }
        wire.client.onFinished = { connection, result in
            #expect(result.reusable)
            left -= 1
            if left > 0 { connection.deliver(transaction()) } else { connection.quit() }
        }
        try wire.hear("220 hi\r\n")
        #expect(try wire.hear("250-x\r\n250 PIPELINING\r\n") == pipelined)
        for round in 1...3 {
            try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n")
            #expect(try wire.hear("250 OK\r\n") == (round < 3 ? pipelined : "QUIT\r\n"))
        }
        #expect(wire.client.results.count == 3)
    }

    @Test func quitWaitsForTheTransaction() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        wire.connection.quit()
        #expect(try wire.said() == pipelined)
        try wire.hear("250 OK\r\n250 OK\r\n354 Go\r\n")
        #expect(try wire.hear("250 OK\r\n") == "QUIT\r\n")
        #expect(wire.client.results[0].reusable == false)
        try wire.channel.close().wait()
        #expect(wire.client.closings == [nil])
    }

    @Test func abortDefersAndCloses() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        wire.connection.abort()
        #expect(wire.client.results.count == 1 && wire.client.closings.count == 1)
        #expect(!wire.channel.isActive)
        // A delivery to what is closed is deferred.
        wire.connection.abort()
        #expect(wire.client.closings.count == 1)

        let within = try ClientWire().greeted()
        within.client.onFinished = { connection, _ in connection.abort() }
        within.connection.deliver(transaction())
        try within.hear("550 No\r\n503 x\r\n503 x\r\n")
        #expect(within.client.results.count == 1 && within.client.closings == [nil])
    }

    @Test func anyPieces() throws {
        let script = "250 2.1.0 OK\r\n550-5.1.1 No\r\n550 5.1.1 user\r\n250 OK\r\n354 Go\r\n"
        var random = Random(seed: 6)
        for _ in 0..<200 {
            let wire = try ClientWire().greeted()
            wire.connection.deliver(transaction(to: ["no@b.test", "b@b.test"]))
            for piece in random.pieces(Array(script.utf8), longest: 30) {
                try wire.hear(String(decoding: piece, as: UTF8.self))
            }
            for byte in "250 OK\r\n" { try wire.hear(String(byte)) }
            #expect(
                wire.client.results.first?.outcomes == [
                    .failed(
                        Reply(code: 550, enhanced: EnhancedCode(5, 1, 1), lines: ["No", "user"]),
                        .rcpt), .delivered(Reply(250, nil, "OK")),
                ])
        }
    }

    @Test func traceShowsTheConversation() throws {
        let wire = try ClientWire(tracing: true).greeted(["SIZE 100"])
        wire.connection.deliver(transaction())
        for line in ["250 2.1.0 OK", "250 OK", "354 Go", "250 OK \u{1B}[2J"] {
            try wire.hear(line + "\r\n")
        }
        #expect(
            wire.client.trace == [
                "received 220 mx.test", "sent EHLO me.test", "received 250-mx.test",
                "received 250 SIZE 100", "sent MAIL FROM:<a@a.test> SIZE=21",
                "received 250 2.1.0 OK", "sent RCPT TO:<b@b.test>", "received 250 OK",
                "sent DATA", "received 354 Go", "note a message of 21 octets",
                "received 250 OK ␛[2J",
            ])
    }

    /// Never unless asked for; then its beginning, made safe.
    @Test func traceShowsContentWhereItIsAskedFor() throws {
        let wire = try ClientWire(tracing: true).greeted(["SIZE 100000"])
        wire.connection.tracesContent = true
        let text =
            "Subject: \u{1B}[2J\r\n" + String(repeating: "x", count: 300) + "\r\n"
            + (0..<100).map { "line \($0)\r\n" }.joined()
        wire.connection.deliver(transaction(body: text))
        for line in ["250 2.1.0 OK", "250 OK", "354 Go", "250 OK"] { try wire.hear(line + "\r\n") }
        let content = wire.client.trace.filter { $0.hasPrefix("content ") }
        #expect(content.count == 60)
        #expect(content.first == "content Subject: ␛[2J")
        #expect(content[1] == "content " + String(repeating: "x", count: 200) + "…")
        #expect(content.last == "content line 57")
        #expect(wire.client.trace.contains { $0.hasSuffix("octets more are not shown") })
    }
}
