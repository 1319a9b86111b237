/// How long it takes until a new connection can be used, and so how long one is waited for where
/// some never come about: one of several machines behind a name may not answer, and each connection
/// to it holds one of the few that there may be.
///
/// The mean and its deviation as for TCP's own timer (RFC 6298 §2), and the same from them, twice.
struct Opening: Hashable, Sendable {
    /// Less says more about the network than about the machine.
    private static let shortest = 0.25
    /// The same where hardly any fails: then it costs little to wait, and a machine that is slow
    /// once is no news.
    private static let calm = 6.0
    /// One start of so many waits for as long as ever: or those that are slow, not gone, would
    /// never be seen, and what was learned would stay.
    private static let glance: Int64 = 32
    /// Longer than most servers keep their greeting back to see who talks too early.
    private static let longest = Duration.seconds(12)

    /// Seconds; 0 before the first.
    private(set) var mean: Double
    private(set) var deviation: Double

    init(mean: Double = 0, deviation: Double = 0) {
        self.mean = mean
        self.deviation = deviation
    }

    mutating func took(_ time: Duration) {
        let seconds = min(max(time.inSeconds, 0.001), 3600)
        if mean == 0 {
            mean = seconds
            deviation = seconds / 2
        } else {
            deviation += (abs(seconds - mean) - deviation) / 4
            mean += (seconds - mean) / 8
        }
    }

    /// For the start with this number; nil: as long as ever.
    ///
    /// - Parameter isPatchy: some fail, and what fails need not be waited for.
    func patience(_ serial: Int64, isPatchy: Bool) -> Duration? {
        guard mean > 0, serial % Self.glance != 0 else { return isPatchy ? Self.longest : nil }
        return .seconds(max(isPatchy ? Self.shortest : Self.calm, 2 * (mean + 4 * deviation)))
    }
}
