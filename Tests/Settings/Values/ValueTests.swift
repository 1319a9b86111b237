import Testing

@testable import Settings

@Suite struct ValueTests {
    @Test(arguments: [
        ("5d", Duration.seconds(432_000)), ("1h30m", .seconds(5400)), ("250ms", .milliseconds(250)),
        ("0s", .zero), ("2w", .seconds(1_209_600)), ("1m1ms", .milliseconds(60_001)),
    ])
    func durations(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.parse(DurationText.text(duration)) == duration)
    }

    @Test(arguments: [
        "", "5", "s", "5 s", "-5s", "1.5h", "5S", "30m1h", "1h1h", "5d ", "5sec",
        "999999999999999w",
        "1000000w", "٥s", "5s\0",
    ])
    func notDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [
        ("50M", 52_428_800), ("1G", 1 << 30), ("3K", 3072), ("0", 0), ("17", 17),
    ])
    func sizes(text: String, bytes: Int) {
        #expect(ByteSize.parse(text) == bytes)
        #expect(ByteSize.text(bytes) == text)
    }

    @Test(arguments: [
        "", "M", "5m", "5MB", "-1K", "1.5M", " 5M", "9999999999999999G", "99999999999999999999",
    ])
    func notSizes(text: String) {
        #expect(ByteSize.parse(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("2001:DB8:0:0:0:0:0:25", "2001:db8::25"), ("::", "::"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("0:0:0:0:0:FFFF:C000:0201", "::ffff:192.0.2.1"),
    ])
    func addresses(text: String, canonical: String) throws {
        let address = try #require(IPAddress(text: text))
        #expect(address.description == canonical)
    }

    @Test(arguments: [
        "", "127.0.0", "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "::1%lo", "[::1]", "1::2::3",
        "127.0.0.1\0", "localhost", " 127.0.0.1", "12345::",
    ])
    func notAddresses(text: String) {
        #expect(IPAddress(text: text) == nil)
    }

    @Test func addressesFromTheWire() {
        #expect(IPAddress(networkBytes: [192, 0, 2, 10])?.description == "192.0.2.10")
        let six: [UInt8] = [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x25]
        #expect(IPAddress(networkBytes: six)?.description == "2001:db8::25")
        #expect(IPAddress(networkBytes: [1, 2, 3]) == nil)
    }

    @Test(arguments: [
        ("127.0.0.0/8", "127.255.255.255", true), ("127.0.0.0/8", "128.0.0.0", false),
        ("127.0.0.0/8", "::ffff:127.0.0.1", true), ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::1", false), ("::/0", "::1", true), ("::/0", "192.0.2.1", false),
        ("::ffff:192.0.2.0/120", "192.0.2.77", true), ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false), ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false), ("::1/128", "::1", true),
        ("192.0.2.1/32", "192.0.2.1", true), ("::1/128", "::2", false),
    ])
    func blocks(block: String, address: String, inside: Bool) throws {
        let address = try #require(IPAddress(text: address))
        #expect(try #require(CIDRBlock(text: block)).contains(address) == inside)
    }

    @Test(arguments: [
        "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "10/8", "/8", "",
        "10.0.0.0/+8", "::ffff:10.0.0.0/8",
    ])
    func notBlocks(text: String) {
        #expect(CIDRBlock(text: text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1:2525", "127.0.0.1:2525"), ("[::1]:0", "[::1]:0"),
        ("localhost:25", "127.0.0.1:25"), ("[127.0.0.1]:25", "127.0.0.1:25"),
    ])
    func endpoints(text: String, canonical: String) {
        #expect(SocketEndpoint(text: text)?.description == canonical)
    }

    @Test(arguments: [
        "127.0.0.1", "::1:25", "[::1]", "[::1]25", "mail.example.com:25", "127.0.0.1:65536", ":25",
        "127.0.0.1:", "127.0.0.1:+25", "[::1:25", "[localhost]:25", "",
    ])
    func notEndpoints(text: String) {
        #expect(SocketEndpoint(text: text) == nil)
    }

    @Test func serversHaveADefaultPort() {
        #expect(SocketEndpoint(text: "9.9.9.9", defaultPort: 53)?.description == "9.9.9.9:53")
        #expect(SocketEndpoint(text: "2620:fe::fe", defaultPort: 53)?.port == 53)
        #expect(SocketEndpoint(text: "[::1]", defaultPort: 53)?.port == 53)
        #expect(SocketEndpoint(text: "[::1]:5353", defaultPort: 53)?.port == 5353)
    }

    @Test(arguments: [
        ("127.0.0.1:2526", "127.0.0.1:2526"),
        ("[smarthost.example.net]:587", "[smarthost.example.net]:587"),
        ("Smarthost.Example.net", "[smarthost.example.net]:25"),
        ("[2001:db8::1]", "[2001:db8::1]:25"),
        ("[192.0.2.1]:26", "192.0.2.1:26"), ("localhost:2500", "[localhost]:2500"),
    ])
    func routes(text: String, canonical: String) {
        #expect(StaticRoute(text: text)?.description == canonical)
    }

    @Test(arguments: [
        "", "host:0", "host:x", "[]", "::1", "a b", "300.1.1.1", "-x.example", "host:25:25", "*",
    ])
    func notRoutes(text: String) {
        #expect(StaticRoute(text: text) == nil)
    }

    @Test(arguments: [
        ("example.com", "example.com", true), ("example.com", "a.example.com", false),
        ("*.example.com", "a.example.com", true), ("*.example.com", "a.b.example.com", true),
        ("*.example.com", "example.com", false), ("*.example.com", "badexample.com", false),
        ("*", "anything", true), ("mx*.example.com", "mx12.example.com", true),
        ("a*b*c", "axxbyyc", true), ("a*b*c", "axxbyyd", false), ("a*b*c", "abcbc", true),
        ("192.0.2.*", "192.0.2.10", true), ("MX.Example.Com", "mx.example.com", true),
        ("[2001:db8::*", "[2001:db8::1]:2526", true), ("**", "", true),
        ("*.Bücher.example", "a.xn--bcher-kva.example", true),
        ("bücher.example", "bucher.example", false),
    ])
    func patterns(pattern: String, name: String, fits: Bool) throws {
        #expect(try #require(NamePattern(glob: pattern)).matches(name) == fits)
    }

    /// The DNS and the envelope know A-labels only (RFC 5890).
    @Test func routePatternsInAnyScript() throws {
        let pattern = try #require(NamePattern(domain: "*.Bücher.example."))
        #expect(pattern.text == "*.xn--bcher-kva.example")
        #expect(NamePattern(domain: "☃.example") == nil)
    }

    @Test(arguments: ["", "*x", "a.*.b", "*.", "a..b", "*.*.a", "a b", "@example.com", "-a.com"])
    func notRoutePatterns(text: String) {
        #expect(NamePattern(domain: text) == nil)
    }

    /// Many stars must not take exponential time.
    @Test func patternsAreLinearEnough() throws {
        let pattern = try #require(
            NamePattern(glob: String(repeating: "a*", count: 200) + "b"))
        #expect(!pattern.matches(String(repeating: "a", count: 2000)))
    }

    @Test func accessLists() {
        let list = AccessList(entries: [.user(7), .group(20)])
        #expect(list.contains(user: 7, groups: []))
        #expect(list.contains(user: 8, groups: [3, 20]))
        #expect(!list.contains(user: 20, groups: [7]))
        #expect(AccessList(entries: [.everybody]).contains(user: 1, groups: []))
    }

    @Test(arguments: [
        ("idel_timeout", "idle_timeout"), ("max-age", "max_age"), ("lsiten", "listen"),
        ("Listen", "listen"),
    ])
    func suggestions(written: String, meant: String) {
        #expect(
            Suggestion.nearest(to: written, among: ["allow", "listen", "idle_timeout", "max_age"])
                == meant)
    }

    @Test func farKeysAreNotSuggested() {
        #expect(Suggestion.nearest(to: "banana", among: ["listen", "rate", "cap"]) == nil)
    }
}
