/// How many transactions a destination may run at a time: additive increase, multiplicative
/// decrease, one cut per cohort.
///
/// A cohort is what was started since the last cut. What ran already when the window was cut
/// says nothing about the smaller window, so it does not cut again.
///
/// A receiver that turns connections away may show where its limit lies: the window stays below it,
/// and what lies above is tried again ever more rarely. Where connections beyond that limit are let
/// in all the same, their number is not the cause but one machine of several that is not well, and
/// the window does not follow any more what is turned away.
struct Window: Hashable, Sendable {
    /// Until what was refused is tried again, the first time: so many transactions' time, within
    /// bounds; it doubles with every refusal up to the longest. Momentum raises a limit once an
    /// hour.
    private static let patienceInTransactions = 8
    private static let shortestPatience = Duration.milliseconds(250)
    private static let firstPatience = Duration.seconds(2)
    private static let longestPatience = Duration.seconds(3600)
    /// What one connection beyond the ceiling tells, as the logarithm of how much likelier it is
    /// if their number is not the cause than if it is; and what is enough to believe it.
    private static let letInTells = 2.3
    private static let turnedAwayTells = -0.6
    /// The same of one that is turned away while no other is open: no limit is that low. Less than
    /// enough, as the receiver may still have counted one that had just gone.
    private static let aloneTells = 3.0
    /// The same of one that is turned away below what was let in before, and by more than one that
    /// the receiver may still count; and of one that is let in there.
    private static let unexplainedTells = 2.5
    private static let explainedTells = -0.2
    /// So many have been let in before it: where it is for their rate, hardly any are.
    private static let longRow = 2
    /// As long as no larger share is turned away: where most are, it may be for their rate.
    private static let aloneMost = 0.4
    private static let enough = 5.0
    /// So many in a row turned away beyond the ceiling, and it is one after all.
    private static let proof = 6
    /// Where more is turned away, no smaller number of machines is the cause.
    private static let tooMany = 0.85

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
    /// The most connections that were let in beside each other since then.
    private var held = 0
    /// Connections let in since the last one that was turned away.
    private var row = 0
    /// What speaks against the number of connections as the cause, up to `enough`.
    private(set) var doubt = 0.0
    /// The number of connections has no influence on how many are turned away.
    private(set) var isIndifferent = false
    /// Connections turned away in a row beyond the ceiling.
    private(set) var futile = 0
    /// Of the connections lately opened, the share (0…1) that was turned away: a moving average
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
        if isHeld, width >= ceiling, now < patientUntil { return }
        size = min(width + 1, max(1, limit))
    }

    /// The ceiling holds.
    private var isHeld: Bool { ceiling > 0 && (!isIndifferent || futile >= Self.proof) }

    /// No connection came about, which happens in a row where one of several machines behind a
    /// name is down, and no smaller window would help; from a length on that this does not explain
    /// the window shrinks.
    ///
    /// - Parameter usual: the length of a row of failures that is nothing unusual here.
    mutating func missed(limit: Int, usual: Int) {
        misses += 1
        guard misses >= max(3, usual) else { return }
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
        // What was refused was only the last step: back to just below it, and additively then.
        target = max(0, width - 1 - width / 8)
        credit = 0
    }

    /// Whether a connection opened beside so many others shows if the ceiling is one.
    func isBeyond(others: Int) -> Bool { ceiling > 0 && others >= ceiling }

    /// A new connection was let in.
    mutating func letIn(beyond: Bool) {
        turnedAway -= turnedAway / 16
        row += 1
        // Seventy in a row: what it was is over.
        if turnedAway < 0.01 {
            isIndifferent = false
            before = 0
            held = 0
            doubt = 0
        }
        if isIndifferent { futile = 0 }
        guard beyond, ceiling > 0 else {
            if !isIndifferent { doubt = max(doubt + Self.explainedTells, 0) }
            return
        }
        ceiling += 1
        held = max(held, ceiling)
        futile = 0
        patience = min(patience, Self.firstPatience)
        doubt = min(doubt + Self.letInTells, Self.enough)
        guard doubt >= Self.enough, !isIndifferent else { return }
        isIndifferent = true
        size = max(size, before)
    }

    /// A connection was turned away while so many others were open.
    mutating func turnedAway(
        _ serial: Int64, next: Int64, limit: Int, others: Int, beyond: Bool,
        transaction: Duration, at now: Instant
    ) {
        turnedAway += (1 - turnedAway) / 16
        defer { row = 0 }
        if beyond {
            doubt = max(doubt + Self.turnedAwayTells, 0)
            futile += 1
        } else if others == 0, serial >= cut, width(limit: limit) == 1,
            turnedAway <= Self.aloneMost, !isIndifferent
        {
            doubt = min(doubt + Self.aloneTells, Self.enough)
            if doubt >= Self.enough { return becomeIndifferent() }
        } else if isIndifferent {
            futile += 1
        } else if serial >= cut, others + 2 <= held, row >= Self.longRow,
            turnedAway <= Self.aloneMost
        {
            doubt = min(doubt + Self.unexplainedTells, Self.enough)
            if doubt >= Self.enough { becomeIndifferent() }
            return
        }
        if isIndifferent {
            guard turnedAway > Self.tooMany else {
                if futile == Self.proof {
                    if !beyond { ceiling = max(1, others) }
                    size = max(1, min(size, ceiling))
                } else if futile > Self.proof {
                    bePatient(at: now)
                    size = max(1, min(size, ceiling))
                }
                return
            }
            isIndifferent = false
            doubt = 0
        }
        guard serial >= cut else {
            ceiling = max(1, min(ceiling, others))
            held = min(held, ceiling)
            return
        }
        let width = width(limit: limit)
        if before == 0 {
            before = width
            held = min(others, width - 1)
        }
        cut = next
        credit = 0
        if beyond {
            // It was only to see. What held goes on holding.
            bePatient(at: now)
            size = min(size, ceiling)
        } else {
            ceiling = max(1, min(others, width - 1))
            futile = 0
            patience = min(
                max(transaction * Self.patienceInTransactions, Self.shortestPatience),
                Self.firstPatience)
            patientUntil = now + patience
            size = max(1, width / 2)
        }
        good = min(good, max(1, width - 1))
        target = ceiling
    }

    private mutating func becomeIndifferent() {
        isIndifferent = true
        futile = 0
        size = max(size, before)
    }

    private mutating func bePatient(at now: Instant) {
        patience = min(max(patience * 2, Self.shortestPatience), Self.longestPatience)
        patientUntil = now + patience
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
        var doubt: Double
        var isIndifferent: Bool
        var futile: Int
        var turnedAway: Double
    }

    func rest(at now: Instant) -> Rest {
        Rest(
            size: size, good: good, credit: credit, target: target, misses: misses,
            ceiling: ceiling, patientFor: max(0, (patientUntil - now).nanoseconds),
            patience: patience.nanoseconds, before: before, doubt: doubt,
            isIndifferent: isIndifferent, futile: futile, turnedAway: turnedAway)
    }

    init(_ rest: Rest, at now: Instant) {
        size = rest.size
        good = rest.good
        credit = rest.credit
        target = rest.target
        misses = rest.misses
        ceiling = rest.ceiling
        held = rest.ceiling
        patientUntil = now + .nanoseconds(rest.patientFor)
        patience = .nanoseconds(rest.patience)
        before = rest.before
        doubt = rest.doubt
        isIndifferent = rest.isIndifferent
        futile = rest.futile
        turnedAway = rest.turnedAway
    }
}
