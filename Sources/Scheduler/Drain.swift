import DequeModule
import Mail

/// How long a queue takes to leave, at the limits and with all that is known of the destination
/// now: a scheduler of its own is run forward in virtual time, against a receiver that takes
/// everything in the time that it lately took.
package struct Drain: Sendable, Hashable {
    /// What is queued, relative to now.
    package struct Queue: Sendable, Hashable {
        /// Due, those included that are being sent.
        package var ready: Int
        /// Waits for the destination to work again.
        package var suspended: Int
        /// Waits for its own time, between `firstDue` and `lastDue`.
        package var delayed: Int
        package var firstDue: Duration
        package var lastDue: Duration

        package init(
            ready: Int, suspended: Int = 0, delayed: Int = 0, firstDue: Duration = .zero,
            lastDue: Duration = .zero
        ) {
            self.ready = ready
            self.suspended = suspended
            self.delayed = delayed
            self.firstDue = firstDue
            self.lastDue = max(firstDue, lastDue)
        }

        package var count: Int { ready + suspended + delayed }
    }

    /// What decides how fast it goes once it goes.
    package enum Bound: String, Sendable, Hashable, Codable {
        case rate
        case learnedRate = "learned-rate"
        /// How often connections may be opened, where each takes so many messages.
        case connectionRate = "connection-rate"
        case learnedConnectionRate = "learned-connection-rate"
        case window
        /// Own retry times, which are later than all limits would have it.
        case schedule
    }

    /// Until the last one has left.
    package var time: Duration
    package var bound: Bound
    /// Deliveries per second once it goes; nil where retry times decide.
    package var perSecond: Double?

    /// nil if the destination is paused without an end, or nothing is known that would tell: no
    /// rate, and no transaction yet.
    ///
    /// - Parameters:
    ///   - pausedFor: what is left of a pause; nil where there is none.
    ///   - isHalfOpen: an open breaker lets its probe go now, as "retry now" does.
    ///   - steps: how many deliveries are really run; what is beyond goes at the rate that the
    ///     end of them has reached.
    package static func forecast(
        _ queue: Queue, policy: DestinationPolicy, snapshot: DestinationSnapshot?,
        pausedFor: Duration? = nil, isHalfOpen: Bool = false, steps: Int
    ) -> Drain? {
        if pausedFor == Duration.nanoseconds(Int64.max) { return nil }
        let transaction = Duration.seconds(snapshot?.transaction ?? 0)
        var run = Run(policy: policy, snapshot: snapshot, transaction: transaction)
        guard transaction > .zero || !run.rates.isEmpty else { return nil }
        if let pausedFor {
            run.scheduler.pause(
                Run.id, until: run.now + pausedFor, by: "", reason: "", at: run.now)
        }
        run.enqueue(queue, limit: steps)
        if isHalfOpen, let index = run.scheduler.number(of: Run.id) {
            run.scheduler.destinations[index].breaker.halfOpen(at: run.now)
            run.scheduler.review(UInt32(index), at: run.now)
        }
        guard run.finish() else { return nil }
        let pace = run.pace
        let rest = run.time(forRest: queue.count - min(queue.count, steps))
        var time = run.last - Run.start + rest
        var bound = pace.bound
        if queue.delayed > 0, time <= queue.lastDue + transaction {
            time = queue.lastDue + transaction
            bound = .schedule
        }
        return Drain(time: time, bound: bound, perSecond: bound == .schedule ? nil : pace.rate)
    }
}

/// The scheduler in virtual time.
private struct Run {
    static let id = DestinationID(rawValue: 1)
    static let start = Instant(nanoseconds: 0)

    let policy: DestinationPolicy
    let transaction: Duration
    /// With a fixed seed: only the choice of a probe's time is left to chance, and none fails.
    var scheduler = Scheduler(seed: 1)
    var now = start
    /// When the last one ended.
    var last = start
    private var added: Int64 = 0
    private var running: Deque<(end: Instant, id: DeliveryID)> = []
    private var finished = 0

    init(policy: DestinationPolicy, snapshot: DestinationSnapshot?, transaction: Duration) {
        var policy = policy
        // Nothing is given up here.
        policy.retry.maxAge = .nanoseconds(Int64.max)
        self.policy = policy
        self.transaction = transaction
        // No receiver is there that would refuse: what was learned of it stays as it is.
        var snapshot = snapshot
        snapshot?.pace?.raiseIn = Int64.max / 2
        snapshot?.connectionPace?.raiseIn = Int64.max / 2
        snapshot?.window.patientFor = Int64.max / 2
        scheduler.add(Self.id, policy: policy, snapshot: snapshot, at: now)
    }

    mutating func enqueue(_ queue: Drain.Queue, limit: Int) {
        let ready = min(queue.ready, limit)
        let suspended = min(queue.suspended, limit - ready)
        let delayed = min(queue.delayed, limit - ready - suspended)
        for _ in 0..<ready { add(due: .zero) }
        // The first one in its time; they failed long enough ago for the others to follow its
        // success.
        let late = max(queue.lastDue, .seconds(86_400))
        for number in 0..<suspended {
            add(due: number == 0 ? queue.firstDue : late, isSuspended: true)
        }
        let span = queue.lastDue - queue.firstDue
        for number in 0..<delayed {
            add(due: queue.firstDue + span * Double(number) / Double(max(1, queue.delayed - 1)))
        }
    }

    private mutating func add(due: Duration, isSuspended: Bool = false) {
        added += 1
        scheduler.enqueue(
            Entry(
                id: DeliveryID(message: MessageID(rawValue: added), ordinal: 0),
                destination: Self.id, due: now + due, received: now,
                attempts: due == .zero ? 0 : 1, size: 0, sender: 0, isSuspended: isSuspended),
            at: now)
    }

    /// False if something keeps the mail for ever.
    mutating func finish() -> Bool {
        // Each turn starts, ends or waits for something, and so there are at most a few for each.
        for _ in 0..<(added * 8 + 64) {
            while let start = scheduler.next(at: now) {
                running.append((now + transaction, start.delivery))
            }
            if scheduler.count == 0 { return true }
            let wake = scheduler.nextWake(after: now) ?? .distantFuture
            let next = min(running.first?.end ?? .distantFuture, wake)
            guard next < .distantFuture else { return false }
            now = max(now, next)
            while let (end, id) = running.first, end <= now {
                running.removeFirst()
                last = end
                finished += 1
                // Which connection it was does not matter, only how many come to their end.
                let isSpent = policy.limits.messagesPerConnection.map { finished % $0 == 0 }
                _ = scheduler.finished(
                    id, of: Self.id, .settled, connection: isSpent ?? false ? .closed : .idle,
                    at: now)
            }
        }
        return false
    }

    private var destination: Destination? {
        scheduler.number(of: Self.id).map { scheduler.destinations[$0] }
    }

    /// What there is beside the window, in deliveries per second.
    var rates: [(rate: Double, bound: Drain.Bound)] {
        var rates: [(Double?, Drain.Bound)] = [
            (policy.limits.rate?.perSecond, .rate), (destination?.pace.learned, .learnedRate),
        ]
        if let each = policy.limits.messagesPerConnection.map(Double.init) {
            rates += [
                (policy.limits.connectionRate.map { $0.perSecond * each }, .connectionRate),
                (destination?.connectionPace.learned.map { $0 * each }, .learnedConnectionRate),
            ]
        }
        return rates.compactMap { rate, bound in rate.map { ($0, bound) } }
    }

    /// How fast it goes at the end of the run, and what decides that.
    var pace: (rate: Double, bound: Drain.Bound) {
        var best = (rate: Double.infinity, bound: Drain.Bound.window)
        if transaction > .zero, let destination {
            best.rate = Double(width(destination)) / transaction.inSeconds
        }
        for other in rates where other.rate < best.rate { best = other }
        return best
    }

    private func width(_ destination: Destination) -> Int {
        max(
            destination.window.width(limit: destination.limit),
            min(destination.window.good, destination.limit))
    }

    func time(forRest count: Int) -> Duration {
        guard count > 0, let destination else { return .zero }
        var seconds = 0.0
        if transaction > .zero {
            seconds = Double(count) / Double(width(destination)) * transaction.inSeconds
        }
        for (rate, bound) in rates {
            let tokens = bound == .rate ? destination.tokens?.tokens(at: last) ?? 0 : 0
            seconds = max(seconds, (Double(count) - tokens) / rate)
        }
        return .seconds(min(max(0, seconds), 1e9))
    }
}
