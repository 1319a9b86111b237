import Commands
import Control
import Mail
import Synchronization
import Testing

@Suite struct TargetTests {
    private let api = FakeAPI(
        rows: [
            .sample("12", "example.com (+1)", domains: ["example.com", "example.net"]),
            .sample("13", "192.0.2.1:2526"),
            .sample("14", "twin.example"), .sample("15", "twin.example"),
        ],
        messages: ["1a2b": ["1a2b.0", "1a2b.1"], "12": ["12.0"], "99": ["99.0"]])

    @Test(
        arguments: [
            ("example.net", ["12"], [], nil),
            ("192.0.2.1:2526", ["13"], [], nil),
            ("twin.example", ["14", "15"], [], nil),
            ("13", ["13"], [], nil),
            ("1a2b", [], ["1a2b"], nil),
            ("1A2B.1", [], ["1a2b.1"], nil),
            ("1a2b.7", [], [], "recipient ~ 1a2b.7"),
            ("99", [], ["99"], nil),
            ("beef", [], [], "recipient ~ beef"),
            ("bob@example.org", [], [], "recipient ~ bob@example.org"),
            ("*", [], [], "recipient = *"),
            ("held", [], [], "state = held"),
            ("domain = example.com and age > 1h", [], [], "domain = example.com and age > 1h"),
            ("not held", [], [], "not state = held"),
            ("\"example.com\"", [], [], "recipient ~ example.com"),
        ] as [(String, [String], [String], String?)])
    func deliveries(
        text: String, destinations: [String], messages: [String], filter: String?
    ) async throws {
        let target = try await Target.resolve(text, for: .retry, api)
        #expect(
            target.selector
                == Selector(destinations: destinations, messages: messages, filter: filter))
    }

    @Test func destinations() async throws {
        let pause = try await Target.resolve("12", for: .pause, api)
        #expect(pause.selector == Selector(destinations: ["12"]))
        #expect(pause.description == "destination 12 (example.com (+1))")
        let filter = try await Target.resolve("backoff", for: .pause, api)
        #expect(filter.selector == Selector(filter: "state = backoff"))
        #expect(filter.description == "destinations with state = backoff")
    }

    @Test func refusals() async throws {
        let ambiguous = await failure { _ = try await Target.resolve("12", for: .purge, api) }
        #expect(ambiguous?.status == ExitStatus.usage)
        #expect(ambiguous?.message.contains("\"message = 12\"") == true)
        let message = await failure { _ = try await Target.resolve("1a2b", for: .pause, api) }
        #expect(message?.message.contains("acts on destinations") == true)
        let filter = await failure {
            _ = try await Target.resolve("domian = x", for: .purge, api)
        }
        #expect(filter?.status == ExitStatus.usage)
        #expect(
            filter?.message == "filter: unknown field 'domian': did you mean 'domain'?\n"
                + "  domian = x\n  ^")
        let empty = await failure { _ = try await Target.resolve("", for: .purge, api) }
        #expect(empty?.status == ExitStatus.usage)
    }

    @Test func oneDestination() async throws {
        #expect(try await Target.destination("example.com", api).id == "12")
        let none = await failure { _ = try await Target.destination("none.example", api) }
        #expect(none?.status == ExitStatus.refused)
        let twins = await failure { _ = try await Target.destination("twin.example", api) }
        #expect(twins?.message.contains("more than one") == true)
    }

    @Test func namesAreLookedUpExactly() async throws {
        _ = try await Target.resolve("a,b.example", for: .retry, api)
        #expect(api.asked.withLock { $0.filters } == ["name = a,b.example or domain = a,b.example"])
        #expect(!Target.isName("*.example.com"))
        #expect(!Target.isName("a&&b"))
        #expect(!Target.isName("OR"))
        #expect(Target.isName("or.example"))
    }

    @Test func otherErrorsPass() async {
        struct Broken: ControlAPI {
            let error = ControlError(code: .noDaemon, message: "gone")
            func status() async throws -> Status { throw error }
            func destinations(
                filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
            ) async throws -> Page<DestinationRow> { throw error }
            func destination(_ id: String) async throws -> DestinationRow { throw error }
            func message(_ id: String) async throws -> MessageDetail { throw error }
            func actions(limit: Int) async throws -> Page<ActionRow> { throw error }
            func plan(_ request: PlanRequest) async throws -> Plan { throw error }
            func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow {
                throw error
            }
            func undo(_ action: String) async throws -> ActionRow { throw error }
        }
        let gone = await failure { _ = try await Target.resolve("x", for: .retry, Broken()) }
        #expect(gone == CommandFailure(status: ExitStatus.noDaemon, message: "gone"))
    }
}
