import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

@Suite struct ServerLimitsTests {
    @Test func announcedSize() throws {
        let wire = try ServerWire(limits: ServerLimits(maxMessageSize: 1000)).greeted()
        #expect(try wire.say("MAIL FROM:<a@a.test> SIZE=1000\r\nRSET\r\n").codes == "250 250")
        #expect(try wire.say("MAIL FROM:<a@a.test> SIZE=1001\r\n").hasPrefix("552 5.3.4 "))
        #expect(try wire.say("MAIL FROM:<a@a.test> SIZE=99999999999999999999\r\n").codes == "552")
        #expect(try wire.say("MAIL FROM:<a@a.test> SIZE=x\r\n").codes == "501")
    }

    @Test func actualSize() throws {
        let wire = try ServerWire(limits: ServerLimits(maxMessageSize: 100)).greeted()
        let body = String(repeating: "x", count: 98) + "\r\n"
        #expect(try wire.say(ServerWire.transaction + body + ".\r\n").codes == "250 250 354 250")
        #expect(
            try wire.say(ServerWire.transaction + "x" + body + ".\r\n").codes == "250 250 354 552")
        #expect(wire.intake.abandoned == [MessageID(rawValue: 2)])
        #expect(wire.intake.messages.count == 1)
        // The session goes on.
        #expect(try wire.say(ServerWire.transaction + ".\r\n").codes == "250 250 354 250")
    }

    @Test func endlessMessagesAreCutOff() throws {
        let wire = try ServerWire(limits: ServerLimits(maxMessageSize: 1000)).greeted()
        try wire.say(ServerWire.transaction)
        var heard = ""
        for _ in 0..<10 { heard += try wire.say(String(repeating: "x\r\n", count: 200)) }
        #expect(heard.codes == "552")
        #expect(!wire.channel.isActive)
        #expect(wire.intake.abandoned.count == 1)
    }

    @Test func recipients() throws {
        let wire = try ServerWire(limits: ServerLimits(maxRecipients: 2)).greeted()
        try wire.say("MAIL FROM:<a@a.test>\r\n")
        #expect(
            try wire.say("RCPT TO:<1@b.test>\r\nRCPT TO:<2@b.test>\r\nRCPT TO:<3@b.test>\r\n")
                .hasSuffix("452 4.5.3 Too many recipients\r\n"))
        #expect(try wire.say("DATA\r\n.\r\n").codes == "354 250")
        #expect(wire.intake.messages[0].envelope.recipients.count == 2)
    }

    @Test func commandLength() throws {
        let limits = ServerLimits(maxLineLength: 100)
        let wire = try ServerWire(limits: limits).greeted()
        let fits = "NOOP " + String(repeating: "x", count: 93)
        #expect(try wire.say(fits + "\r\n").codes == "250")
        let heard = try wire.say(fits + "x\r\nQUIT\r\n")
        #expect(heard.hasPrefix("500 5.5.2 Command longer than 100") && heard.codes == "500")
        #expect(!wire.channel.isActive)

        let endless = try ServerWire(limits: limits).greeted()
        #expect(try endless.say(String(repeating: "x", count: 99)) == "")
        #expect(try endless.say("x").codes == "500")
        #expect(!endless.channel.isActive)
    }

    @Test func textLineLength() throws {
        let long = String(repeating: "x", count: 999) + "\r\n"
        let tolerant = try ServerWire().greeted()
        #expect(
            try tolerant.say(ServerWire.transaction + long + ".\r\n").codes == "250 250 354 250")
        let strict = try ServerWire(limits: ServerLimits(strictLineLength: true)).greeted()
        #expect(
            try strict.say(ServerWire.transaction + long.dropFirst() + ".\r\n").codes
                == "250 250 354 250")
        #expect(try strict.say(ServerWire.transaction + long + ".\r\n").codes == "250 250 354 554")
    }

    @Test func errors() throws {
        let wire = try ServerWire(limits: ServerLimits(maxErrors: 3)).greeted()
        #expect(try wire.say("X\r\nY\r\n").codes == "500 500")
        #expect(try wire.say("Z\r\nNOOP\r\n").codes == "500 421")
        #expect(!wire.channel.isActive)
    }

    @Test func commands() throws {
        let wire = try ServerWire(limits: ServerLimits(maxCommands: 4)).greeted()
        // EHLO, MAIL, DATA; recipients do not count, and a message begins anew.
        for _ in 0..<3 {
            #expect(try wire.say(ServerWire.transaction + ".\r\n").codes == "250 250 354 250")
        }
        #expect(
            try wire.say("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n").codes
                == "250 250 250 250 421")
        #expect(!wire.channel.isActive)
    }

    @Test func loops() throws {
        let wire = try ServerWire(limits: ServerLimits(maxHops: 3)).greeted()
        let hops = "Received: 1\r\n\tfolded\r\nSubject: x\r\nRECEIVED: 2\r\n"
        let body = "\r\nReceived: in the body\r\n.\r\n"
        #expect(try wire.say(ServerWire.transaction + hops + body).codes == "250 250 354 250")
        #expect(
            try wire.say(ServerWire.transaction + hops + "received: 3\r\n" + body)
                .contains("554 5.4.6 "))
        // Our own field does not count.
        wire.intake.header = "Received: by us\r\n"
        #expect(try wire.say(ServerWire.transaction + hops + body).codes == "250 250 354 250")
    }
}
