/// Encoded words in headers (RFC 2047): what `=?utf-8?Q?B=C3=BCcher?=` says.
package enum EncodedWord {
    /// The text with its encoded words decoded. What is not one, or in a character set that is not
    /// known here, stays as it is; blanks between two encoded words are left out (§6.2).
    package static func decoded(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        // Blanks behind an encoded word, kept only if another follows that is none.
        var blanks: Substring?
        while let start = rest.firstRange(of: "=?") {
            let before = rest[..<start.lowerBound]
            guard let (word, end) = word(in: rest[start.lowerBound...]) else {
                result += blanks ?? ""
                blanks = nil
                result += rest[..<start.upperBound]
                rest = rest[start.upperBound...]
                continue
            }
            if blanks != nil, before.allSatisfy(\.isWhitespace) {
                blanks = nil
            } else {
                result += before
            }
            result += word
            rest = rest[end...]
            blanks = ""
        }
        return result + rest
    }

    /// The encoded word that a text begins with, and where it ends.
    private static func word(
        in text: Substring
    ) -> (text: String, end: Substring.Index)? {
        // "=?" charset "?" encoding "?" text "?=", at most 75 characters.
        let parts = text.prefix(400).split(
            separator: "?", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "=", parts[4].first == "=", parts[2].count == 1,
            !parts[3].contains(where: \.isWhitespace)
        else { return nil }
        let bytes: [UInt8]?
        switch parts[2] {
        case "Q", "q": bytes = quoted(parts[3])
        case "B", "b": bytes = base64(parts[3])
        default: bytes = nil
        }
        // A language may follow the character set (RFC 2231 §5).
        let charset = parts[1].split(separator: "*").first ?? ""
        guard let bytes, let decoded = string(bytes, charset.lowercased()) else { return nil }
        return (decoded, parts[4].index(after: parts[4].startIndex))
    }

    private static func string(_ bytes: [UInt8], _ charset: String) -> String? {
        switch charset {
        case "utf-8", "utf8", "us-ascii": String(validating: bytes, as: UTF8.self)
        case "iso-8859-1", "latin1", "windows-1252":
            String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        default: nil
        }
    }

    private static func quoted(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "_"): bytes.append(0x20)
            case UInt8(ascii: "="):
                guard let high = rest.popFirst().flatMap(digit),
                    let low = rest.popFirst().flatMap(digit)
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }

    private static func base64(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in text.utf8 where byte != UInt8(ascii: "=") {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte + 4
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
