package import NIOCore

/// RFC 5321 §4.5.2.
package enum DotStuffing {
    /// A second "." before every line that begins with one.
    package static func apply(to body: ByteBuffer) -> ByteBuffer {
        var output = ByteBuffer()
        output.reserveCapacity(body.readableBytes + body.readableBytes / 64 + 16)
        body.withUnsafeReadableBytes { bytes in
            var run = 0
            var line = 0
            while line < bytes.count {
                if bytes[line] == dot {
                    output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[run..<line]))
                    output.writeInteger(dot)
                    run = line
                }
                guard let end = bytes.firstIndex(of: lf, in: line..<bytes.count) else { break }
                line = end + 1
            }
            output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[run...]))
        }
        return output
    }

    /// Whether ".CRLF" may follow at once; otherwise a CRLF goes before it.
    package static func endsItsLine(_ body: ByteBuffer) -> Bool {
        body.readableBytes == 0
            || body.readableBytes >= 2
                && body.getInteger(at: body.writerIndex - 2, as: UInt16.self) == 0x0D0A
    }
}
