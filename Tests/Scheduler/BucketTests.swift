import Testing

@testable import Scheduler

@Suite struct BucketTests {
    private func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: Int64((seconds * 1e9).rounded()))
    }

    private func bucket(_ text: String, _ burst: Double?) throws -> Bucket {
        Bucket(rate: try #require(Rate(text: text)), burst: burst, at: at(0))
    }

    @Test func burstThenRate() throws {
        var bucket = try bucket("10/s", 3)
        for left in [2.0, 1, 0] {
            #expect(bucket.available(from: at(0)) == at(0))
            bucket.take(at: at(0))
            #expect(bucket.tokens(at: at(0)) == left)
        }
        #expect(bucket.available(from: at(0)) == at(0.1))
        #expect(bucket.tokens(at: at(0.05)) == 0.5)
        bucket.take(at: at(0.1))
        #expect(bucket.available(from: at(0.1)) == at(0.2))
        #expect(bucket.tokens(at: at(100)) == 3)
    }

    @Test func defaultBurst() throws {
        #expect(try bucket("100/s", nil).burst == 100)
        #expect(try bucket("10/h", nil).burst == 1)
        #expect(try bucket("100/s", 0).burst == 1)
    }

    @Test func slowRate() throws {
        var bucket = try bucket("10/h", nil)
        bucket.take(at: at(0))
        #expect(bucket.available(from: at(1)) == at(360))
        bucket.take(at: at(1000))
        #expect(bucket.available(from: at(1000)) == at(1360))
    }

    @Test func configureKeepsTokens() throws {
        var bucket = try bucket("10/s", 10)
        for _ in 0..<6 { bucket.take(at: at(0)) }
        bucket.configure(rate: try #require(Rate(text: "1/s")), burst: 20, at: at(0))
        #expect(bucket.tokens(at: at(0)) == 4)
        #expect(bucket.tokens(at: at(3)) == 7)
        bucket.configure(rate: try #require(Rate(text: "1/s")), burst: 2, at: at(3))
        #expect(bucket.tokens(at: at(3)) == 2)
        bucket.empty(at: at(3))
        #expect(bucket.tokens(at: at(3)) == 0)
        #expect(bucket.available(from: at(3)) == at(4))
    }

    /// Whatever the pattern of takers, no interval sees more than burst + rate·t.
    @Test(arguments: 0..<40)
    func neverMoreThanBurstPlusRate(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let rate = Rate(
            count: Double.random(in: 0.5...50, using: &random),
            period: .seconds(Int.random(in: 1...60, using: &random)))!
        let burst = Double.random(in: 1...8, using: &random)
        var bucket = Bucket(rate: rate, burst: burst, at: at(0))
        var now = at(0)
        var taken: [Instant] = []
        while taken.count < 200 {
            let next = bucket.available(from: now)
            if next == now {
                bucket.take(at: now)
                taken.append(now)
                if Int.random(in: 0..<10, using: &random) == 0 {
                    let rest = bucket.rest(at: now)
                    bucket = Bucket(rest, at: now)
                }
            } else if Bool.random(using: &random) {
                now = next
            } else {
                let step = Double.random(in: 0...(5 / rate.perSecond), using: &random)
                now = now + .seconds(step)
            }
        }
        for first in taken.indices {
            for last in first..<taken.count {
                let time = (taken[last] - taken[first]).inSeconds
                let allowed = burst + rate.perSecond * time
                #expect(Double(last - first + 1) <= allowed + 1e-6)
            }
        }
    }
}
