import Mail
import NIOCore
import Testing

@testable import SMTP

@Suite struct ReplyParserTests {
    private func parse(_ text: String, cut: Int = 1 << 20) throws(ReplyError) -> [Reply] {
        var parser = ReplyParser()
        var replies: [Reply] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            parser.receive(ByteBuffer(bytes: rest.prefix(cut)))
            rest = rest.dropFirst(cut)
            while let reply = try parser.next() { replies.append(reply) }
        }
        return replies
    }

    static let valid: [(String, Reply)] = [
        ("250 OK\r\n", Reply(250, nil, "OK")),
        ("250\r\n", Reply(250, nil, "")),
        ("250 \r\n", Reply(250, nil, "")),
        ("250 2.1.5 OK\r\n", Reply(250, EnhancedCode(2, 1, 5), "OK")),
        ("250 2.1.5\r\n", Reply(250, EnhancedCode(2, 1, 5), "")),
        ("250 5.1.5 odd\r\n", Reply(250, nil, "5.1.5 odd")),
        ("354 Go\r\n", Reply(354, nil, "Go")),
        (
            "421-4.7.28 Our system\r\n421-4.7.28 has detected\r\n421 4.7.28 it\r\n",
            Reply(
                code: 421, enhanced: EnhancedCode(4, 7, 28),
                lines: ["Our system", "has detected", "it"])
        ),
        (
            "250-mx.test\r\n250-\r\n250 SIZE 100\r\n",
            Reply(code: 250, enhanced: nil, lines: ["mx.test", "", "SIZE 100"])
        ),
        ("550 \u{1B}[2Jno\rway\r\n", Reply(550, nil, "␛[2Jno␍way")),
        ("550 Größe\r\n", Reply(550, nil, "Größe")),
    ]

    @Test(arguments: valid)
    func parses(text: String, reply: Reply) throws {
        #expect(try parse(text) == [reply])
        #expect(try parse(text, cut: 1) == [reply])
        #expect(try parse(text + text + text, cut: 7) == [reply, reply, reply])
    }

    @Test(arguments: [
        "hello\r\n", "25\r\n", "2500 OK\r\n", "250x\r\n", "150 OK\r\n", "650 OK\r\n", "2a0 OK\r\n",
        "\r\n", "\n", "250 OK\n", "250-a\r\n550 b\r\n", "HTTP/1.1 400 Bad Request\r\n",
        "250\tOK\r\n",
    ])
    func refuses(text: String) {
        #expect(throws: ReplyError.self) { try parse(text) }
        #expect(throws: ReplyError.self) { try parse(text, cut: 1) }
    }

    @Test func bounds() throws {
        let line = "250-" + String(repeating: "x", count: ReplyParser.maxLineLength - 6) + "\r\n"
        let most = String(repeating: line, count: ReplyParser.maxLines - 1)
        #expect(try parse(most + "250 end\r\n").first?.lines.count == ReplyParser.maxLines)
        #expect(throws: ReplyError.self) { try parse(most + line) }
        #expect(throws: ReplyError.self) { try parse("250-x" + line) }
        #expect(throws: ReplyError.self) { try parse(String(repeating: "2", count: 5000)) }
        // A line without an end, in small pieces.
        #expect(throws: ReplyError.self) {
            try parse("250 " + String(repeating: "x", count: 5000), cut: 3)
        }
    }

    @Test func garbageNeverTraps() {
        var random = Random(seed: 5)
        let parts: [[UInt8]] = [
            Array("250".utf8), Array("-".utf8), Array(" ".utf8), [13, 10], [13], [10], [0], [255],
            Array("4.7.1".utf8), Array("421 ".utf8),
        ]
        for _ in 0..<20_000 {
            var parser = ReplyParser()
            do throws(ReplyError) {
                for _ in 0..<12 {
                    let part = parts[Int.random(in: 0..<parts.count, using: &random)]
                    parser.receive(ByteBuffer(bytes: part))
                    while let reply = try parser.next() {
                        #expect((200...599).contains(reply.code))
                    }
                }
            } catch {
                #expect(!error.text.isEmpty)
            }
        }
    }
}
