import Testing

@testable import Scheduler

/// The learned rate of new connections.
@Suite struct ConnectionRateTests {
    private static let hurried = AttemptResult.deferred(
        .hurried, reply: "421 4.7.0 Connection rate limit exceeded")

    /// A receiver that takes one message for each of so many connections; what was refused, and how
    /// long it took.
    private func send(
        _ bench: inout Bench, _ count: Int, _ rate: String, _ refusal: AttemptResult
    ) -> (refused: Int, time: Duration) {
        bench.enqueue(count)
        let began = bench.now
        var bucket = Bucket(rate: Rate(text: rate)!, burst: 5, at: bench.now)
        var (taken, refused) = (0, 0)
        var running: [(start: Start, end: Instant, isIn: Bool)] = []
        while taken < count {
            for start in bench.start() {
                let isIn =
                    start.connection == .reuse || bucket.available(from: bench.now) == bench.now
                if isIn, start.connection == .open { bucket.take(at: bench.now) }
                running.append((start, bench.now + .milliseconds(isIn ? 200 : 50), isIn))
            }
            running.sort { $0.end < $1.end }
            let wake = bench.scheduler.nextWake(after: bench.now) ?? .distantFuture
            bench.now = max(bench.now, min(wake, running.first?.end ?? wake))
            while let (start, end, isIn) = running.first, end <= bench.now {
                running.removeFirst()
                bench.finish(start, isIn ? .settled : refusal)
                if isIn { taken += 1 } else { refused += 1 }
            }
        }
        return (refused, bench.now - began)
    }

    @Test(arguments: [
        hurried, .deferred(.crowded, reply: "421 4.3.2 try again later"),
    ])
    func isLearned(refusal: AttemptResult) throws {
        var bench = Bench(Limits(concurrency: 20))
        _ = send(&bench, 300, "2/s", refusal)
        let (refused, time) = send(&bench, 600, "2/s", refusal)
        #expect(refused <= 18, "\(refused) of 600 refused")
        #expect(time <= .seconds(345), "300 s would do: \(time)")
        let rate = try #require(bench.status.learnedConnectionRate)
        #expect(rate >= 1.6 && rate <= 2.2, "\(rate)")
        #expect(bench.status.learnedRate == nil)
    }

    @Test func isSaidAndHandedOver() throws {
        var bench = Bench(Limits(concurrency: 20))
        _ = send(&bench, 200, "1/s", Self.hurried)
        bench.enqueue(10)
        let first = bench.start()
        #expect(first.count <= 2)
        #expect(bench.why.kind == .learnedConnectionRate)
        #expect(bench.why.text.contains("/") && bench.why.text.contains("new connections"))
        let wait = try #require(bench.why.until) - bench.now
        let snapshot = try #require(bench.scheduler.snapshot(Bench.one, at: bench.now))
        let rate = bench.status.learnedConnectionRate

        var other = Bench(Limits(concurrency: 20))
        _ = other.scheduler.remove(Bench.one, at: other.now)
        other.scheduler.add(
            Bench.one, policy: DestinationPolicy(),
            snapshot: DestinationSnapshot(decoding: snapshot.encoded), at: other.now)
        other.enqueue(10)
        #expect(other.start().isEmpty)
        #expect(other.status.learnedConnectionRate == rate)
        #expect(other.why.kind == .learnedConnectionRate)
        #expect(try #require(other.why.until) - other.now == wait)
    }

    /// Kept connections need no new ones.
    @Test func aKeptConnectionIsNotHeldBack() {
        var bench = Bench(Limits(concurrency: 20))
        _ = send(&bench, 200, "1/s", Self.hurried)
        bench.enqueue(20)
        bench.pass(.seconds(2))
        var starts = bench.start(1)
        for _ in 0..<10 {
            bench.finish(starts[0], .settled, .idle)
            starts = bench.start(1)
            #expect(starts.first?.connection == .reuse)
        }
    }

    /// A machine of several that is not well looks like it, and is not: as much is refused however
    /// slow it goes.
    @Test func aBadMachineIsNotARate() {
        var bench = Bench(Limits(concurrency: 20))
        var random = SplitMix64(seed: 3)
        bench.enqueue(20_000)
        let began = bench.now
        var done = 0
        while bench.now - began < .seconds(600) {
            for start in bench.start() {
                let isBad = Int.random(in: 0..<4, using: &random) == 0
                bench.finish(start, isBad ? .deferred(.crowded, reply: "421") : .settled)
                done += isBad ? 0 : 1
            }
            bench.pass(.milliseconds(500))
        }
        #expect(done >= 12_600, "\(done) of 18,000")
    }

    @Test(arguments: [
        ("421 4.7.0 Connection rate limit exceeded", Stage.greeting, Cause.hurried),
        ("421 Too many connections in a short time", .ehlo, .hurried),
        ("421 4.7.1 You are connecting too often", .mail, .hurried),
        ("421 rate limited", .greeting, .hurried),
        ("421 Too many concurrent connections", .greeting, .crowded),
        ("421 4.3.2 Service not available", .greeting, .crowded),
        ("421 4.7.0 too many connections from 192.0.2.1", .rcpt, .crowded),
        ("421 4.7.28 rate limited", .dot, .destination),
    ])
    func words(text: String, stage: Stage, cause: Cause) {
        #expect(
            Classification.classify(code: 421, enhanced: nil, text: text, stage: stage) == cause)
    }
}
