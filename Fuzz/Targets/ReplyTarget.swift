import Mail
import NIOCore
import SMTP

extension FuzzTarget {
    /// A server's replies: how they are cut changes nothing, and what comes out is safe to show.
    static let reply = FuzzTarget("reply", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let whole = try read(pieces(input.rest, seed: 255))
        try demandEqual(whole, try read(pieces(input.rest, seed: seed)), "Cut otherwise")
    }

    /// The replies, and at the end what was wrong.
    private static func read(_ pieces: [ArraySlice<UInt8>]) throws -> [String] {
        var parser = ReplyParser()
        var seen: [String] = []
        for piece in pieces {
            parser.receive(ByteBuffer(bytes: piece))
            do {
                while let reply = try parser.next() {
                    try demandSound(reply)
                    seen.append("\(reply.code) \(reply.enhanced as Any) \(reply.lines)")
                }
            } catch let error as ReplyError {
                try demandSafe(error.text)
                return seen + ["error"]
            }
        }
        return seen + [parser.isEmpty ? "end" : "more"]
    }

    static func demandSound(_ reply: Reply) throws {
        try demand((200...599).contains(reply.code), "A reply with code \(reply.code)")
        try demand(
            (1...ReplyParser.maxLines).contains(reply.lines.count), "\(reply.lines.count) lines")
        if let enhanced = reply.enhanced {
            try demandEqual(enhanced.klass, reply.code / 100, "Classes differ")
            try demandEqual(EnhancedCode.parse(enhanced.description), enhanced, "Enhanced code")
        }
        for line in reply.lines { try demandSafe(line) }
        try demandSafe(reply.text)
        try demand(reply.text.utf8.count <= Reply.textLimit, "\(reply.text.utf8.count) bytes")
    }

    /// Nothing in it drives a terminal.
    static func demandSafe(_ text: String) throws {
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
                .unassigned:
                throw Violation(description: "U+\(String(scalar.value, radix: 16)) in a text")
            default: break
            }
        }
    }
}
