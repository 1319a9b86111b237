import Mail
import Testing

@testable import Scheduler

@Suite struct SchedulerTests {
    @Test func startsUpToTheWindow() {
        var bench = Bench(Limits(concurrency: 8, initialWindow: 5))
        let ids = bench.enqueue(20)
        let starts = bench.start()
        #expect(starts.map(\.delivery) == Array(ids.prefix(5)))
        #expect(starts.allSatisfy { $0.connection == .open && !$0.probe && $0.attempts == 0 })
        #expect(bench.status.running == 5 && bench.status.ready == 15)
        #expect(bench.finish(starts[0], .settled, .idle) == .gone)
        #expect(bench.start().map(\.connection) == [.reuse])
        for start in starts.dropFirst() { bench.finish(start) }
        bench.scheduler.configure(
            Bench.one, policy: DestinationPolicy(limits: Limits(concurrency: 1)), at: bench.now)
        #expect(bench.start().isEmpty, "one still runs")
    }

    @Test func windowGrowsToTheLimitAndNotBeyond() {
        var bench = Bench(Limits(concurrency: 8))
        bench.enqueue(500)
        var most = 0
        while case let starts = bench.start(), !starts.isEmpty {
            most = max(most, bench.status.running)
            #expect(bench.status.connections <= 8)
            bench.pass(.seconds(1))
            for start in starts { bench.finish(start, .settled, .idle) }
        }
        #expect(most == 8 && bench.status.queued == 0)
    }

    @Test func tokensHoldAndWakeInTime() {
        var bench = Bench(Limits(concurrency: 20, rate: Rate(text: "10/h"), burst: 2))
        bench.enqueue(4)
        #expect(bench.drain() == 2)
        #expect(bench.why.kind == .tokens && bench.why.text == "0 of 2 tokens")
        let wake = bench.scheduler.nextWake(after: bench.now)
        #expect(wake == bench.why.until && wake == bench.now + .seconds(359))
        bench.pass(.seconds(358))
        #expect(bench.start().isEmpty)
        bench.pass(.seconds(1))
        #expect(bench.start().count == 1)
        #expect(bench.status.tokens == 0 && bench.status.rate == 10.0 / 3600)
    }

    @Test func connectionTokens() {
        var bench = Bench(Limits(concurrency: 20, connectionRate: Rate(text: "2/min")))
        bench.enqueue(5)
        let first = bench.start()
        #expect(first.count == 1 && bench.why.kind == .connectionRate)
        bench.pass(.seconds(1))
        bench.finish(first[0], .settled, .idle)
        let second = bench.start()
        #expect(second.map(\.connection) == [.reuse])
        bench.pass(.seconds(29))
        #expect(bench.start().map(\.connection) == [.open])
    }

    @Test func idleConnectionsAboveTheWindowAreSurplus() {
        var bench = Bench()
        bench.enqueue(5)
        let starts = bench.start()
        for start in starts { bench.finish(start, .settled, .idle) }
        #expect(bench.status.idle == 5 && bench.scheduler.surplus(Bench.one, at: bench.now) == 0)
        bench.scheduler.configure(
            Bench.one, policy: DestinationPolicy(limits: Limits(concurrency: 2)), at: bench.now)
        #expect(bench.scheduler.surplus(Bench.one, at: bench.now) == 3)
        for _ in 0..<3 { bench.scheduler.idleConnectionClosed(Bench.one, at: bench.now) }
        #expect(bench.scheduler.surplus(Bench.one, at: bench.now) == 0)
        #expect(bench.status.connections == 2)
    }

    @Test func delayedMailComesInTime() {
        var bench = Bench()
        bench.enqueue(1, in: .seconds(60))
        bench.enqueue(1, in: .seconds(30), attempts: 2)
        #expect(bench.start().isEmpty && bench.status.delayed == 2)
        #expect(bench.scheduler.nextWake(after: bench.now) == bench.now + .seconds(30))
        #expect(bench.why.kind == .schedule && bench.why.text == "2 wait for their retry time")
        #expect(bench.why.until == bench.now + .seconds(30))
        bench.pass(.seconds(30))
        #expect(bench.start().map(\.attempts) == [2])
        bench.pass(.seconds(30))
        #expect(bench.start().map(\.attempts) == [0])
    }

    @Test func recipientFailuresDoNotSlowTheDestination() {
        var bench = Bench()
        bench.enqueue(100)
        for _ in 0..<20 {
            for start in bench.start() {
                guard case .retry(let due, 1) = bench.finish(start, .greylisted) else {
                    Issue.record("not to be retried")
                    continue
                }
                #expect(300...360 ~= (due - bench.now).inSeconds)
            }
        }
        #expect(bench.status.breaker == .closed && bench.status.window > 5)
        #expect(bench.status.delayed == 100 && bench.status.failures == 0)
    }

    @Test func waitsGrowWithTheAttempts() {
        var bench = Bench(retry: RetryPolicy(schedule: RetryPolicy.parseSchedule("1m,5m*2,1h")))
        bench.enqueue()
        for (attempt, seconds) in [60, 300, 300, 3600, 3600].enumerated() {
            let start = bench.start()[0]
            let due = bench.now + .seconds(seconds)
            #expect(start.attempts == attempt)
            #expect(bench.finish(start, .greylisted) == .retry(at: due, attempts: attempt + 1))
            bench.now = due
        }
    }

    @Test func handshakeFailuresDoNotSlowTheDestination() {
        var bench = Bench()
        bench.enqueue(50)
        while case let starts = bench.start(), !starts.isEmpty {
            for start in starts { bench.finish(start, .deferred(.handshake, reply: "no cipher")) }
        }
        #expect(bench.status.breaker == .closed && bench.status.window == 5)
    }

    @Test func notAttemptedIsNoAttempt() {
        var bench = Bench(Limits(concurrency: 1))
        bench.enqueue()
        let start = bench.start()[0]
        guard case .retry(let due, 0) = bench.finish(start, .notAttempted) else {
            Issue.record("counted")
            return
        }
        #expect(1...5 ~= (due - bench.now).inSeconds)
        bench.now = due
        #expect(bench.start().map(\.attempts) == [0])
    }

    @Test func expiry() {
        var bench = Bench(retry: RetryPolicy(maxAge: .seconds(200)))
        let old = bench.enqueue(1, in: .seconds(500), age: .seconds(100))
        bench.enqueue(1, age: .seconds(150))
        let start = bench.start()[0]
        #expect(bench.scheduler.nextWake(after: bench.now) == bench.now + .seconds(100))
        bench.pass(.seconds(100))
        let expired = bench.scheduler.nextExpired(at: bench.now)
        #expect(expired?.0 == old[0] && expired?.1 == Bench.one)
        #expect(bench.scheduler.nextExpired(at: bench.now) == nil)
        #expect(bench.finish(start, .greylisted) == .expired)
        #expect(bench.status.queued == 0 && bench.scheduler.slots.count == 0)
        #expect(bench.scheduler.nextWake(after: bench.now) == nil)
    }

    @Test func expiresWhilePausedAndAfterRunning() {
        var bench = Bench(retry: RetryPolicy(maxAge: .seconds(100)))
        let ids = bench.enqueue(2)
        let start = bench.start(1)[0]
        bench.scheduler.pause(
            Bench.one, until: nil, by: "ann", reason: "", at: bench.now)
        bench.pass(.seconds(100))
        #expect(bench.scheduler.nextExpired(at: bench.now)?.0 == ids[1])
        #expect(bench.scheduler.nextExpired(at: bench.now) == nil)
        // Nothing was said to the receiver: it expires as one that waits.
        bench.finish(start, .notAttempted)
        #expect(bench.scheduler.nextExpired(at: bench.now)?.0 == ids[0])
    }

    @Test func withdrawing() {
        var bench = Bench(Limits(concurrency: 1))
        let ids = bench.enqueue(3)
        let start = bench.start()[0]
        let unknown = DeliveryID(rawValue: 99)
        #expect(bench.scheduler.withdraw(ids[1], from: Bench.one, at: bench.now) == .removed)
        #expect(bench.scheduler.withdraw(ids[1], from: Bench.one, at: bench.now) == .unknown)
        #expect(bench.scheduler.withdraw(unknown, from: Bench.one, at: bench.now) == .unknown)
        #expect(bench.scheduler.withdraw(ids[2], from: Bench.two, at: bench.now) == .unknown)
        #expect(bench.scheduler.withdraw(ids[0], from: Bench.one, at: bench.now) == .running)
        guard case .retry = bench.finish(start, .greylisted) else {
            Issue.record("the verdict is still needed")
            return
        }
        #expect(bench.status.queued == 1, "it was not queued again")
    }

    @Test func givenBackWhileItRuns() {
        var bench = Bench()
        let ids = bench.enqueue(1)
        let start = bench.start()[0]
        _ = bench.scheduler.withdraw(ids[0], from: Bench.one, at: bench.now)
        bench.scheduler.enqueue(
            Entry(
                id: ids[0], destination: Bench.one, due: bench.now, received: bench.now,
                attempts: 0, size: 1, sender: 1),
            at: bench.now)
        #expect(bench.start().isEmpty, "not twice at a time")
        bench.finish(start, .greylisted)
        #expect(bench.status.delayed == 1)
    }

    @Test func duplicatesAndStrangersAreIgnored() {
        var bench = Bench()
        let ids = bench.enqueue(1)
        let entry = Entry(
            id: ids[0], destination: Bench.one, due: bench.now, received: bench.now,
            attempts: 0, size: 1, sender: 1)
        bench.scheduler.enqueue(entry, at: bench.now)
        #expect(bench.status.queued == 1)
        bench.enqueue(1, to: Bench.two)
        #expect(bench.scheduler.slots.count == 1)
        let start = bench.start()[0]
        bench.finish(start)
        #expect(bench.finish(start) == .gone)
        #expect(bench.status.running == 0)
    }

    @Test func pauseAndResume() {
        var bench = Bench()
        bench.enqueue(1)
        let until = bench.now + .seconds(60)
        bench.scheduler.pause(Bench.one, until: until, by: "ann", reason: "moving", at: bench.now)
        #expect(bench.start().isEmpty)
        #expect(bench.why.kind == .paused && bench.why.until == until)
        #expect(bench.why.line(at: bench.now) == "paused by ann: moving, 1 min more")
        #expect(bench.scheduler.nextWake(after: bench.now) == until)
        bench.now = until
        #expect(bench.status.paused == nil && bench.start().count == 1)
        bench.enqueue(1)
        bench.scheduler.pause(Bench.one, until: nil, by: "ann", reason: "", at: bench.now)
        #expect(bench.start().isEmpty)
        bench.scheduler.resume(Bench.one, at: bench.now)
        #expect(bench.start().count == 1)
    }

    @Test func nothingStartsWhileTheSpoolCannotRecord() {
        var bench = Bench()
        bench.enqueue(1)
        bench.enqueue(1, in: .seconds(1))
        bench.scheduler.setRecording(false, at: bench.now)
        bench.pass(.seconds(2))
        #expect(bench.start().isEmpty && bench.why.kind == .spool)
        // No timer in the past, which would make its caller spin.
        #expect(bench.scheduler.nextWake(after: bench.now)! > bench.now)
        bench.scheduler.setRecording(true, at: bench.now)
        #expect(bench.start().count == 2)
    }

    @Test func changesAreReportedOnce() {
        var bench = Bench()
        bench.scheduler.add(
            Bench.two, policy: DestinationPolicy(), snapshot: nil, at: bench.now)
        #expect(bench.scheduler.drainChanged() == [Bench.one, Bench.two])
        bench.enqueue(3)
        #expect(bench.scheduler.drainChanged() == [Bench.one])
        #expect(bench.scheduler.drainChanged() == [])
        bench.enqueue(1, to: Bench.two)
        _ = bench.start()
        #expect(bench.scheduler.drainChanged(limit: 1).count == 1)
        #expect(bench.scheduler.drainChanged().count == 1)
        _ = bench.scheduler.remove(Bench.two, at: bench.now)
        #expect(bench.scheduler.drainChanged() == [])
    }
}
