package import NIOCore

/// One array parameter in PostgreSQL's binary form (`array_recv`): a column of the rows that a
/// statement takes at once.
package struct ArrayColumn {
    package enum Element: UInt32 {
        case int8 = 20
        case text = 25
        case bytes = 17

        /// The type of an array of them.
        var array: UInt32 {
            switch self {
            case .int8: 1016
            case .text: 1009
            case .bytes: 1001
            }
        }
    }

    let element: Element
    private(set) var bytes: [UInt8] = []
    package private(set) var count = 0
    private(set) var hasNull = false

    package init(_ element: Element) { self.element = element }

    /// Of what has been appended.
    package var byteCount: Int { bytes.count }

    package mutating func append(_ value: Int64) {
        count += 1
        bytes.append(bigEndian: Int32(8))
        bytes.append(bigEndian: value)
    }

    package mutating func append(_ value: Int) { append(Int64(value)) }

    package mutating func append(_ value: Int64?) {
        if let value { append(value) } else { appendNull() }
    }

    /// NUL, which PostgreSQL has no room for in a text, becomes U+FFFD.
    package mutating func append(_ text: String) {
        appendText { bytes in
            guard text.utf8.contains(0) else { return bytes.append(contentsOf: text.utf8) }
            for byte in text.utf8 {
                if byte == 0 {
                    bytes.append(contentsOf: "\u{FFFD}".utf8)
                } else {
                    bytes.append(byte)
                }
            }
        }
    }

    package mutating func append(_ text: String?) {
        if let text { append(text) } else { appendNull() }
    }

    /// A text without NUL that `write` appends.
    package mutating func appendText(_ write: (inout [UInt8]) -> Void) {
        count += 1
        let start = bytes.count
        bytes.append(bigEndian: Int32(0))
        write(&bytes)
        let length = UInt32(bytes.count - start - 4)
        for index in 0..<4 {
            bytes[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index))
        }
    }

    package mutating func append(_ buffer: ByteBuffer) {
        count += 1
        bytes.append(bigEndian: Int32(buffer.readableBytes))
        bytes.append(contentsOf: buffer.readableBytesView)
    }

    package mutating func append(_ value: [UInt8]) {
        count += 1
        bytes.append(bigEndian: Int32(value.count))
        bytes.append(contentsOf: value)
    }

    package mutating func appendNull() {
        count += 1
        hasNull = true
        bytes.append(bigEndian: Int32(-1))
    }

    /// The whole array: dimensions, whether there are NULLs, type, length, lower bound, elements.
    func encode(into output: inout [UInt8]) {
        output.append(bigEndian: Int32(count == 0 ? 0 : 1))
        output.append(bigEndian: Int32(hasNull ? 1 : 0))
        output.append(bigEndian: element.rawValue)
        guard count > 0 else { return }
        output.append(bigEndian: Int32(count))
        output.append(bigEndian: Int32(1))
        output.append(contentsOf: bytes)
    }
}

extension [UInt8] {
    mutating func append<Number: FixedWidthInteger>(bigEndian number: Number) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }
}
