/// Whether an operator keeps a destination back.
package struct Pause: Hashable, Sendable {
    /// nil: until resumed.
    package let until: Instant?
    package let by: String
    package let reason: String
}

/// What the receiver said when it last failed as a whole.
struct LastFailure: Hashable, Sendable {
    var cause: Cause
    var reply: String
    /// The rule that said to leave it alone; empty: none did.
    var rule = ""
}

/// Everything known about a destination that has been added.
struct Destination {
    let id: DestinationID
    /// In the scheduler's table.
    var policy: Int32
    /// The policy's concurrency, at least 1.
    var limit: Int
    /// Nanoseconds from its receipt until a delivery is given up.
    private var life: Int64
    var queue = DueQueue()
    var window: Window
    var breaker = Breaker()
    var tokens: Bucket?
    var connectionTokens: Bucket?
    var pace: Pace
    /// Of the learned rate; nil where none is.
    var paceTokens: Bucket?
    /// The same of new connections.
    var connectionPace: Pace
    var connectionPaceTokens: Bucket?
    var running = 0
    var idle = 0
    /// Idle ones that the caller is closing: not used any more, and still seen by the receiver.
    var closing = 0
    /// `running + idle + closing`.
    var connections = 0
    /// The number of the start with which its turn began, where connections are scarce.
    var turn: Int64 = 0
    /// The number of its next start.
    var serial: Int64 = 0
    /// Of the running ones: a probe.
    var isProbing = false
    /// Of the running ones: on new connections beyond the window's ceiling.
    var beyond = 0
    var pause: Pause?
    var failure: LastFailure?
    /// Seconds a transaction takes: a moving average over about eight; 0 before the first.
    var transaction = 0.0
    var opening = Opening()
    /// Its number stands in the ring of those that may start something. Outlives the
    /// destination, because the number may.
    var isRunnable = false
    /// Its number stands in the list of changed ones; outlives the destination too.
    var isChanged = false
    /// Its number stands in the ring of those that wait for a connection, and in that of those
    /// that may have one to spare; both outlive the destination too.
    var isStarved = false
    var isResting = false
    /// Its number stands in the list of those with mail that waited too long; outlives the
    /// destination too.
    var isExpiring = false
    /// Removed, with transactions still running; kept until they end, so that their
    /// verdicts are right, and that they count if the destination comes back before.
    var isLeaving = false
    /// Its number is free.
    var isVacant = false

    init(id: DestinationID, policy number: Int32, _ policy: DestinationPolicy, at now: Instant) {
        self.id = id
        self.policy = number
        limit = max(1, policy.limits.concurrency)
        life = policy.retry.maxAge.nanoseconds
        window = Window(initial: min(policy.limits.initialWindow, limit))
        pace = Pace(at: now)
        connectionPace = Pace(at: now)
        configure(number, policy, at: now)
    }

    mutating func configure(_ number: Int32, _ policy: DestinationPolicy, at now: Instant) {
        self.policy = number
        let limits = policy.limits
        limit = max(1, limits.concurrency)
        life = policy.retry.maxAge.nanoseconds
        Self.configure(&tokens, rate: limits.rate, burst: limits.burst, at: now)
        Self.configure(&connectionTokens, rate: limits.connectionRate, burst: nil, at: now)
    }

    /// The learned rate has changed. Its bucket is small: what was learned is learned without the
    /// receiver's own.
    mutating func applyPace(at now: Instant) {
        Self.apply(pace, to: &paceTokens, at: now)
    }

    mutating func applyConnectionPace(at now: Instant) {
        Self.apply(connectionPace, to: &connectionPaceTokens, at: now)
    }

    private static func apply(_ pace: Pace, to bucket: inout Bucket?, at now: Instant) {
        let rate = pace.rate > 0 ? Rate(count: pace.rate, period: .seconds(1)) : nil
        configure(&bucket, rate: rate, burst: max(1, pace.rate / 20), at: now)
    }

    private static func configure(
        _ bucket: inout Bucket?, rate: Rate?, burst: Double?, at now: Instant
    ) {
        guard let rate else {
            bucket = nil
            return
        }
        if bucket == nil {
            bucket = Bucket(rate: rate, burst: burst, at: now)
        } else {
            bucket?.configure(rate: rate, burst: burst, at: now)
        }
    }

    /// When a delivery is given up.
    @inline(__always)
    func end(of slot: Slot) -> Instant {
        Instant(nanoseconds: slot.received) + .nanoseconds(life)
    }

    @inline(__always)
    func isOver(_ slot: Slot, at now: Instant) -> Bool { end(of: slot) <= now }

    @inline(__always)
    func pause(at now: Instant) -> Pause? {
        guard let pause, pause.until.map({ $0 > now }) ?? true else { return nil }
        return pause
    }

    /// How many connections it may have now.
    @inline(__always)
    func width(at now: Instant) -> Int {
        switch breaker.state(at: now) {
        // What must not come close together goes one by one.
        case .closed: pace.isSingle ? 1 : window.width(limit: limit)
        case .open: 0
        case .halfOpen: 1
        }
    }

    /// Connections that are, or are being, let in: without those that may be one too many.
    var others: Int { running + idle - beyond }

    /// It works, and a connection that fails in this way says something about one machine of several.
    func isPatchy(for cause: Cause) -> Bool {
        switch cause {
        case .connect: breaker.isPatchy
        case .crowded: window.isIndifferent
        default: false
        }
    }

    /// Of the connections so many are turned away, or were until their rate was held back, that it
    /// may be for their rate without the receiver saying so.
    var mayBeHurried: Bool { connectionPace.rate > 0 || window.turnedAway > 0.7 }

    /// Why nothing more can be started now, the most lasting reason first; nil if it can.
    ///
    /// Inlined, because a call would copy the destination with all it refers to.
    @inline(__always)
    func obstacle(at now: Instant) -> Obstacle? {
        if let pause = pause(at: now) { return .paused(pause) }
        if case .open(let until) = breaker.state(at: now) { return .open(until) }
        guard queue.ready > 0 else { return .empty }
        if isProbing, case .halfOpen = breaker.state(at: now) { return .probing }
        if let time = tokens?.available(from: now), time > now { return .tokens(time) }
        if let time = paceTokens?.available(from: now), time > now { return .pace(time) }
        if running >= width(at: now) || idle == 0 && running + closing >= limit { return .window }
        if idle == 0, let time = connectionTokens?.available(from: now), time > now {
            return .connectionTokens(time)
        }
        if idle == 0, let time = connectionPaceTokens?.available(from: now), time > now {
            return .connectionPace(time)
        }
        return nil
    }
}

enum Obstacle {
    case paused(Pause)
    case open(Instant)
    case empty
    case probing
    case tokens(Instant)
    case pace(Instant)
    case window
    case connectionTokens(Instant)
    case connectionPace(Instant)

    /// When it ends by itself.
    var until: Instant? {
        switch self {
        case .paused(let pause): pause.until
        case .open(let time), .tokens(let time), .pace(let time), .connectionTokens(let time),
            .connectionPace(let time):
            time
        case .empty, .probing, .window: nil
        }
    }
}
