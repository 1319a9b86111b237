/// Keeps a destination that does not work from costing attempts.
///
/// closed → open, when a cohort of attempts failed without a success among them; open →
/// half-open, when its time is over; half-open → closed or open, as one probe goes.
struct Breaker: Hashable, Sendable {
    enum State: Hashable, Sendable {
        case closed
        case open(until: Instant)
        case halfOpen
    }

    /// Failures in a row that outweigh that it worked before.
    private static let proof = 3
    /// Longer rows of failures are an outage whatever was before.
    private static let longestRow = 32

    private var state = State.closed
    /// Failed attempts at the destination since it last worked.
    private(set) var failures = 0
    /// How long it was open the last time, in nanoseconds: the next time grows from it, and it
    /// shrinks with every success. 0 after enough of them.
    private(set) var previous: Int64 = 0
    /// By how many nanoseconds the last probe lies behind its place in an even row of them.
    private(set) var shift: Int64 = 0
    /// Of the connections lately tried, while it was closed, the share (0…1) that did not come
    /// about: a moving average over about 32, as of the last one that did.
    private(set) var failedShare = 0.0
    /// Connections that did not come about since the last one that did.
    private var unconnected = 0
    /// It worked since it was last open, or since it is known.
    private(set) var hasWorked = false
    /// Starts with smaller numbers say nothing about the time since it opened.
    private(set) var opened: Int64 = 0
    /// Open because a rule said for how long: a success from before does not end it.
    private var isSuspended = false

    func state(at now: Instant) -> State {
        if case .open(let until) = state, until <= now { return .halfOpen }
        return state
    }

    /// A failure that counts. True if the breaker is open now, which it was not before.
    ///
    /// - Parameters:
    ///   - serial: the number of that start, and `next` the number of the next one.
    ///   - cohort: the window before this failure.
    ///   - running: what else runs at the destination.
    ///   - started: when that attempt was started.
    mutating func failed(
        _ cause: Cause, _ serial: Int64, next: Int64, cohort: Int, running: Int,
        started: Instant, retry: RetryPolicy, random: inout SplitMix64, at now: Instant
    ) -> Bool {
        guard serial >= opened else { return false }
        failures += 1
        if cause == .connect || cause == .crowded { unconnected += 1 }
        // The time between two probes, however long a probe hangs.
        var since = started
        switch state(at: now) {
        case .open: return false
        case .halfOpen: break
        case .closed:
            since = now
            // With nothing else running no other attempt will say more. Where it just worked, a
            // connection lost now and then is no outage; where nothing ever worked it is.
            let proof = max(Self.proof, usual + 1)
            let isAlone = running == 0 && (!hasWorked || failures >= proof)
            let isProven = failures >= (hasWorked ? max(cohort, proof) : cohort)
            guard isProven || isAlone else { return false }
        }
        hasWorked = false
        opened = next
        open(since: since, retry: retry, random: &random, at: now)
        return true
    }

    /// It works, perhaps but for some connections: those need not be waited for as long as ever.
    /// Where most fail, it may be that all have become slow.
    var works: Bool { hasWorked && failedShare < 0.7 }

    /// Some connections fail indeed.
    var isPatchy: Bool { works && failedShare >= 0.03 }

    /// The longest row of failures that is to be expected once in a million attempts, where as
    /// many connections fail as lately: one machine of several that does not work makes such rows.
    var usual: Int {
        guard failedShare > 0.01 else { return 0 }
        var length = 0
        var chance = 1.0
        while chance > 1e-6, length < Self.longestRow {
            chance *= failedShare
            length += 1
        }
        return length
    }

    /// Each time is a random multiple of the one before (decorrelated jitter, after M. Brooker,
    /// "Exponential backoff and jitter", 2015), up to about two fifths of the cap: so the end of a
    /// short outage is found soon. From then on probes stand in an even row, each moved at random
    /// by up to a sixth of the distance: spread for those that are sent probes at the same time,
    /// even for the one that is.
    ///
    /// A receiver that comes back waits, in the median, half of the mean time between two probes
    /// or longer, whatever their distribution; an even row makes the best of their number. With a
    /// cap of ten minutes these are thirty probes in two hours, and a median of two minutes.
    private mutating func open(
        since: Instant, retry: RetryPolicy, random: inout SplitMix64, at now: Instant
    ) {
        let cap = max(.seconds(1), retry.breakerCap)
        let first = max(.seconds(1), min(retry.breakerFirst, cap))
        let steady = max(first, cap * 425 / 1000)
        let last = Duration.nanoseconds(previous)
        var time =
            last < first
            ? random.duration(first, min(first * 4 / 3, cap))
            : random.duration(last * 22 / 10, last * 34 / 10)
        var shift = Duration.zero
        if time >= steady, last >= first {
            time = steady
            shift = random.duration(.zero - steady / 6, steady / 6)
        }
        previous = time.nanoseconds
        time = max(first, min(time + shift - .nanoseconds(self.shift), cap))
        self.shift = shift.nanoseconds
        state = .open(until: max(since + time, now + first))
        isSuspended = false
    }

    /// The destination worked. True if the breaker is closed now, which it was not before.
    ///
    /// Before its time is over, a straggler's success only ends the waiting; a probe decides.
    ///
    /// - Parameter isNew: over a connection that was opened for it.
    mutating func succeeded(isNew: Bool = true, at now: Instant) -> Bool {
        if isNew {
            if case .closed = state {
                for _ in 0..<min(unconnected, Self.longestRow) {
                    failedShare += (1 - failedShare) / 32
                }
                failedShare -= failedShare / 32
            }
            unconnected = 0
        }
        failures = 0
        previous /= 2
        shift = 0
        hasWorked = true
        switch state(at: now) {
        case .closed: return false
        case .open:
            if !isSuspended { state = .halfOpen }
            return false
        case .halfOpen:
            state = .closed
            return true
        }
    }

    /// Stays open for this long at least, whatever was learned so far. What began before `next`
    /// says nothing about it.
    mutating func suspend(for time: Duration, next: Int64, at now: Instant) {
        failures += 1
        hasWorked = false
        opened = next
        var until = now + max(.seconds(1), time)
        if case .open(let already) = state { until = max(until, already) }
        state = .open(until: until)
        isSuspended = true
    }

    /// Ends the waiting: a probe may go now.
    mutating func halfOpen(at now: Instant) {
        if case .open = state(at: now) { state = .halfOpen }
    }
}

extension Breaker {
    /// What another process needs to go on with it.
    struct Rest: Hashable, Sendable {
        /// Nanoseconds that it stays open, 0 for half-open, nil for closed.
        var open: Int64?
        var failures: Int
        var previous: Int64
        var shift: Int64
        var hasWorked: Bool
        var failedShare: Double
    }

    func rest(at now: Instant) -> Rest {
        let open: Int64? =
            switch state(at: now) {
            case .closed: nil
            case .halfOpen: 0
            case .open(let until): (until - now).nanoseconds
            }
        return Rest(
            open: open, failures: failures, previous: previous, shift: shift,
            hasWorked: hasWorked, failedShare: failedShare)
    }

    init(_ rest: Rest, at now: Instant) {
        failures = rest.failures
        previous = rest.previous
        shift = rest.shift
        hasWorked = rest.hasWorked
        failedShare = rest.failedShare
        if let open = rest.open {
            state = open > 0 ? .open(until: now + .nanoseconds(open)) : .halfOpen
        }
    }
}
