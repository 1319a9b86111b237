import Testing

@testable import Scheduler

/// A learned rate, against a bucket of one's own making.
@Suite struct PaceTests {
    /// What it takes, and a clock.
    private struct Receiver {
        var bucket: Bucket
        var now = Instant(nanoseconds: 1_000_000_000_000)
        var pace: Pace
        var serial: Int64 = 0
        var (taken, refused) = (0, 0)

        init(_ rate: String, burst: Double, pace: Pace? = nil) {
            bucket = Bucket(rate: Rate(text: rate)!, burst: burst, at: now)
            self.pace = pace ?? Pace(at: now)
        }

        /// As fast as the learned rate allows, or ten in a second.
        mutating func run(_ seconds: Int) {
            (taken, refused) = (0, 0)
            let end = now + .seconds(seconds)
            while now < end {
                now = now + .seconds(1 / min(10, pace.learned ?? 10))
                serial += 1
                if bucket.available(from: now) == now {
                    bucket.take(at: now)
                    taken += 1
                    _ = pace.accepted(isUsed: pace.rate > 0, isLast: false, at: now)
                } else {
                    refused += 1
                    _ = pace.refused(serial, next: serial + 1, at: now)
                }
            }
        }
    }

    @Test(arguments: [("2/s", 10.0), ("1/s", 1), ("20/min", 5)] as [(String, Double)])
    func settlesJustBelow(rate: String, burst: Double) {
        var receiver = Receiver(rate, burst: burst)
        receiver.run(300)
        receiver.run(3600)
        let share = Double(receiver.taken) / (Rate(text: rate)!.perSecond * 3600)
        #expect(share >= 0.9, "\(share) of the rate")
        let refused = Double(receiver.refused) / Double(receiver.taken + receiver.refused)
        #expect(refused <= 0.03, "\(refused) refused")
    }

    @Test func risesAgainSlowly() {
        var receiver = Receiver("1/s", burst: 3)
        receiver.run(600)
        let before = receiver.pace.rate
        receiver.bucket = Bucket(rate: Rate(text: "4/s")!, burst: 3, at: receiver.now)
        receiver.run(20)
        #expect(receiver.pace.rate < before * 1.5, "not at once")
        receiver.run(3600)
        #expect(receiver.pace.rate > 3, "but it does: \(receiver.pace.rate)")
    }

    /// All of it goes along to another worker, in the middle of an interval too: the same results
    /// teach the same there.
    @Test(arguments: 1...40)
    func aHandOverChangesNothing(seconds: Int) throws {
        var here = Receiver("2/s", burst: 8)
        here.run(seconds * 7)
        var rest = try #require(here.pace.rest(at: here.now))
        var snapshot = Bench().scheduler.snapshot(Bench.one, at: Bench().now)!
        snapshot.pace = rest
        rest = try #require(DestinationSnapshot(decoding: snapshot.encoded)?.pace)
        var there = here
        there.pace = Pace(rest, at: here.now)
        there.serial = 0
        here.run(600)
        there.run(600)
        #expect(abs(here.pace.rate - there.pace.rate) <= here.pace.rate * 1e-6)
        #expect(here.taken == there.taken && here.refused == there.refused)
    }

    /// What lay stored does not count the time in storage as time in which nothing was taken.
    @Test func storageBreaksTheInterval() throws {
        var here = Receiver("2/s", burst: 8)
        here.run(100)
        let rest = try #require(here.pace.rest(at: here.now))
        #expect(rest.isExact && rest.peak > 0)
        let later = rest.advanced(by: 3_600_000_000_000)
        #expect(!later.isExact && later.taken == 0 && later.rate == rest.rate)
        #expect(rest.advanced(by: 1_000_000_000).isExact)
    }

    /// A refusal that names the rate is believed before anything was taken.
    @Test func aNamedRateIsBelieved() {
        let now = Instant(nanoseconds: 1_000_000_000_000)
        var pace = Pace(at: now)
        var hasChanged = pace.refused(0, next: 1, isNamed: true, at: now)
        #expect(hasChanged && pace.rate > 0)
        hasChanged = pace.gaveUp()
        #expect(!hasChanged && pace.rate > 0)
        pace = Pace(at: now)
        hasChanged = pace.refused(0, next: 1, at: now)
        #expect(!hasChanged && pace.rate == 0)
    }
}
