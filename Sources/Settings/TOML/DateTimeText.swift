/// Dates and times as TOML v1.0 writes them (RFC 3339). No setting is one, but a text may have them.
enum DateTimeText {
    /// Begins like one: a digit, and a ":" or a "-" that is no exponent's, somewhere behind it.
    static func isMeant(_ text: String) -> Bool {
        guard let first = text.utf8.first, isDigit(first) else { return false }
        var last: UInt8 = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: ":") { return true }
            if byte == UInt8(ascii: "-"), last | 0x20 != UInt8(ascii: "e") { return true }
            last = byte
        }
        return false
    }

    /// A date, a time or both, perhaps with an offset; blanks may follow. The numbers may be out
    /// of range.
    static func isWellFormed(_ text: String) -> Bool {
        var rest = Substring(text).utf8
        while let last = rest.last, last == 0x20 || last == 0x09 || last == 0x0D {
            rest.removeLast()
        }
        var copy = rest
        if takeDate(&copy) {
            if copy.isEmpty { return true }
            guard let separator = copy.popFirst(),
                separator | 0x20 == UInt8(ascii: "t") || separator == 0x20
            else { return false }
            return takeTime(&copy) && takeOffset(&copy) && copy.isEmpty
        }
        return takeTime(&rest) && rest.isEmpty
    }

    private static func takeDate(_ rest: inout Substring.UTF8View) -> Bool {
        takeDigits(4, &rest) && take("-", &rest) && takeDigits(2, &rest) && take("-", &rest)
            && takeDigits(2, &rest)
    }

    private static func takeTime(_ rest: inout Substring.UTF8View) -> Bool {
        guard takeDigits(2, &rest), take(":", &rest), takeDigits(2, &rest), take(":", &rest),
            takeDigits(2, &rest)
        else { return false }
        guard take(".", &rest) else { return true }
        guard takeDigits(1, &rest) else { return false }
        while takeDigits(1, &rest) {}
        return true
    }

    private static func takeOffset(_ rest: inout Substring.UTF8View) -> Bool {
        if rest.isEmpty || take("Z", &rest) || take("z", &rest) { return true }
        guard take("+", &rest) || take("-", &rest) else { return false }
        return takeDigits(2, &rest) && take(":", &rest) && takeDigits(2, &rest)
    }

    private static func take(_ mark: Unicode.Scalar, _ rest: inout Substring.UTF8View) -> Bool {
        guard rest.first == UInt8(ascii: mark) else { return false }
        rest.removeFirst()
        return true
    }

    private static func takeDigits(_ count: Int, _ rest: inout Substring.UTF8View) -> Bool {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy(isDigit) else { return false }
        rest.removeFirst(count)
        return true
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
