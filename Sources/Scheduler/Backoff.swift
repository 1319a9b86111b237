/// How long one delivery waits after a failed attempt.
enum Backoff {
    /// The wait after the `attempts`-th attempt (1 or more).
    ///
    /// Where the recipient or the content is the cause it starts at `first`, where the mailbox is
    /// full, at `fullFirst`, and where the destination is, at `breakerFirst`: then it is the
    /// destination that waits, not the delivery. A fixed schedule goes before all of them.
    static func wait(
        attempts: Int, cause: Cause, reply: String = "", retry: RetryPolicy,
        random: inout SplitMix64
    ) -> Duration {
        if let schedule = retry.schedule, let last = schedule.last {
            return attempts <= schedule.count ? schedule[max(0, attempts - 1)] : last
        }
        switch cause {
        case .greylisted:
            if attempts <= believed, let asked = RetryHint.time(in: reply) {
                return hinted(asked, retry: retry, random: &random)
            }
            return steps(attempts, retry: retry, random: &random)
        case .recipient, .content, .handshake:
            return wait(attempts, first: retry.first, cap: retry.cap, random: &random)
        case .full:
            return wait(attempts, first: retry.fullFirst, cap: retry.fullCap, random: &random)
        case .connect, .destination, .crowded, .hurried, .us:
            return wait(
                attempts, first: retry.breakerFirst, cap: retry.breakerCap, random: &random)
        }
    }

    /// So often a receiver that names a time is taken at its word; one that goes on is waited for
    /// like any other.
    private static let believed = 3

    /// A little after the time that was named, and never sooner than a tenth of `first` nor later
    /// than `cap`, whatever it says.
    private static func hinted(
        _ asked: Duration, retry: RetryPolicy, random: inout SplitMix64
    ) -> Duration {
        let cap = max(.seconds(1), retry.cap)
        let least = min(max(.seconds(1), retry.first / 10), cap)
        let asked = min(max(asked, least), cap)
        return min(cap, random.duration(asked + .seconds(1), asked * 11 / 10 + .seconds(2)))
    }

    /// Soon after 1, 3, 6, 12, 24 … times `first` since the first attempt: with the usual five
    /// minutes soon after the quarters, halves and hours that greylisting is set to where it is not
    /// five minutes. Those that are let through by a clock do not come back together for having
    /// failed together: they failed one by one.
    private static func steps(
        _ attempts: Int, retry: RetryPolicy, random: inout SplitMix64
    ) -> Duration {
        let cap = max(.seconds(1), retry.cap)
        let first = min(max(.seconds(1), retry.first), cap)
        guard attempts > 1 else { return min(cap, random.duration(first, first * 6 / 5)) }
        var wait = attempts == 2 ? first * 2 : first * 3
        for _ in 3..<max(3, min(attempts, 64)) where wait < cap { wait = wait * 2 }
        return min(cap, random.duration(wait, wait * 106 / 100))
    }

    /// The first wait lies soon after `first`, because greylisting lets a retry through from a
    /// fixed time on. Later ones are spread over half to one and a half times a mean that
    /// doubles: over a range as wide as itself, so that what failed together comes back apart.
    /// At the cap they are spread over its upper two thirds.
    private static func wait(
        _ attempts: Int, first: Duration, cap: Duration, random: inout SplitMix64
    ) -> Duration {
        let cap = max(.seconds(1), cap)
        let first = min(max(.seconds(1), first), cap)
        guard attempts > 1 else { return min(cap, random.duration(first, first * 6 / 5)) }
        let ceiling = cap * 2 / 3
        var mean = first
        for _ in 1..<min(attempts, 64) where mean < ceiling { mean = mean * 2 }
        mean = min(mean, ceiling)
        return min(cap, random.duration(mean / 2, mean * 3 / 2))
    }

    /// After nothing was attempted: soon, but not at once, so that a cause that lasts (a body
    /// that cannot be fetched) does not spin.
    static func breather(random: inout SplitMix64) -> Duration {
        random.duration(.seconds(1), .seconds(5))
    }
}
