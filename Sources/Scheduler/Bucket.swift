/// A token bucket, kept as the time at which it will be full (GCRA, ITU-T I.371).
///
/// In whole nanoseconds, rounded against the taker: in any interval t no more than burst + rate·t
/// tokens are taken, exactly, however long it runs and however slow the rate is.
struct Bucket: Hashable, Sendable {
    /// Nanoseconds that one token takes to come.
    private(set) var interval: Int64
    /// Tokens in the full bucket; 1 or more.
    private(set) var burst: Double
    /// When it is full, if nothing is taken until then.
    private var full: Int64

    /// A full bucket. Without `burst` it holds one second of the rate; never less than 1.
    init(rate: Rate, burst: Double?, at now: Instant) {
        interval = rate.interval
        self.burst = Self.burst(rate: rate, burst: burst)
        full = now.nanoseconds
    }

    private static func burst(rate: Rate, burst: Double?) -> Double {
        let wanted = burst ?? rate.perSecond
        return wanted.isFinite ? min(max(1, wanted), 1e9) : 1
    }

    /// How early before being full a token may be taken: what all tokens but one take to come.
    private var tolerance: Int64 {
        let nanoseconds = ((burst - 1) * Double(interval)).rounded(.down)
        return nanoseconds < 9e18 ? Int64(nanoseconds) : 9_000_000_000_000_000_000
    }

    /// With a fraction; between 0 and `burst`.
    func tokens(at now: Instant) -> Double {
        let missing = Double(max(0, full - now.nanoseconds)) / Double(interval)
        return max(0, burst - missing)
    }

    /// The first time, now or later, at which there is a whole token.
    func available(from now: Instant) -> Instant {
        let (time, overflow) = full.subtractingReportingOverflow(tolerance)
        return overflow ? now : max(now, Instant(nanoseconds: time))
    }

    /// Only when `available(from: now) == now`.
    mutating func take(at now: Instant) {
        full = (max(Instant(nanoseconds: full), now) + .nanoseconds(interval)).nanoseconds
    }

    /// No token before this time; only where the bucket holds a single one.
    mutating func hold(until time: Instant) {
        full = max(full, time.nanoseconds)
    }

    mutating func empty(at now: Instant) {
        full = full(at: now, tokens: 0)
    }

    /// Another rate, with the tokens there are; a smaller bucket spills.
    mutating func configure(rate: Rate, burst wanted: Double?, at now: Instant) {
        let tokens = tokens(at: now)
        let (newInterval, newBurst) = (rate.interval, Self.burst(rate: rate, burst: wanted))
        guard newInterval != interval || newBurst != burst else { return }
        (interval, burst) = (newInterval, newBurst)
        full = full(at: now, tokens: min(tokens, burst))
    }

    private func full(at now: Instant, tokens: Double) -> Int64 {
        let debt = ((burst - tokens) * Double(interval)).rounded(.up)
        return (now + .nanoseconds(debt < 9e18 ? Int64(debt) : Int64.max)).nanoseconds
    }
}

extension Bucket {
    /// What is left of a bucket when it leaves its clock.
    struct Rest: Hashable, Sendable {
        /// Nanoseconds until it is full.
        var debt: Int64
        var interval: Int64
        var burst: Double
    }

    func rest(at now: Instant) -> Rest {
        Rest(debt: max(0, full - now.nanoseconds), interval: interval, burst: burst)
    }

    /// Continues a bucket on another clock; then `configure` it for the rate of today.
    init(_ rest: Rest, at now: Instant) {
        interval = rest.interval
        burst = rest.burst
        full = (now + .nanoseconds(rest.debt)).nanoseconds
    }
}
