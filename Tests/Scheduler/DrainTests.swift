import Mail
import Testing

@testable import Scheduler

@Suite struct DrainTests {
    /// What was learned by sending a few that took this long.
    private func snapshot(
        _ limits: Limits, taking time: Duration, count: Int = 1
    ) -> DestinationSnapshot {
        var bench = Bench(limits)
        bench.enqueue(count)
        bench.drain(taking: time)
        bench.pass(.seconds(3600))
        return bench.scheduler.snapshot(Bench.one, at: bench.now)!
    }

    private func forecast(
        _ queue: Drain.Queue, _ limits: Limits, _ snapshot: DestinationSnapshot?,
        pausedFor: Duration? = nil, isHalfOpen: Bool = false, steps: Int = 5000
    ) -> Drain? {
        Drain.forecast(
            queue, policy: DestinationPolicy(limits: limits), snapshot: snapshot,
            pausedFor: pausedFor, isHalfOpen: isHalfOpen, steps: steps)
    }

    @Test func rate() {
        let limits = Limits(concurrency: 20, rate: Rate(text: "5/s"), burst: 5)
        let drain = forecast(Drain.Queue(ready: 1240), limits, nil)
        // Five at once, and 1235 at five a second.
        #expect(drain?.time == .seconds(247) && drain?.bound == .rate && drain?.perSecond == 5)
        #expect(forecast(Drain.Queue(ready: 0), limits, nil)?.time == .zero)
    }

    /// Where a connection takes so many messages, new ones decide; unless one takes all.
    @Test func connectionRate() {
        var limits = Limits(connectionRate: Rate(text: "2/min"), messagesPerConnection: 1)
        let known = snapshot(limits, taking: .seconds(1))
        let drain = forecast(Drain.Queue(ready: 5), limits, known)!
        // One at once, and four of two a minute.
        #expect(drain.time == .seconds(121) && drain.bound == .connectionRate)
        #expect(abs(drain.perSecond! - 2.0 / 60) < 1e-9)
        let rough = forecast(Drain.Queue(ready: 1000), limits, known, steps: 20)!
        #expect(abs(rough.time.inSeconds / 30_000 - 1) < 0.01)
        #expect(forecast(Drain.Queue(ready: 5), limits, nil)?.time == .seconds(120))

        limits.messagesPerConnection = 10
        let tens = forecast(Drain.Queue(ready: 100), limits, known)!
        #expect(abs(tens.time.inSeconds / 280 - 1) < 0.05 && tens.bound == .connectionRate)
        limits.messagesPerConnection = nil
        let free = forecast(Drain.Queue(ready: 5), limits, known)!
        #expect(free.time == .seconds(5) && free.bound == .window)
    }

    /// The present limits: nothing says that the receiver would bear more.
    @Test func whatWasLearnedStays() {
        var bench = Bench(Limits(concurrency: 20, initialWindow: 5))
        bench.enqueue(400)
        // A burst is taken, and no more: what is tried next goes up quickly.
        for _ in 0..<6 {
            let starts = bench.start()
            bench.pass(.milliseconds(100))
            for start in starts { bench.finish(start, .settled, .idle) }
        }
        for start in bench.start() { bench.finish(start, .busy) }
        let known = bench.scheduler.snapshot(Bench.one, at: bench.now)!
        let rate = bench.status.learnedRate!
        let drain = forecast(Drain.Queue(ready: 300), Limits(), known)!
        #expect(drain.bound == .learnedRate && drain.perSecond == rate)
        #expect(abs(drain.time.inSeconds * rate / 300 - 1) < 0.05)
    }

    @Test func windowOpensAndThenDecides() {
        let limits = Limits(concurrency: 10, initialWindow: 5)
        let known = snapshot(limits, taking: .seconds(2))
        let drain = forecast(Drain.Queue(ready: 2000), limits, known)!
        #expect(drain.bound == .window && drain.perSecond == 5)
        // At ten at a time 400 s, and a little more while the window opens.
        #expect(400...430 ~= drain.time.inSeconds)
    }

    /// The same seen from far and from near.
    @Test func whatIsNotRunIsReckoned() {
        let limits = Limits(concurrency: 10, rate: Rate(text: "50/s"), burst: 100)
        let known = snapshot(limits, taking: .milliseconds(100), count: 200)
        let exact = forecast(Drain.Queue(ready: 4000), limits, known)!
        for steps in [32, 200, 1000] {
            let rough = forecast(Drain.Queue(ready: 4000), limits, known, steps: steps)!
            #expect(abs(rough.time.inSeconds / exact.time.inSeconds - 1) < 0.05)
        }
    }

    @Test func nothingTells() {
        #expect(forecast(Drain.Queue(ready: 5), Limits(), nil) == nil)
        let known = snapshot(Limits(), taking: .seconds(1))
        #expect(
            forecast(
                Drain.Queue(ready: 5), Limits(), known, pausedFor: Duration.nanoseconds(Int64.max))
                == nil)
    }

    @Test func pauseAndBreakerCome() {
        let limits = Limits(concurrency: 5)
        let known = snapshot(limits, taking: .seconds(1), count: 20)
        let free = forecast(Drain.Queue(ready: 50), limits, known)!
        let paused = forecast(Drain.Queue(ready: 50), limits, known, pausedFor: .seconds(90))!
        #expect(paused.time == free.time + .seconds(90))

        var bench = Bench(limits)
        bench.enqueue(60)
        for start in bench.start() {
            bench.pass(.seconds(1))
            bench.finish(start, .settled, .idle)
        }
        _ = bench.breakDown()
        let open = bench.scheduler.snapshot(Bench.one, at: bench.now)!
        let left = bench.status.breakerUntil! - bench.now
        let later = forecast(Drain.Queue(ready: 20), limits, open)!
        #expect(later.time > left)
        let now = forecast(Drain.Queue(ready: 20), limits, open, isHalfOpen: true)!
        // One probe, then a ramp: longer than the window alone would take.
        #expect(now.time < left && now.time > .seconds(4))
        #expect(abs((later.time - left).inSeconds - now.time.inSeconds) < 0.01)
    }

    @Test func retryTimesDecide() {
        let limits = Limits(concurrency: 5)
        let known = snapshot(limits, taking: .seconds(1))
        let drain = forecast(
            Drain.Queue(ready: 3, delayed: 10, firstDue: .seconds(60), lastDue: .seconds(300)),
            limits, known)
        #expect(drain?.time == .seconds(301) && drain?.bound == .schedule)
        #expect(drain?.perSecond == nil)
    }

    /// What the destination suspended follows its first success.
    @Test func suspendedMailFollows() {
        let limits = Limits(concurrency: 5)
        let known = snapshot(limits, taking: .seconds(1))
        let drain = forecast(
            Drain.Queue(ready: 1, suspended: 100, firstDue: .seconds(3000)), limits, known)!
        #expect(15...60 ~= drain.time.inSeconds)
    }

    /// The forecast is what then happens.
    @Test func comesTrue() {
        let limits = Limits(concurrency: 8, rate: Rate(text: "20/s"), burst: 30)
        var bench = Bench(limits)
        bench.enqueue(100)
        bench.drain(taking: .milliseconds(250))
        bench.enqueue(700)
        let drain = forecast(
            Drain.Queue(ready: 700), limits, bench.scheduler.snapshot(Bench.one, at: bench.now))!
        let began = bench.now
        var running: [(end: Instant, start: Start)] = []
        while bench.status.queued > 0 {
            running += bench.start().map { (bench.now + .milliseconds(250), $0) }
            let wake = bench.scheduler.nextWake(after: bench.now) ?? .distantFuture
            bench.now = min(running.first?.end ?? wake, wake)
            while let (end, start) = running.first, end <= bench.now {
                running.removeFirst()
                bench.finish(start, .settled, .idle)
            }
        }
        #expect(abs((bench.now - began).inSeconds - drain.time.inSeconds) < 0.001)
    }
}
