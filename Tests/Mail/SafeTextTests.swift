import Testing

@testable import Mail

@Suite struct SafeTextTests {
    @Test(arguments: [
        ("plain text 1.2.3 ~", "plain text 1.2.3 ~"),
        ("grüße 中文 🙂", "grüße 中文 🙂"),
        ("\u{1B}[2J\u{1B}]0;owned\u{7}", "␛[2J␛]0;owned␇"),
        ("a\r\nb\tc\u{0}", "a␍␊b␉c␀"),
        ("a\u{7F}b", "a␡b"),
        ("a\u{9B}31mb\u{85}c", "a\u{FFFD}31mb\u{FFFD}c"),
        ("a\u{202E}b\u{2066}c\u{2069}d\u{200E}\u{200F}", "a·b·c·d··"),
        ("a\u{200B}b\u{200D}c\u{FEFF}d\u{2060}e\u{AD}", "a·b·c·d·e·"),
        ("a\u{2028}b\u{2029}c", "a\u{FFFD}b\u{FFFD}c"),
        ("a\u{E0041}b\u{3164}c\u{115F}d", "a·b·c·d"),
        ("a\u{E000}b", "a\u{FFFD}b"),
        ("\u{301}a", "\u{FFFD}a"),
        ("e\u{301}", "e\u{301}"),
        ("e\u{301}\u{302}\u{303}\u{304}x", "e\u{301}\u{302}x"),
        ("\u{2764}\u{FE0F}", "\u{2764}"),
        ("", ""),
    ])
    func neutralises(input: String, expected: String) {
        #expect(Array(SafeText(input).text.unicodeScalars) == Array(expected.unicodeScalars))
    }

    @Test func nothingDangerousIsEverLeft() {
        for block in stride(from: UInt32(0), to: 0x110000, by: 256) {
            var input = String.UnicodeScalarView()
            for value in block..<(block + 256) {
                if let scalar = Unicode.Scalar(value) { input.append(scalar) }
            }
            let output = SafeText(String(input)).text.unicodeScalars
            #expect(!output.contains(where: isDangerous), "U+\(String(block, radix: 16))")
        }
    }

    private func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return properties.isDefaultIgnorableCodePoint || properties.isBidiControl
        }
    }

    @Test func isBounded() {
        #expect(SafeText("abcdef", limit: 6).text == "abcdef")
        #expect(SafeText("abcdefg", limit: 6).text == "abcde…")
        #expect(SafeText("\u{1B}\u{1B}\u{1B}", limit: 2).text == "␛…")
        #expect(SafeText(String(repeating: "x", count: 5000)).text.unicodeScalars.count == 1000)
        #expect(SafeText("abc", limit: 0).text == "…")
    }

    @Test func isIdempotent() {
        let text = SafeText("a\u{1B}\u{202E}\u{301}\u{301}\u{301}b\u{9B}").text
        #expect(SafeText(text).text == text)
    }

    @Test func brokenUTF8IsShown() {
        #expect(SafeText(decoding: [0x61, 0xFF, 0x62]).text == "a\u{FFFD}b")
    }
}
