package import Mail

/// Now, as the loop says it: the model reads no clock.
package struct Moment: Hashable, Sendable {
    /// Since the monitor started, on a clock that does not jump.
    package var elapsed: Duration
    package var wall: UnixTime
    /// The local time zone, in seconds east of Greenwich.
    package var utcOffset: Int

    package init(elapsed: Duration, wall: UnixTime, utcOffset: Int = 0) {
        self.elapsed = elapsed
        self.wall = wall
        self.utcOffset = utcOffset
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
