import Control
import Mail
import NIOPosix
import Scheduler
import Testbed
import Testing

@testable import Settings
@testable import Worker

/// What rules make of replies, from the receiver's words to the report.
@Suite(.timeLimit(.minutes(15))) struct RuleTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func receiver(
        _ manner: ReceiverManner, host: String = "127.7.1.1", port: Int = 0
    ) async throws -> Receiver {
        try await Receiver(
            name: "mx.test", manner: manner, host: host, port: port, group: group,
            keep: .messages)
    }

    private func rule(
        _ action: ReplyAction, _ code: String, text: String? = nil
    ) throws -> ReplyRule {
        ReplyRule(
            name: "mine", codes: [try #require(CodePattern(code))], text: text, action: action)
    }

    @Test func aRuleBouncesWhatIsForNow() async throws {
        let receiver = try await receiver(.fullMailboxes(share: 1))
        let bounce = try rule(.bounce, "452", text: "mailbox full")
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.rules = [bounce] }
            try await rig.deliver(1)
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .settled)
            #expect(report.recipients.map(\.outcome) == [.failed])
            #expect(report.reply.hasPrefix("452 4.2.2"))
            #expect(report.rule == "mine")
        }
        await receiver.shutDown()
    }

    @Test func aRuleKeepsWhatIsForGood() async throws {
        let receiver = try await receiver(.unknownUsers(share: 1))
        let wait = try rule(.wait(.recipient), "5xx")
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.rules = [wait] }
            try await rig.deliver(1)
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .retry)
            #expect(report.attempts == 1)
            #expect(report.recipients.map(\.outcome) == [.deferred])
            let status = try await rig.on { parts in
                parts.engine.scheduler.status(
                    DestinationID(rawValue: 1), at: parts.engine.clocks.monotonic())
            }
            #expect(status?.breaker == .closed)
        }
        await receiver.shutDown()
    }

    @Test func aRuleSuspendsTheDestination() async throws {
        let receiver = try await receiver(.busy(perSecond: 0.001, burst: 1))
        let suspend = try rule(.suspend(.seconds(1200)), "451", text: "S77719")
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.rules = [suspend]
                $0.limits.concurrency = 1
            }
            // The first is taken; the second says that it is enough.
            try await rig.deliver(5)
            let reports = try await rig.results(2)
            #expect(reports.map(\.disposition) == [.settled, .retry])
            #expect(reports[1].rule == "mine")
            let (status, now) = try await rig.on { parts in
                let now = parts.engine.clocks.monotonic()
                return (parts.engine.scheduler.status(DestinationID(rawValue: 1), at: now), now)
            }
            #expect(status?.breaker == .open)
            let until = try #require(status?.breakerUntil)
            #expect((.seconds(1100)...(.seconds(1200))).contains(until - now))
            #expect(status?.queued == 4)
        }
        #expect(receiver.statistics.messages == 1)
        await receiver.shutDown()
    }

    /// Two addresses of one name; the first knows only some of the recipients.
    @Test func aRuleSendsElsewhere() async throws {
        let first = try await receiver(.fullMailboxes(share: 0.5))
        let second = try await receiver(.fast, host: "127.7.1.2", port: first.number)
        let elsewhere = try rule(.elsewhere, "452")
        let recipients = (0..<20).map { "u\($0)@a.test" }
        try await withEngine { rig in
            try await rig.configure(first) { $0.rules = [elsewhere] }
            try await rig.answer("a.test", with: ["127.7.1.1", "127.7.1.2"], port: first.number)
            try await rig.deliver(1, to: recipients)
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .settled)
            // One outcome for each, in their order, wherever it came from.
            #expect(report.recipients.map(\.outcome) == recipients.map { _ in .delivered })
            let status = try await rig.on { parts in
                parts.engine.scheduler.status(
                    DestinationID(rawValue: 1), at: parts.engine.clocks.monotonic())
            }
            #expect(status?.failures == 0)
            #expect(status?.running == 0)
        }
        let there = first.statistics.captured.flatMap(\.recipients)
        let others = second.statistics.captured.flatMap(\.recipients)
        #expect(!there.isEmpty && !others.isEmpty)
        #expect(Set(there + others) == Set(recipients))
        #expect(there.count + others.count == recipients.count)
        await first.shutDown()
        await second.shutDown()
    }

    @Test func withoutAnotherAddressItWaitsAndNobodyIsBlamed() async throws {
        let receiver = try await receiver(.fullMailboxes(share: 0.5))
        let elsewhere = try rule(.elsewhere, "452")
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.rules = [elsewhere] }
            try await rig.deliver(1, to: (0..<20).map { "u\($0)@a.test" })
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .retry)
            #expect(report.recipients.count == 20)
            #expect(report.recipients.contains { $0.outcome == .delivered })
            #expect(report.recipients.contains { $0.outcome == .deferred })
            #expect(report.rule == "mine")
        }
        await receiver.shutDown()
    }

    /// A reload replaces the rules of destinations that are there.
    @Test func aReloadReplacesTheRules() async throws {
        let receiver = try await receiver(.fullMailboxes(share: 1))
        let bounce = try rule(.bounce, "452")
        try await withEngine { rig in
            try await rig.configure(receiver)
            try await rig.deliver(1)
            #expect(try await rig.results(1)[0].disposition == .retry)
            try await rig.configure(receiver, again: true) { $0.rules = [bounce] }
            try await rig.deliver(1)
            #expect(try await rig.results(2)[1].disposition == .settled)
        }
        await receiver.shutDown()
    }

    /// RFC 3461 §5.2.2: a server without DSN cannot tell the sender; the manager has to.
    @Test func successIsReportedWhereTheReceiverCannot() async throws {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver)
            try await rig.deliver(1, to: ["u@a.test", "v@a.test"], notify: "SUCCESS,FAILURE")
            try await rig.deliver(1, to: ["u@a.test"], notify: "FAILURE")
            let reports = try await rig.results(2)
            #expect(
                reports.map { $0.recipients.map(\.outcome) } == [
                    [.relayed, .relayed], [.delivered],
                ])
        }
        await receiver.shutDown()
    }

    /// `[[shaping]]` by an exchanger's name, which is known when DNS has answered.
    @Test func limitsGoByTheExchangersNames() async throws {
        let receiver = try await receiver(.fullMailboxes(share: 1))
        let text = """
            [[shaping]]
            match = "mx.provider.test"
            schedule = "7h"
            [[rules]]
            name = "theirs"
            match = "*.provider.test"
            code = "452"
            action = "recipient"
            """
        let read = try Configuration.load(text: text, file: "/s.toml")
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.shaping = read.shaping
                $0.rules = read.rules
            }
            try await rig.answer(
                "a.test", with: ["127.7.1.1"], port: receiver.number, host: "mx.provider.test")
            try await rig.deliver(1)
            let report = try await rig.results(1)[0]
            #expect(report.rule == "theirs")
            let wait = report.due.milliseconds - report.at.milliseconds
            #expect((7 * 3_590_000...7 * 3_601_000).contains(wait))
        }
        await receiver.shutDown()
    }
}

extension Receiver {
    fileprivate var number: Int { Int(route.split(separator: ":").last ?? "") ?? 0 }
}

extension EngineRig {
    /// What DNS would say of a domain.
    func answer(
        _ domain: String, with addresses: [String], port: Int, host: String = "mx.test"
    ) async throws {
        try await on { parts in
            let exchangers = addresses.enumerated().map { index, address in
                Exchanger(
                    host: host, preference: UInt16(index), addresses: [address], port: port)
            }
            parts.engine.routes.learn(
                .exchangers(exchangers, ttl: 3600), for: domain,
                at: parts.engine.clocks.monotonic())
        }
    }
}
