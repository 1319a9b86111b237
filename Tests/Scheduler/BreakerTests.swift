import Testing

@testable import Scheduler

@Suite struct BreakerTests {
    private var random = SplitMix64(seed: 7)
    private let retry = RetryPolicy()

    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test mutating func opensAfterACohort() {
        var breaker = Breaker()
        for failure in 1...5 {
            let opened = breaker.failed(
                0, next: 1, cohort: 5, running: 5, retry: retry, random: &random, at: at(1))
            #expect(opened == (failure == 5))
        }
        #expect(breaker.failures == 5)
        guard case .open(let until) = breaker.state(at: at(1)) else {
            Issue.record("not open")
            return
        }
        #expect(until >= at(31) && until < at(91))
        #expect(breaker.state(at: until) == .halfOpen)
        // Stragglers change nothing.
        #expect(
            !breaker.failed(
                0, next: 1, cohort: 5, running: 0, retry: retry, random: &random, at: at(2)))
        #expect(breaker.failures == 5 && breaker.state(at: at(2)) == .open(until: until))
    }

    @Test mutating func aSuccessInBetweenKeepsItClosed() {
        var breaker = Breaker()
        for _ in 0..<100 {
            for _ in 0..<4 {
                #expect(
                    !breaker.failed(
                        0, next: 1, cohort: 5, running: 5, retry: retry, random: &random,
                        at: at(1)))
            }
            #expect(breaker.succeeded(at: at(1)) == false)
        }
        #expect(breaker.state(at: at(1)) == .closed)
    }

    @Test mutating func opensWhenNothingElseRuns() {
        var breaker = Breaker()
        #expect(
            breaker.failed(
                0, next: 1, cohort: 5, running: 0, retry: retry, random: &random, at: at(1)))
    }

    /// A lost connection after mail went through is no outage; the third in a row is.
    @Test mutating func aLonelyFailureAfterSuccessIsForgiven() {
        var breaker = Breaker()
        _ = breaker.succeeded(at: at(0))
        for failure in 1...3 {
            let opened = breaker.failed(
                0, next: 1, cohort: 20, running: 0, retry: retry, random: &random, at: at(1))
            #expect(opened == (failure == 3))
        }
    }

    /// Over an outage of two hours: the times grow to the cap, stay below it, and fall again.
    @Test mutating func openTimes() {
        var breaker = Breaker()
        var now = at(0)
        var times: [Duration] = []
        while now < at(7200) {
            _ = breaker.failed(
                1, next: 1, cohort: 1, running: 0, retry: retry, random: &random, at: now)
            guard case .open(let until) = breaker.state(at: now) else { break }
            times.append(until - now)
            now = until
        }
        #expect(times.allSatisfy { $0 >= .seconds(30) && $0 <= .seconds(600) })
        #expect(times[0] < .seconds(90))
        #expect(times.max()! > .seconds(300))
        #expect(times.count <= 60)
        let before = breaker.previous
        #expect(breaker.succeeded(at: now) == true)
        #expect(breaker.previous == before / 2)
        for _ in 0..<64 { _ = breaker.succeeded(at: now) }
        #expect(breaker.previous == 0)
    }

    @Test mutating func stragglerEndsTheWaiting() {
        var breaker = Breaker()
        _ = breaker.failed(
            0, next: 1, cohort: 1, running: 1, retry: retry, random: &random, at: at(1))
        #expect(breaker.succeeded(at: at(2)) == false)
        #expect(breaker.state(at: at(2)) == .halfOpen)
        #expect(breaker.succeeded(at: at(3)) == true)
        #expect(breaker.state(at: at(3)) == .closed)
    }

    @Test mutating func continuesElsewhere() {
        var breaker = Breaker()
        _ = breaker.failed(
            0, next: 1, cohort: 1, running: 0, retry: retry, random: &random, at: at(1))
        guard case .open(let until) = breaker.state(at: at(1)) else { return }
        let other = Breaker(breaker.rest(at: at(11)), at: at(1000))
        #expect(other.state(at: at(1000)) == .open(until: at(1000) + (until - at(11))))
        #expect(other.failures == 1 && other.previous == breaker.previous)
    }
}

@Suite struct BackoffTests {
    private func waits(_ cause: Cause, _ retry: RetryPolicy, attempts: Int) -> [Double] {
        var random = SplitMix64(seed: 3)
        return (0..<500).map { _ in
            Backoff.wait(attempts: attempts, cause: cause, retry: retry, random: &random)
                .inSeconds
        }
    }

    @Test(
        arguments: [
            (1, 300.0, 360.0), (2, 300, 900), (3, 600, 1800), (4, 1200, 3600),
            (5, 1333, 4000), (6, 1333, 4000), (100, 1333, 4000), (65_535, 1333, 4000),
        ] as [(Int, Double, Double)])
    func recipient(attempts: Int, low: Double, high: Double) throws {
        let waits = waits(.recipient, RetryPolicy(), attempts: attempts)
        let (least, most) = (try #require(waits.min()), try #require(waits.max()))
        #expect(least >= low && most <= high)
        // Spread over the whole of it.
        #expect(least < low + (high - low) * 0.05 && most > high - (high - low) * 0.05)
    }

    @Test func destinationIsShort() {
        #expect(waits(.connect, RetryPolicy(), attempts: 1).allSatisfy { 30...36 ~= $0 })
        #expect(waits(.destination, RetryPolicy(), attempts: 50).allSatisfy { 200...600 ~= $0 })
    }

    @Test func fixedSchedule() {
        let retry = RetryPolicy(schedule: RetryPolicy.parseSchedule("1m,5m*2,1h"))
        for cause in Cause.allCases {
            let waits = (1...6).map { self.waits(cause, retry, attempts: $0)[0] }
            #expect(waits == [60, 300, 300, 3600, 3600, 3600])
        }
    }

    @Test func absurdPoliciesStillWait() {
        let retry = RetryPolicy(
            first: .seconds(9000), cap: .seconds(60), breakerFirst: .zero, breakerCap: .zero)
        #expect(waits(.recipient, retry, attempts: 3).allSatisfy { 20...60 ~= $0 })
        #expect(waits(.connect, retry, attempts: 1).allSatisfy { $0 == 1 })
    }
}
