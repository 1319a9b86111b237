import NIOCore

/// Cuts one message out of the bytes that follow DATA: everything up to the final dot, which is
/// CRLF "." CRLF and nothing else (RFC 5321 §4.1.1.4), with the stuffed dots removed (§4.5.2).
struct DataCollector {
    private(set) var content = ByteBuffer()
    /// The line before this one ended with CRLF, as the answer to DATA does.
    private var afterCRLF = true

    /// Takes what it can from `input`; true when the final dot was found. The start of an
    /// unfinished line stays in `input`.
    mutating func collect(from input: inout ByteBuffer) -> Bool {
        while let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let length = end - input.readerIndex + 1
            guard var line = input.readSlice(length: length) else { return false }
            let endsInCRLF = line.readableBytesView.suffix(2).first == UInt8(ascii: "\r")
            if afterCRLF, line.readableBytesView.first == UInt8(ascii: ".") {
                if endsInCRLF, length == 3 { return true }
                line.moveReaderIndex(forwardBy: 1)
            }
            content.writeBuffer(&line)
            afterCRLF = endsInCRLF
        }
        return false
    }
}
