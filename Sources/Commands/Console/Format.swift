package import Mail

/// Numbers and times for people, compact.
package enum Format {
    /// "1,240"
    package static func count(_ value: Int) -> String {
        let digits = Array(String(value.magnitude))
        var result = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { result += "," }
            result.append(digit)
        }
        return result
    }

    /// "1,240 messages", "1 message"
    package static func count(_ value: Int, _ noun: String) -> String {
        if value == 1 { return "1 \(noun)" }
        return "\(count(value)) \(noun.hasSuffix("y") ? noun.dropLast() + "ies" : noun + "s")"
    }

    /// Bytes in powers of 1000: "512", "1.5k", "23M".
    package static func size(_ bytes: Int) -> String {
        var value = Double(bytes)
        for unit in ["", "k", "M", "G", "T"] {
            if abs(value) < 999.5 || unit == "T" {
                return (unit.isEmpty ? String(bytes) : decimal(value)) + unit
            }
            value /= 1000
        }
        return String(bytes)
    }

    /// One decimal below ten, none above.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        if abs(value) < 9.95 {
            let tenths = Int((value * 10).rounded())
            if tenths.isMultiple(of: 10) { return String(tenths / 10) }
            return (tenths < 0 ? "-" : "") + "\(abs(tenths) / 10).\(abs(tenths) % 10)"
        }
        return String(Int(value.rounded()))
    }

    /// At most two units: "0s", "45s", "1m30s", "3h", "2d4h".
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, abs(seconds) < 1e12 else { return "?" }
        if seconds < 0 { return "-" + duration(seconds: -seconds) }
        if seconds > 0, seconds < 9.95, seconds != seconds.rounded() {
            return decimal(seconds) + "s"
        }
        let whole = Int(seconds.rounded())
        let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        guard let first = units.firstIndex(where: { whole >= $0.1 }) else { return "0s" }
        var result = "\(whole / units[first].1)\(units[first].0)"
        if first + 1 < units.count {
            let rest = whole % units[first].1 / units[first + 1].1
            if rest > 0 { result += "\(rest)\(units[first + 1].0)" }
        }
        return result
    }

    /// Whole seconds from a to b, for ages and countdowns: they tick, so no fractions.
    static func span(from a: UnixTime, to b: UnixTime) -> String {
        let seconds = (Double(b.milliseconds) - Double(a.milliseconds)) / 1000
        return duration(seconds: max(0, seconds.rounded(.down)))
    }

    /// "3.5/s"; slow ones in the unit that they are set in, "6/h".
    package static func rate(_ perSecond: Double) -> String {
        for (unit, seconds) in [("min", 60.0), ("h", 3600)] where perSecond > 0 && perSecond < 0.095
        {
            if perSecond * seconds >= 0.95 || unit == "h" {
                return decimal(perSecond * seconds) + "/" + unit
            }
        }
        return decimal(perSecond) + "/s"
    }

    /// "in about 4m8s at 5/s", of mail that leaves at the present limits.
    package static func drain(seconds: Double, perSecond: Double?) -> String {
        let time = seconds < 1 ? "within a second" : "in about \(duration(seconds: seconds))"
        return time + (perSecond.map { " at \(rate($0))" } ?? "")
    }

    /// "12:03:05", with the date before it if it is another day than `now`.
    package static func clock(_ time: UnixTime, now: UnixTime, utcOffset: Int) -> String {
        let (day, second) = divide(time, utcOffset)
        let clock = [second / 3600, second / 60 % 60, second % 60].map(two).joined(separator: ":")
        if day == divide(now, utcOffset).day { return clock }
        return String(DateHeader.iso8601(shifted(time, utcOffset)).prefix(10)) + " " + clock
    }

    private static func divide(_ time: UnixTime, _ offset: Int) -> (day: Int64, second: Int64) {
        let seconds = shifted(time, offset).milliseconds / 1000
        let second = ((seconds % 86_400) + 86_400) % 86_400
        return ((seconds - second) / 86_400, second)
    }

    private static func shifted(_ time: UnixTime, _ offset: Int) -> UnixTime {
        UnixTime(milliseconds: time.milliseconds &+ Int64(offset) * 1000)
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
