package import Mail
package import NIOCore

/// The trace field of RFC 5321 §4.4.
package enum ReceivedHeader {
    /// Appends the field, folded, with its CRLF.
    ///
    /// - Parameters:
    ///   - date: as `DateHeader.format` writes it.
    ///   - singleRecipient: named in a "for" clause; nil when there are several, whom it would
    ///     disclose to one another.
    package static func write(
        into buffer: inout ByteBuffer, peer: Peer, hostname: String, id: MessageID, date: String,
        singleRecipient: EmailAddress?
    ) {
        buffer.writeStaticString("Received: from ")
        writeName(peer.helo, into: &buffer)
        buffer.writeStaticString(peer.address.utf8.contains(0x3A) ? " ([IPv6:" : " ([")
        buffer.writeString(peer.address.isEmpty ? "unknown" : peer.address)
        buffer.writeStaticString("])\r\n\tby ")
        buffer.writeString(hostname)
        buffer.writeStaticString(" with ")
        buffer.writeString(peer.protocolName)
        buffer.writeStaticString(" id ")
        buffer.writeString(String(id.rawValue, radix: 16))
        if let singleRecipient {
            buffer.writeStaticString("\r\n\tfor <")
            buffer.writeString(singleRecipient.text)
            buffer.writeStaticString(">")
        }
        buffer.writeStaticString(";\r\n\t")
        buffer.writeString(date)
        buffer.writeStaticString("\r\n")
    }

    /// A name given by the client: characters that mean something in a header field become "?".
    private static func writeName(_ name: String, into buffer: inout ByteBuffer) {
        if name.isEmpty {
            buffer.writeStaticString("unknown")
            return
        }
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x3A, 0x41...0x5B, 0x5D, 0x61...0x7A, UInt8(ascii: "-"), dot,
                UInt8(ascii: "_"), UInt8(ascii: "+"):
                buffer.writeInteger(byte)
            default:
                buffer.writeInteger(UInt8(ascii: "?"))
            }
        }
    }

    /// How many Received fields the header has that begins at `start` bytes into the readable
    /// bytes; counts up to `limit`.
    static func count(in message: ByteBuffer, from start: Int, limit: Int) -> Int {
        message.withUnsafeReadableBytes { bytes in
            var count = 0
            var line = start
            while count < limit, line < bytes.count, bytes[line] != cr {
                if startsReceived(bytes, at: line) { count += 1 }
                guard let end = bytes.firstIndex(of: lf, in: line..<bytes.count) else { break }
                line = end + 1
            }
            return count
        }
    }

    private static let name: StaticString = "received:"

    private static func startsReceived(_ bytes: UnsafeRawBufferPointer, at line: Int) -> Bool {
        // ASCII letters differ from their lowercase in one bit; ":" has that bit set already.
        guard bytes[line] | 0x20 == UInt8(ascii: "r"),
            bytes.count - line >= name.utf8CodeUnitCount
        else { return false }
        for i in 0..<name.utf8CodeUnitCount where bytes[line + i] | 0x20 != name.utf8Start[i] {
            return false
        }
        return true
    }
}
