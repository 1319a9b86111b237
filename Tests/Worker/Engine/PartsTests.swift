import Control
import Glibc
import Mail
import NIOCore
import Scheduler
import Testing

@testable import Worker

private func instant(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
private func delivery(_ number: Int64) -> DeliveryID {
    DeliveryID(message: MessageID(rawValue: number), ordinal: 0)
}

func attemptReport(_ id: DeliveryID, destination: Int64 = 1) -> AttemptReport {
    AttemptReport(
        number: 0, delivery: id, destination: destination, disposition: .settled, attempts: 1,
        due: UnixTime(milliseconds: 0), remote: "", tls: "", milliseconds: 0, recipients: [],
        reply: "", at: UnixTime(milliseconds: 0))
}

func testJob(to recipients: [String] = ["u@a.test"], body: String = "x\r\n") -> Job {
    Job(
        domain: "a.test", sender: "s@sender.test",
        recipients: recipients.map {
            JobRecipient(address: $0, notify: "", originalRecipient: "")
        }, eightBit: false, utf8: false, leadingDots: false, ret: "", envelopeID: "",
        body: ByteBuffer(string: body))
}

@Suite struct PartsTests {
    @Test func routesAreKeptForTheirTime() {
        var cache = RouteCache()
        let exchanger = Exchanger(host: "mx", preference: 1, addresses: ["192.0.2.1"], port: 25)
        cache.learn(.exchangers([exchanger], ttl: 0), for: "a", at: instant(0))
        cache.learn(.exchangers([exchanger], ttl: 1_000_000), for: "b", at: instant(0))
        cache.learn(.nullMX, for: "c", at: instant(0))
        cache.learn(.temporary("x"), for: "d", at: instant(0))
        #expect(cache.route(of: "a", at: instant(9)) != nil)
        #expect(cache.route(of: "a", at: instant(10)) == nil)
        #expect(cache.route(of: "b", at: instant(3599)) != nil)
        #expect(cache.route(of: "b", at: instant(3600)) == nil)
        #expect(cache.route(of: "c", at: instant(59)) == .nullMX)
        #expect(cache.route(of: "c", at: instant(60)) == nil)
        #expect(cache.route(of: "d", at: instant(0)) == nil)
        cache.forgetAll()
        #expect(cache.route(of: "b", at: instant(0)) == nil)
    }

    @Test func addressesAreTriedByPreferenceAndHostByHost() {
        var random = SplitMix64(seed: 4)
        var firsts: Set<String> = []
        for _ in 0..<100 {
            let candidates = Candidate.ordered(
                [
                    Exchanger(
                        host: "c", preference: 20, addresses: ["192.0.2.30", "192.0.2.31"],
                        port: 25),
                    Exchanger(
                        host: "a", preference: 10, addresses: ["192.0.2.10", "192.0.2.11"],
                        port: 25),
                    Exchanger(
                        host: "b", preference: 10,
                        addresses: ["192.0.2.20", "192.0.2.21", "192.0.2.22"], port: 2525),
                ], using: &random)
            #expect(candidates.count == Candidate.limit)
            #expect(Set(candidates.prefix(2).map(\.host)) == ["a", "b"])
            #expect(Set(candidates[2...3].map(\.host)) == ["a", "b"])
            #expect(candidates[4].text == "192.0.2.22:2525")
            firsts.insert(candidates[0].host)
        }
        #expect(firsts == ["a", "b"])
        // One that gave no answer comes after its equals, and before those that are worse.
        let late = Candidate.ordered(
            [
                Exchanger(
                    host: "a", preference: 10, addresses: ["192.0.2.10", "192.0.2.11"], port: 25),
                Exchanger(host: "b", preference: 20, addresses: ["192.0.2.20"], port: 2525),
            ], silent: ["192.0.2.10", "192.0.2.20:2525"], using: &random)
        #expect(late.map(\.text) == ["192.0.2.11", "192.0.2.10", "192.0.2.20:2525"])
        let odd = Candidate.ordered(
            [Exchanger(host: "x", preference: 0, addresses: ["no address"], port: 25)],
            using: &random)
        #expect(odd.isEmpty)
    }

    @Test func resultsAreKeptUntilTheyAreRecorded() {
        var outbox = Outbox()
        for number in 1...5 { #expect(outbox.add(attemptReport(delivery(1))) == UInt64(number)) }
        #expect(outbox.takeNew().map(\.number) == [1, 2, 3, 4, 5])
        #expect(outbox.takeNew().isEmpty)
        outbox.recorded(upTo: 3)
        outbox.recorded(upTo: 2)
        #expect(outbox.allUnrecorded.map(\.number) == [4, 5])
        #expect(!outbox.isEmpty)
        // A number that was never given out.
        outbox.recorded(upTo: .max)
        #expect(outbox.isEmpty)
        #expect(outbox.add(attemptReport(delivery(2))) == 6)
        #expect(outbox.allUnrecorded.map(\.number) == [6])
    }

    @Test func jobsStayWithinTheirBoundsAndLeaveWithTheirDestination() {
        var jobs = JobStore()
        jobs.offer(testJob(body: "one"), for: delivery(1), of: 7)
        jobs.offer(testJob(body: "other"), for: delivery(1), of: 7)
        jobs.offer(testJob(body: "two!"), for: delivery(2), of: 8)
        #expect(jobs[delivery(1)]?.body == ByteBuffer(string: "one"))
        #expect(jobs.bytes == 7)
        jobs.keep(testJob(body: "rest"), for: delivery(1), of: 7, until: 5)
        #expect(jobs.bytes == 8)
        jobs.recorded(upTo: 4)
        #expect(jobs[delivery(1)] != nil)
        jobs.recorded(upTo: 5)
        #expect(jobs[delivery(1)] == nil)
        jobs.offer(testJob(body: "back"), for: delivery(3), of: 8)
        jobs.drop(destination: 8)
        #expect(jobs[delivery(2)] == nil && jobs[delivery(3)] == nil)
        #expect(jobs.bytes == 0)
    }

    @Test func theRestOfAJobIsWhoWasDeferred() {
        let rest = testJob(to: ["a@x", "b@x", "c@x"]).remaining(after: [
            RecipientReport(outcome: .delivered, reply: ""),
            RecipientReport(outcome: .deferred, reply: ""),
            RecipientReport(outcome: .failed, reply: ""),
        ])
        #expect(rest.recipients.map(\.address) == ["b@x"])
    }
}
