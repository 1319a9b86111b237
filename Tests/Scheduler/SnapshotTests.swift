import Testing

@testable import Scheduler

@Suite struct SnapshotTests {
    private var sample: DestinationSnapshot {
        var bench = Bench(
            Limits(rate: Rate(text: "10/s"), burst: 7.5, connectionRate: Rate(text: "3/min")))
        bench.enqueue(50)
        for _ in 0..<10 {
            for start in bench.start() {
                bench.pass(.milliseconds(350))
                bench.finish(start, .settled, .idle)
            }
        }
        _ = bench.breakDown(reply: "421 4.7.28 zu schnell – später")
        return bench.scheduler.snapshot(Bench.one, at: bench.now)!
    }

    @Test func roundTrip() throws {
        let sample = sample
        #expect(sample.tokens != nil && sample.breaker.open != nil && sample.transaction > 0)
        #expect(sample.failure?.reply == "421 4.7.28 zu schnell – später")
        #expect(DestinationSnapshot(decoding: sample.encoded) == sample)
        let fresh = try #require(Bench().scheduler.snapshot(Bench.one, at: Bench().now))
        #expect(DestinationSnapshot(decoding: fresh.encoded) == fresh)
        #expect(fresh.encoded.count < 200)
    }

    @Test func longReplies() throws {
        var bench = Bench()
        bench.enqueue(10)
        _ = bench.breakDown(reply: String(repeating: "ü", count: 5000))
        let snapshot = try #require(bench.scheduler.snapshot(Bench.one, at: bench.now))
        #expect(snapshot.failure?.reply.utf8.count == 400)
        #expect(DestinationSnapshot(decoding: snapshot.encoded) == snapshot)

        // The limit lies within a character.
        bench = Bench()
        bench.enqueue(10)
        _ = bench.breakDown(reply: "x" + String(repeating: "ü", count: 5000))
        let cut = try #require(bench.scheduler.snapshot(Bench.one, at: bench.now))
        let again = try #require(DestinationSnapshot(decoding: cut.encoded))
        #expect(again.encoded == cut.encoded && again.failure?.reply.hasSuffix("ü") == true)
    }

    /// Stored for longer than any clock counts, it can still be read, and worked with.
    @Test func agesInStorage() throws {
        var bench = Bench(Limits(rate: Rate(text: "10/s")))
        bench.enqueue(50)
        _ = bench.breakDown(.destination, reply: "421 4.7.28 slow down")
        var snapshot = try #require(bench.scheduler.snapshot(Bench.one, at: bench.now))
        for _ in 0..<3 { snapshot = snapshot.advanced(by: .nanoseconds(Int64.max)) }
        #expect(DestinationSnapshot(decoding: snapshot.encoded) == snapshot)
        let late = Instant(nanoseconds: .max - 5)
        let early = Instant(nanoseconds: .min + 5)
        #expect(late - early == .nanoseconds(Int64.max) && early - late == .nanoseconds(Int64.min))
        #expect(early + .nanoseconds(-10) == Instant(nanoseconds: .min))
        #expect(late + .nanoseconds(10) == .distantFuture)
    }

    @Test func damage() {
        let bytes = sample.encoded
        for length in 0..<bytes.count {
            #expect(DestinationSnapshot(decoding: bytes.prefix(length)) == nil)
        }
        #expect(DestinationSnapshot(decoding: bytes + [0]) == nil)
        // Whatever is flipped, it is refused or is a snapshot that works.
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 0xFF
            guard let snapshot = DestinationSnapshot(decoding: damaged) else { continue }
            var scheduler = Scheduler(seed: 1)
            let now = Instant(nanoseconds: 5)
            scheduler.add(
                Bench.one, policy: DestinationPolicy(limits: Limits(rate: Rate(text: "1/s"))),
                snapshot: snapshot, at: now)
            #expect(scheduler.status(Bench.one, at: now)!.window <= 20)
        }
    }

    @Test func timeInStorage() {
        let sample = sample
        let later = sample.advanced(by: .seconds(10))
        #expect(later.breaker.open! == sample.breaker.open! - 10_000_000_000)
        #expect(later.tokens!.debt == 0)
        #expect(sample.advanced(by: .seconds(-5)) == sample)
    }

    @Test func drained() {
        var scheduler = Scheduler(seed: 1)
        let now = Instant(nanoseconds: 5)
        scheduler.add(
            Bench.one,
            policy: DestinationPolicy(
                limits: Limits(
                    rate: Rate(text: "10/s"), burst: 7.5, connectionRate: Rate(text: "3/min"))),
            snapshot: sample.drained, at: now)
        let status = scheduler.status(Bench.one, at: now)!
        #expect(status.tokens! == 0 && status.burst! == 7.5)
    }
}
