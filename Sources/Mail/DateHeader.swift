/// Dates as text, in UTC, without Foundation.
package enum DateHeader {
    /// RFC 5322 §3.3: "Mon, 23 Nov 2026 22:33:00 +0000". Always 31 characters.
    package static func format(_ time: UnixTime) -> String {
        let c = Civil(time)
        return "\(days[c.weekday]), \(two(c.day)) \(months[c.month - 1]) \(four(c.year)) "
            + "\(two(c.hour)):\(two(c.minute)):\(two(c.second)) +0000"
    }

    /// ISO 8601 for logs: "2026-11-23T22:33:00.123Z".
    package static func iso8601(_ time: UnixTime) -> String {
        let c = Civil(time)
        return "\(four(c.year))-\(two(c.month))-\(two(c.day))T"
            + "\(two(c.hour)):\(two(c.minute)):\(two(c.second)).\(three(c.millisecond))Z"
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
    private static func three(_ n: Int) -> String { n < 100 ? "0" + two(n) : "\(n)" }
    private static func four(_ n: Int) -> String { n < 1000 ? "0" + three(n) : "\(n)" }
}

/// A time as the Gregorian calendar has it, in UTC. Times outside the years 1...9999 count as the
/// first or the last moment in them.
struct Civil {
    let year, month, day, hour, minute, second, millisecond: Int
    /// 0 is Sunday.
    let weekday: Int

    /// 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
    private static let range: ClosedRange<Int64> = -62_135_596_800_000...253_402_300_799_999

    init(_ time: UnixTime) {
        let total = min(max(time.milliseconds, Self.range.lowerBound), Self.range.upperBound)
        let (days, inDay) = Self.divide(Int(total), by: 86_400_000)
        millisecond = inDay % 1000
        second = inDay / 1000 % 60
        minute = inDay / 60_000 % 60
        hour = inDay / 3_600_000
        weekday = Self.divide(days + 4, by: 7).remainder

        // Years are counted from 1 March, so that the leap day is a year's last, in cycles of 400
        // years; 719,468 days lie between 0000-03-01 and the epoch.
        let (cycle, inCycle) = Self.divide(days + 719_468, by: 146_097)
        let yearInCycle =
            (inCycle - inCycle / 1460 + inCycle / 36_524 - inCycle / 146_096) / 365
        let inYear = inCycle - (365 * yearInCycle + yearInCycle / 4 - yearInCycle / 100)
        // March to January have 31, 30, 31, 30, 31 days, again and again: 153 in five months.
        let monthFromMarch = (5 * inYear + 2) / 153
        day = inYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = cycle * 400 + yearInCycle + (month <= 2 ? 1 : 0)
    }

    /// Rounds towards minus infinity.
    private static func divide(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        return remainder < 0 ? (quotient - 1, remainder + b) : (quotient, remainder)
    }
}
