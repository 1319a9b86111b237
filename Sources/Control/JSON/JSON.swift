import FoundationEssentials
package import NIOCore

/// The API's types as JSON, without the part of Foundation that costs start-up time.
package enum JSON {
    package static func decode<T: Decodable>(
        _ type: T.Type = T.self, from buffer: ByteBuffer
    ) throws -> T {
        try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
    }

    /// One line. Throws if a number is not finite.
    package static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return ByteBuffer(bytes: try encoder.encode(value))
    }

    /// The same value is the same text: the keys sorted.
    package static func sorted(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return ByteBuffer(bytes: try encoder.encode(value))
    }

    /// For people and programs at a terminal: every scalar that could act on it is escaped, which
    /// JSON allows inside strings and which a reader of it undoes. One line, or indented; the keys
    /// sorted; no newline at the end.
    package static func printable(_ value: some Encodable, indented: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        if indented { encoder.outputFormatting.insert(.prettyPrinted) }
        return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// Outside ASCII there is nothing but the inside of strings in a JSON text, and the encoder
    /// has escaped the controls below U+0020 there.
    private static func escaped(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x7F }) { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isHarmless(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return result
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return true }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
            .surrogate:
            return false
        default: return !scalar.properties.isDefaultIgnorableCodePoint
        }
    }
}
