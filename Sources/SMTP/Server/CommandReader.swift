/// Takes a command apart from left to right. Its bytes are borrowed: it must not outlive the
/// closure that lends them.
struct CommandReader {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ line: UnsafeRawBufferPointer) {
        rest = line[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// Free of control characters.
    var isText: Bool { rest.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }

    mutating func dropTrailingSpaces() {
        while rest.last == space { rest.removeLast() }
    }

    /// A command's name in uppercase; "" for anything else, or if something is glued to it.
    mutating func takeVerb() -> String {
        let end = rest.firstIndex(of: space) ?? rest.endIndex
        guard rest[..<end].count <= 8 else { return "" }
        defer { rest = rest[end...] }
        return String(decoding: rest[..<end], as: UTF8.self).uppercased()
    }

    /// Whether there was one at least.
    mutating func skipSpaces() -> Bool {
        guard rest.first == space else { return false }
        while rest.first == space { rest.removeFirst() }
        return true
    }

    /// Takes `text`, which is in uppercase, in any case, and the spaces behind it.
    mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard rest.count >= count else { return false }
        for (offset, byte) in rest.prefix(count).enumerated() {
            let upper = (0x61...0x7A).contains(byte) ? byte - 0x20 : byte
            if upper != text.utf8Start[offset] { return false }
        }
        rest = rest.dropFirst(count)
        // Not in the grammar, but common, and harmless.
        _ = skipSpaces()
        return true
    }

    /// Up to the next space.
    mutating func takeWord() -> String? {
        let end = rest.firstIndex(of: space) ?? rest.endIndex
        guard end > rest.startIndex else { return nil }
        defer { rest = rest[end...] }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    /// What stands between angle brackets, without a source route (RFC 5321 §4.1.2 and appendix
    /// C: to be accepted and ignored). Behind it comes a space or the end.
    mutating func takePath() -> String? {
        guard rest.first == UInt8(ascii: "<") else { return nil }
        rest.removeFirst()
        if rest.first == UInt8(ascii: "@") {
            guard let colon = rest.firstIndex(of: UInt8(ascii: ":")),
                !rest[..<colon].contains(UInt8(ascii: ">"))
            else { return nil }
            rest = rest[(colon + 1)...]
        }
        // Only a quoted local part can contain ">".
        var quoted = false
        var i = rest.startIndex
        while i < rest.endIndex, quoted || rest[i] != UInt8(ascii: ">") {
            if rest[i] == UInt8(ascii: "\"") { quoted.toggle() }
            if quoted, rest[i] == UInt8(ascii: "\\") { i += 1 }
            i += 1
        }
        guard i < rest.endIndex else { return nil }
        let path = String(decoding: rest[..<i], as: UTF8.self)
        rest = rest[(i + 1)...]
        guard rest.isEmpty || skipSpaces() else { return nil }
        return path
    }

    /// "KEY=value" or "KEY", and the spaces behind it; the key in uppercase.
    mutating func takeParameter() -> (name: String, value: String?)? {
        guard let word = takeWord() else { return nil }
        _ = skipSpaces()
        let bytes = word.utf8
        let equals = bytes.firstIndex(of: UInt8(ascii: "="))
        let name = bytes[..<(equals ?? bytes.endIndex)]
        // A reply repeats the name: it stays short and plain.
        guard !name.isEmpty, name.count <= 32, name.allSatisfy(Self.isKeyword) else { return nil }
        let value = equals.map { String(word[word.index(after: $0)...]) }
        if let value, value.isEmpty { return nil }
        return (String(Substring(name)).uppercased(), value)
    }

    /// Letters, digits, hyphens (RFC 5321 §4.1.2: esmtp-keyword).
    static func isKeyword(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"): true
        default: false
        }
    }
}
