import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

/// Ends of messages that some servers take for one and others do not.
@Suite struct SmugglingTests {
    static let falseEnds = [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r.\n",
        "\r\r\n.\n", "\r\n\n.\r", "\r\n.\r\r\n", "\r\n.\n\r\n", "\n\r.\r\n", "\r\n.\u{0}\r\n\n",
        "\r\n \n.\r\n", "\r\n\r.\r\n", "\r\n.\r\u{0}\n",
    ]

    private static let hidden = "MAIL FROM:<evil@a.test>\r\nRCPT TO:<victim@b.test>\r\nDATA\r\nevil"

    @Test(arguments: falseEnds)
    func nothingIsSmuggled(end: String) throws {
        let session = Array(
            (ServerWire.transaction + "good" + end + Self.hidden + "\r\n.\r\nNOOP\r\n").utf8)
        for pieces in [[session], session.map { [$0] }] {
            let wire = try ServerWire().greeted()
            let heard = try pieces.map { try wire.say($0) }.joined()
            // One message, to its true end, refused; then the command behind it.
            #expect(heard.codes == "250 250 354 554 250", "\(end.debugDescription)")
            #expect(heard.contains("554 5.6.0 Bare <"))
            #expect(wire.intake.messages.isEmpty)
            #expect(wire.intake.begun.count == 1 && wire.intake.abandoned.count == 1)
        }
    }

    @Test(arguments: ["NOOP\n", "NOOP\nQUIT\r\n", "NO\rOP\r\n", "NOOP\r\r\n", "NOOP\rX", "\n"])
    func commandsEndWithCRLFOnly(command: String) throws {
        for cut in [false, true] {
            let wire = try ServerWire().greeted()
            let bytes = Array(command.utf8)
            let heard = try (cut ? bytes.map { [$0] } : [bytes]).map { try wire.say($0) }.joined()
            #expect(heard == "500 5.5.2 Lines end with <CR><LF>, closing\r\n")
            #expect(!wire.channel.isActive)
        }
    }

    /// NUL and everything else passes; only the line ends are sacred.
    @Test func otherBytesPass() throws {
        var body = (UInt8(0)...255).filter { $0 != 13 && $0 != 10 }
        body += [13, 10]
        let wire = try ServerWire().greeted()
        try wire.say(ServerWire.transaction)
        #expect(try wire.say(body + Array(".\r\n".utf8)).codes == "250")
        #expect(Array(wire.intake.messages[0].body.readableBytesView) == body)
    }

    /// Whatever comes, the session does not trap, and says nothing but replies.
    @Test func garbage() throws {
        var random = Random(seed: 4)
        let words = [
            "EHLO ", "MAIL FROM:<", "RCPT TO:<", "DATA", "\r\n", "\r\n", "\r\n", ">", "a@b.test",
            " SIZE=", "NOTIFY=", ".", "\u{0}", "\n", "\"", "\\", "@", ":", "[", "RSET", "ü", " ",
        ]
        for _ in 0..<3000 {
            let wire = try ServerWire().greeted()
            var text = ""
            for _ in 0..<30 { text += words[Int.random(in: 0..<words.count, using: &random)] }
            let heard = try random.pieces(Array(text.utf8), longest: 20).map { try wire.say($0) }
            for line in heard.joined().split(separator: "\r\n") {
                #expect(line.utf8.first.map { (0x32...0x35).contains($0) } == true)
            }
            _ = try? wire.channel.finish()
            #expect(wire.intake.closed.count == 1)
        }
    }
}
