import NIOCore
import NIOPosix
import Testing

@testable import Testbed

@Suite(.timeLimit(.minutes(15))) struct InternetTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    @Test func severalHundredDomainsLeadToReceiversOfTheirOwn() async throws {
        let internet = try await Internet.start(group: group, seed: 2)
        #expect(internet.domains.count >= 300)
        #expect(internet.domains.first == "gmail.test")
        #expect(Set(internet.domains).count == internet.domains.count)
        #expect(
            internet.domains.allSatisfy { $0.hasSuffix(".test") || $0.hasSuffix(".example") })

        let routes = Dictionary(uniqueKeysWithValues: internet.staticRoutes)
        #expect(Set(routes.keys) == Set(internet.domains + ["*"]))
        #expect(Set(routes.values).count == internet.receivers.count)
        #expect(routes.values.allSatisfy { $0.hasPrefix("127.") })
        #expect(routes["outlook.test"] == routes["hotmail.test"])

        let greeting = try await Conversation.with(
            host: internet.elsewhere.host, port: internet.elsewhere.port, group: group
        ) { try await $0.reply() }
        #expect(greeting.code == 220)
        await internet.shutDown()
    }

    @Test func theSeedDecidesTheManners() async throws {
        func manners(seed: UInt64) async throws -> [String] {
            let internet = try await Internet.start(group: group, tail: 40, seed: seed)
            await internet.shutDown()
            return internet.sites.map(\.receiver.manner.name)
        }
        let first = try await manners(seed: 1)
        #expect(try await manners(seed: 1) == first)
        #expect(try await manners(seed: 2) != first)
        #expect(Set(first).count >= 10)
    }
}
