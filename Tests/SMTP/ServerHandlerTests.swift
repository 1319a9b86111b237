import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

@Suite struct ServerHandlerTests {
    @Test func greetingAndExtensions() throws {
        let wire = try ServerWire()
        #expect(try wire.heard() == "220 mx.test ESMTP Sluice\r\n")
        #expect(
            try wire.say("EHLO client.test\r\n") == """
                250-mx.test\r
                250-PIPELINING\r
                250-SIZE 52428800\r
                250-ENHANCEDSTATUSCODES\r
                250-8BITMIME\r
                250-SMTPUTF8\r
                250 DSN\r

                """)
        #expect(wire.intake.admitted.first?.address == "192.0.2.7")
        #expect(wire.intake.admitted.first?.port == 40_000)
    }

    @Test func oneMessage() throws {
        let wire = try ServerWire().greeted()
        wire.intake.header = "Received: here\r\n"
        #expect(try wire.say("MAIL FROM:<a@a.test> SIZE=100\r\n") == "250 2.1.0 OK\r\n")
        #expect(try wire.say("RCPT TO:<b@B.test>\r\n") == "250 2.1.5 OK\r\n")
        #expect(try wire.say("DATA\r\n").codes == "354")
        #expect(try wire.say("Subject: x\r\n\r\n..dot\r\nbye\r\n.\r\n") == "250 2.0.0 Queued\r\n")
        let message = try #require(wire.intake.messages.first)
        #expect(message.body.text == "Received: here\r\nSubject: x\r\n\r\n.dot\r\nbye\r\n")
        #expect(message.hasLeadingDots)
        #expect(message.envelope.sender == "a@a.test")
        #expect(message.envelope.recipients.map(\.address.text) == ["b@b.test"])
        #expect(message.envelope.declaredSize == 100)
        #expect(message.peer.helo == "client.test" && message.peer.protocolName == "ESMTP")
        #expect(try wire.say("QUIT\r\n") == "221 2.0.0 Bye\r\n")
        #expect(!wire.channel.isActive)
        #expect(wire.intake.closed.count == 1 && wire.intake.abandoned.isEmpty)
    }

    /// The same session, however its bytes are cut.
    @Test func anyPieces() throws {
        let session = Array(
            """
            EHLO client.test\r
            MAIL FROM:<a@a.test> BODY=8BITMIME RET=HDRS ENVID=q+2B1\r
            RCPT TO:<b@b.test> NOTIFY=failure,DELAY ORCPT=rfc822;b+2Bx@b.test\r
            RCPT TO:<nobody@b.test>\r
            RCPT TO:<b@b.test>\r
            DATA\r
            one\r
            .\r
            RSET\r
            NOOP ignored\r
            MAIL FROM:<>\r
            RCPT TO:<postmaster>\r
            DATA\r
            ..two\r
            ...\r
            .\r
            QUIT\r

            """.utf8)
        var random = Random(seed: 3)
        for round in 0..<300 {
            let intake = Intake()
            intake.refusals["nobody@b.test"] = Reply(550, EnhancedCode(5, 1, 1), "No such user")
            let wire = try ServerWire(intake: intake)
            _ = try wire.heard()
            let pieces = round == 0 ? session.map { [$0] } : random.pieces(session, longest: 100)
            let codes = try pieces.map { try wire.say($0) }.joined().codes
            #expect(
                codes == "250 250 250 250 250 250 250 250 250 550 250 354 250 250 250 250 250 354"
                    + " 250 221")
            #expect(intake.bodies == ["one\r\n", ".two\r\n..\r\n"])
            #expect(intake.messages.map(\.hasLeadingDots) == [false, true])
            let first = intake.messages[0].envelope
            #expect(first.recipients.count == 1)
            #expect(first.recipients[0].notify == "FAILURE,DELAY")
            #expect(first.recipients[0].originalRecipient == "rfc822;b+2Bx@b.test")
            #expect(first.eightBit && first.ret == "HDRS" && first.envelopeID == "q+2B1")
            #expect(intake.messages[1].envelope.sender == "")
            #expect(intake.messages[1].envelope.recipients[0].address.text == "postmaster")
        }
    }

    @Test func refusedConnection() throws {
        let intake = Intake()
        intake.refusesConnection = Reply(421, EnhancedCode(4, 7, 0), "Too many connections")
        let wire = try ServerWire(intake: intake)
        #expect(try wire.heard() == "421 4.7.0 Too many connections\r\n")
        #expect(!wire.channel.isActive)
        #expect(intake.closed.count == 1)
    }

    @Test func laterCommandsWaitForTheReply() throws {
        let wire = try ServerWire().greeted()
        wire.intake.holds = true
        #expect(
            try wire.say(ServerWire.transaction + "x\r\n.\r\n" + ServerWire.transaction).codes
                == "250 250 354")
        #expect(try wire.say("y\r\n.\r\nQUIT\r\n") == "")
        wire.intake.held[0](Reply(250, EnhancedCode(2, 0, 0), "one"))
        #expect(
            try wire.heard() == "250 2.0.0 one\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
                + "354 End data with <CR><LF>.<CR><LF>\r\n")
        // A second reply to the same message is none to the next.
        wire.intake.held[0](Reply(250, nil, "again"))
        #expect(try wire.heard() == "")
        wire.intake.held[1](Reply(451, EnhancedCode(4, 3, 0), "two"))
        #expect(try wire.heard() == "451 4.3.0 two\r\n221 2.0.0 Bye\r\n")
        #expect(wire.intake.bodies == ["x\r\n", "y\r\n"])
    }

    @Test func aReplyAfterTheEndIsIgnored() throws {
        let wire = try ServerWire().greeted()
        wire.intake.holds = true
        try wire.say(ServerWire.transaction + "x\r\n.\r\n")
        try wire.channel.close().wait()
        #expect(wire.intake.closed.count == 1 && wire.intake.abandoned.isEmpty)
        wire.intake.held[0](Reply(250, nil, "late"))
        #expect(try wire.heard() == "")
    }

    @Test func vanishedInData() throws {
        let wire = try ServerWire().greeted()
        try wire.say(ServerWire.transaction + "half a mess")
        try wire.channel.close().wait()
        #expect(wire.intake.abandoned == [MessageID(rawValue: 1)])
        #expect(wire.intake.closed.count == 1 && wire.intake.messages.isEmpty)
    }

    @Test func idleAndDataTimeouts() throws {
        let wire = try ServerWire(
            limits: ServerLimits(
                idleTimeout: .seconds(300), dataTimeout: .seconds(60))
        ).greeted()
        wire.channel.embeddedEventLoop.advanceTime(by: .seconds(299))
        #expect(try wire.say("NOOP\r\n").codes == "250")
        wire.channel.embeddedEventLoop.advanceTime(by: .seconds(299))
        #expect(wire.channel.isActive)
        try wire.say(ServerWire.transaction)
        wire.channel.embeddedEventLoop.advanceTime(by: .seconds(61))
        #expect(try wire.heard().codes == "421")
        #expect(wire.intake.abandoned.count == 1)
        #expect(!wire.channel.isActive)

        let idle = try ServerWire(limits: ServerLimits(idleTimeout: .seconds(300))).greeted()
        _ = try idle.heard()
        idle.channel.embeddedEventLoop.advanceTime(by: .seconds(300))
        #expect(try idle.heard() == "421 4.4.2 mx.test Timeout, closing\r\n")
    }

    @Test func noTimeoutWhileItIsOurTurn() throws {
        let wire = try ServerWire().greeted()
        wire.intake.holds = true
        try wire.say(ServerWire.transaction + "x\r\n.\r\n")
        wire.channel.embeddedEventLoop.advanceTime(by: .hours(10))
        wire.intake.held[0](Reply(250, nil, "OK"))
        #expect(try wire.heard() == "250 OK\r\n")
        #expect(wire.channel.isActive)
    }

    @Test func shutdown() throws {
        let idle = try ServerWire().greeted()
        idle.handler.shutDown()
        #expect(try idle.heard().hasPrefix("421 4.3.2 "))
        #expect(!idle.channel.isActive)

        let busy = try ServerWire().greeted()
        busy.intake.holds = true
        try busy.say(ServerWire.transaction)
        busy.handler.shutDown()
        #expect(try busy.heard() == "")
        try busy.say("x\r\n.\r\n")
        busy.handler.shutDown()
        busy.intake.held[0](Reply(250, nil, "OK"))
        #expect(try busy.heard().codes == "250 421")
        #expect(busy.intake.messages.count == 1 && !busy.channel.isActive)
    }

    @Test func clientsThatSendAheadAreHeldBack() throws {
        let counter = ReadCounter()
        let channel = EmbeddedChannel()
        let intake = Intake()
        intake.holds = true
        try channel.pipeline.syncOperations.addHandlers([
            counter, ServerHandler(hostname: "mx.test", delegate: intake),
        ])
        try channel.connect(to: SocketAddress(ipAddress: "::1", port: 1)).wait()
        try channel.writeInbound(
            ByteBuffer(string: "EHLO x\r\n" + ServerWire.transaction + "x\r\n.\r\n"))
        channel.read()
        let before = counter.count
        try channel.writeInbound(ByteBuffer(repeating: 0x78, count: 70_000))
        channel.read()
        #expect(counter.count == before)
        intake.held[0](Reply(250, nil, "OK"))
        // The backlog is no command; what matters is that nothing more was read.
        #expect(!channel.isActive)
    }

    private final class ReadCounter: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        var count = 0
        func read(context: ChannelHandlerContext) {
            count += 1
            context.read()
        }
    }
}
