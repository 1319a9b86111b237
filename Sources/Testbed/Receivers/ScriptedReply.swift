package import NIOCore

/// What a receiver says: a code, perhaps an enhanced status code, and one or more lines of text.
package struct ScriptedReply: Hashable, Sendable {
    package var code: Int
    /// RFC 3463, such as "4.7.28"; repeated on every line, as RFC 2034 asks.
    package var status: String?
    package var text: [String]

    package init(_ code: Int, _ status: String? = nil, _ text: String...) {
        self.init(code, status, lines: text)
    }

    package init(_ code: Int, _ status: String? = nil, lines: [String]) {
        self.code = code
        self.status = status
        self.text = lines.isEmpty ? [""] : lines
    }

    /// The reply as it goes over the wire (RFC 5321 §4.2.1: "-" after the code of all but the last
    /// line).
    package func write(to buffer: inout ByteBuffer) {
        for (index, line) in text.enumerated() {
            buffer.writeString("\(code)\(index == text.count - 1 ? " " : "-")")
            if let status {
                buffer.writeString("\(status) ")
            }
            buffer.writeString("\(line)\r\n")
        }
    }
}
