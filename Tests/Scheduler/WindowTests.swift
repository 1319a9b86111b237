import Testing

@testable import Scheduler

@Suite struct WindowTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    private func grow(_ window: inout Window, _ successes: Int, limit: Int = 20) {
        for _ in 0..<successes { window.succeeded(running: window.size, limit: limit) }
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
        for _ in 0..<100 { window.succeeded(running: 4, limit: 20) }
        #expect(window.size == 5)
    }

    @Test func oneCutForEachCohort() {
        var window = Window(initial: 16)
        for _ in 0..<16 { window.refused(started: at(1), limit: 20, at: at(2)) }
        #expect(window.size == 8)
        for _ in 0..<8 { window.refused(started: at(2), limit: 20, at: at(3)) }
        #expect(window.size == 4)
        for second in 3..<20 { window.refused(started: at(Int64(second)), limit: 20, at: at(99)) }
        #expect(window.size == 2, "one cut, at 99; the others had started before it")
        window.refused(started: at(99), limit: 20, at: at(100))
        window.refused(started: at(100), limit: 20, at: at(101))
        #expect(window.size == 1)
    }

    @Test func cutsFromTheLimitThatHolds() {
        var window = Window(initial: 20)
        window.refused(started: at(0), limit: 6, at: at(1))
        #expect(window.size == 3)
    }

    @Test func remembersWhatHeld() {
        var window = Window(initial: 5)
        grow(&window, 5 + 6 + 7 + 8 + 9)
        #expect(window.size == 10 && window.good == 9)
        window.refused(started: at(1), limit: 20, at: at(2))
        #expect(window.size == 5 && window.good == 9)
        window.refused(started: at(2), limit: 20, at: at(3))
        #expect(window.size == 2 && window.good == 4)
    }

    @Test func reopensInARamp() {
        var window = Window(initial: 5)
        grow(&window, 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12)
        #expect(window.good == 12)
        window.reopen()
        #expect(window.size == 1)
        var sizes: [Int] = []
        for _ in 0..<4 {
            grow(&window, window.size)
            sizes.append(window.size)
        }
        #expect(sizes == [2, 4, 6, 7], "doubles to half of what held, then one by one")
    }

    @Test func connectFailuresCountWhenTheyAreManyOfThem() {
        var window = Window(initial: 10)
        for _ in 0..<3 { window.missed(limit: 20) }
        #expect(window.size == 10)
        window.missed(limit: 20)
        #expect(window.size == 9)
        window.missed(limit: 20)
        #expect(window.size == 8)
        for _ in 0..<50 { window.missed(limit: 20) }
        #expect(window.size == 1)
    }

    /// One bad machine in four behind a load balancer does not hold the others up.
    @Test func oneOfFourBackendsBad() {
        var random = SplitMix64(seed: 1)
        var window = Window(initial: 5)
        var sum = 0
        for step in 0..<4000 {
            if Int.random(in: 0..<4, using: &random) == 0 {
                window.missed(limit: 20)
            } else {
                window.succeeded(running: window.size, limit: 20)
            }
            if step >= 1000 { sum += window.size }
        }
        #expect(sum / 3000 >= 16, "on average \(sum / 3000) of 20")
    }
}
