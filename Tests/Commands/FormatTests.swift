import Mail
import Testing

@testable import Commands

@Suite struct FormatTests {
    @Test(arguments: [
        (0, "0"), (999, "999"), (1240, "1,240"), (1_000_000, "1,000,000"), (-1234, "-1,234"),
        (Int.min, "-9,223,372,036,854,775,808"),
    ])
    func counts(value: Int, text: String) {
        #expect(Format.count(value) == text)
    }

    @Test func nouns() {
        #expect(Format.count(1, "delivery") == "1 delivery")
        #expect(Format.count(2, "delivery") == "2 deliveries")
        #expect(Format.count(0, "message") == "0 messages")
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1k"), (1500, "1.5k"), (9949, "9.9k"), (9960, "10k"),
        (123_456, "123k"), (999_600, "1M"), (23_000_000, "23M"), (5_000_000_000, "5G"),
    ])
    func sizes(bytes: Int, text: String) {
        #expect(Format.size(bytes) == text)
    }

    @Test(arguments: [
        (0, "0s"), (0.4, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (59, "59s"), (60, "1m"),
        (90, "1m30s"), (3600, "1h"), (3601, "1h"), (5400, "1h30m"), (86_400, "1d"),
        (187_200, "2d4h"), (-5, "-5s"), (Double.infinity, "?"), (Double.nan, "?"), (1e300, "?"),
    ])
    func durations(seconds: Double, text: String) {
        #expect(Format.duration(seconds: seconds) == text)
    }

    @Test func spansNeverRunBackwards() {
        #expect(Format.span(from: .start + .seconds(5), to: .start) == "0s")
        let far = UnixTime(milliseconds: .max)
        let early = UnixTime(milliseconds: .min)
        #expect(Format.span(from: early, to: far) == "?")
    }

    @Test func clocks() {
        let now = UnixTime.start
        #expect(Format.clock(now, now: now, utcOffset: 0) == "22:33:20")
        #expect(Format.clock(now, now: now, utcOffset: -19_800) == "17:03:20")
        let yesterday = UnixTime(milliseconds: now.milliseconds - 86_400_000)
        #expect(Format.clock(yesterday, now: now, utcOffset: 0) == "2026-11-22 22:33:20")
        #expect(Format.clock(yesterday, now: now, utcOffset: 7200) == "2026-11-23 00:33:20")
    }

    @Test(arguments: [
        (0.0, "0/s"), (5.0, "5/s"), (0.2, "0.2/s"), (0.02, "1.2/min"), (6.0 / 3600, "6/h"),
        (0.5 / 3600, "0.5/h"),
    ])
    func rates(_ perSecond: Double, _ text: String) {
        #expect(Format.rate(perSecond) == text)
    }
}
