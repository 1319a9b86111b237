import FoundationEssentials
import Testing

@testable import Scheduler

@Suite struct RateTests {
    @Test(arguments: [
        ("100/s", 100.0, "100/s"), ("10/h", 10.0 / 3600, "10/h"), ("5/min", 5.0 / 60, "5/min"),
        ("1000/d", 1000.0 / 86_400, "1000/d"), (" 5 / minute ", 5.0 / 60, "5/min"),
        ("5/m", 5.0 / 60, "5/min"), ("3/10s", 0.3, "3/10s"), ("0.5/s", 0.5, "0.5/s"),
        ("2/90min", 2.0 / 5400, "2/90min"), ("60/60s", 1.0, "60/min"),
    ])
    func reads(text: String, perSecond: Double, description: String) throws {
        let rate = try #require(Rate(text: text))
        #expect(abs(rate.perSecond - perSecond) < perSecond * 1e-12)
        #expect(rate.description == description)
        #expect(Rate(text: rate.description) == rate)
        let json = try JSONEncoder().encode([rate])
        #expect(try JSONDecoder().decode([Rate].self, from: json) == [rate])
    }

    @Test(arguments: [
        "", "/", "100", "100/", "/s", "0/s", "-1/s", "nan/s", "inf/s", "1e400/s", "5/fortnight",
        "5/0s", "5/s/s", "5/-3s", "five/s", "1/2000d", "5/9999999d",
    ])
    func refuses(text: String) {
        #expect(Rate(text: text) == nil)
    }

    @Test func interval() throws {
        #expect(try #require(Rate(text: "100/s")).interval == 10_000_000)
        #expect(try #require(Rate(text: "3/s")).interval == 333_333_334)
        #expect(try #require(Rate(text: "10/h")).interval == 360_000_000_000)
    }

    @Test(arguments: [
        ("1m,5m*2,1h*3", [60, 300, 300, 3600, 3600, 3600]), ("30s", [30]),
        (" 1 min , 2d ", [60, 172_800]),
    ])
    func schedule(text: String, seconds: [Int]) {
        #expect(RetryPolicy.parseSchedule(text) == seconds.map { Duration.seconds($0) })
    }

    @Test(arguments: ["", "1m,", ",1m", "0m", "5", "5x", "1m*0", "1m*-1", "1m*2*3", "1m*1001"])
    func refusedSchedule(text: String) {
        #expect(RetryPolicy.parseSchedule(text) == nil)
    }

    @Test(arguments: [
        (Duration.milliseconds(1400), "1.4 s"), (.seconds(0), "0 s"), (.milliseconds(1), "0.1 s"),
        (.seconds(9), "9 s"), (.milliseconds(9960), "10 s"), (.seconds(48), "48 s"),
        (.seconds(200), "3 min 20 s"), (.seconds(7500), "2 h 5 min"), (.seconds(259_200), "3 d"),
    ])
    func brief(duration: Duration, text: String) {
        #expect(duration.brief == text)
    }

    @Test func policyTravels() throws {
        let policy = DestinationPolicy(
            limits: Limits(concurrency: 7, rate: Rate(text: "10/h"), burst: 2.5),
            retry: RetryPolicy(schedule: [.seconds(60), .milliseconds(1500)]))
        let json = try JSONEncoder().encode(policy)
        #expect(try JSONDecoder().decode(DestinationPolicy.self, from: json) == policy)
    }

    @Test func policiesAreShared() {
        var table = PolicyTable()
        let (a, b) = (DestinationPolicy(), DestinationPolicy(limits: Limits(concurrency: 3)))
        let first = table.take(a)
        #expect(table.take(a) == first)
        let second = table.take(b)
        #expect(second != first && table.count == 2)
        table.release(first)
        #expect(table.count == 2)
        table.release(first)
        #expect(table.count == 1)
        #expect(table.take(DestinationPolicy(limits: Limits(concurrency: 4))) == first)
        #expect(table[second] == b)
    }
}
