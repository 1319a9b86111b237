import Mail
import NIOCore

/// Replies as they go over the wire.
extension ByteBuffer {
    /// Each line with its code, its enhanced code and CRLF. Whatever a line contains, it stays one
    /// line of at most 512 octets (RFC 5321 §4.5.3.1.5).
    mutating func writeReply(_ reply: Reply) {
        let lines = reply.lines.isEmpty ? [""] : reply.lines
        for (index, line) in lines.enumerated() {
            writeString(String(reply.code))
            writeInteger(index == lines.count - 1 ? space : UInt8(ascii: "-"))
            if let enhanced = reply.enhanced {
                writeString(enhanced.description)
                if !line.isEmpty { writeInteger(space) }
            }
            writeText(line, limit: 490)
            writeInteger(cr)
            writeInteger(lf)
        }
    }

    private mutating func writeText(_ text: String, limit: Int) {
        if text.utf8.count <= limit, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) {
            writeString(text)
            return
        }
        var count = 0
        for scalar in SafeText(text).text.unicodeScalars {
            let length = UTF8.width(scalar)
            if count + length > limit { return }
            count += length
            writeString(String(scalar))
        }
    }
}
