import Settings
import Testing

@testable import Worker

/// No network: replies are made up.
@Suite struct RouteLookupTests {
    /// Answers each question from a table; what is not in it does not exist.
    private func run(
        _ request: RouteRequest, _ replies: [Question: Reply], reversed: Bool = false
    ) -> RouteAnswer {
        var lookup = RouteLookup(request)
        var step = lookup.begin()
        var asked: Set<Question> = []
        while true {
            switch step {
            case .done(let answer): return answer
            case .wait:
                Issue.record("waits with nothing to wait for")
                return .temporary("test")
            case .ask(let questions):
                for question in reversed ? questions.reversed() : questions {
                    #expect(asked.insert(question).inserted, "\(question) is asked twice")
                    step = lookup.receive(
                        replies[question] ?? .noSuchDomain, to: question)
                    if case .wait = step { continue }
                    break
                }
            }
        }
    }

    private func mx(_ preference: UInt16, _ host: String) -> [UInt8] {
        var data = [UInt8(preference >> 8), UInt8(preference & 0xFF)]
        for label in host.split(separator: ".") {
            data += [UInt8(label.utf8.count)] + Array(label.utf8)
        }
        return data + [0]
    }

    private func mxQuestion(_ name: String) -> Question { Question(name: name, kind: .mx) }
    private func a(_ name: String) -> Question { Question(name: name, kind: .a) }
    private func aaaa(_ name: String) -> Question { Question(name: name, kind: .aaaa) }

    private let six: [UInt8] = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [0x25]

    /// RFC 5321 §5.1: what is not preferred to this host would send the mail round in a circle.
    @Test func ownNameAmongTheExchangers() {
        let replies: [Question: Reply] = [
            mxQuestion("d.test"): .records(
                [
                    mx(5, "first.test"), mx(10, "Me.Test"), mx(10, "equal.test"),
                    mx(20, "last.test"),
                ], ttl: 60),
            a("first.test"): .records([[192, 0, 2, 1]], ttl: 60),
            a("me.test"): .records([[192, 0, 2, 2]], ttl: 60),
            a("equal.test"): .records([[192, 0, 2, 3]], ttl: 60),
            a("last.test"): .records([[192, 0, 2, 4]], ttl: 60),
        ]
        func hosts(own: String?) -> [String] {
            guard
                case .exchangers(let exchangers, _) = run(
                    .mx(domain: "d.test", own: own), replies)
            else { return [] }
            return exchangers.map(\.host)
        }
        #expect(hosts(own: "me.test") == ["first.test"])
        #expect(hosts(own: "elsewhere.test").count == 4)
        #expect(hosts(own: nil).count == 4)
        #expect(run(.mx(domain: "d.test", own: "first.test"), replies) == .loop)
        let failure = RouteAnswer.loop.failure(of: "d.test")
        #expect(failure?.isPermanent == true && failure?.enhancedStatus == "5.4.6")
    }

    @Test(arguments: [false, true])
    func exchangersByPreference(reversed: Bool) {
        let answer = run(
            .mx(domain: "Example.COM."),
            [
                mxQuestion("example.com"): .records(
                    [mx(20, "b.example.com"), mx(10, "Z.example.com"), mx(10, "a.example.com")],
                    ttl: 600),
                a("b.example.com"): .records([[192, 0, 2, 3]], ttl: 300),
                a("z.example.com"): .records([[192, 0, 2, 10], [192, 0, 2, 9]], ttl: 900),
                aaaa("z.example.com"): .records([six], ttl: 200),
                a("a.example.com"): .records([[192, 0, 2, 1]], ttl: 900),
                aaaa("a.example.com"): .noData,
            ], reversed: reversed)
        #expect(
            answer
                == .exchangers(
                    [
                        Exchanger(
                            host: "a.example.com", preference: 10, addresses: ["192.0.2.1"],
                            port: 25),
                        Exchanger(
                            host: "z.example.com", preference: 10,
                            addresses: ["192.0.2.9", "192.0.2.10", "2001:db8::25"], port: 25),
                        Exchanger(
                            host: "b.example.com", preference: 20, addresses: ["192.0.2.3"],
                            port: 25),
                    ], ttl: 200))
    }

    @Test func withoutMXTheDomainItself() {
        let answer = run(
            .mx(domain: "example.com", port: 2525),
            [
                mxQuestion("example.com"): .noData,
                a("example.com"): .records([[192, 0, 2, 1]], ttl: 0),
                aaaa("example.com"): .noData,
            ])
        #expect(
            answer
                == .exchangers(
                    [
                        Exchanger(
                            host: "example.com", preference: 0, addresses: ["192.0.2.1"],
                            port: 2525)
                    ], ttl: 1))
    }

    @Test func aFailedMXIsNotAMissingOne() {
        let answer = run(
            .mx(domain: "example.com"),
            [
                mxQuestion("example.com"): .failed("SERVFAIL"),
                a("example.com"): .records([[192, 0, 2, 1]], ttl: 1),
            ])
        #expect(answer == .temporary("SERVFAIL"))
        #expect(answer.failure(of: "example.com")?.enhancedStatus == "4.4.3")
        #expect(answer.failure(of: "example.com")?.isPermanent == false)
    }

    @Test func nullMX() {
        let answer = run(
            .mx(domain: "example.com"), [mxQuestion("example.com"): .records([mx(0, "")], ttl: 9)])
        #expect(answer == .nullMX)
        #expect(answer.failure(of: "example.com")?.enhancedStatus == "5.1.10")
    }

    @Test func rootBesideOthersIsIgnored() {
        let answer = run(
            .mx(domain: "d"),
            [
                mxQuestion("d"): .records([mx(0, ""), mx(5, "h")], ttl: 9),
                a("h"): .records([[192, 0, 2, 1]], ttl: 9), aaaa("h"): .noData,
            ])
        #expect(
            answer
                == .exchangers(
                    [Exchanger(host: "h", preference: 5, addresses: ["192.0.2.1"], port: 25)],
                    ttl: 9))
    }

    @Test func nothingThere() {
        #expect(run(.mx(domain: "example.com"), [:]) == .noSuchDomain)
        let bare = run(
            .mx(domain: "d"), [mxQuestion("d"): .noData, a("d"): .noData, aaaa("d"): .noData])
        #expect(bare == .noExchanger("it has neither MX nor address"))
        #expect(bare.failure(of: "d")?.enhancedStatus == "5.4.4")
        let dangling = run(
            .mx(domain: "d"), [mxQuestion("d"): .records([mx(1, "h"), mx(2, "i")], ttl: 9)])
        #expect(dangling == .noExchanger("none of its exchangers has an address"))
        #expect(run(.addresses(host: "h", port: 25), [:]) == .noSuchDomain)
    }

    @Test func exchangersThatDoNotResolveAreLeftOut() {
        let answer = run(
            .mx(domain: "d"),
            [
                mxQuestion("d"): .records([mx(1, "gone"), mx(2, "h"), mx(3, "ill")], ttl: 9),
                a("h"): .failed("SERVFAIL"), aaaa("h"): .records([six], ttl: 5),
                a("ill"): .failed("SERVFAIL"), aaaa("ill"): .failed("SERVFAIL"),
            ])
        #expect(
            answer
                == .exchangers(
                    [Exchanger(host: "h", preference: 2, addresses: ["2001:db8::25"], port: 25)],
                    ttl: 5))
    }

    @Test func ifAnyCouldStillResolveItIsTemporary() {
        let answer = run(
            .mx(domain: "d"),
            [
                mxQuestion("d"): .records([mx(1, "gone"), mx(2, "h")], ttl: 9),
                a("h"): .noData, aaaa("h"): .failed("no answer within 15s"),
            ])
        #expect(answer == .temporary("h: no answer within 15s"))
    }

    @Test func exchangersThatAreAddressesAreIgnored() {
        let answer = run(
            .mx(domain: "d"), [mxQuestion("d"): .records([mx(1, "192.0.2.1")], ttl: 9)])
        #expect(answer == .noExchanger("its MX records name no host"))
    }

    @Test func theSameHostTwiceIsAskedOnce() {
        let answer = run(
            .mx(domain: "d"),
            [
                mxQuestion("d"): .records([mx(30, "h"), mx(10, "H")], ttl: 9),
                a("h"): .records([[192, 0, 2, 1], [192, 0, 2, 1], [0, 0, 0, 0]], ttl: 9),
                aaaa("h"): .records(
                    [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1]], ttl: 9),
            ])
        #expect(
            answer
                == .exchangers(
                    [Exchanger(host: "h", preference: 10, addresses: ["192.0.2.1"], port: 25)],
                    ttl: 9))
    }

    @Test func aHostileDomainIsBounded() {
        var lookup = RouteLookup(.mx(domain: "d"))
        _ = lookup.begin()
        let records = (0..<3000).map { mx(UInt16(3000 - $0), "h\($0)") }
        guard
            case .ask(let questions) = lookup.receive(
                .records(records, ttl: 9), to: mxQuestion("d"))
        else {
            Issue.record("asks nothing")
            return
        }
        #expect(questions.count == 2 * RouteLookup.maximumExchangers)
        #expect(questions.first?.name == "h2999")
    }

    @Test(arguments: [
        ("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:DB8:0::25]", "2001:db8::25"),
        ("[ipv6:::ffff:192.0.2.1]", "192.0.2.1"),
    ])
    func addressLiterals(domain: String, address: String) {
        #expect(
            run(.mx(domain: domain), [:])
                == .exchangers(
                    [Exchanger(host: address, preference: 0, addresses: [address], port: 25)],
                    ttl: 86_400))
    }

    @Test(arguments: [
        "", ".", "a..b", "[192.0.2]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[192.0.2.1", "[]",
        "a b", "a\0b", "-a.example", "ü☃.example", "[0.0.0.0]", "a/b",
        String(repeating: "a", count: 64) + ".example",
        String(repeating: "a.", count: 127) + "com",
    ])
    func invalidDomains(domain: String) {
        guard case .invalid = run(.mx(domain: domain), [:]) else {
            Issue.record("\(domain) passes for a domain")
            return
        }
    }

    @Test func staticRoutes() throws {
        let address = try #require(StaticRoute(text: "[::1]:2526"))
        #expect(
            run(RouteRequest(domain: "d", route: address, own: "o"), [:])
                == .exchangers(
                    [Exchanger(host: "::1", preference: 0, addresses: ["::1"], port: 2526)],
                    ttl: 86_400))
        let host = try #require(StaticRoute(text: "[Relay.example]:587"))
        #expect(
            run(
                RouteRequest(domain: "d", route: host, own: "o"),
                [
                    a("relay.example"): .records([[192, 0, 2, 1]], ttl: 60),
                    aaaa("relay.example"): .noData,
                ])
                == .exchangers(
                    [
                        Exchanger(
                            host: "relay.example", preference: 0, addresses: ["192.0.2.1"],
                            port: 587)
                    ], ttl: 60))
        #expect(
            RouteRequest(domain: "d", route: nil, own: "o")
                == .mx(domain: "d", port: 25, own: "o"))
    }

    // MARK: MX records

    @Test func exchangerRecords() {
        #expect(MXRecord(data: mx(258, "Mail.Example"))?.preference == 258)
        #expect(MXRecord(data: mx(258, "Mail.Example"))?.host == "mail.example")
        #expect(MXRecord(data: [0, 0, 0])?.host == "")
    }

    @Test(
        arguments: [
            [], [0], [0, 1], [0, 1, 5, 97], [0, 1, 1, 97], [0, 1, 1, 97, 0, 0], [0, 1, 0xC0, 2],
            [0, 1, 64] + [UInt8](repeating: 97, count: 64) + [0], [0, 1, 3, 97, 46, 98, 0],
            [0, 1, 2, 97, 0, 0], [0, 1, 2, 97, 27, 0], [0, 1, 2, 0xC3, 0xBC, 0],
            [0, 1] + [UInt8](repeating: 1, count: 300),
        ] as [[UInt8]])
    func malformedExchangerRecords(data: [UInt8]) {
        #expect(MXRecord(data: data) == nil)
    }

    /// Whatever comes from the network: a host name that is one, or nothing.
    @Test func recordsSurviveNoise() {
        var random = Noise(state: 42)
        var parsed = 0
        for round in 0..<50_000 {
            var data: [UInt8]
            if round % 2 == 0 {
                data = (0..<random.below(40)).map { _ in UInt8(random.below(256)) }
            } else {
                // Nearly right: one byte of a good record changed.
                data = mx(UInt16(random.below(65_536)), "mx\(random.below(100)).example.com")
                data[random.below(data.count)] = UInt8(random.below(256))
            }
            guard let record = MXRecord(data: data) else { continue }
            parsed += 1
            #expect(record.host.isEmpty || HostName.canonical(record.host) == record.host)
        }
        #expect(parsed > 1000)
    }

    /// The lookup ends with any replies, in any order, and never asks without end.
    @Test func lookupsEndWithAnyReplies() {
        var random = Noise(state: 43)
        for _ in 0..<5000 {
            var lookup = RouteLookup(.mx(domain: "d"))
            var open: [Question] = []
            var asked = 0
            var step = lookup.begin()
            var answer: RouteAnswer?
            while true {
                switch step {
                case .ask(let questions):
                    open += questions
                    asked += questions.count
                case .wait: break
                case .done(let found): answer = found
                }
                if open.isEmpty || answer != nil { break }
                let question = open.remove(at: random.below(open.count))
                step = lookup.receive(reply(to: question, &random), to: question)
            }
            #expect(answer != nil)
            #expect(asked <= 1 + 2 * RouteLookup.maximumExchangers)
            if case .exchangers(let exchangers, let ttl) = answer {
                #expect(!exchangers.isEmpty && (1...86_400).contains(ttl))
                #expect(exchangers.allSatisfy { !$0.addresses.isEmpty })
                #expect(exchangers.map(\.preference) == exchangers.map(\.preference).sorted())
            }
        }
    }

    private func reply(to question: Question, _ random: inout Noise) -> Reply {
        switch random.below(6) {
        case 0: return .noData
        case 1: return .noSuchDomain
        case 2: return .failed("SERVFAIL")
        default:
            let data: [[UInt8]] = (0...random.below(4)).map { _ in
                switch random.below(4) {
                case 0: (0..<random.below(20)).map { _ in UInt8(random.below(256)) }
                case 1: [192, 0, 2, UInt8(random.below(256))]
                case 2: six
                default: mx(UInt16(random.below(30)), ["h", "i", "j", ""][random.below(4)])
                }
            }
            return .records(data, ttl: random.below(100_000) - 10)
        }
    }
}

/// Seeded (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
private struct Noise: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
