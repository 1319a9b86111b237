/// Finds the line of every key, table header and array element of a TOML text.
///
/// It understands just enough of TOML v1.0 to step over values; it never judges. The text has
/// been parsed before; on one that is not TOML it ends all the same, with some lines missing.
struct KeyLocator {
    enum Step: Hashable {
        case key(String)
        case index(Int)
    }

    struct Location {
        var line: Int
        /// Counts up through the document.
        var order: Int
    }

    private(set) var locations: [[Step]: Location] = [:]
    /// The first thing at which TOMLKit's parser would end the process instead of refusing it.
    private(set) var obstacle: Obstacle?

    struct Obstacle {
        /// Where its statement starts, in bytes.
        var statement: Int
        var line: Int
        /// What is wrong, and what is meant.
        var message: String
    }

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var statement = 0
    /// How many `[[name]]` headers each array of tables has had.
    private var tableCounts: [[Step]: Int] = [:]

    init(text: String) {
        bytes = Array(text.utf8)
    }

    mutating func scan() {
        var prefix: [Step] = []
        while true {
            skipBlank()
            guard let byte = peek() else { return }
            let start = position
            statement = start
            if byte == UInt8(ascii: "[") {
                prefix = header()
            } else {
                assignment(below: prefix)
            }
            // Not TOML: give the byte up rather than stay.
            if position == start { advance() }
        }
    }

    // MARK: Statements

    /// `[a.b]` or `[[a.b]]`; returns the path that the following keys stand below.
    private mutating func header() -> [Step] {
        let startLine = line
        advance()
        let isArray = peek() == UInt8(ascii: "[")
        if isArray { advance() }
        let keys = dottedKey()
        if keys.isEmpty, let byte = peek(), byte != UInt8(ascii: "]") {
            stop(
                at: startLine,
                "a table's name in one or two brackets is meant: [name] or [[name]], in quotes if"
                    + " it is more than A-Z, a-z, 0-9, - and _")
        }
        skipLine()

        var path: [Step] = []
        for (offset, key) in keys.enumerated() {
            path.append(.key(key.name))
            let isLast = offset == keys.count - 1
            if isArray && isLast {
                let index = tableCounts[path, default: 0]
                tableCounts[path] = index + 1
                record(path, line: key.line)
                path.append(.index(index))
                record(path, line: key.line)
            } else if let count = tableCounts[path] {
                // A path through an array of tables means its last element (TOML v1.0, "Array
                // of Tables").
                path.append(.index(count - 1))
            } else {
                record(path, line: key.line, overriding: isLast)
            }
        }
        return path
    }

    /// `a.b = value`
    private mutating func assignment(below prefix: [Step]) {
        let keys = dottedKey()
        guard !keys.isEmpty else { return }
        var path = prefix
        for key in keys {
            path.append(.key(key.name))
            record(path, line: key.line)
        }
        skipSpaces()
        guard peek() == UInt8(ascii: "=") else { return }
        advance()
        value(at: path)
    }

    /// The first mention of a path is where it stands, except that a table's own header wins
    /// over a mention in passing.
    private mutating func record(_ path: [Step], line: Int, overriding: Bool = false) {
        if let known = locations[path] {
            if overriding { locations[path] = Location(line: line, order: known.order) }
        } else {
            locations[path] = Location(line: line, order: locations.count)
        }
    }

    // MARK: Keys

    private mutating func dottedKey() -> [(name: String, line: Int)] {
        var keys: [(name: String, line: Int)] = []
        while true {
            skipSpaces()
            let line = line
            guard let name = simpleKey() else { return keys }
            keys.append((name, line))
            skipSpaces()
            guard peek() == UInt8(ascii: ".") else { return keys }
            advance()
        }
    }

    private mutating func simpleKey() -> String? {
        switch peek() {
        case UInt8(ascii: "\""): return quoted(escapes: true)
        case UInt8(ascii: "'"): return quoted(escapes: false)
        default:
            let start = position
            while let byte = peek(), Self.isBareKey(byte) { advance() }
            guard position > start else { return nil }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }
    }

    private static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private mutating func quoted(escapes: Bool) -> String {
        let quote = peek()
        advance()
        var content: [UInt8] = []
        while let byte = peek(), byte != quote, byte != UInt8(ascii: "\n") {
            advance()
            if escapes && byte == UInt8(ascii: "\\") {
                content.append(contentsOf: escape())
            } else {
                content.append(byte)
            }
        }
        if peek() == quote { advance() }
        return String(decoding: content, as: UTF8.self)
    }

    /// What follows a backslash.
    private mutating func escape() -> [UInt8] {
        guard let byte = peek() else { return [] }
        advance()
        switch byte {
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let end = min(position + (byte == UInt8(ascii: "u") ? 4 : 8), bytes.count)
            let digits = String(decoding: bytes[position..<end], as: UTF8.self)
            guard let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) else {
                return []
            }
            position = end
            return Array(String(Character(scalar)).utf8)
        default: return [byte]
        }
    }

    // MARK: Values

    private mutating func value(at path: [Step]) {
        skipSpaces()
        switch peek() {
        case UInt8(ascii: "\""): string(UInt8(ascii: "\""), escapes: true)
        case UInt8(ascii: "'"): string(UInt8(ascii: "'"), escapes: false)
        case UInt8(ascii: "["): array(at: path)
        case UInt8(ascii: "{"): inlineTable(at: path)
        default:
            let (start, startLine) = (position, line)
            while let byte = peek(), !Self.endsBareValue(byte) { advance() }
            let text = String(decoding: bytes[start..<position], as: UTF8.self)
            if DateTimeText.isMeant(text), !DateTimeText.isWellFormed(text) {
                stop(at: startLine, "'\(text)' is neither a number nor a date or time")
            }
        }
    }

    private mutating func stop(at line: Int, _ message: String) {
        if obstacle == nil {
            obstacle = Obstacle(statement: statement, line: line, message: message)
        }
    }

    private static func endsBareValue(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#"),
            UInt8(ascii: "\n"):
            true
        default: false
        }
    }

    private mutating func array(at path: [Step]) {
        advance()
        var index = 0
        while true {
            skipBlank()
            guard let byte = peek() else { return }
            if byte == UInt8(ascii: "]") { return advance() }
            // The parser takes it for the beginning of a value, and ends the process.
            if byte == UInt8(ascii: "}") {
                return stop(at: line, "'}' where a list needs a value or its closing ']'")
            }
            let start = position
            let below = path + [.index(index)]
            record(below, line: line)
            value(at: below)
            index += 1
            skipBlank()
            if peek() == UInt8(ascii: ",") { advance() }
            if position == start { return }
        }
    }

    private mutating func inlineTable(at path: [Step]) {
        advance()
        while true {
            skipBlank()
            guard let byte = peek() else { return }
            if byte == UInt8(ascii: "}") { return advance() }
            let start = position
            assignment(below: path)
            skipBlank()
            if peek() == UInt8(ascii: ",") { advance() }
            if position == start { return }
        }
    }

    private mutating func string(_ quote: UInt8, escapes: Bool) {
        let isMultiline = peek(1) == quote && peek(2) == quote
        if !isMultiline {
            _ = quoted(escapes: escapes)
            return
        }
        advance(3)
        while let byte = peek() {
            if escapes && byte == UInt8(ascii: "\\") {
                advance(2)
            } else if byte == quote && peek(1) == quote && peek(2) == quote {
                advance(3)
                // One or two quotes may stand right before the closing three.
                if peek() == quote { advance() }
                if peek() == quote { advance() }
                return
            } else {
                advance()
            }
        }
    }

    // MARK: Bytes

    private func peek(_ offset: Int = 0) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }
    }

    private mutating func skipSpaces() {
        while let byte = peek(), byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
            advance()
        }
    }

    /// Spaces, line ends, comments.
    private mutating func skipBlank() {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                advance()
            case UInt8(ascii: "#"): skipLine()
            default: return
            }
        }
    }

    private mutating func skipLine() {
        while let byte = peek(), byte != UInt8(ascii: "\n") { advance() }
    }
}
