import Testing

@testable import Scheduler

@Suite struct WindowTests {
    private let start = Instant(nanoseconds: 0)

    /// Starts are numbered by hand; this many run at each.
    private func grow(_ window: inout Window, _ successes: Int, from serial: Int64 = 0) {
        for _ in 0..<successes {
            window.started(serial, running: window.size, limit: 20)
            window.succeeded(serial, limit: 20, at: start)
        }
    }

    @Test func growsByOneForEachWindowOfSuccesses() {
        var window = Window(initial: 5)
        grow(&window, 4)
        #expect(window.size == 5)
        grow(&window, 1)
        #expect(window.size == 6 && window.good == 5)
        grow(&window, 6 + 7)
        #expect(window.size == 8 && window.good == 7)
        grow(&window, 10_000)
        #expect(window.size == 20 && window.good == 20)
    }

    @Test func doesNotGrowUnlessItIsFull() {
        var window = Window(initial: 5)
        for serial in 0..<100 {
            window.started(Int64(serial), running: 4, limit: 20)
            window.succeeded(Int64(serial), limit: 20, at: start)
        }
        #expect(window.size == 5)
    }

    /// Whatever the order in which a full window ends, all of it counts.
    @Test func aWindowThatWasFullCounts() {
        var window = Window(initial: 5)
        for serial in 0..<5 {
            window.started(Int64(serial), running: serial + 1, limit: 20)
        }
        for serial in 0..<5 { window.succeeded(Int64(serial), limit: 20, at: start) }
        #expect(window.size == 6)
    }

    @Test func oneCutForEachCohort() {
        var window = Window(initial: 16)
        for serial in 0..<16 { window.refused(Int64(serial), next: 16, limit: 20) }
        #expect(window.size == 8)
        // What ran when it was cut says nothing about the smaller window.
        for serial in 0..<16 { window.succeeded(Int64(serial), limit: 20, at: start) }
        #expect(window.size == 8)
        for serial in 16..<24 { window.refused(Int64(serial), next: 24, limit: 20) }
        #expect(window.size == 4)
        window.refused(24, next: 25, limit: 20)
        window.refused(25, next: 26, limit: 20)
        window.refused(26, next: 27, limit: 20)
        #expect(window.size == 1)
    }

    @Test func cutsFromTheLimitThatHolds() {
        var window = Window(initial: 20)
        window.refused(0, next: 1, limit: 6)
        #expect(window.size == 3)
    }

    @Test func remembersWhatHeld() {
        var window = Window(initial: 5)
        grow(&window, 5 + 6 + 7 + 8 + 9)
        #expect(window.size == 10 && window.good == 9)
        window.refused(0, next: 1, limit: 20)
        #expect(window.size == 5 && window.good == 9)
        window.refused(1, next: 2, limit: 20)
        #expect(window.size == 2 && window.good == 4)
    }

    @Test func reopensInARamp() {
        var window = Window(initial: 5)
        grow(&window, 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12)
        #expect(window.good == 12)
        window.reopen(next: 7)
        #expect(window.size == 1)
        var sizes: [Int] = []
        for _ in 0..<4 {
            grow(&window, window.size, from: 7)
            sizes.append(window.size)
        }
        #expect(sizes == [2, 4, 6, 7], "doubles to half of what held, then one by one")
    }

    @Test func connectFailuresInARowShrinkIt() {
        var window = Window(initial: 10)
        for _ in 0..<2 { window.missed(limit: 20, usual: 0) }
        #expect(window.size == 10)
        window.missed(limit: 20, usual: 0)
        #expect(window.size == 9)
        window.succeeded(0, limit: 20, at: start)
        for _ in 0..<3 { window.missed(limit: 20, usual: 0) }
        #expect(window.size == 8)
        for _ in 0..<50 { window.missed(limit: 20, usual: 0) }
        #expect(window.size == 1)
    }

    /// One bad machine in four behind a load balancer does not hold the others up.
    @Test func oneOfFourBackendsBad() {
        var random = SplitMix64(seed: 1)
        var window = Window(initial: 5)
        var sum = 0
        for step in 0..<4000 {
            if Int.random(in: 0..<4, using: &random) == 0 {
                window.missed(limit: 20, usual: 0)
            } else {
                grow(&window, 1)
            }
            if step >= 1000 { sum += window.size }
        }
        #expect(sum / 3000 >= 16, "on average \(sum / 3000) of 20")
    }

    /// One in four connections is turned away by the machine that is not well, however fast they
    /// follow each other: that some are while no other is open says it is not their number.
    @Test(arguments: [Duration.milliseconds(5), .milliseconds(600)])
    func turnedAwayAloneIsNoLimit(_ transaction: Duration) {
        var window = Window(initial: 10)
        var serial: Int64 = 0
        var now = start
        var sizes: [Int] = []
        for _ in 0..<200 {
            // A cohort: all open together, every fourth is turned away, the others go on.
            let width = window.width(limit: 10)
            let cohort = serial..<serial + Int64(width)
            serial += Int64(width)
            for number in cohort {
                window.started(number, running: Int(number - cohort.lowerBound) + 1, limit: 10)
            }
            for number in cohort {
                let others = Int(number - cohort.lowerBound)
                if number % 4 == 3 {
                    window.turnedAway(
                        number, next: serial, limit: 10, others: others,
                        beyond: window.isBeyond(others: others), transaction: transaction,
                        at: now)
                } else {
                    window.letIn(beyond: window.isBeyond(others: others))
                    window.succeeded(number, limit: 10, at: now)
                }
            }
            now = now + transaction
            sizes.append(window.size)
        }
        #expect(sizes.suffix(150).reduce(0, +) >= 150 * 8, "\(sizes)")
    }

    /// A limit of one connection is one.
    @Test func turnedAwayBesideOneIsALimit() {
        var window = Window(initial: 2)
        for serial in 0..<100 {
            let number = Int64(serial) * 2
            window.started(number, running: 1, limit: 10)
            window.letIn(beyond: window.isBeyond(others: 0))
            if window.width(limit: 10) > 1 {
                window.started(number + 1, running: 2, limit: 10)
                window.turnedAway(
                    number + 1, next: number + 2, limit: 10, others: 1,
                    beyond: window.isBeyond(others: 1), transaction: .zero, at: start)
            }
            window.succeeded(number, limit: 10, at: start)
        }
        #expect(window.size == 1 && !window.isIndifferent)
    }
}
