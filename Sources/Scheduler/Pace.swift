/// The rate that a receiver turned out to bear, where it throttles by rate; learned from what it
/// took and what it refused.
///
/// The first refusal sets it to a little less than what was taken lately, and every later one
/// again. Without refusals it rises: fast while it lies well below what was refused, then only
/// after a time that doubles with every refusal up there. So it settles just below what is taken,
/// at the price of a refusal now and then.
struct Pace: Hashable, Sendable {
    /// Taken messages are counted over at least this: a burst that was taken at once says little
    /// about what is taken for long.
    private static let shortest = Duration.seconds(10)
    /// What a refusal leaves of the rate that was taken. Above 0.9, so that the mean of rising
    /// and falling stays above nine tenths of what the receiver takes.
    private static let margin = 0.95
    /// What a refusal leaves of the learned rate when too little was taken at it to tell more, and
    /// when nothing was.
    private static let cutting = 0.8
    private static let halving = 0.5
    /// Fewer messages or a slower pace than these before a refusal do not suggest that there were
    /// too many.
    private static let fewest = 5.0
    private static let slowestSuspect = 0.1
    /// A raise while far from what was refused, and its interval.
    private static let stride = 1.15
    private static let strideTime = Duration.seconds(5)
    /// A raise close to what was refused.
    private static let step = 1.02
    private static let firstPatience = Duration.seconds(60)
    private static let longestPatience = Duration.seconds(3600)
    /// Cuts in quick succession after which it is clear that the rate is not the cause.
    private static let futile = 5
    /// Without a refusal for so long, the rate is forgotten.
    private static let memory = Duration.seconds(86_400)
    /// One in a day: slower than any receiver means.
    private static let slowest = 1.0 / 86_400

    /// Messages per second; 0: nothing is learned, and nothing is held back.
    private(set) var rate = 0.0
    /// The rate that was lately refused; 0 if none was, or higher ones were taken since.
    private(set) var refusedAt = 0.0
    private(set) var raiseAt = Instant(nanoseconds: 0)
    private(set) var patience = Pace.firstPatience
    /// Taken since about `since`, the last one at `lastTaken`.
    private(set) var taken = 0.0
    private(set) var since: Instant
    private(set) var lastTaken: Instant
    /// Starts with smaller numbers were made at an older rate.
    private(set) var cut: Int64 = 0
    private(set) var cutAt: Instant?
    /// Refusals so soon after a cut that nothing could be measured in between.
    private(set) var strikes = 0
    /// Until then refusals change nothing.
    private(set) var deafUntil = Instant(nanoseconds: 0)

    init(at now: Instant) {
        since = now
        lastTaken = now
    }

    func isDeaf(at now: Instant) -> Bool { now < deafUntil }

    /// Per second, over at least `shortest` and, at a slow rate, over some ten messages.
    func measured(at now: Instant) -> Double {
        taken / max(Self.shortest.inSeconds, (now - since).inSeconds)
    }

    /// The receiver took a message. `isUsed`: the learned rate is what holds the rest back. True
    /// if the rate has changed.
    mutating func accepted(isUsed: Bool, at now: Instant) -> Bool {
        if now - lastTaken > Self.shortest * 3 {
            // There was nothing to send: that says nothing about what would have been taken.
            taken = 0
            since = now
        }
        taken += 1
        lastTaken = now
        if taken >= 10, now - since >= Self.shortest * 3 {
            taken /= 2
            since = since + (now - since) / 2
        }
        if let cutAt, rate > 0, now - cutAt > Self.memory {
            forget()
            return true
        }
        guard rate > 0, isUsed, now >= raiseAt else { return false }
        if refusedAt > 0, rate > refusedAt * Self.step {
            // More than what was refused is taken: the limit has moved.
            refusedAt = 0
            patience = Self.firstPatience
        }
        let isClose = refusedAt > 0 && rate * Self.stride > refusedAt
        rate *= isClose ? Self.step : Self.stride
        raiseAt = now + (isClose ? restraint / 4 : Self.strideTime)
        return true
    }

    /// How long what was refused is not tried again. A slow rate needs its messages, too: a
    /// refusal for each forty is less than the three in a hundred that a receiver may see.
    private var restraint: Duration { max(patience, .seconds(min(40 / rate, 86_400))) }

    /// The receiver refused the transaction with this number for its rate. True if the rate has
    /// changed.
    mutating func refused(_ serial: Int64, next: Int64, at now: Instant) -> Bool {
        guard serial >= cut, !isDeaf(at: now) else { return false }
        let measured = max(measured(at: now), Self.slowest)
        guard rate > 0 || taken >= Self.fewest && measured >= Self.slowestSuspect else {
            return false
        }
        let wasTaken = taken > 0
        let isMeasured = wasTaken && now - since >= Self.shortest
        cut = next
        cutAt = now
        taken = 0
        since = now
        if isMeasured {
            strikes = 0
            let isNear = refusedAt > 0 && rate > refusedAt * 0.9
            patience = isNear ? min(patience * 2, Self.longestPatience) : Self.firstPatience
            refusedAt = rate > 0 ? min(rate, measured) : measured
            rate = max(refusedAt * Self.margin, Self.slowest)
            raiseAt = now + restraint
        } else if rate > 0 {
            if wasTaken { strikes += 1 }
            guard strikes < Self.futile else {
                // However slow, as many are refused.
                forget()
                deafUntil = now + Self.longestPatience / 6
                return true
            }
            refusedAt = rate
            rate = max(rate * (wasTaken ? Self.cutting : Self.halving), Self.slowest)
            raiseAt = now + restraint
        } else {
            // A burst was taken, and no more: what is taken for long may be several times this.
            rate = measured
            raiseAt = now + Self.strideTime
        }
        return true
    }

    private mutating func forget() {
        rate = 0
        refusedAt = 0
        strikes = 0
        patience = Self.firstPatience
    }
}

extension Pace {
    /// What another process needs to go on with it.
    struct Rest: Hashable, Sendable {
        var rate: Double
        var refusedAt: Double
        /// Nanoseconds, as the next two.
        var raiseIn: Int64
        var patience: Int64
        var deafFor: Int64
        /// Since the last refusal.
        var cutAgo: Int64
    }

    /// nil where nothing is learned.
    func rest(at now: Instant) -> Rest? {
        guard rate > 0 || isDeaf(at: now) else { return nil }
        return Rest(
            rate: rate, refusedAt: refusedAt, raiseIn: max(0, (raiseAt - now).nanoseconds),
            patience: patience.nanoseconds, deafFor: max(0, (deafUntil - now).nanoseconds),
            cutAgo: cutAt.map { (now - $0).nanoseconds } ?? 0)
    }

    init(_ rest: Rest, at now: Instant) {
        self.init(at: now)
        rate = rest.rate
        refusedAt = rest.refusedAt
        raiseAt = now + .nanoseconds(rest.raiseIn)
        patience = .nanoseconds(rest.patience)
        deafUntil = now + .nanoseconds(rest.deafFor)
        cutAt = now + .nanoseconds(-rest.cutAgo)
    }
}
