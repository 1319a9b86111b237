package import Mail
package import NIOCore

/// What a server sent is no SMTP reply.
package struct ReplyError: Error, Hashable, Sendable {
    package var text: String
}

/// Takes replies off a stream of bytes. Strict and bounded: what is no reply is an error, after
/// which the connection is of no more use.
package struct ReplyParser {
    /// Lines of one reply.
    package static let maxLines = 100
    /// Octets of a line with its CRLF; RFC 5321 §4.5.3.1.5 has 512, and enough servers exceed it.
    package static let maxLineLength = 1000

    private var input = ByteBuffer()
    private var code = 0
    private var enhanced: EnhancedCode?
    private var lines: [String] = []

    package init() {}

    package mutating func receive(_ bytes: ByteBuffer) {
        if input.readableBytes == 0 {
            input = bytes
        } else {
            input.writeImmutableBuffer(bytes)
        }
    }

    /// Bytes behind the last reply that was taken.
    package var isEmpty: Bool { input.readableBytes == 0 && lines.isEmpty }

    /// The next reply, or nil if it is not there yet.
    package mutating func next() throws(ReplyError) -> Reply? {
        while input.readableBytes > 0 {
            switch nextLine() {
            case .incomplete:
                return nil
            case .malformed(let text):
                throw ReplyError(text: text)
            case .line(let code, let isLast, let text, let count):
                input.moveReaderIndex(forwardBy: count)
                guard lines.isEmpty || code == self.code else {
                    throw ReplyError(text: "The lines of a reply have different codes")
                }
                self.code = code
                append(text)
                if isLast {
                    defer {
                        lines = []
                        enhanced = nil
                        // The channel may use the memory again.
                        if input.readableBytes == 0 { input = ByteBuffer() }
                    }
                    return Reply(code: code, enhanced: enhanced, lines: lines)
                }
                guard lines.count < Self.maxLines else {
                    throw ReplyError(text: "A reply has more than \(Self.maxLines) lines")
                }
            }
        }
        return nil
    }

    /// Takes the enhanced code off each line; that of the first line counts (RFC 2034 §4 has the
    /// same in all of them). One of another class than the reply's is just text.
    private mutating func append(_ text: String) {
        var rest = text[...]
        if let found = EnhancedCode.takePrefix(&rest), found.klass == code / 100 {
            if enhanced == nil { enhanced = found }
            lines.append(String(rest))
        } else {
            lines.append(text)
        }
    }

    private enum Line {
        case line(code: Int, isLast: Bool, text: String, count: Int)
        case incomplete
        case malformed(String)
    }

    private func nextLine() -> Line {
        input.withUnsafeReadableBytes { bytes in
            let window = min(bytes.count, Self.maxLineLength)
            guard let end = bytes.firstIndex(of: lf, in: 0..<window) else {
                return window == Self.maxLineLength
                    ? .malformed("A reply has a line of more than \(window) octets") : .incomplete
            }
            guard end > 0, bytes[end - 1] == cr else {
                return .malformed("A line of a reply does not end with <CR><LF>")
            }
            let line = bytes[..<(end - 1)]
            // Three digits, the first 2 to 5 (RFC 5321 §4.2); then a space, a hyphen or nothing.
            guard line.count >= 3, (0x32...0x35).contains(line[0]),
                (0x30...0x39).contains(line[1]), (0x30...0x39).contains(line[2]),
                line.count == 3 || line[3] == space || line[3] == UInt8(ascii: "-")
            else {
                return .malformed("No SMTP reply: \(SafeText(decoding: line, limit: 80))")
            }
            let code = line[..<3].reduce(0) { $0 * 10 + Int($1 - 0x30) }
            let isLast = line.count == 3 || line[3] == space
            let text = SafeText(
                decoding: UnsafeRawBufferPointer(rebasing: line.dropFirst(4))
            ).text
            return .line(code: code, isLast: isLast, text: text, count: end + 1)
        }
    }
}
