import Mail
import Terminal

/// A string from anywhere, made safe to draw.
func safe(_ string: String) -> Label { Label(SafeText(string)) }

/// Numbers, for people, in few columns.
enum Format {
    /// 12408 is `12,408`, 124080 is `124k`, 1240800 is `1.24M`: at most six columns.
    static func count(_ count: Int) -> Label {
        if count < 0 { return "-\(Self.count(-max(count, -.max)))" }
        if count < 1000 { return Label(count) }
        if count < 100_000 { return "\(count / 1000),\(count % 1000, digits: 3)" }
        if count < 1_000_000 { return "\(count / 1000)k" }
        if count < 10_000_000 { return "\(count / 1_000_000).\(count / 10_000 % 100, digits: 2)M" }
        if count < 1_000_000_000 { return "\(count / 1_000_000)M" }
        return "\(count / 1_000_000_000)G"
    }

    /// With all its digits: for what is about to be acted on.
    static func exact(_ count: Int) -> Label {
        if count < 0 { return "-\(exact(-max(count, -.max)))" }
        if count < 1000 { return Label(count) }
        return "\(exact(count / 1000)),\(count % 1000, digits: 3)"
    }

    /// Per second: a fraction only where it says something. At most five columns.
    static func rate(_ rate: Double) -> Label {
        guard rate.isFinite, rate >= 0.05 else { return "0" }
        if rate < 9.95 {
            let tenths = Int((rate * 10).rounded())
            return tenths % 10 == 0 ? Label(tenths / 10) : "\(tenths / 10).\(tenths % 10)"
        }
        if rate < 10_000 { return Label(Int(rate.rounded())) }
        return rate < 1e15 ? count(Int(rate) / 1000 * 1000) : "?"
    }

    /// Time to go, rounded up so that nothing shows 0 that is yet to come: `42s`, `12:03`,
    /// `2h05m`, `3d04h`. At most five columns up to 99 days.
    static func countdown(_ seconds: Double) -> Label {
        guard seconds.isFinite, seconds < 1e9 else { return "never" }
        let s = Int(max(0, seconds).rounded(.up))
        if s < 60 { return "\(s)s" }
        if s < 3600 { return "\(s / 60):\(s % 60, digits: 2)" }
        if s < 86_400 { return "\(s / 3600)h\(s / 60 % 60, digits: 2)m" }
        if s < 8_640_000 { return "\(s / 86_400)d\(s / 3600 % 24, digits: 2)h" }
        return "\(s / 86_400)d"
    }

    /// Time gone by, rounded down, in at most four columns up to 99 days: `42s`, `12m`, `3h05`,
    /// `2d04`.
    static func age(_ seconds: Double) -> Label {
        guard seconds.isFinite, seconds < 1e12 else { return "?" }
        let s = Int(max(0, seconds))
        if s < 60 { return "\(s)s" }
        if s < 3600 { return "\(s / 60)m" }
        if s < 36_000 { return "\(s / 3600)h\(s / 60 % 60, digits: 2)" }
        if s < 86_400 { return "\(s / 3600)h" }
        if s < 864_000 { return "\(s / 86_400)d\(s / 3600 % 24, digits: 2)" }
        return "\(s / 86_400)d"
    }

    /// `3d 04:12:09`.
    static func uptime(_ seconds: Double) -> Label {
        guard seconds.isFinite, seconds < 1e12 else { return "?" }
        let s = Int(max(0, seconds))
        let clock: Label =
            "\(s / 3600 % 24, digits: 2):\(s / 60 % 60, digits: 2):\(s % 60, digits: 2)"
        return s < 86_400 ? clock : "\(s / 86_400)d \(clock)"
    }

    /// Hours, minutes and seconds of the day, `offset` seconds east of Greenwich.
    static func clock(_ time: UnixTime, offset: Int) -> Label {
        let seconds = Int((time.milliseconds / 1000 + Int64(offset)) % 86_400 + 86_400) % 86_400
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60)
        return "\(h, digits: 2):\(m, digits: 2):\(s, digits: 2)"
    }

    /// `980 B`, `14.2 MB`, in powers of 1000.
    static func bytes(_ bytes: Int) -> Label {
        if bytes < 1000 { return "\(max(0, bytes)) B" }
        var value = Double(bytes) / 1000
        var unit = 0
        let units: [Label] = ["kB", "MB", "GB", "TB", "PB", "EB"]
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return value < 9.95
            ? "\(tenths(value)) \(units[unit])" : "\(Int(value.rounded())) \(units[unit])"
    }

    static func percent(_ share: Double) -> Label {
        guard share.isFinite, share < 1e6 else { return "?" }
        return "\(Int((max(0, share) * 100).rounded()))%"
    }

    /// `1 delivery`, `1,240 deliveries`.
    static func counted(_ count: Int, _ one: Label, _ many: Label) -> Label {
        "\(exact(count)) \(count == 1 ? one : many)"
    }

    private static func tenths(_ value: Double) -> Label {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
