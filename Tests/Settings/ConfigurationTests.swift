import Foundation
import Scheduler
import Testing

@testable import Settings

@Suite struct ConfigurationTests {
    private func load(_ text: String) throws -> Configuration {
        try Configuration.load(text: text, file: "/etc/sluice/sluice.toml")
    }

    private func problems(_ text: String) -> [String] {
        do {
            _ = try Configuration.load(text: text, file: "/s.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func emptyFileIsTheDefault() throws {
        #expect(try load("") == Configuration())
        #expect(try load("# nothing\n[limits]\n") == Configuration())
    }

    @Test func workerWeights() throws {
        let configuration = try load("workers = 3\nworker_weights = [1, 0.5]")
        #expect((1...3).map(configuration.weight) == [1, 0.5, 1])
        #expect(try load("workers = 2\nworker_weights = [0, 1]").weight(of: 1) == 0)
        #expect(
            problems("workers = 2\nworker_weights = [0, 0]") == [
                "/s.toml:2: worker_weights: one worker at least needs more than 0"
            ])
        #expect(problems("worker_weights = [1, -1]").count == 1)
        #expect(problems("worker_weights = [65]").count == 1)
        #expect(problems("worker_weights = 2").count == 1)
    }

    @Test func severalNodes() throws {
        let spool = "[spool]\nurl = \"postgresql://sluice@db.test/sluice\"\n"
        let configuration = try load(spool + "[cluster]\nnode = \"mta-1.b\"\nlease = \"5s\"")
        #expect(configuration.cluster.node == "mta-1.b")
        #expect(configuration.cluster.lease == .seconds(5))
        #expect(try load(spool).cluster == ClusterSettings())
        let alone = problems("[cluster]\nnode = \"a\"")
        #expect(alone.count == 1 && alone[0].contains("/s.toml:2: cluster.node"), "\(alone)")
        #expect(alone.first?.contains("set url in [spool]") == true)
        for name in ["", "a b", "ä", "a/b", String(repeating: "x", count: 64)] {
            let found = problems(spool + "[cluster]\nnode = \"\(name)\"")
            #expect(found.count == 1 && found[0].contains("/s.toml:4: cluster.node"), "\(found)")
        }
        for lease in ["0s", "999ms", "11m"] {
            let found = problems(spool + "[cluster]\nnode = \"a\"\nlease = \"\(lease)\"")
            #expect(found.count == 1 && found[0].contains("/s.toml:5"), "\(found)")
        }
    }

    /// Each mistake once, where it was made, and all of them.
    @Test func mistakesDoNotBringOthers() {
        let found = problems(
            """
            [limits]
            rate = "0/s"
            burst = 0
            [retry]
            full_first = "5h"
            full_cap = "1h"
            breaker_first = "2h"
            [[shaping]]
            match = "*.a.test"
            concurrency = 0
            [[shaping]]
            match = "*.A.test."
            rate = "-1/s"
            [[shaping]]
            match = "b.test"
            schedule = "1m,5x*2"
            [[shaping]]
            match = "c.test"
            full_cap = "30m"
            """)
        #expect(
            found.map { $0.split(separator: ":").dropFirst().first.flatMap { Int($0) } } == [
                2, 3, 5, 7, 10, 12, 13, 16, 19,
            ], "\(found)")
    }

    @Test func everythingThatTheDesignShows() throws {
        let configuration = try load(
            """
            hostname = "MTA1.example.net"
            data_dir = "/var/lib/sluice"
            control_socket = "run/control.sock"
            workers = 2
            [intake]
            listen = ["127.0.0.1:2525", "[::1]:0"]
            allow = ["127.0.0.0/8", "::1/128"]
            [routing]
            group_by = "mx-host"
            static = { "Example.com" = "127.0.0.1:2526", "*" = "[smarthost.example.net]:587" }
            [dns]
            servers = ["127.0.0.1:5353"]
            [limits]
            concurrency = 20
            rate = "100/s"
            [[shaping]]
            match = "*.example.com"
            concurrency = 5
            rate = "10/s"
            burst = 20
            [retry]
            max_age = "5d"
            """)
        #expect(configuration.hostname == "mta1.example.net")
        #expect(configuration.controlSocket == "/etc/sluice/run/control.sock")
        #expect(configuration.workers == 2)
        #expect(configuration.intake.listen.map(\.description) == ["127.0.0.1:2525", "[::1]:0"])
        #expect(configuration.routing.groupBy == .mxHost)
        #expect(configuration.dns.servers.map(\.description) == ["127.0.0.1:5353"])
        #expect(configuration.route(for: "EXAMPLE.com.")?.description == "127.0.0.1:2526")
        #expect(
            configuration.route(for: "other.org")
                == .host("smarthost.example.net", port: 587))

        let shaped = configuration.policy(
            for: DestinationNames(identity: "x", domains: ["a.example.com"], exchangers: []))
        #expect(shaped.limits.concurrency == 5)
        #expect(shaped.limits.rate == Rate(text: "10/s"))
        #expect(shaped.limits.burst == 20)
        let other = configuration.policy(
            for: DestinationNames(identity: "x", domains: ["example.com"], exchangers: []))
        #expect(other.limits.concurrency == 20)
        #expect(other.limits.rate == Rate(text: "100/s"))
        #expect(other.limits.burst == nil)
        #expect(other.retry.maxAge == .seconds(432_000))
    }

    @Test func allProblemsOfAFileWithTheirLines() {
        let found = problems(
            """
            hostname = "-bad-"
            workers = 0
            data_dri = "/x"

            [intake]
            listen = [
              "127.0.0.1:2525",
              "mail.example.com:25",
            ]
            allow = ["10.0.0.1/8"]
            rate = "5/s"
            workers = 3
            [limits]
            concurrency = "many"
            burst = 5
            [[shaping]]
            match = "a.example"
            initial_window = 9
            concurrency = 3
            [[shaping]]
            match = "A.example"
            rate = "fast"
            [unheard.of]
            """)
        let starts = [
            "/s.toml:1: hostname: expected a host name",
            "/s.toml:2: workers: expected an integer from 1 to 256, found the number 0",
            "/s.toml:3: data_dri: unknown key; did you mean \"data_dir\"?",
            "/s.toml:8: intake.listen: expected an IP address and a port",
            "/s.toml:10: intake.allow: \"10.0.0.1/8\" has address bits below its prefix; did you"
                + " mean \"10.0.0.0/8\" or \"10.0.0.1\"?",
            "/s.toml:11: intake.rate: unknown key; it belongs into [limits] or [[shaping]]",
            "/s.toml:12: intake.workers: unknown key; it belongs before the first [table]",
            "/s.toml:14: limits.concurrency: expected an integer from 1 to 10000, found \"many\"",
            "/s.toml:15: limits.burst: has no meaning without rate; set rate too",
            "/s.toml:18: shaping[1].initial_window: 9 is above concurrency, 3",
            "/s.toml:21: shaping[2].match: \"a.example\" has an entry already, in line 16; merge them",
            "/s.toml:22: shaping[2].rate: expected a rate such as",
            "/s.toml:23: unheard: unknown key; known here: ",
        ]
        #expect(found.count == starts.count)
        for (problem, start) in zip(found, starts) {
            #expect(problem.hasPrefix(start), "\(problem) should begin \(start)")
        }
    }

    @Test(arguments: [
        (
            "control_socket = \"/\(String(repeating: "x", count: 107))\"",
            "control_socket: 108 bytes"
        ),
        ("[intake]\nlisten = []", "intake.listen: no address to listen on"),
        ("[intake]\nlisten = [\"[::1]:1\", \"[0:0::1]:1\"]", "\"[0:0::1]:1\" is there twice"),
        ("[intake]\nlisten = \"127.0.0.1:25\"", "expected an array"),
        ("[intake]\nidle_timeout = 5", "expected a duration such as"),
        ("[intake]\nidle_timeout = \"2d\"", "from 100ms to 1d, found \"2d\""),
        ("[intake]\nmax_message_size = \"1\"", "from 1K to 2G"),
        ("[intake]\ntls_key = \"k.pem\"", "intake.tls_key: needs tls_certificate beside it"),
        ("[intake]\nmax_connections = 5\nmax_connections_per_client = 6", "above max_connections"),
        ("intake = 5", "intake: expected a table: [intake], found an integer"),
        ("shaping = 5", "expected an array of tables: [[shaping]]"),
        ("[shaping]\nmatch = \"x\"", "expected an array of tables: [[shaping]], found a table"),
        ("[[shaping]]\nrate = \"1/s\"", ":1: shaping[1]: needs match"),
        ("[routing]\ngroup_by = \"mx-hosts\"", "found \"mx-hosts\"; did you mean \"mx-host\"?"),
        ("[routing]\nstatic = { \"*x\" = \"h\" }", "expected a domain, \"*.\" and a domain"),
        (
            "[routing.static]\n\"A.example\" = \"h\"\n\"a.example\" = \"h\"",
            ":3: routing.static.\"a.example\": a.example is there twice"
        ),
        ("[routing.static]\n\"*\" = 25", "expected a host or an address"),
        ("[routing.static]\n\"*\" = \"127.0.0.1:2525\"", "where this daemon itself listens"),
        (
            "[intake]\nlisten = [\"0.0.0.0:26\"]\n[routing.static]\n\"*\" = \"127.0.0.1:26\"",
            "where this daemon itself listens"
        ),
        ("[retry]\nfirst = \"2h\"", "retry.first: first (2h) is above cap"),
        ("[retry]\nschedule = \"1m,x\"", "expected waits such as"),
        ("[retry]\nschedule = \"1m\"\ncap = \"1h\"", "retry.cap: has no meaning beside schedule"),
        ("[retry]\nbreaker_first = \"1h\"", "is above breaker_cap"),
        (
            "[delivery]\nlocal_addresses = [\"192.0.2.1\", \"192.0.2.2\"]",
            "more than one address of a family"
        ),
        ("[supervision]\nheartbeat = \"6s\"", "at least twice heartbeat"),
        ("[supervision]\nrestart_first = \"1m\"", "is above restart_cap"),
        ("[control]\noperators = [\"no-such-user-here\"]", "no such user: \"no-such-user-here\""),
        ("[control]\nreaders = [\"group:no-such-group\"]", "no such group: \"no-such-group\""),
        ("[log]\nlevel = \"loud\"", "expected \"trace\", \"debug\""),
        ("hostname = \"127.0.0.1\"", "expected a host name"),
        ("hostname = \"a\\u001bb\"", "found \"a\\u{1b}b\""),
        ("[dns]\nservers = [\"dns.example.com\"]", "with a port where it is not 53"),
        ("[limits]\nrate = \"off\"\nburst = 5", "has no meaning without rate"),
        ("a = \n", ":1: "),
    ])
    func badValues(text: String, message: String) {
        let found = problems(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(message) == true, "\(found)")
    }

    @Test func shapingPrefersTheMostSpecific() throws {
        let configuration = try load(
            """
            [limits]
            concurrency = 20
            rate = "100/s"
            burst = 7
            [retry]
            schedule = "1m,1h"
            [[shaping]]
            match = "*"
            concurrency = 1
            [[shaping]]
            match = "*.com"
            concurrency = 2
            [[shaping]]
            match = "*.example.com"
            concurrency = 3
            rate = "off"
            [[shaping]]
            match = "mx.example.com"
            concurrency = 4
            rate = "5/s"
            [[shaping]]
            match = "192.0.2.10"
            concurrency = 5
            first = "1m"
            [[shaping]]
            match = "192.0.2.1,192.0.2.2"
            concurrency = 6
            """)
        func limits(_ identity: String, _ domain: String, _ exchanger: String) -> Limits {
            configuration.policy(
                for: DestinationNames(
                    identity: identity, domains: [domain], exchangers: [exchanger])
            ).limits
        }
        #expect(limits("1.1.1.1", "a.org", "b.org").concurrency == 1)
        #expect(limits("1.1.1.1", "a.org", "b.org").burst == 7)
        #expect(limits("1.1.1.1", "a.org", "b.org").initialWindow == 1)
        #expect(limits("1.1.1.1", "a.org", "x.com").concurrency == 2)
        #expect(limits("1.1.1.1", "a.example.com", "x.com").concurrency == 3)
        #expect(limits("1.1.1.1", "a.example.com", "x.com").rate == nil)
        #expect(limits("1.1.1.1", "a.example.com", "x.com").burst == nil)
        #expect(limits("1.1.1.1", "a.example.com", "mx.example.com").concurrency == 4)
        #expect(limits("1.1.1.1", "a.example.com", "mx.example.com").rate == Rate(text: "5/s"))
        #expect(limits("192.0.2.10,192.0.2.9", "a.com", "x.com").concurrency == 5)
        #expect(limits("192.0.2.1,192.0.2.2", "a.com", "x.com").concurrency == 6)

        let names = DestinationNames(identity: "192.0.2.10", domains: [], exchangers: [])
        #expect(configuration.policy(for: names).retry.schedule == nil)
        #expect(configuration.policy(for: names).retry.first == .seconds(60))
        let others = DestinationNames(identity: "1.1.1.1", domains: [], exchangers: [])
        #expect(
            configuration.policy(for: others).retry.schedule == [.seconds(60), .seconds(3600)])
    }

    @Test func routesPreferTheMostSpecific() throws {
        let configuration = try load(
            """
            [routing.static]
            "*" = "all.example"
            "*.example.com" = "sub.example"
            "*.a.example.com" = "[::1]:2526"
            "example.com" = "exact.example:26"
            """)
        func route(_ domain: String) -> String? { configuration.route(for: domain)?.description }
        #expect(route("example.com") == "[exact.example]:26")
        #expect(route("b.example.com") == "[sub.example]:25")
        #expect(route("b.a.example.com") == "[::1]:2526")
        #expect(route("a.example.com") == "[sub.example]:25")
        #expect(route("example.org") == "[all.example]:25")
        #expect(Configuration().route(for: "example.com") == nil)
    }

    @Test func survivesTheWayToAWorker() throws {
        let configuration = try load(
            """
            [intake]
            allow = ["2001:db8::/32"]
            [routing.static]
            "*" = "[::1]:2526"
            "b.example" = "host.example"
            [limits]
            rate = "10/min"
            connection_rate = "off"
            [[shaping]]
            match = "*.x"
            delay_warning = "off"
            schedule = "1m,5m*2"
            [control]
            operators = ["0", "group:0"]
            """)
        let data = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(Configuration.self, from: data) == configuration)
    }

    @Test func systemValuesAreSound() {
        let configuration = Configuration()
        #expect(Configuration.workerRange.contains(configuration.workers))
        #expect(HostName.canonical(configuration.hostname) == configuration.hostname)
    }

    /// Whatever a file says: problems, never a trap.
    @Test func noiseIsOnlyEverAnError() {
        var random = SplitMix(state: 11)
        let keys = Configuration.knownKeys + ["x", "\"\"", "a.b.c", "shaping[]"]
        let values = [
            "-1", "0", "9223372036854775807", "-9223372036854775808", "1e308", "nan", "inf",
            "true", "\"\"", "\"off\"", "\"*\"", "[]", "[[]]", "{}", "{ a = 1 }", "\"1/s\"",
            "\"99999999999999999s\"", "\"\\u0000\"", "[\"\", 1, {}]", "1979-05-27", "'5d'",
            "\"[::1]:99999\"", "[{}]", "[{ match = \"*\" }]",
            "\"\(String(repeating: "9", count: 400))/s\"",
        ]
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<random.below(6) {
                text +=
                    "\(keys[random.below(keys.count)]) = \(values[random.below(values.count)])\n"
            }
            do {
                let configuration = try Configuration.load(text: text, file: "noise")
                _ = configuration.policy(
                    for: DestinationNames(identity: "a", domains: ["b"], exchangers: ["c"]))
            } catch {
                #expect(!error.problems.isEmpty)
                #expect(error.problems.allSatisfy { !$0.message.isEmpty })
            }
        }
    }
}

extension ConfigurationTests {
    /// What people write at first, and what they are told.
    @Test(arguments: [
        ("[limits]\nrate = 100", "found 100 without a time; did you mean \"100/s\"?"),
        ("[limits]\nrate = \"100\"", "found 100 without a time; did you mean \"100/s\"?"),
        ("[limits]\nrate = \"0/s\"", "expected a rate such as"),
        ("[limits]\nrate = \"-5/s\"", "expected a rate such as"),
        ("[limits]\nrate = \"9999999/s\"", "\"off\" means no limit"),
        ("[limits]\nrate = 0", "expected a rate such as"),
        ("[limits]\nconcurrency = 0", "expected an integer from 1 to 10000"),
        ("[limits]\nconcurrency = 10001", "expected an integer from 1 to 10000"),
        ("[limits]\nconcurency = 5", "did you mean \"concurrency\"?"),
        ("[limits]\nmax_age = \"5d\"", "it belongs into [retry] or [[shaping]]"),
        ("[retry]\nmax_age = 5", "did you mean \"5s\"?"),
        ("[retry]\nmax_age = \"0s\"", "from 1s to"),
        ("[retry]\nschedule = \"0m\"", "expected waits such as"),
        ("[retry]\nschedule = \"1m,,2m\"", "expected waits such as"),
        ("[retry]\nfull_first = \"9h\"", "full_first (9h) is above full_cap (4h)"),
        ("[retry]\nschedule = \"1m\"\nfull_cap = \"9h\"", "has no meaning beside schedule"),
        ("[[rule]]\ncode = \"421\"", "did you mean \"rules\"?"),
        ("[rules]\ncode = \"421\"", "expected an array of tables: [[rules]]"),
        ("builtin_rules = \"no\"", "expected true or false"),
        (
            "[[shaping]]\nmatch = \"a.test\"\nretry.schedule = \"1m\"",
            "write its keys here without \"retry\": "
        ),
        ("[limits]\nrate = \"fast\"\nburst = 5", "expected a rate such as"),
        ("[limits]\nbuiltin_rules = false", "it belongs before the first [table]"),
        ("[[rules]]\ncode = \"421\"\naction = suspend", "a text needs quotes"),
        ("[[rules]]\ncode = \"421\"\naction = \"full\"\naction = \"bounce\"", "redefine"),
    ])
    func mistakes(_ text: String, _ complaint: String) {
        let found: [SettingsError.Problem]
        do {
            _ = try Configuration.load(text: text, file: "/s.toml")
            found = []
        } catch {
            found = error.problems
        }
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.message.contains(complaint) == true, "\(found)")
        #expect(found.first?.line != nil)
    }
}
