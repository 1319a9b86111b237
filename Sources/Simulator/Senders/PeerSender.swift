import DequeModule
import HeapModule
import Scheduler

/// A mail server that follows `PeerRules`.
struct PeerSender: SimulatedSender {
    private struct Message {
        let destination: Int
        let arrived: Instant
        var attempts = 0
    }

    private struct Waiting: Comparable {
        let due: Instant
        let mail: Int

        static func < (a: Waiting, b: Waiting) -> Bool { (a.due, a.mail) < (b.due, b.mail) }
    }

    /// A class, so that a long queue is not copied whenever something about the host changes.
    private final class Host {
        var ready: Deque<Int> = []
        var running = 0
        var idle = 0
        var window: Int
        /// Connection failures since the last success.
        var failures = 0
        var firstFailure: Instant?
        var deadUntil: Instant?
        var isListed = false

        init(window: Int) {
            self.window = window
        }
    }

    let rules: PeerRules
    private let limit: Int
    private var random: SplitMix64
    private var messages: [Int: Message] = [:]
    private var hosts: [Int: Host] = [:]
    private var waiting = Heap<Waiting>()
    /// Hosts that may have something to start.
    private var listed: Deque<Int> = []

    var name: String { rules.name }
    var reusesConnections: Bool { rules.reusesConnections }

    init(_ rules: PeerRules, limit: Int, seed: UInt64) {
        self.rules = rules
        self.limit = min(limit, rules.most ?? limit)
        random = SplitMix64(seed: seed)
    }

    private mutating func host(_ destination: Int) -> Host {
        if let host = hosts[destination] { return host }
        let host =
            switch rules.concurrency {
            case .fixed: Host(window: limit)
            case .feedback(let initial): Host(window: min(initial, limit))
            }
        hosts[destination] = host
        return host
    }

    mutating func enqueue(_ mail: SimulatedMail, at now: Instant) {
        messages[mail.number] = Message(destination: mail.destination, arrived: mail.arrived)
        makeReady(mail.number, at: now)
    }

    private mutating func makeReady(_ mail: Int, at now: Instant) {
        guard let message = messages[mail] else { return }
        let host = host(message.destination)
        if let until = host.deadUntil, until > now {
            // Not even tried: the host is known to be dead.
            return putOff(mail, until: until, at: now)
        }
        host.ready.append(mail)
        if !host.isListed {
            host.isListed = true
            listed.append(message.destination)
        }
    }

    mutating func next(at now: Instant) -> SimulatedAttempt? {
        while let first = waiting.min, first.due <= now {
            waiting.removeMin()
            makeReady(first.mail, at: now)
        }
        while let destination = listed.first {
            guard let host = hosts[destination], host.running < host.window,
                let mail = host.ready.popFirst()
            else {
                hosts[destination]?.isListed = false
                listed.removeFirst()
                continue
            }
            host.running += 1
            let reuses = host.idle > 0
            if reuses { host.idle -= 1 }
            return SimulatedAttempt(mail: mail, destination: destination, reuses: reuses)
        }
        return nil
    }

    mutating func finished(
        _ attempt: SimulatedAttempt, _ outcome: SimulatedOutcome, keepsConnection: Bool,
        at now: Instant
    ) {
        guard let host = hosts[attempt.destination] else { return }
        host.running -= 1
        if keepsConnection { host.idle += 1 }
        var died = false
        switch outcome {
        case .deferred(let cause, _)
        where cause == .connect || cause == .crowded || cause == .hurried:
            // Only these count, for all of them: what is said about a message does not.
            died = failed(host, at: now)
        case .delivered, .deferred:
            host.failures = 0
            host.firstFailure = nil
            host.deadUntil = nil
            if case .feedback = rules.concurrency { host.window = min(limit, host.window + 1) }
        }
        if !host.isListed {
            host.isListed = true
            listed.append(attempt.destination)
        }
        if died { putOffAll(attempt.destination, at: now) }
        switch outcome {
        case .delivered: messages[attempt.mail] = nil
        case .deferred:
            messages[attempt.mail]?.attempts += 1
            putOff(attempt.mail, until: nil, at: now)
        }
    }

    /// True if the host is dead now.
    private func failed(_ host: Host, at now: Instant) -> Bool {
        host.failures += 1
        let first = host.firstFailure ?? now
        host.firstFailure = first
        switch rules.concurrency {
        case .fixed:
            guard let limit = rules.failuresUntilDead, host.failures >= limit else { return false }
            host.deadUntil = now + rules.wait(1, now - first)
        case .feedback(let initial):
            let cohort = max(1, host.window)
            host.window -= 1
            guard host.failures >= cohort || host.window < 1 else { return false }
            host.deadUntil = now + rules.wait(1, .zero)
            // It comes back with what it began with, not with one probe.
            host.window = min(initial, limit)
            host.failures = 0
        }
        return true
    }

    private mutating func putOffAll(_ destination: Int, at now: Instant) {
        guard let ready = hosts[destination]?.ready else { return }
        hosts[destination]?.ready = []
        let until = hosts[destination]?.deadUntil
        for mail in ready {
            if rules.burnsAttempts { messages[mail]?.attempts += 1 }
            putOff(mail, until: rules.burnsAttempts ? nil : until, at: now)
        }
    }

    private mutating func putOff(_ mail: Int, until: Instant?, at now: Instant) {
        guard let message = messages[mail] else { return }
        let host = hosts[message.destination]
        let wait = rules.wait(max(1, message.attempts), now - message.arrived)
        let jitter = rules.jitter(wait)
        var due = now + wait
        if jitter > .zero {
            let half = jitter / .seconds(1)
            due = due + .seconds(Double.random(in: -half...half, using: &random))
        }
        if rules.isPerHost, let dead = host?.deadUntil, dead > now { due = dead }
        if let until { due = max(due, until) }
        if let run = rules.queueRun {
            let runs = ((due - Receiver.start) / run).rounded(.up)
            due = Receiver.start + run * Int(runs)
        }
        waiting.insert(Waiting(due: due, mail: mail))
    }

    mutating func idleClosed(_ destination: Int, at now: Instant) {
        hosts[destination]?.idle -= 1
    }

    func nextWake(after now: Instant) -> Instant? { waiting.min.map { max(now, $0.due) } }
}
