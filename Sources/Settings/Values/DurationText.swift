/// Durations as people write them: "250ms", "5d", "1h30m".
package enum DurationText {
    private static let units: [(suffix: String, milliseconds: Int64)] = [
        ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
        ("ms", 1),
    ]

    /// Whole numbers, each with a unit (w, d, h, m, s, ms), the larger unit first. nil for
    /// anything else and for more than a century.
    package static func parse(_ text: String) -> Duration? {
        var rest = text.utf8[...]
        var total: Int64 = 0
        var nextUnit = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            guard digits.count <= 15, let number = Int64(Substring(digits)) else { return nil }
            rest = rest[digits.endIndex...]
            let letters = rest.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
            rest = rest[letters.endIndex...]
            guard
                let unit = units.firstIndex(where: { $0.suffix == String(Substring(letters)) }),
                unit >= nextUnit
            else { return nil }
            nextUnit = unit + 1
            let (product, overflow) = number.multipliedReportingOverflow(
                by: units[unit].milliseconds)
            guard !overflow, product <= century - total else { return nil }
            total += product
        }
        return .milliseconds(total)
    }

    private static let century: Int64 = 36525 * 86_400_000

    /// The same notation; what is finer than a millisecond is dropped.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        var rest = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        var text = ""
        for (suffix, milliseconds) in units where rest >= milliseconds {
            text += "\(rest / milliseconds)\(suffix)"
            rest %= milliseconds
        }
        return text.isEmpty ? "0s" : text
    }
}
