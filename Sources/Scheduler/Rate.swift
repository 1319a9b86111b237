/// So many per period: "100/s", "10/h", "5/min", "1000/d", "3/10s".
///
/// The period is kept, not folded into a number per second, so that what the operator wrote is
/// what the operator reads.
package struct Rate: Hashable, Sendable {
    /// More than zero; may have a fraction.
    package let count: Double
    /// More than zero.
    package let period: Duration

    /// nil unless `count` is a positive, finite number, `period` at least a nanosecond, and the
    /// time between two at most `slowest`.
    package init?(count: Double, period: Duration) {
        guard count.isFinite, count > 0, period >= .nanoseconds(1),
            period.inSeconds / count <= Self.slowest.inSeconds
        else { return nil }
        self.count = count
        self.period = period
    }

    /// One in 1000 days: what is slower than that is a mistake, and times a large burst it would
    /// leave the range of the clock.
    private static let slowest = Duration.seconds(86_400_000)

    /// A number, "/", optionally a whole number, and a unit: ms, s, min (or m), h, d, or their
    /// English names. nil if it is anything else.
    package init?(text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let count = Double(parts[0].trimmed) else { return nil }
        let period = parts[1].trimmed
        let digits = period.prefix { $0.isASCII && $0.isNumber }
        let unit = period.dropFirst(digits.count).trimmed
        guard let length = Duration(unit: unit) else { return nil }
        let multiple: Int
        if digits.isEmpty {
            multiple = 1
        } else {
            guard let value = Int(digits), value > 0, value <= 1_000_000 else { return nil }
            multiple = value
        }
        self.init(count: count, period: length * multiple)
    }

    package var perSecond: Double { count / period.inSeconds }

    /// Nanoseconds between two, rounded up, so that rounding never makes a rate faster.
    var interval: Int64 {
        max(1, Int64((Double(period.nanoseconds) / count).rounded(.up)))
    }
}

extension Rate: CustomStringConvertible {
    /// The form that `init(text:)` reads, in the largest unit that divides the period.
    package var description: String {
        let number =
            count == count.rounded() && count < 1e15 ? String(Int64(count)) : String(count)
        let period = period.nanoseconds
        for (name, length) in Duration.units where period % length == 0 {
            let multiple = period / length
            return multiple == 1 ? "\(number)/\(name)" : "\(number)/\(multiple)\(name)"
        }
        return "\(number)/\(period)ns"
    }
}

/// A rate travels as its text.
extension Rate: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let rate = Rate(text: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is not a rate such as 100/s or 10/h")
        }
        self = rate
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
