package import Scheduler

/// The keys that say when to try again: `[retry]` sets them for all, `[[shaping]]` for some.
/// nil: not set here.
package struct RetryKeys: Hashable, Sendable, Codable {
    /// Mail older than this goes back to its sender.
    package var maxAge: Duration?
    /// Before the second attempt; later ones wait longer, at random, up to `cap`.
    package var first: Duration?
    package var cap: Duration?
    /// The same where the mailbox is full.
    package var fullFirst: Duration?
    package var fullCap: Duration?
    /// Takes the place of `first` and `cap`; its last entry repeats.
    package var schedule: [Duration]?
    /// The sender is told that a message is late.
    package var delayWarning: Switchable<Duration>?
    /// How long a destination that does not answer is left alone at first, and at most.
    package var breakerFirst: Duration?
    package var breakerCap: Duration?

    package init() {}

    package mutating func read(_ reader: TableReader) {
        let range = Duration.milliseconds(10)...(.seconds(30 * 86400))
        reader.read("max_age", .duration(.seconds(1)...(.seconds(60 * 86400))), into: &maxAge)
        reader.read("first", .duration(range), into: &first)
        reader.read("cap", .duration(range), into: &cap)
        reader.read("full_first", .duration(range), into: &fullFirst)
        reader.read("full_cap", .duration(range), into: &fullCap)
        reader.read("schedule", Self.scheduleKind, into: &schedule)
        reader.read(
            "delay_warning", Switchable.kind(.duration(.seconds(1)...(.seconds(60 * 86400)))),
            into: &delayWarning)
        reader.read("breaker_first", .duration(range), into: &breakerFirst)
        reader.read("breaker_cap", .duration(range), into: &breakerCap)
    }

    private static var scheduleKind: ValueKind<[Duration]> {
        ValueKind("waits such as \"1m,5m*2,1h*3\" (5m*2: five minutes, twice)") { text in
            RetryPolicy.parseSchedule(text)
        }
    }

    /// Reports keys that contradict each other. `base`: what holds where this sets nothing.
    package func check(_ reader: TableReader, base: RetryPolicy) {
        let policy = applied(to: base)
        for key in ["first", "cap", "full_first", "full_cap"]
        where schedule != nil && reader.has(key) {
            reader.error(key, "has no meaning beside schedule; keep one of them")
        }
        // What is wrong with `base` is said where it was set.
        func isOurs(_ keys: String...) -> Bool { keys.contains(where: reader.has) }
        if schedule == nil && isOurs("first", "cap") && policy.first > policy.cap {
            reader.error(
                first == nil ? "cap" : "first",
                "first (\(DurationText.text(policy.first))) is above cap"
                    + " (\(DurationText.text(policy.cap)))")
        }
        if schedule == nil && isOurs("full_first", "full_cap") && policy.fullFirst > policy.fullCap
        {
            reader.error(
                fullFirst == nil ? "full_cap" : "full_first",
                "full_first (\(DurationText.text(policy.fullFirst))) is above full_cap"
                    + " (\(DurationText.text(policy.fullCap)))")
        }
        if isOurs("breaker_first", "breaker_cap") && policy.breakerFirst > policy.breakerCap {
            reader.error(
                breakerFirst == nil ? "breaker_cap" : "breaker_first",
                "breaker_first (\(DurationText.text(policy.breakerFirst))) is above breaker_cap"
                    + " (\(DurationText.text(policy.breakerCap)))")
        }
        let second = policy.schedule?.first ?? policy.first
        if isOurs("max_age", "first", "schedule") && second >= policy.maxAge {
            let key = ["max_age", "first", "schedule"].first(where: reader.has)
            reader.warn(
                key,
                "tried once only: the first wait (\(DurationText.text(second))) is no shorter than"
                    + " max_age (\(DurationText.text(policy.maxAge)))")
        }
        if case .on(let warning) = delayWarning, warning >= policy.maxAge {
            reader.warn(
                "delay_warning",
                "never sent: mail is given up after max_age, \(DurationText.text(policy.maxAge))")
        }
    }

    package func applied(to base: RetryPolicy) -> RetryPolicy {
        var policy = base
        if let maxAge { policy.maxAge = maxAge }
        if first != nil || cap != nil || fullFirst != nil || fullCap != nil {
            policy.schedule = nil
        }
        if let first { policy.first = first }
        if let cap { policy.cap = cap }
        if let fullFirst { policy.fullFirst = fullFirst }
        if let fullCap { policy.fullCap = fullCap }
        if let schedule { policy.schedule = schedule }
        if let delayWarning { policy.delayWarning = delayWarning.value }
        if let breakerFirst { policy.breakerFirst = breakerFirst }
        if let breakerCap { policy.breakerCap = breakerCap }
        return policy
    }
}
