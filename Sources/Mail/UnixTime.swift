/// A point on the wall clock: what is stored, sent over the API and shown.
///
/// Timers run on the monotonic clock (`Scheduler.Instant`); only at the edges is one converted
/// into the other, so that a clock that jumps does not move a timer.
package struct UnixTime: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    package var milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// What is out of range becomes the nearest time that is not; NaN becomes the epoch.
    package init(seconds: Double) {
        let milliseconds = (seconds * 1000).rounded()
        // Int64.max itself is no Double: the first one above it would trap.
        switch milliseconds {
        case ..<Double(Int64.min): self.milliseconds = .min
        case Double(Int64.max)...: self.milliseconds = .max
        default: self.milliseconds = milliseconds.isNaN ? 0 : Int64(milliseconds)
        }
    }

    package var seconds: Double { Double(milliseconds) / 1000 }

    package static func < (a: UnixTime, b: UnixTime) -> Bool { a.milliseconds < b.milliseconds }

    // What is out of range becomes the nearest that is not: a time may come from a damaged row, and
    // the daemon goes on.

    package static func + (time: UnixTime, duration: Duration) -> UnixTime {
        let (seconds, attoseconds) = duration.components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, overflow) = time.milliseconds.addingReportingOverflow(
            isTooLong ? whole : whole &+ attoseconds / 1_000_000_000_000_000)
        guard isTooLong || overflow else { return UnixTime(milliseconds: sum) }
        return UnixTime(milliseconds: duration < .zero ? .min : .max)
    }

    package static func - (a: UnixTime, b: UnixTime) -> Duration {
        let (difference, overflow) = a.milliseconds.subtractingReportingOverflow(b.milliseconds)
        return .milliseconds(overflow ? (a < b ? .min : .max) : difference)
    }
}

/// On the wire a time is a number: seconds since the epoch with a fraction of three digits.
extension UnixTime: Codable {
    /// - Throws: `DecodingError` also for NaN and for what no `Int64` of milliseconds holds.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let seconds = try container.decode(Double.self)
        guard seconds.isFinite, Int64(exactly: (seconds * 1000).rounded()) != nil else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\(seconds) is no time in seconds")
        }
        self.init(seconds: seconds)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(seconds)
    }
}
