import Control
import Logging
import Mail
import Scheduler
import Settings

/// Notices when somebody sets the wall clock. Timers run on another one, which nobody sets; but
/// ages, and times that are shown, compare what was before with what is after.
struct ClockWatch {
    /// What daylight or a slow clock never makes of a few seconds.
    private static let threshold: Duration = .seconds(20)

    private var wall: UnixTime
    private var instant: Instant

    init(_ clocks: Clocks) {
        wall = clocks.wall()
        instant = clocks.monotonic()
    }

    /// By how much it was set since the last look, to the whole second; nil where it was not.
    mutating func jump(_ clocks: Clocks) -> Duration? {
        let (wall, instant) = (clocks.wall(), clocks.monotonic())
        defer { (self.wall, self.instant) = (wall, instant) }
        let jump = (wall - self.wall) - (instant - self.instant)
        guard jump >= Self.threshold || jump <= .zero - Self.threshold else { return nil }
        return .seconds((jump / .seconds(1)).rounded())
    }
}

extension Dispatcher {
    func watchClock() {
        guard let jump = clockWatch.jump(clocks) else { return }
        let way = jump > .zero ? "ahead" : "back"
        let text =
            "the clock was set \(way) by \(DurationText.text(jump > .zero ? jump : .zero - jump)): "
            + "timers go on as they were; ages and times from before differ by that much"
        logger.warning("\(text)")
        publish("clock", text)
        warn(text, for: .seconds(300))
    }
}
