package import NIOCore
import Scheduler

/// An Internet in a box: receivers with the manners of real ones, each on a loopback address of its
/// own, and several hundred domains that lead to them.
package final class Internet: Sendable {
    /// A receiver and the domains that it serves.
    package struct Site: Sendable {
        package let receiver: Receiver
        package let domains: [String]
    }

    /// The sites with a name of their own, then the tail.
    package let sites: [Site]
    /// Takes the mail for every other domain, bounces among it, so that none leaves the machine.
    package let elsewhere: Receiver
    /// The domains, the most popular first.
    package let domains: [String]

    /// Starts all receivers.
    ///
    /// - Parameters:
    ///   - tail: How many small sites there are, each with two domains.
    ///   - seed: Which small site has which manner, and what the receivers do by chance, follows
    ///     from it.
    package static func start(
        group: any EventLoopGroup, tail: Int = 150, seed: UInt64 = 1, keep: Keep = .counts
    ) async throws -> Internet {
        var plans = wellKnown
        var generator = SplitMix64(seed: seed)
        for index in 0..<tail {
            let domains = [index * 2 + 1, index * 2 + 2].map { number in
                "mail-\(number < 10 ? "00" : number < 100 ? "0" : "")\(number).example"
            }
            plans.append(Plan(domains: domains, manner: smallManner(using: &generator)))
        }
        var sites: [Site] = []
        for (index, plan) in plans.enumerated() {
            let receiver = try await Receiver(
                name: "mx.\(plan.domains[0])", manner: plan.manner,
                host: "127.1.\(index / 250).\(index % 250 + 1)", group: group,
                seed: seed &+ UInt64(index), keep: keep)
            sites.append(Site(receiver: receiver, domains: plan.domains))
        }
        let elsewhere = try await Receiver(
            name: "mx.elsewhere.test", manner: .fast, host: "127.1.255.1", group: group, seed: seed,
            keep: keep)
        return Internet(sites: sites, elsewhere: elsewhere)
    }

    private init(sites: [Site], elsewhere: Receiver) {
        self.sites = sites
        self.elsewhere = elsewhere
        // A provider's further domains come after every site's first.
        let depth = sites.map(\.domains.count).max() ?? 0
        let known = sites.prefix(Self.wellKnown.count)
        let small = sites.dropFirst(Self.wellKnown.count)
        domains = [known, small].flatMap { sites in
            (0..<depth).flatMap { rank in
                sites.compactMap { rank < $0.domains.count ? $0.domains[rank] : nil }
            }
        }
    }

    /// For `[routing] static` in sluice.toml: every domain, and "*" for all others.
    package var staticRoutes: [(domain: String, route: String)] {
        sites.flatMap { site in site.domains.map { ($0, site.receiver.route) } }
            + [("*", elsewhere.route)]
    }

    package var receivers: [Receiver] { sites.map(\.receiver) + [elsewhere] }

    package func shutDown() async {
        for receiver in receivers {
            await receiver.shutDown()
        }
    }

    private struct Plan {
        var domains: [String]
        var manner: ReceiverManner
    }

    /// In the order of their popularity. The figures are chosen for a traffic of about 60 messages
    /// per second: within ten seconds each manner shows, and what queues up while the traffic is
    /// high drains while it is low.
    private static var wellKnown: [Plan] {
        [
            Plan(
                domains: ["gmail.test", "googlemail.test"],
                manner: .rateLimited(perSecond: 12, burst: 30)),
            Plan(
                domains: ["outlook.test", "hotmail.test", "live.test"],
                manner: .busy(perSecond: 9, burst: 20)),
            Plan(
                domains: ["yahoo.test", "aol.test"],
                manner: .connectionLimited(to: 3, perSecond: 7, burst: 20)),
            Plan(domains: ["bigmail.test"], manner: .fast),
            Plan(domains: ["greylist.test"], manner: .greylisting(for: .seconds(15))),
            Plan(domains: ["slow.test"], manner: .slow),
            Plan(domains: ["dead.test"], manner: .dead),
            Plan(domains: ["unknown-users.test"], manner: .unknownUsers(share: 0.2)),
            Plan(
                domains: ["flapping.test"],
                manner: .flapping(up: .seconds(20), down: .seconds(15))),
            Plan(domains: ["drops.test"], manner: .dropping(odds: 0.3)),
            Plan(domains: ["full-mailboxes.test"], manner: .fullMailboxes(share: 0.25)),
            Plan(domains: ["tarpit.test"], manner: .tarpit),
        ]
    }

    /// Most small servers are fine; each of the others has one of the usual troubles.
    private static func smallManner(using generator: inout SplitMix64) -> ReceiverManner {
        switch Int.random(in: 0..<100, using: &generator) {
        case ..<70: .fast
        case ..<78: .greylisting(for: .seconds(20))
        case ..<84: .slow
        case ..<88: .dead
        case ..<92: .unknownUsers(share: 0.3)
        case ..<95: .flapping(up: .seconds(30), down: .seconds(20))
        case ..<98: .fullMailboxes(share: 0.2)
        default: .dropping(odds: 0.2)
        }
    }
}
