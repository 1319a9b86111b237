/// A message as it comes in from a Unix program.
package struct MessageInput: Sendable {
    /// In bytes; more is no mail.
    package static let maximum = 256 << 20

    /// A line with nothing but a dot ends the message.
    private let endsAtDot: Bool
    private var bytes: [UInt8] = []
    /// Where the line starts that is not complete yet.
    private var lineStart = 0
    private var searched = 0
    private var isEnded = false

    package init(endsAtDot: Bool) {
        self.endsAtDot = endsAtDot
    }

    package var isTooLarge: Bool { bytes.count > Self.maximum }

    /// Takes what was read. True once the message has ended and nothing more is to be read.
    package mutating func append(_ chunk: some Collection<UInt8>) -> Bool {
        guard !isEnded else { return true }
        bytes += chunk
        guard endsAtDot else { return false }
        while let newline = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
            if isDot(lineStart..<newline) {
                bytes.removeSubrange(lineStart...)
                isEnded = true
                return true
            }
            lineStart = newline + 1
            searched = lineStart
        }
        searched = bytes.count
        return false
    }

    /// The message once everything is read, its line ends made CRLF, the last line ended.
    package consuming func finish() -> [UInt8] {
        if endsAtDot, !isEnded, isDot(lineStart..<bytes.count) {
            bytes.removeSubrange(lineStart...)
        }
        return LineEnds.crlf(bytes)
    }

    private func isDot(_ range: Range<Int>) -> Bool {
        let line = bytes[range]
        return line.elementsEqual(".".utf8) || line.elementsEqual(".\r".utf8)
    }
}

package enum LineEnds {
    /// Bare LF becomes CRLF; CRLF stays; a last line without an end gets one. A bare CR is no
    /// line end and stays what it is.
    package static func crlf(_ bytes: [UInt8]) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(bytes.count + bytes.count / 32 + 2)
        var last: UInt8 = 0
        for byte in bytes {
            if byte == UInt8(ascii: "\n"), last != UInt8(ascii: "\r") {
                result.append(UInt8(ascii: "\r"))
            }
            result.append(byte)
            last = byte
        }
        if !bytes.isEmpty, last != UInt8(ascii: "\n") {
            if last != UInt8(ascii: "\r") { result.append(UInt8(ascii: "\r")) }
            result.append(UInt8(ascii: "\n"))
        }
        return result
    }
}
