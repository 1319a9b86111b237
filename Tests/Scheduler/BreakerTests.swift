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
                .connect, 0, next: 1, cohort: 5, running: 5, started: at(0), retry: retry,
                random: &random, at: at(1))
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
                .connect, 0, next: 1, cohort: 5, running: 0, started: at(0), retry: retry,
                random: &random, at: at(2)))
        #expect(breaker.failures == 5 && breaker.state(at: at(2)) == .open(until: until))
    }

    @Test mutating func aSuccessInBetweenKeepsItClosed() {
        var breaker = Breaker()
        for _ in 0..<100 {
            for _ in 0..<4 {
                #expect(
                    !breaker.failed(
                        .connect, 0, next: 1, cohort: 5, running: 5, started: at(0), retry: retry,
                        random: &random, at: at(1)))
            }
            #expect(breaker.succeeded(at: at(1)) == false)
        }
        #expect(breaker.state(at: at(1)) == .closed)
    }

    @Test mutating func opensWhenNothingElseRuns() {
        var breaker = Breaker()
        #expect(
            breaker.failed(
                .connect, 0, next: 1, cohort: 5, running: 0, started: at(0), retry: retry,
                random: &random, at: at(1)))
    }

    /// A lost connection after mail went through is no outage; the third in a row is.
    @Test mutating func aLonelyFailureAfterSuccessIsForgiven() {
        var breaker = Breaker()
        _ = breaker.succeeded(at: at(0))
        for failure in 1...3 {
            let opened = breaker.failed(
                .connect, 0, next: 1, cohort: 20, running: 0, started: at(0), retry: retry,
                random: &random, at: at(1))
            #expect(opened == (failure == 3))
        }
    }

    /// When probes go in an outage, in seconds from its beginning; each hangs for `time`.
    private func probes(
        seed: UInt64, hanging time: Duration = .zero, until end: Int64 = 7200
    ) -> [Double] {
        var random = SplitMix64(seed: seed)
        var breaker = Breaker()
        var probes: [Double] = []
        var now = at(0)
        _ = breaker.failed(
            .connect, 1, next: 1, cohort: 1, running: 0, started: now, retry: retry,
            random: &random,
            at: now)
        while case .open(let until) = breaker.state(at: now) {
            guard until < at(end) else { return probes }
            probes.append((until - at(0)).inSeconds)
            now = until + time
            _ = breaker.failed(
                .connect, 1, next: 1, cohort: 1, running: 0, started: until, retry: retry,
                random: &random, at: now)
        }
        return probes
    }

    /// The first one soon, then rarely; no more than thirty in two hours.
    @Test func probesInAnOutage() {
        let outages = (UInt64(1)...200).map { probes(seed: $0) }
        #expect(outages.allSatisfy { 30..<40 ~= $0[0] })
        for probes in outages {
            let times = zip(probes.dropFirst(), probes).map { $0 - $1 }
            // A short outage is not waited out for minutes.
            #expect(66...137 ~= times[0])
            #expect(times.dropFirst().allSatisfy { 140...341 ~= $0 })
            #expect(times.dropFirst(2).allSatisfy { 169...341 ~= $0 })
        }
        let counts = outages.map(\.count)
        #expect(counts.count { $0 <= 30 } >= 190, "\(counts)")
        // Those that began together are apart.
        let third = outages.map { $0[2] }
        #expect(third.max()! - third.min()! > 80)
    }

    /// However long an outage lasts, it is noticed that it is over within six minutes, two in
    /// the median.
    @Test func recoveryIsNoticed() {
        var random = SplitMix64(seed: 5)
        let delays = (UInt64(1)...400).map { seed in
            let end = random.duration(.seconds(3600), .seconds(43_200)).inSeconds
            return probes(seed: seed, until: 90_000).first { $0 >= end }! - end
        }.sorted()
        #expect(110...135 ~= delays[200])
        #expect(delays[399] <= 341)
    }

    /// A probe that hangs for half a minute does not put off the next one.
    @Test func hangingProbes() {
        let counts = (UInt64(1)...20).map { probes(seed: $0, hanging: .seconds(30)).count }
        #expect(counts.allSatisfy { 29...31 ~= $0 }, "\(counts)")
        // One that hangs longer than the distance still has a pause after it.
        let times = probes(seed: 1, hanging: .seconds(300))
        let pauses = zip(times.dropFirst(), times).map { $0 - $1 - 300 }
        #expect(pauses.allSatisfy { $0 >= 29.9 })
    }

    /// After it worked again the times begin anew, but not at once.
    @Test mutating func successShortensTheTimes() {
        var breaker = Breaker()
        var now = at(0)
        for _ in 0..<5 {
            _ = breaker.failed(
                .connect, 1, next: 1, cohort: 1, running: 0, started: now, retry: retry,
                random: &random, at: now)
            if case .open(let until) = breaker.state(at: now) { now = until }
        }
        let before = breaker.previous
        #expect(before > 200_000_000_000)
        #expect(breaker.succeeded(at: now) == true)
        #expect(breaker.previous == before / 2 && breaker.shift == 0)
        for _ in 0..<64 { _ = breaker.succeeded(at: now) }
        #expect(breaker.previous == 0)
    }

    /// Of the operator's: the first is the shortest, the cap the longest.
    @Test(arguments: [(1, 2), (60, 60), (300, 120), (10, 3600), (0, 0)] as [(Int64, Int64)])
    func otherTimes(first: Int64, cap: Int64) {
        let retry = RetryPolicy(breakerFirst: .seconds(first), breakerCap: .seconds(cap))
        var random = SplitMix64(seed: 2)
        var breaker = Breaker()
        var now = at(0)
        for _ in 0..<50 {
            _ = breaker.failed(
                .connect, 1, next: 1, cohort: 1, running: 0, started: now, retry: retry,
                random: &random, at: now)
            guard case .open(let until) = breaker.state(at: now) else { break }
            let time = (until - now).inSeconds
            let cap = Double(max(1, cap))
            #expect(time >= min(Double(max(1, first)), cap) && time <= cap)
            now = until
        }
    }

    @Test mutating func stragglerEndsTheWaiting() {
        var breaker = Breaker()
        _ = breaker.failed(
            .connect, 0, next: 1, cohort: 1, running: 1, started: at(0), retry: retry,
            random: &random, at: at(1))
        #expect(breaker.succeeded(at: at(2)) == false)
        #expect(breaker.state(at: at(2)) == .halfOpen)
        #expect(breaker.succeeded(at: at(3)) == true)
        #expect(breaker.state(at: at(3)) == .closed)
    }

    @Test mutating func continuesElsewhere() {
        var breaker = Breaker()
        _ = breaker.failed(
            .connect, 0, next: 1, cohort: 1, running: 0, started: at(0), retry: retry,
            random: &random, at: at(1))
        guard case .open(let until) = breaker.state(at: at(1)) else { return }
        let other = Breaker(breaker.rest(at: at(11)), at: at(1000))
        #expect(other.state(at: at(1000)) == .open(until: at(1000) + (until - at(11))))
        #expect(other.failures == 1 && other.previous == breaker.previous)
        #expect(other.shift == breaker.shift)
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

    /// Soon after the times that greylisting is usually set to: minutes since the first attempt.
    @Test(arguments: [(1, 5.0, 6.0), (2, 15, 16.6), (3, 30, 32.6), (4, 60, 64.4)])
    func greylisting(attempts: Int, low: Double, high: Double) {
        let ages = (1...attempts).map { waits(.greylisted, RetryPolicy(), attempts: $0) }
            .reduce(Array(repeating: 0, count: 500)) { zip($0, $1).map { $0 + $1 / 60 } }
        #expect(ages.allSatisfy { low...high ~= $0 })
        let last = waits(.greylisted, RetryPolicy(), attempts: 65_535)
        #expect(last.allSatisfy { 3999...4000 ~= $0 })
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
