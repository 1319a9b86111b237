import Mail
import NIOCore
import NIOPosix
import Scheduler
import Testing

@testable import Testbed

@Suite struct MailStreamTests {
    private let domains = (1...50).map { "d\($0).test" }
    private let date = UnixTime(milliseconds: 1_700_000_000_000)

    @Test func theSameSeedMakesTheSameMail() {
        var a = MailStream(domains: domains, seed: 42)
        var b = MailStream(domains: domains, seed: 42)
        var c = MailStream(domains: domains, seed: 43)
        var differs = false
        for _ in 0..<50 {
            let (x, y, z) = (a.next(date: date), b.next(date: date), c.next(date: date))
            #expect(x.content == y.content && x.recipients == y.recipients)
            differs = differs || x.recipients != z.recipients
        }
        #expect(differs)
    }

    @Test func popularDomainsGetTheirShare() {
        let skew = DomainSkew(domains: domains)
        var generator = SplitMix64(seed: 9)
        var counts: [String: Int] = [:]
        let picks = 20_000
        for _ in 0..<picks {
            counts[skew.pick(using: &generator), default: 0] += 1
        }
        #expect(counts.count == domains.count)
        let weights = domains.indices.map { 1 / Double($0 + 2) }
        let sum = weights.reduce(0, +)
        for index in [0, 1, 4, 20] {
            let expected = weights[index] / sum * Double(picks)
            let seen = Double(counts[domains[index]] ?? 0)
            #expect(abs(seen - expected) < 5 * expected.squareRoot(), "\(domains[index])")
        }
    }

    @Test func mailLooksLikeMail() {
        var stream = MailStream(domains: domains, seed: 1)
        var ids: Set<String> = []
        var sawSeveralRecipients = false
        var sawADot = false
        for _ in 0..<300 {
            let mail = stream.next(date: date)
            let text = String(buffer: mail.content)
            ids.insert(mail.id)
            sawSeveralRecipients = sawSeveralRecipients || mail.recipients.count > 1
            sawADot = sawADot || text.contains("\r\n.")
            #expect((1_000...62_000).contains(mail.content.readableBytes))
            #expect(Set(mail.recipients).count == mail.recipients.count)
            #expect(mail.content.testbedID == mail.id)
            let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
            #expect(lines.last == "")
            #expect(lines.allSatisfy { $0.utf8.count <= 998 && !$0.utf8.contains(10) })
        }
        #expect(ids.count == 300)
        #expect(sawSeveralRecipients && sawADot)
    }

    @Test func departuresKeepTheMeanAndSwell() {
        var departures = Departures(rate: 50, wave: .seconds(10))
        var perSecond = [Int](repeating: 0, count: 20)
        while true {
            let second = Int(departures.next() / .seconds(1))
            guard second < perSecond.count else { break }
            perSecond[second] += 1
        }
        #expect((980...1020).contains(perSecond.reduce(0, +)))
        #expect((60...76).contains(perSecond.max() ?? 0))
        #expect((24...40).contains(perSecond.min() ?? 0))
    }
}

@Suite(.timeLimit(.minutes(15))) struct TrafficTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func options(limit: Int) -> Traffic.Options {
        var options = Traffic.Options()
        options.rate = 5_000
        options.limit = limit
        options.keepsAccepted = true
        return options
    }

    @Test func whatIsCountedAsAcceptedArrived() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .fast, group: group, keep: .deliveries)
        let traffic = Traffic(
            MailStream(domains: ["a.test", "b.test"]), port: receiver.port, group: group,
            options: options(limit: 200))
        await traffic.run()
        let sent = traffic.statistics
        let received = receiver.statistics
        #expect(sent.messages == 200)
        #expect(received.messages == 200)
        #expect(sent.recipients == received.recipients)
        #expect(sent.bytes == received.bytes)
        #expect(received.duplicates == 0)
        let expected = sent.accepted.flatMap { id, recipients in
            recipients.map { ReceivedDelivery(id: id, recipient: $0) }
        }
        #expect(Set(expected) == Set(received.deliveries.keys))
        #expect(received.connectionsMax == 4)
        await receiver.shutDown()
    }

    @Test func connectsAgainAndSendsNothingTwice() async throws {
        var manner = ReceiverManner.fast
        manner.drops.afterRecipient = 0.02
        manner.drops.duringData = 0.02
        manner.drops.beforeReply = 0.02
        let receiver = try await Receiver(
            name: "mx.test", manner: manner, group: group, keep: .deliveries)
        let traffic = Traffic(
            MailStream(domains: ["a.test", "b.test"]), port: receiver.port, group: group,
            options: options(limit: 200))
        await traffic.run()
        let sent = traffic.statistics
        let received = receiver.statistics
        #expect(received.drops > 0)
        #expect(sent.reconnects == received.drops)
        #expect(sent.messages + sent.uncertain == 200)
        #expect(received.messages == sent.messages + received.unacknowledged)
        #expect(received.duplicates == 0)
        await receiver.shutDown()
    }
}
