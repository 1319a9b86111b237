/// How many transactions a destination may run at a time: additive increase, multiplicative
/// decrease, one cut per cohort.
///
/// A cohort is what was started since the last cut. What ran already when the window was cut
/// says nothing about the smaller window, so it does not cut again.
struct Window: Hashable, Sendable {
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
    /// Starts with smaller numbers belong to a cohort that has been cut already.
    private var cut: Int64 = 0
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
    mutating func succeeded(_ serial: Int64, limit: Int) {
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
    }

    var rest: Rest {
        Rest(size: size, good: good, credit: credit, target: target, misses: misses)
    }

    init(_ rest: Rest) {
        size = rest.size
        good = rest.good
        credit = rest.credit
        target = rest.target
        misses = rest.misses
    }
}
