/// How many transactions a destination may run at a time: additive increase, multiplicative
/// decrease, one cut per cohort.
///
/// A cohort is what was started since the last cut. What ran already when the window was cut
/// says nothing about the smaller window, so it does not cut again.
///
/// A receiver that turns connections away shows where its limit lies: the window goes back to just
/// below at once and stays there, and what lies above is tried again ever more rarely. Where even
/// a small window does not make it turn away fewer, its refusals have another cause, one machine
/// of several that is not well, and the window does not follow them any more.
struct Window: Hashable, Sendable {
    /// Until what was refused is tried again, the first time; it doubles with every refusal up to
    /// the second. Momentum raises a limit once an hour.
    private static let firstPatience = Duration.seconds(60)
    private static let longestPatience = Duration.seconds(3600)

    /// 1 or more; the limit is applied where it is read, because the limit may change.
    private(set) var size: Int
    /// The largest size that lately held for a whole window of successes; 0 if none did.
    private(set) var good = 0
    /// Successes towards the next step up.
    private(set) var credit = 0
    /// While below it, every success opens the window by one, so that it doubles with each
    /// cohort; above it, a whole window of successes does.
    private(set) var target = 0
    /// Attempts in a row that found no connection.
    private(set) var misses = 0
    /// So many connections were let in when one more was turned away; 0 if that is not known.
    private(set) var ceiling = 0
    /// When the ceiling may be exceeded, and how long after a refusal that was.
    private(set) var patientUntil = Instant(nanoseconds: 0)
    private(set) var patience = Duration.zero
    /// The size when connections began to be turned away: what the receiver may well bear if it
    /// turns out that their number was not the cause.
    private(set) var before = 0
    /// The number of connections has no influence on how many are turned away.
    private(set) var isIndifferent = false
    /// Of the attempts that lately ended, the share (0…1) that was turned away: a moving average
    /// over about sixteen.
    private(set) var turnedAway = 0.0
    /// Starts with smaller numbers belong to a cohort that has been cut already.
    private(set) var cut: Int64 = 0
    /// The last start that filled the window. What ran then counts as proof of the window's size;
    /// a window that is not used proves nothing.
    private var filled: Int64 = -1

    init(initial: Int) {
        size = max(1, initial)
    }

    func width(limit: Int) -> Int { max(1, min(size, limit)) }

    /// A start, with which so many run.
    mutating func started(_ serial: Int64, running: Int, limit: Int) {
        if running >= width(limit: limit) { filled = serial }
    }

    /// The receiver took part in the transaction with this number.
    mutating func succeeded(_ serial: Int64, limit: Int, at now: Instant) {
        misses = 0
        turnedAway -= turnedAway / 16
        // Seventy successes in a row: what it was is over.
        if isIndifferent, turnedAway < 0.01 { isIndifferent = false }
        guard serial >= cut && serial <= filled else { return }
        let width = width(limit: limit)
        if width < min(target, limit) {
            size = width + 1
            return
        }
        credit += 1
        guard credit >= width else { return }
        credit = 0
        good = max(good, width)
        if ceiling > 0 {
            if width > ceiling {
                forgetCeiling()
            } else if width == ceiling, now < patientUntil {
                return
            }
        }
        size = min(width + 1, max(1, limit))
    }

    /// No connection came about. Two in a row happen where one of several machines behind a name
    /// is down, which no smaller window would help; from the third on it shrinks.
    mutating func missed(limit: Int) {
        misses += 1
        guard misses >= 3 else { return }
        size = max(1, width(limit: limit) - 1)
        credit = 0
    }

    /// The receiver said in the transaction with this number that it is too much. `next` is the
    /// number of the next start.
    mutating func refused(_ serial: Int64, next: Int64, limit: Int) {
        guard serial >= cut else { return }
        let width = width(limit: limit)
        cut = next
        good = min(good, width - 1)
        size = max(1, width / 2)
        target = 0
        credit = 0
    }

    /// A connection was turned away while so many others were open.
    mutating func turnedAway(
        _ serial: Int64, next: Int64, limit: Int, others: Int, at now: Instant
    ) {
        turnedAway += (1 - turnedAway) / 16
        guard serial >= cut, !isIndifferent || turnedAway > 0.6 else { return }
        isIndifferent = false
        let width = width(limit: limit)
        if before == 0 { before = width }
        cut = next
        credit = 0
        // Nearly alone and let in as often as not: a smaller window would change nothing.
        if width <= max(1, before / 4), turnedAway <= 0.5, good > 0 {
            isIndifferent = true
            size = max(width, before)
            forgetCeiling()
            return
        }
        if ceiling > 0, width > ceiling {
            // It was only to see. What held goes on holding.
            patience = min(patience * 2, Self.longestPatience)
            size = ceiling
        } else {
            ceiling = max(1, min(others, width - 1))
            patience = Self.firstPatience
            size = max(1, width / 2)
        }
        good = min(good, max(1, width - 1))
        target = ceiling
        patientUntil = now + patience
    }

    private mutating func forgetCeiling() {
        ceiling = 0
        target = 0
        before = 0
        patience = .zero
    }

    /// A probe got through after a time of none: 1, 2, 4 … to half of what last held, then
    /// additively.
    mutating func reopen(next: Int64) {
        cut = next
        size = 1
        credit = 0
        misses = 0
        target = max(1, good / 2)
    }
}

extension Window {
    /// What another process needs to go on with it.
    struct Rest: Hashable, Sendable {
        var size: Int
        var good: Int
        var credit: Int
        var target: Int
        var misses: Int
        var ceiling: Int
        /// Nanoseconds, as `patience`.
        var patientFor: Int64
        var patience: Int64
        var before: Int
        var isIndifferent: Bool
        var turnedAway: Double
    }

    func rest(at now: Instant) -> Rest {
        Rest(
            size: size, good: good, credit: credit, target: target, misses: misses,
            ceiling: ceiling, patientFor: max(0, (patientUntil - now).nanoseconds),
            patience: patience.nanoseconds, before: before, isIndifferent: isIndifferent,
            turnedAway: turnedAway)
    }

    init(_ rest: Rest, at now: Instant) {
        size = rest.size
        good = rest.good
        credit = rest.credit
        target = rest.target
        misses = rest.misses
        ceiling = rest.ceiling
        patientUntil = now + .nanoseconds(rest.patientFor)
        patience = .nanoseconds(rest.patience)
        before = rest.before
        isIndifferent = rest.isIndifferent
        turnedAway = rest.turnedAway
    }
}
