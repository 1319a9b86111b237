/// An enhanced mail system status code (RFC 3463): class, subject, detail.
package struct EnhancedCode: Hashable, Sendable, CustomStringConvertible {
    /// 2 (success), 4 (persistent transient failure) or 5 (permanent failure).
    package let klass: Int
    /// 0...999.
    package let subject: Int
    /// 0...999.
    package let detail: Int

    package init(_ klass: Int, _ subject: Int, _ detail: Int) {
        self.klass = klass
        self.subject = subject
        self.detail = detail
    }

    /// "4.7.28" and nothing else: nil for another class, a number above 999 or a leading zero.
    package static func parse(_ text: some StringProtocol) -> EnhancedCode? {
        var text = Substring(text)
        guard let code = takePrefix(&text), text.isEmpty else { return nil }
        return code
    }

    /// Takes a code off the front of `text`, which must end there or go on with a space; the
    /// spaces are taken too. `text` is left alone if there is none.
    package static func takePrefix(_ text: inout Substring) -> EnhancedCode? {
        var bytes = text.utf8[...]
        guard let klass = number(&bytes), klass == 2 || klass == 4 || klass == 5,
            bytes.popFirst() == UInt8(ascii: "."), let subject = number(&bytes),
            bytes.popFirst() == UInt8(ascii: "."), let detail = number(&bytes),
            bytes.first == nil || bytes.first == UInt8(ascii: " ")
        else { return nil }
        while bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
        text = Substring(bytes)
        return EnhancedCode(klass, subject, detail)
    }

    /// One to three digits without a leading zero (RFC 3463 §2).
    private static func number(_ bytes: inout Substring.UTF8View) -> Int? {
        guard let first = bytes.first, (0x30...0x39).contains(first) else { return nil }
        var value = 0
        var digits = 0
        while let byte = bytes.first, (0x30...0x39).contains(byte) {
            guard digits < 3, digits == 0 || value > 0 else { return nil }
            value = value * 10 + Int(byte - 0x30)
            digits += 1
            bytes.removeFirst()
        }
        return value
    }

    package var description: String { "\(klass).\(subject).\(detail)" }
}
