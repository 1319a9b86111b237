import Control
import Testbed
import Testing

extension Integration {
    /// Real DNS: dnsmasq answers, and the receivers listen on port 25 of loopback addresses of
    /// their own, since an MX record has no port.
    @Suite struct RoutingTests {
        /// An address that no other test, and no other run at the same time, is likely to use.
        private let net = "127.\(Int.random(in: 60...250)).\(Int.random(in: 1...250))"

        private func settings(_ dns: DNSServer, senders: Receiver) -> DaemonSettings {
            var settings = DaemonSettings()
            settings.dns = dns.port
            settings.routes = ["sender.test": senders.route]
            return settings
        }

        @Test func preferenceAndNextExchanger() async throws {
            try await withScene { scene in
                let good = try await scene.receiver("good", host: "\(net).1", port: 25)
                let backup = try await scene.receiver("backup", host: "\(net).2", port: 25)
                let senders = try await scene.receiver("senders")
                // The first of fallback.test refuses connections; "\(net).3" has no listener.
                let dns = try DNSServer([
                    .mx("both.test", host: "mx1.both.test", preference: 10),
                    .mx("both.test", host: "mx2.both.test", preference: 20),
                    .addresses("mx1.both.test", ["\(net).1"]),
                    .addresses("mx2.both.test", ["\(net).2"]),
                    .mx("fallback.test", host: "mx1.fallback.test", preference: 5),
                    .mx("fallback.test", host: "mx2.fallback.test", preference: 50),
                    .addresses("mx1.fallback.test", ["\(net).3"]),
                    .addresses("mx2.fallback.test", ["\(net).2"]),
                ])
                let daemon = try await scene.daemon(settings(dns, senders: senders))
                try await scene.send(
                    (0..<5).map { TestMail("both-\($0)", to: "user@both.test") }, to: daemon.port)
                try await good.takes(5)
                try await scene.send(TestMail("fall", to: "user@fallback.test"), to: daemon.port)
                try await backup.takes(1)
                try await daemon.awaitEmptyQueue()
                #expect(good.statistics.messages == 5)
                #expect(backup.captured.map(\.recipients) == [["user@fallback.test"]])
                #expect(senders.statistics.messages == 0)
            }
        }

        @Test func implicitAndAliasedExchangers() async throws {
            try await withScene { scene in
                let host = try await scene.receiver("host", host: "\(net).11", port: 25)
                let senders = try await scene.receiver("senders")
                let dns = try DNSServer([
                    .addresses("implicit.test", ["\(net).11"]),
                    .cname("alias.test", target: "implicit.test"),
                    .mx("twin.test", host: "mx.twin.test", preference: 1),
                    .addresses("mx.twin.test", ["\(net).11"]),
                ])
                let daemon = try await scene.daemon(settings(dns, senders: senders))
                let domains = ["implicit.test", "alias.test", "twin.test"]
                try await scene.send(
                    domains.map { TestMail($0, to: "user@\($0)") }, to: daemon.port)
                try await host.takes(3)
                try await daemon.awaitEmptyQueue()
                #expect(
                    Set(host.captured.flatMap(\.recipients)) == Set(domains.map { "user@\($0)" }))
                // All of them lead to one address: one destination, with one limit.
                let rows = try await daemon.control.destinations().rows
                let shared = try #require(rows.first { $0.domains.contains("twin.test") })
                #expect(Set(shared.domains).isSuperset(of: domains))
            }
        }

        @Test func domainsWithoutMail() async throws {
            try await withScene { scene in
                let senders = try await scene.receiver("senders")
                let dns = try DNSServer([.nullMX("null.test"), .refused("broken.test")])
                let daemon = try await scene.daemon(settings(dns, senders: senders))
                try await scene.send(
                    ["null.test", "nowhere.test", "broken.test"].map {
                        TestMail($0, to: "user@\($0)")
                    }, to: daemon.port)
                try await senders.takes(2)
                let reports = senders.captured.map(\.text)
                let null = try #require(reports.first { $0.contains("user@null.test") })
                #expect(null.contains("Status: 5.1.10"))
                let nowhere = try #require(reports.first { $0.contains("user@nowhere.test") })
                #expect(nowhere.contains("Status: 5.1.2"))
                // A DNS that fails is no reason to give mail up.
                try await waitUntil("all else has left") {
                    try await daemon.control.messages().rows.map(\.domain) == ["broken.test"]
                }
                #expect(senders.statistics.messages == 2)
            }
        }
    }
}
