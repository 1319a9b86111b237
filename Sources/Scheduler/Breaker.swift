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

    private var state = State.closed
    /// Failed attempts at the destination since it last worked.
    private(set) var failures = 0
    /// How long it was open the last time, in nanoseconds: the next time grows from it, and it
    /// shrinks with every success. 0 after enough of them.
    private(set) var previous: Int64 = 0
    /// What was started before this says nothing about the time since.
    private(set) var opened = Instant(nanoseconds: .min)

    func state(at now: Instant) -> State {
        if case .open(let until) = state, until <= now { return .halfOpen }
        return state
    }

    /// A failure that counts. True if the breaker is open now, which it was not before.
    ///
    /// - Parameters:
    ///   - started: when that attempt began.
    ///   - cohort: the window before this failure.
    ///   - running: what else runs at the destination.
    mutating func failed(
        started: Instant, cohort: Int, running: Int, retry: RetryPolicy,
        random: inout SplitMix64, at now: Instant
    ) -> Bool {
        guard started >= opened else { return false }
        failures += 1
        switch state(at: now) {
        case .open: return false
        case .halfOpen: break
        case .closed: guard failures >= cohort || running == 0 else { return false }
        }
        open(retry: retry, random: &random, at: now)
        return true
    }

    /// Decorrelated jitter (M. Brooker, "Exponential backoff and jitter", 2015): between the
    /// first time and three times the previous one, up to the cap.
    private mutating func open(
        retry: RetryPolicy, random: inout SplitMix64, at now: Instant
    ) {
        let first = max(.seconds(1), min(retry.breakerFirst, retry.breakerCap))
        let last = max(first, min(.nanoseconds(previous), retry.breakerCap))
        let time = random.duration(first, max(first, min(last * 3, retry.breakerCap)))
        previous = time.nanoseconds
        opened = now
        state = .open(until: now + time)
    }

    /// The destination worked. True if the breaker is closed now, which it was not before.
    ///
    /// Before its time is over, a straggler's success only ends the waiting; a probe decides.
    mutating func succeeded(at now: Instant) -> Bool {
        failures = 0
        previous /= 2
        switch state(at: now) {
        case .closed: return false
        case .open:
            state = .halfOpen
            return false
        case .halfOpen:
            state = .closed
            return true
        }
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
    }

    func rest(at now: Instant) -> Rest {
        switch state(at: now) {
        case .closed: Rest(open: nil, failures: failures, previous: previous)
        case .halfOpen: Rest(open: 0, failures: failures, previous: previous)
        case .open(let until):
            Rest(open: (until - now).nanoseconds, failures: failures, previous: previous)
        }
    }

    init(_ rest: Rest, at now: Instant) {
        failures = rest.failures
        previous = rest.previous
        if let open = rest.open {
            state = open > 0 ? .open(until: now + .nanoseconds(open)) : .halfOpen
        }
    }
}
