import Commands
import Testing

@Suite struct AddressListTests {
    @Test(arguments: [
        ("", []),
        ("bob@example.com", ["bob@example.com"]),
        ("bob", ["bob"]),
        (
            "Bob <bob@example.com>, \"C, D\" <cd@example.com>",
            ["bob@example.com", "cd@example.com"]
        ),
        ("John Q. Public <jqp@example.com>", ["jqp@example.com"]),
        ("\"john doe\"@example.com", ["\"john doe\"@example.com"]),
        ("\"a\\\"b,c\"@example.com, d", ["\"a\\\"b,c\"@example.com", "d"]),
        ("bob(a (nested) \\) comment) @ (x) example . com", ["bob@example.com"]),
        (
            "Group: a@x.example, B <b@x.example>; c@x.example",
            ["a@x.example", "b@x.example", "c@x.example"]
        ),
        ("undisclosed-recipients:;", []),
        ("A Group(some people): a@x.example(who)", ["a@x.example"]),
        ("bob@[192.0.2.1], eve@[IPv6:2001:db8::1]", ["bob@[192.0.2.1]", "eve@[IPv6:2001:db8::1]"]),
        ("<@a.example,@b.example:bob@example.com>", ["bob@example.com"]),
        (" , a@x.example,, b@x.example ,", ["a@x.example", "b@x.example"]),
        ("a@x.example,\r\n\tb@x.example", ["a@x.example", "b@x.example"]),
        ("=?UTF-8?Q?B=C3=B6b?= <bob@example.com>", ["bob@example.com"]),
        ("Müller <müller@bücher.example>", ["müller@bücher.example"]),
        ("a.b+c=d!e#f%g@x.example", ["a.b+c=d!e#f%g@x.example"]),
        ("<bob>", ["bob"]),
    ])
    func lists(text: String, addresses: [String]) throws {
        #expect(try AddressList(parsing: text).addresses == addresses)
    }

    @Test(arguments: [
        ("John Doe", 0), ("a b@example.com", 0), ("bob@", 0), ("@example.com", 0),
        ("a@b@c", 0), ("a..b@c", 0), (".a@c", 0), ("a.@c", 0), ("<>", 1), ("Bob <bob@x", 10),
        ("bob@x>", 5), ("\"bob@x", 0), ("bob (oops", 4), ("a@[1.2.3.4", 2), ("a;b", 1),
        ("g: h: a@x;", 4), ("<a@x> b@x", 5), ("<a,b@x>", 2), ("a@x, \u{1}", 5), ("a@x)", 3),
    ])
    func errors(text: String, position: Int) {
        let error = #expect(throws: AddressListError.self) { try AddressList(parsing: text) }
        #expect(error?.position == position)
    }

    /// Whatever stands in a header, it is a list or an error, and no address has space in it.
    @Test func randomPieces() {
        var random = SplitMix(state: 4)
        let pieces = [
            "a", "b.c", "@", ".", ",", ";", ":", "<", ">", "(", ")", "\"", "\\", "[", "]", " ",
            "\r\n ", "\u{0}", "é", "x@y", "\"q r\"",
        ]
        for _ in 0..<10_000 {
            let text = (0..<Int.random(in: 0...14, using: &random))
                .map { _ in pieces.randomElement(using: &random)! }.joined()
            guard let list = try? AddressList(parsing: text) else { continue }
            for address in list.addresses {
                #expect(!address.isEmpty)
                if !address.contains("\""), !address.contains("[") {
                    #expect(!address.contains { $0.isWhitespace }, "\(text.debugDescription)")
                }
            }
        }
    }
}

/// SplitMix64: the same cases in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
