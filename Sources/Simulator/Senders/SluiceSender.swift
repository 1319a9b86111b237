import Mail
import Scheduler

/// Sluice's own scheduler, as a worker drives it.
struct SluiceSender: SimulatedSender {
    let name = "Sluice"
    let reusesConnections = true
    private let policy: DestinationPolicy
    private var scheduler: Scheduler
    private var known: Set<Int> = []

    init(policy: DestinationPolicy, seed: UInt64) {
        self.policy = policy
        scheduler = Scheduler(seed: seed)
    }

    private func id(_ destination: Int) -> DestinationID {
        DestinationID(rawValue: Int64(destination))
    }

    mutating func enqueue(_ mail: SimulatedMail, at now: Instant) {
        let destination = id(mail.destination)
        if known.insert(mail.destination).inserted {
            scheduler.add(destination, policy: policy, snapshot: nil, at: now)
        }
        scheduler.enqueue(
            Entry(
                id: Self.delivery(mail.number), destination: destination, due: now,
                received: mail.arrived, attempts: 0,
                size: mail.size, sender: mail.sender, priority: mail.priority), at: now)
    }

    mutating func next(at now: Instant) -> SimulatedAttempt? {
        while scheduler.nextExpired(at: now) != nil {}
        guard let start = scheduler.next(at: now) else { return nil }
        var attempt = SimulatedAttempt(
            mail: Int(start.delivery.message.rawValue),
            destination: Int(start.destination.rawValue), reuses: start.connection == .reuse)
        if let patience = start.patience {
            attempt.connectTimeout = min(patience, Start.haste)
        }
        return attempt
    }

    mutating func finished(
        _ attempt: SimulatedAttempt, _ outcome: SimulatedOutcome, keepsConnection: Bool,
        at now: Instant
    ) {
        let result: AttemptResult =
            switch outcome {
            case .delivered: .settled
            case .deferred(let cause, let reply): .deferred(cause, reply: reply)
            }
        _ = scheduler.finished(
            Self.delivery(attempt.mail), of: id(attempt.destination), result,
            connection: keepsConnection ? .idle : .closed, opened: attempt.opened, at: now)
    }

    mutating func idleClosed(_ destination: Int, at now: Instant) {
        scheduler.idleConnectionClosed(id(destination), at: now)
    }

    func nextWake(after now: Instant) -> Instant? { scheduler.nextWake(after: now) }

    private static func delivery(_ number: Int) -> DeliveryID {
        DeliveryID(message: MessageID(rawValue: Int64(number)), ordinal: 0)
    }
}
