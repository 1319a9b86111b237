/// The mailboxes in a list of addresses, as To, Cc and Bcc have them (RFC 5322, section 3.4, with
/// the obsolete forms of section 4.4: routes, empty entries, space inside addresses).
package struct AddressList: Hashable, Sendable {
    /// The addresses without names, comments and space: `bob@example.com`, or `bob` where no
    /// domain is given.
    package private(set) var addresses: [String] = []

    package init(parsing text: String) throws(AddressListError) {
        var parser = Parser(bytes: Array(text.utf8))
        addresses = try parser.list()
    }
}

package struct AddressListError: Error, Hashable, Sendable {
    /// In bytes.
    package var position: Int
    package var message: String
}

private struct Parser {
    enum Token: Hashable {
        /// An atom, a quoted string with its quotes, or a domain literal with its brackets.
        case word(String)
        /// One of `<>@,;:.`
        case special(UInt8)
        case end
    }

    let bytes: [UInt8]
    var index = 0
    var addresses: [String] = []

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func list() throws(AddressListError) -> [String] {
        var isInGroup = false
        while true {
            let start = index
            switch try next() {
            case .end:
                // The group's ";" is often forgotten, and what it holds is clear all the same.
                return addresses
            case .special(UInt8(ascii: ",")): continue
            case .special(UInt8(ascii: ";")):
                guard isInGroup else { throw error("';' outside a group", start) }
                isInGroup = false
            default:
                index = start
                if try entry(isInGroup: isInGroup) { isInGroup = true }
            }
        }
    }

    /// One mailbox, or the name of a group with its colon: then true.
    private mutating func entry(isInGroup: Bool) throws(AddressListError) -> Bool {
        let start = index
        var words = [Token]()
        while true {
            let tokenStart = index
            let token = try next()
            switch token {
            case .special(UInt8(ascii: "<")):
                try angleAddress()
                try separator()
                return false
            case .special(UInt8(ascii: ":")):
                guard !isInGroup, !words.isEmpty else { throw error("unexpected ':'", tokenStart) }
                return true
            case .special(UInt8(ascii: ",")), .special(UInt8(ascii: ";")), .end:
                index = tokenStart
                addresses.append(try address(words, start))
                return false
            case .special(UInt8(ascii: ">")): throw error("'>' without '<'", tokenStart)
            case .word, .special: words.append(token)
            }
        }
    }

    /// What follows "<", to the ">".
    private mutating func angleAddress() throws(AddressListError) {
        let start = index
        var words = [Token]()
        while true {
            let token = try next()
            switch token {
            case .special(UInt8(ascii: ">")):
                addresses.append(try address(words, start))
                return
            case .special(UInt8(ascii: ":")):
                // A route, "@a,@b:", is not used any more (section 4.4).
                guard words.first == .special(UInt8(ascii: "@")) else {
                    throw error("unexpected ':'", index - 1)
                }
                words = []
            case .special(UInt8(ascii: ",")):
                guard words.isEmpty || words.first == .special(UInt8(ascii: "@")) else {
                    throw error("missing '>'", index - 1)
                }
            case .end: throw error("missing '>'", index)
            case .special(UInt8(ascii: "<")), .special(UInt8(ascii: ";")):
                throw error("missing '>'", index - 1)
            case .word, .special: words.append(token)
            }
        }
    }

    private mutating func separator() throws(AddressListError) {
        let start = index
        switch try next() {
        case .end, .special(UInt8(ascii: ",")), .special(UInt8(ascii: ";")): index = start
        default: throw error("expected ',' after '>'", start)
        }
    }

    /// `local "@" domain`, or a local part alone: words with dots between them.
    private func address(_ tokens: [Token], _ start: Int) throws(AddressListError) -> String {
        var result = ""
        var hasAt = false
        var wantsWord = true
        for token in tokens {
            switch token {
            case .word(let text):
                guard wantsWord else { throw error("expected an address", start) }
                result += text
                wantsWord = false
            case .special(UInt8(ascii: ".")):
                guard !wantsWord else { throw error("misplaced '.' in an address", start) }
                result += "."
                wantsWord = true
            case .special(UInt8(ascii: "@")):
                guard !wantsWord, !hasAt else { throw error("misplaced '@' in an address", start) }
                result += "@"
                hasAt = true
                wantsWord = true
            case .special, .end: throw error("expected an address", start)
            }
        }
        guard !wantsWord else { throw error("an address is not complete", start) }
        return result
    }

    // MARK: Tokens

    private mutating func next() throws(AddressListError) -> Token {
        try skipSpaceAndComments()
        guard index < bytes.count else { return .end }
        let start = index
        switch bytes[index] {
        case UInt8(ascii: "\""): return .word(try delimited(by: UInt8(ascii: "\""), "quote"))
        case UInt8(ascii: "["): return .word(try delimited(by: UInt8(ascii: "]"), "bracket"))
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"), UInt8(ascii: ","),
            UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "."):
            index += 1
            return .special(bytes[start])
        default:
            while index < bytes.count, Self.isAtom(bytes[index]) { index += 1 }
            guard index > start else { throw error("unexpected character", start) }
            return .word(text(start..<index))
        }
    }

    /// From the delimiter here to the closing one, a backslash before which does not count.
    private mutating func delimited(
        by close: UInt8, _ name: String
    ) throws(AddressListError) -> String {
        let start = index
        index += 1
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\"): index += 2
            case close:
                index += 1
                return text(start..<index)
            default: index += 1
            }
        }
        throw error("a \(name) is never closed", start)
    }

    private mutating func skipSpaceAndComments() throws(AddressListError) {
        var start = index
        var depth = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                index += 1
            case UInt8(ascii: "("):
                if depth == 0 { start = index }
                depth += 1
                index += 1
            case UInt8(ascii: ")") where depth > 0:
                depth -= 1
                index += 1
            case UInt8(ascii: "\\") where depth > 0: index = min(index + 2, bytes.count)
            default:
                if depth == 0 { return }
                index += 1
            }
        }
        if depth > 0 { throw error("a comment is never closed", start) }
    }

    private static func isAtom(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != 0x7F && !"()<>[]:;@\\,.\"".utf8.contains(byte)
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range], as: UTF8.self)
    }

    private func error(_ message: String, _ position: Int) -> AddressListError {
        AddressListError(position: min(position, bytes.count), message: message)
    }
}
