import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

@Suite struct ServerCommandTests {
    /// After EHLO: a command and the beginning of its reply.
    @Test(arguments: [
        ("NOOP", "250 2.0.0"), ("noop", "250 2.0.0"), ("NOOP any thing", "250 2.0.0"),
        ("RSET", "250 2.0.0"), ("RSET x", "501 5.5.4"), ("VRFY a", "252 2.5.2"),
        ("HELP", "214 2.0.0"), ("DATA", "503 5.5.1"), ("RCPT TO:<a@b.test>", "503 5.5.1"),
        ("STARTTLS", "503 5.5.1"), ("", "500 5.5.1"), ("EXPN x", "500 5.5.1"),
        ("NOOPNOOPNOOP", "500 5.5.1"), ("GET / HTTP/1.1", "500 5.5.1"),
        ("NO\u{0}OP", "500 5.5.2"), ("NOOP \u{1B}[2J", "500 5.5.2"),
        ("EHLO", "501 5.5.4"), ("EHLO a b", "501 5.5.4"), ("HELO ü", "501 5.5.4"),
        ("EHLO [IPv6:::1] ", "250-mx.test"), ("HELO x", "250 mx.test"),
        ("MAIL FROM:<a@b.test>", "250 2.1.0"), ("mail from: <a@b.test> ", "250 2.1.0"),
        ("MAIL FROM:<>", "250 2.1.0"), ("MAIL FROM:<> size=0", "250 2.1.0"),
        ("MAIL FROM:<\"a> b\"@b.test>", "250 2.1.0"),
        ("MAIL FROM:<@x.test,@y.test:a@b.test>", "250 2.1.0"),
        ("MAIL", "501 5.5.2"), ("MAIL FROM", "501 5.5.2"), ("MAIL FROM:a@b.test", "501 5.5.2"),
        ("MAIL FROM:<a@b.test", "501 5.5.2"), ("MAIL FROM:<a@b.test>x", "501 5.5.2"),
        ("MAIL TO:<a@b.test>", "501 5.5.2"), ("MAIL FROM:<a>", "501 5.1.7"),
        ("MAIL FROM:<@x.test", "501 5.5.2"), ("MAIL FROM:<a@b..test>", "501 5.1.7"),
        ("MAIL FROM:<ü@b.test>", "553 5.6.7"), ("MAIL FROM:<ü@b.test> SMTPUTF8", "250 2.1.0"),
        ("MAIL FROM:<a@b.test> SMTPUTF8=1", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> BODY=7BIT", "250 2.1.0"),
        ("MAIL FROM:<a@b.test> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> SIZE=1 SIZE=2", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> RET=FULL ENVID=a+2Bb", "250 2.1.0"),
        ("MAIL FROM:<a@b.test> RET=SOME", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> ENVID=a+b", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> ENVID=", "501 5.5.4"),
        ("MAIL FROM:<a@b.test> AUTH=<>", "555 5.5.4"), ("MAIL FROM:<a@b.test> =", "501 5.5.4"),
    ])
    func replies(command: String, reply: String) throws {
        let wire = try ServerWire().greeted()
        let heard = try wire.say(command + "\r\n")
        #expect(heard.hasPrefix(reply), "\(heard)")
        #expect(wire.channel.isActive)
    }

    @Test(arguments: [
        ("RCPT TO:<a@b.test>", "250 2.1.5"), ("rcpt to: <a@b.test>", "250 2.1.5"),
        ("RCPT TO:<PostMaster>", "250 2.1.5"), ("RCPT TO:<>", "501 5.5.2"),
        ("RCPT TO:<a>", "501 5.1.3"), ("RCPT TO:<ü@b.test>", "553 5.6.7"),
        ("RCPT TO:<a@b.test> NOTIFY=NEVER", "250 2.1.5"),
        ("RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        ("RCPT TO:<a@b.test> NOTIFY=DELAY,DELAY", "501 5.5.4"),
        ("RCPT TO:<a@b.test> NOTIFY=,", "501 5.5.4"),
        ("RCPT TO:<a@b.test> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=rfc822;a@b.test", "250 2.1.5"),
        ("RCPT TO:<a@b.test> ORCPT=a@b.test", "501 5.5.4"),
        ("RCPT TO:<a@b.test> ORCPT=rfc822;a=b", "501 5.5.4"),
        ("RCPT TO:<a@b.test> SIZE=1", "555 5.5.4"), ("MAIL FROM:<a@b.test>", "503 5.5.1"),
        ("DATA", "554 5.5.1"), ("DATA x", "501 5.5.4"),
    ])
    func repliesInATransaction(command: String, reply: String) throws {
        let wire = try ServerWire().greeted()
        try wire.say("MAIL FROM:<a@a.test>\r\n")
        let heard = try wire.say(command + "\r\n")
        #expect(heard.hasPrefix(reply), "\(heard)")
    }

    @Test func mailNeedsAGreeting() throws {
        #expect(try ServerWire().say("MAIL FROM:<a@b.test>\r\n").hasSuffix("Say EHLO first\r\n"))
    }

    @Test func protocolNames() throws {
        let wire = try ServerWire()
        try wire.say("HELO old.test\r\n" + ServerWire.transaction + ".\r\n")
        try wire.say("EHLO new.test\r\n" + ServerWire.transaction + ".\r\n")
        try wire.say("MAIL FROM:<ü@a.test> SMTPUTF8\r\nRCPT TO:<ñ@b.test>\r\nDATA\r\n.\r\n")
        #expect(wire.intake.begun.map(\.peer.protocolName) == ["SMTP", "ESMTP", "UTF8SMTP"])
        #expect(wire.intake.messages[2].envelope.utf8)
    }

    @Test func refusedDataEndsTheTransaction() throws {
        let wire = try ServerWire().greeted()
        wire.intake.refusesData = Reply(452, EnhancedCode(4, 3, 1), "Disk full")
        #expect(try wire.say(ServerWire.transaction).codes == "250 250 452")
        #expect(try wire.say("DATA\r\n").codes == "503")
    }

    /// Replies of the delegate stay on their lines, whatever is in them.
    @Test func repliesAreCleaned() throws {
        let wire = try ServerWire().greeted()
        wire.intake.refusals["a@b.test"] = Reply(
            code: 550, enhanced: EnhancedCode(5, 1, 1),
            lines: ["no\r\n250 yes", String(repeating: "ä", count: 600)])
        let heard = try wire.say("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n")
        #expect(heard.codes == "250 550 550")
        #expect(heard.contains("550-5.1.1 no␍␊250 yes\r\n550 5.1.1 ää"))
        for line in heard.split(separator: "\r\n") { #expect(line.utf8.count <= 510) }
    }

    @Test func receivedHeader() {
        func write(_ peer: Peer, _ recipient: EmailAddress?) -> String {
            var buffer = ByteBuffer(string: "x\r\n")
            ReceivedHeader.write(
                into: &buffer, peer: peer, hostname: "mx.test", id: MessageID(rawValue: 0x1A2B),
                date: "Mon, 23 Nov 2026 22:33:00 +0000", singleRecipient: recipient)
            return buffer.text
        }
        let address = try? EmailAddress(parsing: "b@b.test", allowUTF8: false)
        let peer = Peer(
            address: "192.0.2.7", port: 1, helo: "client.test", protocolName: "ESMTP",
            localName: "mx.test")
        #expect(
            write(peer, address) == """
                x\r
                Received: from client.test ([192.0.2.7])\r
                \tby mx.test with ESMTP id 1a2b\r
                \tfor <b@b.test>;\r
                \tMon, 23 Nov 2026 22:33:00 +0000\r

                """)
        let other = Peer(
            address: "2001:db8::1", port: 1, helo: "a(b);\"c\"<d>", protocolName: "SMTP",
            localName: "mx.test")
        #expect(
            write(other, nil) == """
                x\r
                Received: from a?b???c??d? ([IPv6:2001:db8::1])\r
                \tby mx.test with SMTP id 1a2b;\r
                \tMon, 23 Nov 2026 22:33:00 +0000\r

                """)
    }
}
