/// The header of a message with CRLF line ends: its fields as they stand (RFC 5322, section 2.2).
package struct HeaderSection: Sendable {
    package struct Field: Sendable {
        /// As written.
        package var name: String
        /// The whole field with its folded lines and its last CRLF.
        package var bytes: ArraySlice<UInt8>

        /// What follows the colon, unfolded, without space around it.
        package var value: String {
            let start = bytes.firstIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? bytes.endIndex
            let unfolded = bytes[start...].filter { $0 != 0x0D && $0 != 0x0A }
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
            let end = unfolded.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? 0
            return String(decoding: unfolded[..<end].drop(while: isSpace), as: UTF8.self)
        }
    }

    package private(set) var fields: [Field] = []
    /// What follows the header, without the empty line between them.
    package let body: ArraySlice<UInt8>

    /// The header ends at the first empty line, or before the first line that is no field: then
    /// the empty line was forgotten. A first line "From …" of a mailbox file is left out.
    package init(_ message: [UInt8]) {
        var rest = message[...]
        let first = rest[..<Self.lineEnd(rest)]
        // "From : a@b" is a field, in its old form.
        if first.starts(with: "From ".utf8), Self.name(of: first) == nil {
            rest = rest[first.endIndex...]
        }
        while true {
            let end = Self.lineEnd(rest)
            let line = rest[..<end]
            if line.elementsEqual("\r\n".utf8) {
                rest = rest[end...]
                break
            }
            if let first = line.first, first == 0x20 || first == 0x09, !fields.isEmpty {
                let start = fields[fields.count - 1].bytes.startIndex
                fields[fields.count - 1].bytes = message[start..<end]
            } else if let name = Self.name(of: line) {
                fields.append(Field(name: name, bytes: line))
            } else {
                break
            }
            rest = rest[end...]
        }
        body = rest
    }

    package func fields(named name: String) -> [Field] {
        fields.filter { $0.name.lowercased() == name.lowercased() }
    }

    package func has(_ name: String) -> Bool { !fields(named: name).isEmpty }

    package mutating func remove(_ names: [String]) {
        fields.removeAll { names.contains($0.name.lowercased()) }
    }

    /// Puts a field in front of the others.
    package mutating func prepend(_ name: String, _ value: String) {
        fields.insert(Field(name: name, bytes: Array("\(name): \(value)\r\n".utf8)[...]), at: 0)
    }

    /// The message again.
    package var message: [UInt8] {
        var result = [UInt8]()
        for field in fields { result += field.bytes }
        return result + "\r\n".utf8 + body
    }

    /// The index after the line's LF, or the end.
    private static func lineEnd(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.endIndex
    }

    /// Printable ASCII before a colon; older mail has space before the colon (section 4.5).
    private static func name(of line: ArraySlice<UInt8>) -> String? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        var name = line[..<colon]
        while let last = name.last, last == 0x20 || last == 0x09 { name.removeLast() }
        guard !name.isEmpty, name.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(decoding: name, as: UTF8.self)
    }
}
