import Mail
import Testing

@testable import Scheduler

/// Each reason by itself, and their order where there are several.
@Suite struct WaitTests {
    private func kinds(_ bench: Bench) -> [Wait.Kind] {
        bench.scheduler.waits(Bench.one, at: bench.now).map(\.kind)
    }

    @Test func nothing() {
        var bench = Bench()
        #expect(kinds(bench).isEmpty && bench.why.text == "nothing queued")
        bench.enqueue(1)
        #expect(kinds(bench).isEmpty && bench.why.text == "next in turn")
        _ = bench.start()
        #expect(kinds(bench).isEmpty && bench.why.text == "all being sent")
    }

    @Test func window() {
        var bench = Bench(Limits(concurrency: 20, initialWindow: 5))
        bench.enqueue(6)
        _ = bench.start()
        #expect(bench.why.text == "window 5 of 5 busy")
        #expect(bench.why.facts.busy == 5 && bench.why.facts.window == 5)
        #expect(bench.why.facts.limit == 20)
    }

    @Test func connectionRate() {
        var bench = Bench(Limits(concurrency: 20, connectionRate: Rate(text: "2/min")))
        bench.enqueue(5)
        _ = bench.start()
        #expect(kinds(bench) == [.connectionRate])
        #expect(bench.why.until == bench.now + .seconds(30))
        #expect(bench.why.facts.rate == 2.0 / 60)
    }

    @Test func learnedRate() {
        var bench = Bench(Limits(concurrency: 50, initialWindow: 50))
        var refused = 0
        // Fifty at once are borne, and what comes in the same second is not.
        for round in 0..<40 {
            bench.enqueue(50)
            for (index, start) in bench.start().enumerated() {
                let isRefused = index >= 10 && round > 2
                refused += isRefused ? 1 : 0
                bench.finish(start, isRefused ? .busy : .settled, .idle)
            }
            bench.pass(.milliseconds(500))
            if bench.status.learnedRate != nil { break }
        }
        #expect(refused > 0 && bench.status.learnedRate != nil)
        bench.enqueue(100)
        for _ in 0..<1000 where !kinds(bench).contains(.learnedRate) {
            let starts = bench.start()
            for start in starts { bench.finish(start, .settled, .idle) }
            if starts.isEmpty { bench.pass(.milliseconds(1)) }
        }
        let wait = bench.scheduler.waits(Bench.one, at: bench.now).first {
            $0.kind == .learnedRate
        }
        #expect(wait?.text.hasPrefix("the receiver bears ") == true)
        #expect(wait?.facts.rate == bench.status.learnedRate)
        #expect(wait?.until.map { $0 > bench.now } == true)
    }

    @Test func severalAreRanked() {
        var bench = Bench(
            Limits(concurrency: 2, rate: Rate(text: "2/min"), burst: 2, initialWindow: 2))
        bench.enqueue(4)
        bench.enqueue(3, in: .seconds(600), attempts: 1)
        _ = bench.start()
        #expect(kinds(bench) == [.tokens, .window, .schedule])
        #expect(
            bench.scheduler.waits(Bench.one, at: bench.now).map { $0.line(at: bench.now) } == [
                "0 of 2 tokens, next in 30 s", "window 2 of 2 busy",
                "3 wait for their retry time, in 10 min",
            ])
        bench.scheduler.setRecording(false, at: bench.now)
        bench.scheduler.pause(
            Bench.one, until: bench.now + .seconds(90), by: "ann", reason: "", at: bench.now)
        #expect(kinds(bench) == [.paused, .spool, .tokens, .window, .schedule])
        #expect(bench.why.line(at: bench.now) == "paused by ann, 1 min 30 s more")
        #expect(bench.why.facts.by == "ann" && bench.why.facts.reason == nil)
    }

    @Test func breakerAndProbe() {
        var bench = Bench()
        bench.enqueue(20)
        _ = bench.breakDown(reply: "421 4.7.28 slow down")
        #expect(bench.why.kind == .breaker)
        #expect(bench.why.line(at: bench.now).hasPrefix("backing off after 421 4.7.28 slow down, "))
        #expect(bench.why.line(at: bench.now).contains("probe in "))
        #expect(bench.why.facts.reply == "421 4.7.28 slow down")
        #expect(bench.why.facts.attempts == bench.status.failures)
        bench.untilProbe()
        #expect(bench.start().count == 1)
        #expect(kinds(bench).first == .probing)
    }

    // MARK: Of one delivery

    @Test func deliveryBeingSent() {
        var bench = Bench()
        let id = bench.enqueue()[0]
        #expect(bench.scheduler.explain(delivery: id, at: bench.now).text == "next in turn")
        _ = bench.start()
        #expect(bench.scheduler.waits(delivery: id, at: bench.now).isEmpty)
        #expect(bench.scheduler.explain(delivery: id, at: bench.now).text == "being sent")
        let other = DeliveryID(message: MessageID(rawValue: 999), ordinal: 0)
        #expect(bench.scheduler.explain(delivery: other, at: bench.now).kind == .worker)
    }

    /// Limits do not matter to what is not due; a pause and the breaker do.
    @Test func deliveryThatIsNotDue() {
        var bench = Bench(Limits(concurrency: 1, rate: Rate(text: "1/h"), burst: 1))
        let id = bench.enqueue(1, in: .seconds(600), attempts: 3)[0]
        bench.enqueue(5)
        _ = bench.start()
        func waits() -> [Wait] { bench.scheduler.waits(delivery: id, at: bench.now) }
        #expect(kinds(bench) == [.tokens, .window, .schedule])
        #expect(waits().map(\.kind) == [.schedule])
        #expect(waits()[0].text == "waits for its retry time after 3 attempts")
        // What ends first is told last.
        bench.scheduler.pause(
            Bench.one, until: bench.now + .seconds(60), by: "ann", reason: "", at: bench.now)
        #expect(waits().map(\.kind) == [.schedule, .paused])
        bench.scheduler.pause(Bench.one, until: nil, by: "ann", reason: "", at: bench.now)
        #expect(waits().map(\.kind) == [.paused, .schedule])
        bench.pass(.seconds(600))
        _ = bench.scheduler.next(at: bench.now)
        #expect(waits().map(\.kind) == [.paused, .tokens, .window])
    }
}
