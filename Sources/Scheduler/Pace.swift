import Glibc

/// The rate that a receiver turned out to bear, where it throttles by rate; learned from what it
/// took and what it refused.
///
/// A receiver that counts messages has none left in its bucket when it refuses one. So what it
/// took between two refusals, over the time between them, is its rate, whatever the bucket's size
/// and however fast or slow the messages came. Each refusal sets the rate to a little less than
/// that. Without refusals it rises: fast while it lies well below what was refused, then only
/// after a time that doubles with every refusal up there. So it settles just below what is taken,
/// at the price of a refusal now and then.
struct Pace: Hashable, Sendable {
    /// The rate before the first refusal is counted over at least this: a burst that was taken at
    /// once says little about what is taken for long.
    private static let shortest = Duration.seconds(10)
    /// What was taken since a refusal so long ago may have been limited by the traffic.
    private static let longest = Duration.seconds(1800)
    /// What a refusal leaves of the rate that was taken. Above 0.9, so that the mean of rising
    /// and falling stays above nine tenths of what the receiver takes.
    private static let margin = 0.95
    /// What a refusal leaves of the learned rate after so many messages were taken at it.
    private static let most = 0.85
    private static let sample = 20.0
    /// The same where the rate was refused that was refused before, after so many messages: it is
    /// known well, and little less is enough.
    private static let nearMost = 0.975
    private static let nearSample = 60.0
    /// So many messages between two refusals say something about the rate.
    private static let fewest = 4.0
    /// A slower traffic before the first refusal does not suggest that it was too much.
    private static let slowestSuspect = 0.1
    /// A raise where it is not known what would be refused, the largest one where it is, and the
    /// shortest interval.
    private static let stride = 1.15
    private static let longestStride = 1.3
    /// What is tried first where a refusal names a rate, and nothing was taken to tell which.
    private static let guess = 1.0
    private static let strideTime = Duration.seconds(5)
    /// A raise close to what was refused; the same where single messages are told apart.
    private static let step = 1.02
    private static let singleMargin = 0.995
    private static let singleStep = 1.003
    /// So many messages after a refusal more are tried, while it is not known to a hundredth what
    /// single messages need.
    private static let singleSample = 10.0
    /// Times that differ by no more than this share are the same.
    private static let sameness = 0.02
    /// So many contradictions, none later than so many messages after the one before, and the
    /// bucket holds several.
    private static let proof = 3
    private static let proofTime = 100
    private static let firstPatience = Duration.seconds(60)
    private static let longestPatience = Duration.seconds(3600)
    /// No more messages than these are waited for with that, nor in the second case, where each
    /// refusal tells more: one in so many is nothing.
    private static let longestSample = 2000.0
    private static let longestSingleSample = 300.0
    /// Refusals at much less than what was taken for long, after which it is clear that the rate
    /// is not the cause. Where it is, there are none.
    private static let futile = 3
    private static let deafness = Duration.seconds(600)
    /// What was taken for long counts half after this.
    private static let peakHalfLife = 600.0
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
    /// Taken since `since`, the last one at `lastTaken`.
    private(set) var taken = 0.0
    private(set) var since: Instant
    private(set) var lastTaken: Instant
    /// `since` is when a message was refused.
    private(set) var isExact = false
    /// Starts with smaller numbers were made at an older rate.
    private(set) var cut: Int64 = 0
    private(set) var cutAt: Instant?
    /// The rate before refusals with nothing taken in between, which may as well be an outage.
    private(set) var proven: Double?
    /// The highest rate that was taken between two refusals, as of `peakAt`.
    private(set) var peak = 0.0
    private(set) var peakAt = Instant(nanoseconds: 0)
    private(set) var strikes = 0
    /// Until then refusals change nothing.
    private(set) var deafUntil = Instant(nanoseconds: 0)
    /// Of the messages lately, the share (0…1) that was refused: a moving average over about
    /// sixteen.
    private(set) var refusedShare = 0.0

    /// Seconds: the shortest time between two that were taken, and the longest since the last one
    /// that was taken after which one was refused. 0 while there was none.
    private(set) var nearest = 0.0
    private(set) var farthest = 0.0
    /// What a fast transaction takes, in seconds: the least, or lately a little more; 0 where that
    /// does not matter, or is not known.
    private(set) var fastest = 0.0
    /// Some were taken after a shorter time than others were refused after: the receiver's bucket
    /// holds several.
    private(set) var isSeveral = false
    private var contradictions = 0
    private var sinceContradiction = 0
    /// Any was taken.
    private var hasTaken = false

    init(at now: Instant) {
        since = now
        lastTaken = now
    }

    /// nil: nothing.
    var learned: Double? { rate > 0 ? rate : nil }

    /// The receiver takes one, and after a while another, however long it had none before: so what
    /// counts is the time between two that arrive, not how many have gone. Where one takes longer
    /// than that time nothing follows.
    var isSingle: Bool {
        rate > 0 && !isSeveral && farthest > 0 && fastest > 0 && 1 / rate > fastest
    }

    /// The first time to start the next one where `isSingle`, when one was taken now: even a fast
    /// one arrives late enough.
    func next(after now: Instant) -> Instant { now + .seconds(max(0, 1 / rate - fastest)) }

    /// A transaction that was taken lasted so long.
    mutating func took(_ seconds: Double) {
        fastest = fastest == 0 ? seconds : min(seconds, fastest + (seconds - fastest) / 1024)
    }

    func isDeaf(at now: Instant) -> Bool { now < deafUntil }

    /// A refusal is remembered, here or by whom it came from; without one there is nothing to know.
    func wasRefused(at now: Instant) -> Bool {
        cut > 0 || rate > 0 || isExact || peak > 0 || isDeaf(at: now)
    }

    /// Per second, over at least `shortest`, where no refusal says when the bucket was empty.
    private func measured(at now: Instant) -> Double {
        taken / max(Self.shortest.inSeconds, (now - since).inSeconds)
    }

    private func peak(at now: Instant) -> Double {
        guard peak > 0 else { return 0 }
        return peak / (1 + max(0, (now - peakAt).inSeconds) / Self.peakHalfLife)
    }

    /// The receiver took a message. `isUsed`: the learned rate is what holds the rest back;
    /// `isLast`: there is no rest. True if the rate has changed.
    mutating func accepted(isUsed: Bool, isLast: Bool, at now: Instant) -> Bool {
        refusedShare -= refusedShare / 16
        if isLast, now - lastTaken > Self.shortest * 3 {
            // There was nothing to send: that says nothing about what would have been taken.
            restart(at: now, isExact: false)
        }
        taken += 1
        if hasTaken { came(after: (now - lastTaken).inSeconds) }
        hasTaken = true
        lastTaken = now
        proven = nil
        if !isExact, taken >= 10, now - since >= Self.shortest * 3 {
            taken /= 2
            since = since + (now - since) / 2
        }
        if let cutAt, rate > 0, now - cutAt > Self.memory {
            forget()
            return true
        }
        guard rate > 0, isUsed, now >= raiseAt else { return false }
        if refusedAt > 0, rate > refusedAt * Self.step {
            farthest = isSingle ? min(farthest, 1 / rate) : farthest
            // More than what was refused is taken: the limit has moved.
            refusedAt = 0
            patience = Self.firstPatience
        }
        // Half of the way to what was refused, as long as that is far.
        let stride = refusedAt > 0 ? (refusedAt / rate).squareRoot() : Self.stride
        let step = isSingle ? Self.singleStep : Self.step
        let isClose = stride < step * step
        rate *= min(max(stride, step), Self.longestStride)
        raiseAt = now + (isClose ? restraint / 4 : pause)
        return true
    }

    /// How long what was refused is not tried again. A slow rate needs its messages, too: a
    /// refusal for each forty is less than the three in a hundred that a receiver may see.
    private var restraint: Duration {
        let sample = isSingle ? Self.longestSingleSample : Self.longestSample
        let most = max(Self.firstPatience, .seconds(min(sample / rate, 86_400)))
        return max(min(patience, most), .seconds(min(40 / rate, 86_400)))
    }

    /// Until the next raise far from what was refused.
    private var pause: Duration { max(Self.strideTime, .seconds(min(3 / rate, 86_400))) }

    private mutating func restart(at now: Instant, isExact: Bool) {
        taken = 0
        since = now
        self.isExact = isExact
    }

    /// The receiver refused the transaction with this number for its rate. True if the rate has
    /// changed.
    ///
    /// - Parameter isNamed: it said that the rate is the cause, and even where nothing is taken this
    ///   is no outage.
    mutating func refused(
        _ serial: Int64, next: Int64, isNamed: Bool = false, at now: Instant
    ) -> Bool {
        refusedShare += (1 - refusedShare) / 16
        if hasTaken { wasRefused(after: (now - lastTaken).inSeconds) }
        guard serial >= cut else { return false }
        if isDeaf(at: now) {
            // Where most is refused it was the rate after all.
            guard refusedShare > 0.6 else { return false }
            deafUntil = now
        }
        let before = rate
        cut = next
        cutAt = now
        let time = now - since
        if isSingle {
            setSingle()
        } else if isExact, taken > 0, time < Self.longest || rate > 0 {
            slowDown(to: taken / max(time.inSeconds, 0.001), at: now)
        } else if rate > 0 {
            if proven == nil, !isNamed { proven = rate }
            set(rate / 2, refusedAt: rate)
        } else if !isExact, taken > Self.fewest, measured(at: now) >= Self.slowestSuspect {
            // A burst was taken, and no more: what is taken for long may be several times this.
            proven = isNamed ? nil : 0
            set(measured(at: now), refusedAt: 0)
        } else if isNamed {
            set(Self.guess, refusedAt: 0)
        }
        raiseAt = now + (refusedAt > 0 ? restraint : Self.strideTime)
        if isSingle, refusedAt / rate > 1.02 { raiseAt = now + .seconds(Self.singleSample / rate) }
        if !isExact || taken >= Self.fewest || time >= Self.longest {
            restart(at: now, isExact: true)
        }
        return rate != before
    }

    // MARK: Single messages

    private mutating func came(after seconds: Double) {
        sinceContradiction += 1
        if sinceContradiction > Self.proofTime { contradictions = 0 }
        if seconds < farthest * (1 - Self.sameness) {
            contradict()
            farthest = seconds
        }
        nearest = nearest == 0 ? seconds : min(nearest, seconds)
    }

    private mutating func wasRefused(after seconds: Double) {
        if nearest > 0, seconds > nearest * (1 + Self.sameness) { contradict() }
        farthest = max(farthest, seconds)
        nearest = nearest == 0 ? 0 : max(nearest, farthest)
    }

    private mutating func contradict() {
        contradictions += 1
        sinceContradiction = 0
        if contradictions >= Self.proof { isSeveral = true }
    }

    /// To what is known to be taken, and below what is known to be refused.
    private mutating func setSingle() {
        let high = min(1 / farthest, rate)
        let isNear = refusedAt > 0 && abs(rate / refusedAt - 1) < 0.02
        patience = isNear ? min(patience * 2, Self.longestPatience) : Self.firstPatience
        set(min(nearest > 0 ? 1 / nearest : rate / 2, high * Self.singleMargin), refusedAt: high)
    }

    /// To what was taken between two refusals.
    private mutating func slowDown(to estimate: Double, at now: Instant) {
        let peak = peak(at: now)
        if rate > 0, rate < peak * 0.8 {
            strikes += 1
            if strikes >= Self.futile {
                // However slow, as many are refused.
                forget()
                self.peak = 0
                deafUntil = now + Self.deafness
                return
            }
        } else {
            strikes = 0
        }
        // Between the two limits of (taken ± 1) over the time, if the bucket did not overflow.
        let low = estimate * taken / (taken + 2)
        if taken >= Self.fewest, low > peak {
            self.peak = low
            peakAt = now
        }
        // Refused once more where it was refused before: there it lies.
        let isNear = refusedAt > 0 && abs(rate / refusedAt - 1) < 0.1
        patience = isNear ? min(patience * 2, Self.longestPatience) : Self.firstPatience
        // What was refused is an upper limit: the learned rate or, without one, one message in
        // the time since the last one that was taken.
        let high = rate > 0 ? rate : max(estimate, 1 / max((now - lastTaken).inSeconds, 0.001))
        // Few messages say little: then the estimate leans towards that limit.
        var next = estimate * pow(high / estimate, 1 / (taken + 1)) * Self.margin
        if taken >= Self.sample { next = max(next, high * (isNear ? Self.margin : Self.most)) }
        let isKnown = isNear && taken >= Self.nearSample
        if isKnown { next = max(next, high * Self.nearMost) }
        set(min(next, high * (isKnown ? Self.nearMost : Self.margin)), refusedAt: high)
    }

    private mutating func set(_ rate: Double, refusedAt: Double) {
        self.rate = max(rate, Self.slowest)
        self.refusedAt = refusedAt
    }

    /// The breaker opened: what was refused with nothing taken in between was no news of a rate.
    /// True if the rate has changed.
    mutating func gaveUp() -> Bool {
        guard let proven else { return false }
        self.proven = nil
        let before = rate
        rate = proven
        if rate == 0 { refusedAt = 0 }
        return rate != before
    }

    private mutating func forget() {
        rate = 0
        refusedAt = 0
        strikes = 0
        patience = Self.firstPatience
        nearest = 0
        farthest = 0
        isSeveral = false
        contradictions = 0
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
        /// What was taken for long, and how long ago that was measured.
        var peak = 0.0
        var peakAgo: Int64 = 0
        var strikes = 0
        var refusedShare = 0.0
        var proven: Double?
        /// The interval that runs: what was taken in it, how long ago it began, and the last that
        /// was taken.
        var taken = 0.0
        var sinceAgo: Int64 = 0
        var lastTakenAgo: Int64 = 0
        var isExact = false
        /// Seconds between single messages, and whether they matter.
        var nearest = 0.0
        var farthest = 0.0
        var fastest = 0.0
        var isSeveral = false

        /// The same, this much later. Nothing was sent meanwhile, and the receiver's bucket filled:
        /// what was taken and refused after that says nothing of what was taken before.
        func advanced(by time: Int64) -> Rest {
            func sum(_ a: Int64) -> Int64 {
                let (sum, overflow) = a.addingReportingOverflow(time)
                return overflow ? .max : sum
            }
            var copy = self
            copy.raiseIn = max(0, raiseIn - time)
            copy.deafFor = max(0, deafFor - time)
            copy.cutAgo = sum(cutAgo)
            copy.peakAgo = sum(peakAgo)
            copy.sinceAgo = sum(sinceAgo)
            copy.lastTakenAgo = sum(lastTakenAgo)
            if time > Pace.shortest.nanoseconds {
                copy.taken = 0
                copy.sinceAgo = 0
                copy.lastTakenAgo = 0
                copy.isExact = false
            }
            return copy
        }
    }

    /// nil where nothing is learned, nor begun to be.
    func rest(at now: Instant) -> Rest? {
        guard rate > 0 || isDeaf(at: now) || isExact || peak > 0 || taken > 0 else { return nil }
        func ago(_ time: Instant) -> Int64 { max(0, (now - time).nanoseconds) }
        return Rest(
            rate: rate, refusedAt: refusedAt, raiseIn: max(0, (raiseAt - now).nanoseconds),
            patience: patience.nanoseconds, deafFor: max(0, (deafUntil - now).nanoseconds),
            cutAgo: cutAt.map(ago) ?? 0, peak: peak, peakAgo: ago(peakAt), strikes: strikes,
            refusedShare: refusedShare, proven: proven, taken: taken, sinceAgo: ago(since),
            lastTakenAgo: ago(lastTaken), isExact: isExact, nearest: nearest, farthest: farthest,
            fastest: fastest, isSeveral: isSeveral)
    }

    init(_ rest: Rest, at now: Instant) {
        self.init(at: now)
        func ago(_ time: Int64) -> Instant { now + .nanoseconds(-time) }
        rate = rest.rate
        refusedAt = rest.refusedAt
        raiseAt = now + .nanoseconds(rest.raiseIn)
        patience = .nanoseconds(rest.patience)
        deafUntil = now + .nanoseconds(rest.deafFor)
        cutAt = rest.rate > 0 || rest.isExact ? ago(rest.cutAgo) : nil
        peak = rest.peak
        peakAt = ago(rest.peakAgo)
        strikes = rest.strikes
        refusedShare = rest.refusedShare
        proven = rest.proven
        taken = rest.taken
        since = ago(rest.sinceAgo)
        lastTaken = ago(rest.lastTakenAgo)
        isExact = rest.isExact
        nearest = rest.nearest
        farthest = rest.farthest
        fastest = rest.fastest
        isSeveral = rest.isSeveral
    }
}
