import Testing

@testable import Scheduler

@Suite struct OpeningTests {
    private func learned(_ milliseconds: Int...) -> Opening {
        var opening = Opening()
        for _ in 0..<50 {
            for time in milliseconds { opening.took(.milliseconds(time)) }
        }
        return opening
    }

    @Test func followsWhatIsUsual() throws {
        func patience(_ opening: Opening, isPatchy: Bool = true) throws -> Duration {
            try #require(opening.patience(1, isPatchy: isPatchy))
        }
        let short = try patience(learned(20))
        #expect(short == .milliseconds(250), "never less")
        let slow = try patience(learned(2000))
        #expect(slow >= .seconds(4) && slow < .seconds(5))
        // Far apart: none of those that come is given up.
        let far = try patience(learned(100, 5000))
        #expect(far > .seconds(5))
        // Where hardly any fails there is no hurry.
        let calm = try patience(learned(20), isPatchy: false)
        #expect(calm == .seconds(6))
        let slowAndCalm = try patience(learned(5000), isPatchy: false)
        #expect(slowAndCalm > .seconds(10))
    }

    /// Now and then all the time that it takes, or what is slow now would be taken for gone.
    @Test func looksAgain() {
        let opening = learned(20)
        let long = (Int64(1)...64).filter { opening.patience($0, isPatchy: true)! > .seconds(10) }
        #expect(long.count == 2)
        let forever = (Int64(1)...64).filter { opening.patience($0, isPatchy: false) == nil }
        #expect(forever == long)
        #expect(Opening().patience(1, isPatchy: true)! > .seconds(10), "nothing is known")
        #expect(Opening().patience(1, isPatchy: false) == nil)
    }

    /// Only where some connections come about and some do not.
    @Test func onlyWhereSomeFail() {
        var bench = Bench(Limits(concurrency: 20))
        bench.enqueue(1000)
        func round(failing every: Int) -> [Duration?] {
            var patiences: [Duration?] = []
            for (place, start) in bench.start().enumerated() {
                patiences.append(start.patience)
                let fails = every > 0 && place % every == 0
                _ = bench.scheduler.finished(
                    start.delivery, of: start.destination, fails ? .refused : .settled,
                    connection: .closed, opened: fails ? nil : .milliseconds(50), at: bench.now)
            }
            bench.pass(.seconds(1))
            return patiences
        }
        #expect(round(failing: 0).allSatisfy { $0 == nil })
        for _ in 0..<5 {
            #expect(round(failing: 0).allSatisfy { $0 ?? .seconds(6) == .seconds(6) })
        }
        for _ in 0..<10 { _ = round(failing: 4) }
        #expect(round(failing: 4).contains(.milliseconds(250)))
    }
}
