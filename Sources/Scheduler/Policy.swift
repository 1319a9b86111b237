/// What the receiver is spared.
package struct Limits: Hashable, Sendable, Codable {
    /// Connections at a time, busy and idle together; 1 or more.
    package var concurrency: Int
    /// Transactions started; nil for no limit.
    package var rate: Rate?
    /// Size of the rate's bucket; nil for one second of the rate, at least 1.
    package var burst: Double?
    /// Connections opened; nil for no limit. Its bucket holds one second of it, at least 1.
    package var connectionRate: Rate?
    /// Transactions after which the worker closes a connection; nil for no limit.
    package var messagesPerConnection: Int?
    /// Where the window of a destination nobody knows yet begins.
    package var initialWindow: Int

    package init(
        concurrency: Int = 20, rate: Rate? = nil, burst: Double? = nil,
        connectionRate: Rate? = nil, messagesPerConnection: Int? = 1000, initialWindow: Int = 5
    ) {
        self.concurrency = concurrency
        self.rate = rate
        self.burst = burst
        self.connectionRate = connectionRate
        self.messagesPerConnection = messagesPerConnection
        self.initialWindow = initialWindow
    }

    /// Whether there is a bucket.
    package var isPaced: Bool { rate != nil || connectionRate != nil }
}

/// When what failed is tried again, and for how long.
package struct RetryPolicy: Hashable, Sendable, Codable {
    /// From its receipt until a delivery is given up (RFC 5321 §4.5.4.1: at least 4–5 days).
    package var maxAge: Duration
    /// The first wait of a delivery whose recipient is the cause. Greylisting commonly asks for
    /// five minutes.
    package var first: Duration
    /// The longest wait of a single delivery; Postfix's maximal_backoff_time is the default.
    package var cap: Duration
    /// The first wait of a delivery whose mailbox is full, and the longest: it is emptied when
    /// somebody comes home, if ever.
    package var fullFirst: Duration
    package var fullCap: Duration
    /// The first time that a breaker stays open.
    package var breakerFirst: Duration
    /// The longest time that a breaker stays open: so long may a receiver that is back wait.
    package var breakerCap: Duration
    /// A fixed list of waits, without jitter, instead of all of the above for deliveries: the n-th is the wait
    /// after the n-th failed attempt, and the last one repeats until `maxAge`.
    package var schedule: [Duration]?
    /// The sender is told that the mail is late; nil for never.
    package var delayWarning: Duration?

    package init(
        maxAge: Duration = .seconds(5 * 86_400), first: Duration = .seconds(300),
        cap: Duration = .seconds(4000), fullFirst: Duration = .seconds(1800),
        fullCap: Duration = .seconds(4 * 3600), breakerFirst: Duration = .seconds(30),
        breakerCap: Duration = .seconds(600), schedule: [Duration]? = nil,
        delayWarning: Duration? = .seconds(4 * 3600)
    ) {
        self.maxAge = maxAge
        self.first = first
        self.cap = cap
        self.fullFirst = fullFirst
        self.fullCap = fullCap
        self.breakerFirst = breakerFirst
        self.breakerCap = breakerCap
        self.schedule = schedule
        self.delayWarning = delayWarning
    }

    /// "1m,5m*2,1h*3": one minute, twice five minutes, three times an hour, as in Haraka's
    /// `temp_fail_intervals`. Units s, m (or min), h, d. nil if it is empty, has a zero wait or
    /// more than 1000 of them, or does not parse.
    package static func parseSchedule(_ text: some StringProtocol) -> [Duration]? {
        var waits: [Duration] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: "*", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return nil }
            let wait = parts[0].trimmed
            let digits = wait.prefix { $0.isASCII && $0.isNumber }
            guard let number = Int(digits), number > 0, number <= 31_536_000,
                let unit = Duration(unit: wait.dropFirst(digits.count).trimmed)
            else { return nil }
            var times = 1
            if parts.count == 2 {
                guard let value = Int(parts[1].trimmed), value > 0 else { return nil }
                times = value
            }
            guard times <= 1000 - waits.count else { return nil }
            waits += Array(repeating: unit * number, count: times)
        }
        return waits.isEmpty ? nil : waits
    }
}

package struct DestinationPolicy: Hashable, Sendable, Codable {
    package var limits: Limits
    package var retry: RetryPolicy

    package init(limits: Limits = Limits(), retry: RetryPolicy = RetryPolicy()) {
        self.limits = limits
        self.retry = retry
    }
}

/// The policies in use, each once: a hundred thousand destinations share a handful.
struct PolicyTable {
    private var policies: [DestinationPolicy] = []
    private var uses: [Int] = []
    private var vacant: [Int32] = []
    private var numbers: [DestinationPolicy: Int32] = [:]

    subscript(number: Int32) -> DestinationPolicy {
        _read { yield policies[Int(number)] }
    }

    /// The number of this policy, with one use more.
    mutating func take(_ policy: DestinationPolicy) -> Int32 {
        if let number = numbers[policy] {
            uses[Int(number)] += 1
            return number
        }
        let number: Int32
        if let free = vacant.popLast() {
            number = free
            policies[Int(free)] = policy
            uses[Int(free)] = 1
        } else {
            number = Int32(policies.count)
            policies.append(policy)
            uses.append(1)
        }
        numbers[policy] = number
        return number
    }

    mutating func release(_ number: Int32) {
        uses[Int(number)] -= 1
        guard uses[Int(number)] == 0 else { return }
        numbers[policies[Int(number)]] = nil
        vacant.append(number)
    }

    var count: Int { numbers.count }
}
