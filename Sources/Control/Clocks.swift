import Glibc
package import Mail
package import Scheduler
import Synchronization

/// The two clocks of a process, as values, so that tests bring their own.
package struct Clocks: Sendable {
    package var wall: @Sendable () -> UnixTime
    package var monotonic: @Sendable () -> Instant

    package init(
        wall: @escaping @Sendable () -> UnixTime, monotonic: @escaping @Sendable () -> Instant
    ) {
        self.wall = wall
        self.monotonic = monotonic
    }

    package static let system = Clocks(
        wall: { UnixTime(milliseconds: read(CLOCK_REALTIME) / 1_000_000) },
        monotonic: { Instant(nanoseconds: read(CLOCK_BOOTTIME)) })

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The same, with a wall clock that is set right by what a correction says.
    package func corrected(by correction: ClockCorrection) -> Clocks {
        Clocks(wall: { [wall] in wall() + correction.ahead }, monotonic: monotonic)
    }

    /// Where a wall-clock time lies on the monotonic clock, by both clocks' present readings.
    package func instant(of time: UnixTime) -> Instant {
        monotonic() + (time - wall())
    }

    /// Where a monotonic instant lies on the wall clock; nil for one that never comes.
    package func time(of instant: Instant) -> UnixTime? {
        instant == .distantFuture ? nil : wall() + (instant - monotonic())
    }
}

/// How far another clock is ahead of this machine's wall clock: that of the database, by which all
/// nodes of a cluster go, so that a time that one has written is the same time for the others.
package final class ClockCorrection: Sendable {
    private let milliseconds = Atomic<Int64>(0)

    package init() {}

    package var ahead: Duration {
        get { .milliseconds(milliseconds.load(ordering: .relaxed)) }
        set {
            milliseconds.store(Int64(newValue / .milliseconds(1)), ordering: .relaxed)
        }
    }

    /// Clocks that are kept by NTP agree better than this; whoever has one keeps it.
    package static let tolerance: Duration = .seconds(2)

    /// - Parameters:
    ///   - other: what the other clock said between now and `age` ago.
    ///   - own: this machine's clock, uncorrected, now.
    /// - Returns: whether that changes something.
    package func compare(_ other: UnixTime, read age: Duration, with own: UnixTime) -> Bool {
        let found = other - own
        let change = found - ahead
        let limit = Self.tolerance + age
        guard change > limit || change < .zero - limit else { return false }
        ahead = found
        return true
    }
}
