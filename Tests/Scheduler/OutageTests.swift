import Mail
import Testing

@testable import Scheduler

/// A destination that stops working, and what happens until it works again.
@Suite struct OutageTests {
    @Test func aCohortOfConnectFailuresOpensTheBreaker() {
        var bench = Bench()
        bench.enqueue(100)
        #expect(bench.breakDown() <= 6)
        #expect(bench.start().isEmpty && bench.status.window == 0)
        #expect(bench.why.kind == .breaker && bench.why.text == "backing off after refused")
        #expect(bench.scheduler.nextWake(after: bench.now)! <= bench.status.breakerUntil!)
    }

    @Test func waitingIsNoAttempt() {
        var bench = Bench()
        bench.enqueue(100)
        let tried = bench.breakDown()
        for _ in 0..<20 {
            bench.untilProbe()
            let probes = bench.start()
            #expect(probes.count == 1 && probes[0].probe)
            #expect(bench.why.kind == .probing)
            bench.finish(probes[0], .refused)
        }
        let attempts = bench.scheduler.slots.storage.map { Int($0.attempts) }
        #expect(attempts.reduce(0, +) == tried + 20)
        #expect(bench.status.queued == 100)
    }

    /// Two hours: a probe now and then, not ten thousand attempts.
    @Test func probesOfALongOutage() {
        var bench = Bench()
        bench.enqueue(1000)
        var attempts = bench.breakDown()
        let end = bench.now + .seconds(7200)
        while bench.now < end {
            for start in bench.start() {
                bench.finish(start, .refused)
                attempts += 1
            }
            bench.now = bench.scheduler.nextWake(after: bench.now)!
        }
        #expect(attempts < 60, "\(attempts)")
    }

    @Test func theProbeIsSmallAndOldAndNotAlwaysTheSame() {
        var bench = Bench()
        let big = bench.enqueue(1, size: 10_000_000, age: .seconds(900))
        let young = bench.enqueue(5, age: .seconds(10))
        let old = bench.enqueue(1, age: .seconds(600))
        let start = bench.start(1)
        #expect(start[0].delivery == big[0])
        bench.finish(start[0], .busy)
        #expect(bench.status.breaker == .open, "nothing else ran")
        bench.untilProbe()
        let first = bench.start()[0]
        #expect(first.delivery == old[0])
        bench.finish(first, .busy)
        bench.untilProbe()
        #expect(young.contains(bench.start()[0].delivery))
    }

    @Test func reopeningIsARamp() {
        var bench = Bench(Limits(concurrency: 20))
        bench.enqueue(2000)
        for _ in 0..<20 {
            let starts = bench.start()
            for start in starts { bench.finish(start) }
        }
        #expect(bench.status.window == 20)
        _ = bench.breakDown()
        bench.untilProbe()
        var cohorts: [Int] = []
        for _ in 0..<8 {
            let starts = bench.start()
            cohorts.append(starts.count)
            bench.pass(.seconds(1))
            for start in starts { bench.finish(start) }
        }
        #expect(cohorts == [1, 1, 2, 4, 8, 10, 11, 12])
        #expect(bench.status.breaker == .closed && bench.status.failures == 0)
    }

    @Test func aProbeThatWasNotAttemptedIsFollowedByAnother() {
        var bench = Bench()
        bench.enqueue(10)
        _ = bench.breakDown()
        bench.untilProbe()
        let probe = bench.start()[0]
        #expect(bench.start().isEmpty)
        bench.finish(probe, .notAttempted)
        #expect(bench.status.breaker == .halfOpen)
        let other = bench.start()
        #expect(other.count == 1 && other[0].probe)
    }

    @Test func oneBusyReplyAmongSuccessesOnlyCuts() {
        var bench = Bench(Limits(concurrency: 20, initialWindow: 10))
        bench.enqueue(100)
        let starts = bench.start()
        for start in starts.prefix(9) { bench.finish(start, .settled) }
        bench.finish(starts[9], .busy)
        #expect(bench.status.breaker == .closed, "it had just worked")

        bench = Bench(Limits(concurrency: 20, initialWindow: 10))
        bench.enqueue(100)
        let again = bench.start()
        for start in again.prefix(4) { bench.finish(start, .busy) }
        #expect(bench.status.breaker == .closed && bench.status.window == 5)
        for start in again.dropFirst(4) { bench.finish(start, .settled) }
        #expect(bench.status.breaker == .closed && bench.status.failures == 0)
    }

    @Test func aSuccessWakesTheOlderMailByAndBy() {
        var bench = Bench(
            Limits(concurrency: 40, initialWindow: 40),
            retry: RetryPolicy(breakerFirst: .seconds(60)))
        bench.enqueue(40)
        for (position, start) in bench.start().enumerated() {
            bench.finish(start, position % 2 == 0 ? .busy : .settled)
        }
        #expect(bench.status.delayed == 20 && bench.status.ready == 0)
        bench.pass(.seconds(59))
        bench.enqueue(1)
        bench.finish(bench.start()[0])
        #expect(bench.status.delayed == 20, "they failed too short a time ago")
        bench.pass(.seconds(1))
        bench.enqueue(1)
        bench.finish(bench.start()[0])
        #expect(bench.status.delayed == 18)
        // Each success wakes two more.
        for left in [14, 6, 0] {
            for start in bench.start() { bench.finish(start) }
            #expect(bench.status.delayed == left)
        }
    }

    @Test func wakingWaitsALittle() {
        var bench = Bench(retry: RetryPolicy(breakerFirst: .seconds(60)))
        bench.enqueue(3)
        let starts = bench.start()
        bench.finish(starts[0], .busy)
        bench.finish(starts[1])
        #expect(bench.status.delayed == 1, "it failed just now")
        bench.pass(.seconds(60))
        bench.finish(starts[2])
        #expect(bench.status.delayed == 0 && bench.status.ready == 1)
    }

    @Test func aFixedScheduleIsKept() {
        var bench = Bench(retry: RetryPolicy(schedule: [.seconds(600)]))
        bench.enqueue(3)
        let starts = bench.start()
        #expect(
            bench.finish(starts[0], .busy) == .retry(at: bench.now + .seconds(600), attempts: 1))
        bench.pass(.seconds(100))
        bench.finish(starts[1])
        #expect(bench.status.delayed == 1)
    }

    @Test func retryNow() {
        var bench = Bench()
        bench.enqueue(10)
        _ = bench.breakDown()
        bench.enqueue(3, in: .seconds(900))
        #expect(bench.scheduler.retryNow(Bench.one, deliveries: nil, at: bench.now) == 13)
        #expect(bench.status.ready == 13 && bench.status.breaker == .halfOpen)
        let probe = bench.start()
        #expect(probe.count == 1 && probe[0].probe, "limits still hold")
        bench.finish(probe[0])
        #expect(bench.status.breaker == .closed)
        let some = bench.enqueue(3, in: .seconds(900))
        #expect(
            bench.scheduler.retryNow(
                Bench.one, deliveries: [some[1], probe[0].delivery], at: bench.now) == 1)
        #expect(bench.status.delayed == 2)
        #expect(bench.scheduler.retryNow(Bench.two, deliveries: nil, at: bench.now) == 0)
    }

    @Test func handOver() {
        var bench = Bench(Limits(concurrency: 20, rate: Rate(text: "10/s"), burst: 20))
        bench.enqueue(30)
        _ = bench.breakDown()
        let before = bench.status
        let snapshot = bench.scheduler.remove(Bench.one, at: bench.now)!
        #expect(bench.scheduler.status(Bench.one, at: bench.now) == nil)
        #expect(bench.scheduler.slots.count == 0 && bench.scheduler.policies.count == 0)
        #expect(bench.scheduler.explain(Bench.one, at: bench.now).kind == .worker)

        var other = Scheduler(seed: 9)
        let there = Instant(nanoseconds: 55)
        other.add(
            Bench.one,
            policy: DestinationPolicy(
                limits: Limits(concurrency: 20, rate: Rate(text: "10/s"), burst: 20)),
            snapshot: DestinationSnapshot(decoding: snapshot.encoded), at: there)
        let after = other.status(Bench.one, at: there)!
        #expect(after.tokens == before.tokens && after.failures == before.failures)
        #expect(after.breakerUntil! - there == before.breakerUntil! - bench.now)
        #expect(after.lastReply == "refused")
    }

    @Test func removedWhileRunning() {
        var bench = Bench(Limits(concurrency: 5))
        bench.enqueue(20)
        let starts = bench.start()
        _ = bench.scheduler.remove(Bench.one, at: bench.now)
        #expect(bench.scheduler.slots.count == 5 && bench.start().isEmpty)
        #expect(bench.scheduler.drainChanged() == [])
        guard case .retry(_, attempts: 1) = bench.finish(starts[0], .greylisted) else {
            Issue.record("no verdict")
            return
        }
        // It comes back: what still runs counts against the limit.
        bench.scheduler.add(
            Bench.one, policy: DestinationPolicy(limits: Limits(concurrency: 5)), snapshot: nil,
            at: bench.now)
        bench.enqueue(20)
        #expect(bench.start().count == 1 && bench.status.running == 5)
        _ = bench.scheduler.remove(Bench.one, at: bench.now)
        for start in starts.dropFirst() { bench.finish(start) }
        #expect(bench.scheduler.slots.count == 1)
    }
}
