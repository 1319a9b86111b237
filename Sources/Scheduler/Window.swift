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
    /// A moving average, over about eight attempts, of "could not connect".
    private(set) var misses = 0.0
    /// Starts before this belong to a cohort that has been cut already.
    private var cut = Instant(nanoseconds: .min)

    init(initial: Int) {
        size = max(1, initial)
    }

    func width(limit: Int) -> Int { max(1, min(size, limit)) }

    /// The receiver took part in a transaction. `running` counts that one too: a window that is
    /// not full has proved nothing about its size.
    mutating func succeeded(running: Int, limit: Int) {
        misses -= misses / 8
        let width = width(limit: limit)
        guard running >= width else { return }
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

    /// No connection came about. As long as two of three do, the rest is a bad machine among
    /// good ones, which no smaller window would help.
    mutating func missed(limit: Int) {
        misses += (1 - misses) / 8
        guard misses > 1.0 / 3 else { return }
        size = max(1, width(limit: limit) - 1)
        credit = 0
    }

    /// The receiver said that it is too much.
    mutating func refused(started: Instant, limit: Int, at now: Instant) {
        guard started >= cut else { return }
        let width = width(limit: limit)
        cut = now
        good = min(good, width - 1)
        size = max(1, width / 2)
        target = 0
        credit = 0
    }

    /// A probe got through after a time of none: 1, 2, 4 … to half of what last held, then
    /// additively.
    mutating func reopen() {
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
        var misses: Double
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
