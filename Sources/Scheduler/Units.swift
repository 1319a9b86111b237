extension Duration {
    /// Unit names for people, largest first, and their lengths in nanoseconds.
    static let units: [(name: String, length: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("min", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000), ("ns", 1),
    ]

    /// One of a unit by its name or its English word.
    init?(unit: some StringProtocol) {
        switch unit.lowercased() {
        case "ns": self = .nanoseconds(1)
        case "us": self = .microseconds(1)
        case "ms": self = .milliseconds(1)
        case "s", "sec", "second", "seconds": self = .seconds(1)
        case "m", "min", "minute", "minutes": self = .seconds(60)
        case "h", "hr", "hour", "hours": self = .seconds(3600)
        case "d", "day", "days": self = .seconds(86_400)
        default: return nil
        }
    }

    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }

    /// For people, two units at most: "1.4 s", "48 s", "3 min 20 s", "2 h 5 min", "3 d".
    package var brief: String {
        let seconds = inSeconds
        if seconds < 9.95 {
            let tenths = Int((max(0, seconds) * 10).rounded(.up))
            return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
        }
        let whole = Int64(min(seconds, 1e15).rounded(.up))
        let steps: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
        for (position, (length, name)) in steps.enumerated() where whole >= length {
            guard position + 1 < steps.count else { return "\(whole) s" }
            let (next, nextName) = steps[position + 1]
            let rest = whole % length / next
            return rest == 0
                ? "\(whole / length) \(name)" : "\(whole / length) \(name) \(rest) \(nextName)"
        }
        return "\(whole) s"
    }
}

extension StringProtocol {
    /// Without the spaces and tabs at both ends.
    var trimmed: SubSequence {
        guard let first = firstIndex(where: { $0 != " " && $0 != "\t" }),
            let last = lastIndex(where: { $0 != " " && $0 != "\t" })
        else { return self[endIndex...] }
        return self[first...last]
    }
}
