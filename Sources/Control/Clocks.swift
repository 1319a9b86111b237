import Glibc
package import Mail
package import Scheduler

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

    /// Where a wall-clock time lies on the monotonic clock, by both clocks' present readings.
    package func instant(of time: UnixTime) -> Instant {
        monotonic() + (time - wall())
    }

    /// Where a monotonic instant lies on the wall clock; nil for one that never comes.
    package func time(of instant: Instant) -> UnixTime? {
        instant == .distantFuture ? nil : wall() + (instant - monotonic())
    }
}
