import Testing

@testable import Scheduler

@Suite struct SuspensionTests {
    private let told = AttemptResult.suspended(
        .seconds(1800), reply: "421 4.7.1 [TS03] come back some other day",
        rule: "acme-tarpit")

    @Test func aSuspendedDestinationIsLeftAloneForItsTime() {
        var bench = Bench(Limits(concurrency: 4, initialWindow: 4))
        bench.enqueue(10)
        let starts = bench.start()
        #expect(starts.count == 4)
        // Three run on while the first is told to go away.
        guard case .retry(let due, 1) = bench.finish(starts[0], told) else {
            Issue.record("not deferred")
            return
        }
        #expect((.seconds(1800)...(.seconds(1980))).contains(due - bench.now))
        #expect(bench.status.breaker == .open)
        #expect(bench.status.breakerUntil == bench.now + .seconds(1800))
        #expect(
            bench.why.text
                == "suspended by rule acme-tarpit after 421 4.7.1 [TS03] come back some other day")
        #expect(bench.why.facts.reason == "rule acme-tarpit")
        // What was under way when it was said does not end it, however it goes.
        bench.pass(.seconds(2))
        bench.finish(starts[1])
        bench.finish(starts[2], .busy)
        bench.finish(starts[3], .refused)
        #expect(bench.start().isEmpty)
        bench.pass(.seconds(1790))
        #expect(bench.start().isEmpty)
        bench.pass(.seconds(8))
        // One probe, and then the others.
        let probes = bench.start()
        #expect(probes.count == 1)
        #expect(probes.first?.probe == true)
        bench.finish(probes[0])
        #expect(bench.status.breaker == .closed)
        #expect(!bench.start().isEmpty)
    }

    @Test func aSecondSuspensionNeverShortensTheFirst() {
        var bench = Bench(Limits(concurrency: 2, initialWindow: 2))
        bench.enqueue(2)
        let starts = bench.start()
        bench.finish(starts[0], .suspended(.seconds(3600), reply: "a"))
        bench.finish(starts[1], .suspended(.seconds(60), reply: "b"))
        #expect(bench.status.breakerUntil == bench.now + .seconds(3600))
    }

    @Test func retryNowEndsIt() {
        var bench = Bench()
        let ids = bench.enqueue(3)
        bench.finish(bench.start(1)[0], told)
        #expect(bench.start().isEmpty)
        #expect(bench.scheduler.retryNow(Bench.one, deliveries: ids, at: bench.now) == 3)
        #expect(bench.start().count == 1)
    }

    @Test func itIsHandedOver() {
        var bench = Bench()
        bench.enqueue(1)
        bench.finish(bench.start(1)[0], told)
        let snapshot = bench.scheduler.remove(Bench.one, at: bench.now)
        #expect(snapshot?.lastRule == "acme-tarpit")
        bench.scheduler.add(
            Bench.two, policy: DestinationPolicy(), snapshot: snapshot, at: bench.now)
        bench.enqueue(1, to: Bench.two)
        #expect(bench.start().isEmpty)
        let wait = bench.scheduler.explain(Bench.two, at: bench.now)
        #expect(wait.text.hasPrefix("suspended by rule acme-tarpit after 421 4.7.1"))
        bench.pass(.seconds(1801))
        #expect(bench.start().count == 1)
    }

    // MARK: The wait of a single delivery

    private func wait(
        _ cause: Cause, _ reply: String, attempts: Int = 1, retry: RetryPolicy = RetryPolicy()
    ) -> [Duration] {
        (0..<200).map { seed in
            var random = SplitMix64(seed: UInt64(seed))
            return Backoff.wait(
                attempts: attempts, cause: cause, reply: reply, retry: retry, random: &random)
        }
    }

    @Test func greylistingIsTakenAtItsWord() {
        let waits = wait(.greylisted, "450 4.7.1 Greylisted, try again in 60 seconds")
        #expect(waits.allSatisfy { (.seconds(60)...(.seconds(70))).contains($0) })
        // Within bounds: not at once, and not next week.
        #expect(wait(.greylisted, "try again in 1 second").allSatisfy { $0 >= .seconds(30) })
        let late = wait(.greylisted, "come back in 23 hours")
        #expect(late.allSatisfy { $0 <= RetryPolicy().cap })
        // One that never lets it pass is not believed for ever, nor is anybody else.
        #expect(
            wait(.greylisted, "try again in 60 seconds", attempts: 4).allSatisfy {
                $0 > .seconds(300)
            })
        #expect(
            wait(.recipient, "try again in 60 seconds").allSatisfy {
                (.seconds(300)...(.seconds(360))).contains($0)
            })
        #expect(
            wait(.greylisted, "450 Greylisted").allSatisfy {
                (.seconds(300)...(.seconds(360))).contains($0)
            })
    }

    @Test(arguments: [
        ("450 Greylisted, please try again in 300 seconds", 300), ("Greylisted for 5 minutes", 300),
        ("Greylisting in action, please come back in 00:04:59", 299),
        ("try again after 2 hours.", 7200), ("retry in 90s", 90), ("come back in 5min!", 300),
        ("Recipient address rejected: in progress, retry in 10 minutes", 600),
    ])
    func hints(_ reply: String, _ seconds: Int) {
        #expect(RetryHint.time(in: reply) == .seconds(seconds))
    }

    @Test(arguments: [
        "", "in", "try later", "for you", "in 5", "after 10 attempts", "in 0 seconds",
        "in 99999999999999999999 seconds", "in 40 days", "in -5 seconds", "in 1:2:3:4",
    ])
    func noHints(_ reply: String) {
        #expect(RetryHint.time(in: reply) == nil)
    }

    @Test func aFullMailboxWaitsLong() {
        #expect(
            wait(.full, "452 4.2.2 full").allSatisfy {
                (.seconds(1800)...(.seconds(2160))).contains($0)
            })
        let later = wait(.full, "452 4.2.2 full", attempts: 20)
        #expect(later.allSatisfy { (.seconds(4800)...(.seconds(4 * 3600))).contains($0) })
        // A fixed schedule is a promise, for it as for others.
        let fixed = RetryPolicy(schedule: [.seconds(60), .seconds(120)])
        #expect(wait(.full, "", retry: fixed).allSatisfy { $0 == .seconds(60) })
        #expect(
            wait(.greylisted, "in 300 seconds", attempts: 2, retry: fixed).allSatisfy {
                $0 == .seconds(120)
            })
    }

    @Test func neitherBlamesTheDestination() {
        for cause in [Cause.greylisted, .full] {
            var bench = Bench(Limits(concurrency: 3, initialWindow: 3))
            bench.enqueue(30)
            for _ in 0..<10 {
                for start in bench.start() {
                    bench.finish(start, .deferred(cause, reply: "450"), .idle)
                }
            }
            #expect(bench.status.breaker == .closed)
            #expect(bench.status.window == 3)
            #expect(bench.status.delayed == 30)
        }
    }

    // MARK: max_age

    @Test func expiryFollowsThePolicy() {
        var bench = Bench(retry: RetryPolicy(maxAge: .seconds(5 * 86_400)))
        bench.enqueue(2, in: .seconds(1000), age: .seconds(7200))
        let policy = DestinationPolicy(retry: RetryPolicy(maxAge: .seconds(7300)))
        bench.scheduler.configure(Bench.one, policy: policy, at: bench.now)
        #expect(bench.scheduler.nextExpired(at: bench.now) == nil)
        bench.pass(.seconds(101))
        #expect(bench.scheduler.nextExpired(at: bench.now) != nil)
        // And back: the other one stays.
        bench.scheduler.configure(Bench.one, policy: DestinationPolicy(), at: bench.now)
        #expect(bench.scheduler.nextExpired(at: bench.now) == nil)
        #expect(bench.status.queued == 1)
    }
}
