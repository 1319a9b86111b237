import Mail

@testable import Scheduler

/// A scheduler with a clock, and short words for what the tests do with it.
struct Bench {
    var scheduler = Scheduler(seed: 1)
    var now = Instant(nanoseconds: 1_000_000_000_000)
    private var lastMessage: Int64 = 0

    static let one = DestinationID(rawValue: 1)
    static let two = DestinationID(rawValue: 2)

    init(_ limits: Limits = Limits(), retry: RetryPolicy = RetryPolicy()) {
        scheduler.add(
            Self.one, policy: DestinationPolicy(limits: limits, retry: retry), snapshot: nil,
            at: now)
    }

    mutating func pass(_ time: Duration) {
        now = now + time
    }

    @discardableResult
    mutating func enqueue(
        _ count: Int = 1, to destination: DestinationID = one, in wait: Duration = .zero,
        attempts: Int = 0, size: Int = 1000, sender: UInt32 = 7, priority: UInt8 = 0,
        age: Duration = .zero
    ) -> [DeliveryID] {
        (0..<count).map { _ in
            lastMessage += 1
            let id = DeliveryID(message: MessageID(rawValue: lastMessage), ordinal: 0)
            let received = Instant(nanoseconds: now.nanoseconds - age.nanoseconds)
            scheduler.enqueue(
                Entry(
                    id: id, destination: destination, due: now + wait, received: received,
                    attempts: attempts, size: size, sender: sender, priority: priority), at: now)
            return id
        }
    }

    /// All that can be started now.
    mutating func start(_ limit: Int = .max) -> [Start] {
        var starts: [Start] = []
        while starts.count < limit, let start = scheduler.next(at: now) { starts.append(start) }
        return starts
    }

    @discardableResult
    mutating func finish(
        _ start: Start, _ result: AttemptResult = .settled, _ fate: ConnectionFate = .closed
    ) -> Verdict {
        scheduler.finished(
            start.delivery, of: start.destination, result, connection: fate, at: now)
    }

    /// Starts what can be started and ends it after `time`, in rounds, until nothing is ready.
    @discardableResult
    mutating func drain(taking time: Duration = .seconds(1)) -> Int {
        var count = 0
        while true {
            let starts = start()
            guard !starts.isEmpty else { return count }
            pass(time)
            for start in starts { finish(start, .settled, .idle) }
            count += starts.count
        }
    }

    var status: DestinationStatus { scheduler.status(Self.one, at: now)! }
    var why: Wait { scheduler.explain(Self.one, at: now) }

    /// Lets a cohort fail, so that the breaker opens; how many it took.
    mutating func breakDown(_ cause: Cause = .connect, reply: String = "refused") -> Int {
        var count = 0
        while status.breaker != .open {
            let starts = start()
            for start in starts { finish(start, .deferred(cause, reply: reply)) }
            count += starts.count
            // Its tokens may be spent, or all its mail waiting for its time.
            if starts.isEmpty { pass(.seconds(1)) }
        }
        return count
    }

    /// Until the breaker lets a probe go.
    mutating func untilProbe() {
        if let until = status.breakerUntil { now = until }
    }
}

extension AttemptResult {
    static let refused = AttemptResult.deferred(.connect, reply: "connection refused")
    static let busy = AttemptResult.deferred(.destination, reply: "421 4.7.28 slow down")
    static let greylisted = AttemptResult.deferred(.recipient, reply: "450 4.2.0 greylisted")
}
