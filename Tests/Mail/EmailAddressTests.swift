import Testing

@testable import Mail

@Suite struct EmailAddressTests {
    @Test(arguments: [
        ("user@example.com", "user", "example.com"),
        ("User@EXAMPLE.Com", "User", "example.com"),
        ("a@b", "a", "b"),
        ("first.last+tag@sub.example.co.uk", "first.last+tag", "sub.example.co.uk"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", "example.com"),
        ("\"a b\"@example.com", "\"a b\"", "example.com"),
        ("\"a@b\"@example.com", "\"a@b\"", "example.com"),
        ("\"a\\\"b\"@example.com", "\"a\\\"b\"", "example.com"),
        ("\"\"@example.com", "\"\"", "example.com"),
        ("u@[192.0.2.1]", "u", "[192.0.2.1]"),
        ("u@[ipv6:2001:DB8::1]", "u", "[IPv6:2001:db8::1]"),
        ("u@[IPv6:::ffff:192.0.2.1]", "u", "[IPv6:::ffff:192.0.2.1]"),
        ("u@1.2.3.4", "u", "1.2.3.4"),
        ("u@xn--bcher-kva.example", "u", "xn--bcher-kva.example"),
    ])
    func accepts(text: String, local: String, domain: String) throws {
        let address = try EmailAddress(parsing: text, allowUTF8: false)
        #expect(address.localPart == local)
        #expect(address.domain == domain)
        #expect(address.text == "\(local)@\(domain)")
        // Its text is an address again, the same one.
        #expect(try EmailAddress(parsing: address.text, allowUTF8: false) == address)
    }

    static let invalid: [(String, AddressError)] = [
        ("", .empty),
        ("user", .missingDomain),
        ("user@", .missingDomain),
        ("@example.com", .localPart),
        (".user@example.com", .localPart),
        ("user.@example.com", .localPart),
        ("us..er@example.com", .localPart),
        ("us er@example.com", .localPart),
        ("us,er@example.com", .localPart),
        ("us<er@example.com", .localPart),
        ("\"user@example.com", .localPart),
        ("\"user\"x@example.com", .localPart),
        ("\"user\\\"@example.com", .localPart),
        ("user@example..com", .domain),
        ("user@.example.com", .domain),
        ("user@example.com.", .domain),
        ("user@-example.com", .domain),
        ("user@example-.com", .domain),
        ("user@exa_mple.com", .domain),
        ("user@exam ple.com", .domain),
        ("user@a@b", .domain),
        ("user@example.com>", .domain),
        ("user@" + String(repeating: "a", count: 64) + ".com", .domain),
        ("user@[192.0.2.256]", .literal),
        ("user@[192.0.2.01]", .literal),
        ("user@[192.0.2]", .literal),
        ("user@[192.0.2.1", .literal),
        ("user@[IPv6:1:2:3:4:5:6:7]", .literal),
        ("user@[IPv6:1::2::3]", .literal),
        ("user@[IPv6:12345::]", .literal),
        ("user@[IPv6::1]", .literal),
        ("user@[2001:db8::1]", .literal),
        ("user@[x:y]", .literal),
        ("us\rer@example.com", .controlCharacter),
        ("user@example.com\n", .controlCharacter),
        ("us\u{0}er@example.com", .controlCharacter),
        ("us\u{7F}er@example.com", .controlCharacter),
        ("\"us\ter\"@example.com", .controlCharacter),
        ("müller@example.com", .notASCII),
        ("user@bücher.example", .notASCII),
        (
            String(repeating: "a", count: 65) + "@example.com",
            .tooLong(part: "local part", limit: 64)
        ),
        (
            "users@" + Array(repeating: "abcdefghi", count: 25).joined(separator: "."),
            .tooLong(part: "address", limit: 254)
        ),
        (String(repeating: "@", count: 100_000), .tooLong(part: "address", limit: 254)),
    ]

    @Test(arguments: invalid)
    func refuses(text: String, error: AddressError) {
        #expect(throws: error) { try EmailAddress(parsing: text, allowUTF8: false) }
        #expect(!error.description.isEmpty)
    }

    @Test func limitsAreInclusive() throws {
        let local = String(repeating: "a", count: 64)
        let labels = Array(repeating: String(repeating: "d", count: 62), count: 3)
        let domain = labels.joined(separator: ".")
        let address = try EmailAddress(parsing: "\(local)@\(domain)", allowUTF8: false)
        #expect(address.text.utf8.count == 64 + 1 + 188)
        #expect(throws: Never.self) {
            try EmailAddress(parsing: "\(local)@\(domain)x", allowUTF8: false)
        }
        #expect(throws: AddressError.tooLong(part: "address", limit: 254)) {
            try EmailAddress(parsing: "\(local)@\(domain).x", allowUTF8: false)
        }
    }

    @Test func postmasterAlone() throws {
        let address = try EmailAddress(
            parsing: "Postmaster", allowUTF8: false, allowBarePostmaster: true)
        #expect(address.text == "Postmaster")
        #expect(address.domain == "")
        #expect(throws: AddressError.missingDomain) {
            try EmailAddress(parsing: "postmaster", allowUTF8: false)
        }
        #expect(throws: AddressError.missingDomain) {
            try EmailAddress(parsing: "root", allowUTF8: false, allowBarePostmaster: true)
        }
    }

    @Test func internationalAddresses() throws {
        let address = try EmailAddress(parsing: "用户@例え.テスト", allowUTF8: true)
        #expect(address.localPart == "用户")
        #expect(address.domain == "xn--r8jz45g.xn--zckzah")
        #expect(address.needsUTF8)
        let converted = try EmailAddress(parsing: "user@Bücher.Example", allowUTF8: true)
        #expect(converted.text == "user@xn--bcher-kva.example")
        #expect(!converted.needsUTF8)
    }

    @Test(arguments: [
        "a\u{85}b@example.com", "a\u{2028}b@example.com", "a\u{202E}b@example.com",
        "a\u{2066}b@example.com", "user@exa\u{200B}mple.com", "user@\u{FFFD}.com",
        "user@\u{2603}.com",
    ])
    func refusesInternationalControls(text: String) {
        #expect(throws: AddressError.self) { try EmailAddress(parsing: text, allowUTF8: true) }
    }

    @Test func invalidUTF8IsRefused() {
        let text = String(decoding: [0x61, 0xFF, 0x40, 0x62], as: UTF8.self)
        #expect(throws: AddressError.localPart) {
            try EmailAddress(parsing: text, allowUTF8: true)
        }
    }
}

@Suite struct DomainNameTests {
    // From RFC 3492 §7.1 and common names.
    @Test(arguments: [
        ("bücher", "xn--bcher-kva"),
        ("münchen", "xn--mnchen-3ya"),
        ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ("почемужеонинеговорятпорусски", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"),
        ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("EXAMPLE.com", "example.com"),
        ("ÖBB.at", "xn--bb-eka.at"),
        // Decomposed, and in wide letters with an ideographic full stop.
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("ＢＵ\u{308}ｃｈｅｒ。ｅｘａｍｐｌｅ", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("ﬁn.example\u{FF61}ü", "fin.example.xn--tda"),
    ])
    func converts(name: String, expected: String) {
        #expect(DomainName.canonical(name) == expected)
    }

    @Test(arguments: [
        "", ".", "a..b", "-a", "a-", "a b", "ü.", "ü ü", "ü/x", "😀", "ü\0x", "a\u{200D}b",
        "\u{301}a", "ü_x", "אa.example", "xn--\u{E4}.de",
    ])
    func refuses(name: String) {
        #expect(DomainName.canonical(name) == nil)
    }

    @Test func hugeLabelsAreRefusedQuickly() {
        #expect(DomainName.canonical(String(repeating: "ü", count: 100_000)) == nil)
    }

    /// A combining mark makes one character with the bracket before it, and none with a byte.
    @Test func aMarkInALiteral() {
        #expect(throws: AddressError.literal) {
            _ = try EmailAddress(parsing: "a@[\u{301}192.0.2.1]", allowUTF8: true)
        }
        #expect(AddressLiteral.canonical(Array("[192.0.2.1\u{301}]".utf8)) == nil)
    }
}
