import NIOCore
import NIOPosix
import Settings
import Testbed
import Testing

@testable import Worker

/// Against a real DNS server on loopback.
@Suite struct RouteResolverTests {
    private static let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func answer(_ resolver: RouteResolver, _ request: RouteRequest) async -> RouteAnswer {
        await withCheckedContinuation { continuation in
            resolver.resolve(request, on: Self.loop) { answer in
                Self.loop.preconditionInEventLoop()
                continuation.resume(returning: answer)
            }
        }
    }

    private func resolver(_ ports: Int..., timeout: Duration = .seconds(600)) throws
        -> RouteResolver
    {
        try RouteResolver(
            servers: ports.map { SocketEndpoint(address: .v4(0x7F00_0001), port: $0) },
            timeout: timeout)
    }

    private static let records: [DNSServer.Record] = [
        .mx("example.com", host: "mx1.example.com", preference: 20),
        .mx("example.com", host: "mx2.example.com", preference: 10),
        .mx("example.com", host: "gone.example.com", preference: 5),
        .addresses("mx1.example.com", ["192.0.2.10", "2001:db8:0:0::25", "192.0.2.9"]),
        .addresses("mx2.example.com", ["198.51.100.7"]),
        .addresses("bare.example.net", ["192.0.2.50", "2001:db8::50"]),
        .nullMX("null.example.org"),
        .cname("alias.example.org", target: "example.com"),
        .mx("chained.example.org", host: "www.example.org", preference: 10),
        .cname("www.example.org", target: "bare.example.net"),
        .mx("dangling.example.org", host: "nowhere.example.org", preference: 10),
        .mx("literal.example.org", host: "192.0.2.1", preference: 10),
        .raw("torn.example.org", type: 15, data: [0, 10, 3, 97, 27, 98, 0]),
        .mx("lab.test", host: "bare.example.net", preference: 1),
        .refused("broken.example"),
    ]

    @Test func everyKindOfAnswer() async throws {
        let server = try DNSServer(Self.records, ttl: 77)
        let resolver = try resolver(server.port)
        func mx(_ domain: String) async -> RouteAnswer {
            await answer(resolver, .mx(domain: domain))
        }
        let two = [
            Exchanger(
                host: "mx2.example.com", preference: 10, addresses: ["198.51.100.7"], port: 25),
            Exchanger(
                host: "mx1.example.com", preference: 20,
                addresses: ["192.0.2.9", "192.0.2.10", "2001:db8::25"], port: 25),
        ]
        let bare = ["192.0.2.50", "2001:db8::50"]

        #expect(await exchangers(mx("Example.com")) == two)
        #expect(await exchangers(mx("alias.example.org")) == two)
        #expect(
            await exchangers(mx("bare.example.net")) == [
                Exchanger(host: "bare.example.net", preference: 0, addresses: bare, port: 25)
            ])
        #expect(
            await exchangers(mx("chained.example.org")) == [
                Exchanger(host: "www.example.org", preference: 10, addresses: bare, port: 25)
            ])
        #expect(
            await exchangers(mx("lab.test")) == [
                Exchanger(host: "bare.example.net", preference: 1, addresses: bare, port: 25)
            ])
        #expect(
            await exchangers(
                answer(resolver, .addresses(host: "mx2.example.com", port: 587))) == [
                    Exchanger(
                        host: "mx2.example.com", preference: 0, addresses: ["198.51.100.7"],
                        port: 587)
                ])
        #expect(await mx("null.example.org") == .nullMX)
        #expect(await mx("nowhere.example.org") == .noSuchDomain)
        #expect(
            await mx("dangling.example.org")
                == .noExchanger("none of its exchangers has an address"))
        #expect(
            await mx("literal.example.org") == .noExchanger("its MX records name no host"))
        #expect(await mx("torn.example.org") == .noExchanger("its MX records name no host"))
        #expect(await mx("broken.example") == .temporary("SERVFAIL"))
        #expect(await answer(resolver, .addresses(host: "mx2.example.com", port: 25)) != .nullMX)
        resolver.close()
    }

    private func exchangers(_ answer: RouteAnswer) -> [Exchanger]? {
        guard case .exchangers(let exchangers, let ttl) = answer else {
            Issue.record("no exchangers: \(answer)")
            return nil
        }
        #expect((1...77).contains(ttl))
        return exchangers
    }

    /// A server that is gone is not missed: the answers are still in the cache.
    @Test func answersAreCached() async throws {
        var server: DNSServer? = try DNSServer(Self.records)
        let resolver = try resolver(try #require(server).port)
        let first = await answer(resolver, .mx(domain: "example.com"))
        server = nil
        let second = await answer(resolver, .mx(domain: "example.com"))
        guard case .exchangers(let a, _) = first, case .exchangers(let b, _) = second else {
            Issue.record("\(first), \(second)")
            return
        }
        #expect(a == b)
        resolver.close()
    }

    /// Many lookups at once, more than are asked at a time.
    @Test func manyAtOnce() async throws {
        let count = 1500
        let server = try DNSServer(
            (0..<count).flatMap { index -> [DNSServer.Record] in
                [
                    .mx("d\(index).example", host: "mx\(index).example", preference: 1),
                    .addresses("mx\(index).example", ["10.0.\(index / 250).\(index % 250)"]),
                ]
            })
        let resolver = try resolver(server.port)
        let right = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<count {
                group.addTask {
                    let answer = await self.answer(resolver, .mx(domain: "d\(index).example"))
                    guard case .exchangers(let exchangers, _) = answer else { return false }
                    return exchangers.map(\.addresses) == [["10.0.\(index / 250).\(index % 250)"]]
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(right == count)
        resolver.close()
    }

    @Test func aSilentServerIsATemporaryFailure() async throws {
        let silent = try SilentSocket()
        let resolver = try resolver(silent.port, timeout: .milliseconds(200))
        #expect(
            await answer(resolver, .mx(domain: "example.com"))
                == .temporary("no answer within 200ms"))
        resolver.close()
    }

    @Test func closeAnswersWhatIsOpen() async throws {
        let silent = try SilentSocket()
        let resolver = try resolver(silent.port)
        async let open = answer(resolver, .mx(domain: "example.com"))
        async let other = answer(resolver, .addresses(host: "mx.example.com", port: 25))
        // The server has the question: it is open.
        silent.waitForQuestion()
        resolver.close()
        #expect(await open == .temporary("shutting down"))
        #expect(await other == .temporary("shutting down"))
        #expect(await answer(resolver, .mx(domain: "d")) == .temporary("shutting down"))
        resolver.close()
    }

    @Test func withoutDNSForWhatNeedsNone() async throws {
        let silent = try SilentSocket()
        let resolver = try resolver(silent.port)
        let literal = await answer(resolver, .mx(domain: "[IPv6:::1]"))
        #expect(
            literal
                == .exchangers(
                    [Exchanger(host: "::1", preference: 0, addresses: ["::1"], port: 25)],
                    ttl: 86_400))
        #expect(await answer(resolver, .mx(domain: "a..b")) == .invalid("not a domain name"))
    }

    @Test func abandonedInTheMiddle() throws {
        let silent = try SilentSocket()
        for _ in 0..<5 {
            let resolver = try resolver(silent.port)
            resolver.resolve(.mx(domain: "example.com"), on: Self.loop) { _ in }
        }
    }

    @Test func theSystemsServersCanBeUsed() throws {
        // Only that it starts: what they know is not for a test.
        try RouteResolver(servers: [], timeout: .seconds(1)).close()
    }
}
