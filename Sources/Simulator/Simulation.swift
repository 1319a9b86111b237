import Scheduler

/// One sender against the receivers of a scenario, in virtual time.
struct Simulation<Sender: SimulatedSender> {
    private enum Event {
        case arrival(SimulatedMail)
        /// An attempt to connect ended without a connection.
        case refused(SimulatedAttempt, Cause, reply: String)
        case connected(SimulatedAttempt, connection: Int)
        case answered(SimulatedAttempt, connection: Int)
        case idle(connection: Int, since: Instant)
        case wake
    }

    private struct Connection {
        let destination: Int
        let opened: Instant
        let isExcess: Bool
        var messages = 0
        /// nil: in use.
        var idleSince: Instant?
    }

    /// As Sluice's and Postfix's defaults: an idle connection is kept for 2 s, one is used for 300 s.
    private static var idleTime: Duration { .seconds(2) }
    private static var lifetime: Duration { .seconds(300) }

    private(set) var sender: Sender
    private let model: ReceiverModel
    private let seed: UInt64
    private(set) var receivers: [Int: Receiver] = [:]
    private var timeline = Timeline<Event>()
    private var mail: [Int: SimulatedMail] = [:]
    private var connections: [Int: Connection] = [:]
    private var idle: [Int: [Int]] = [:]
    private var lastConnection = 0
    private var wakeAt: Instant?
    private(set) var record = Record()

    init(_ sender: Sender, model: ReceiverModel, seed: UInt64) {
        self.sender = sender
        self.model = model
        self.seed = seed
    }

    mutating func add(_ mail: SimulatedMail) {
        timeline.add(.arrival(mail), at: mail.arrived)
    }

    /// Runs until `end`, or until `isOver` says that nothing more is of interest.
    mutating func run(until end: Instant, isOver: (Record) -> Bool = { _ in false }) {
        while let time = timeline.next, time <= end, let (now, event) = timeline.pop() {
            handle(event, at: now)
            while let attempt = sender.next(at: now) { begin(attempt, at: now) }
            if let wake = sender.nextWake(after: now), wake != wakeAt || wake <= now {
                wakeAt = wake
                // At least a nanosecond on: a sender that wants to be woken now was just asked.
                timeline.add(.wake, at: max(wake, now + .nanoseconds(1)))
            }
            if isOver(record) { break }
        }
        record.left = mail.count
        record.mostConnections = receivers.values.map(\.mostConnections).max() ?? 0
    }

    private mutating func handle(_ event: Event, at now: Instant) {
        switch event {
        case .arrival(let message):
            mail[message.number] = message
            record.arrived += 1
            sender.enqueue(message, at: now)
        case .refused(let attempt, let cause, let reply):
            conclude(attempt, .deferred(cause, reply: reply), keeps: false, at: now)
        case .connected(var attempt, let connection):
            attempt.opened = model.connectTime
            transact(attempt, connection, at: now)
        case .answered(let attempt, let connection):
            answered(attempt, connection, at: now)
        case .idle(let connection, let since):
            guard let known = connections[connection], known.idleSince == since else { return }
            idle[known.destination]?.removeAll { $0 == connection }
            close(connection)
            sender.idleClosed(known.destination, at: now)
        case .wake:
            // One that was overtaken by another time must not bring forth yet another.
            if let time = wakeAt, time <= now { wakeAt = nil }
        }
    }

    private mutating func begin(_ attempt: SimulatedAttempt, at now: Instant) {
        record.started(at: now)
        if attempt.reuses, let connection = idle[attempt.destination]?.popLast() {
            connections[connection]?.idleSince = nil
            return transact(attempt, connection, at: now)
        }
        let destination = attempt.destination
        var receiver =
            receivers[destination]
            ?? Receiver(model, seed: seed &+ UInt64(destination) &* 0x9E37_79B9)
        let greeting = receiver.connect(timeout: attempt.connectTimeout, at: now)
        receivers[destination] = receiver
        switch greeting {
        case .accepted(let isExcess):
            record.opened(receiver.connections, at: now)
            lastConnection += 1
            connections[lastConnection] = Connection(
                destination: destination, opened: now, isExcess: isExcess)
            timeline.add(
                .connected(attempt, connection: lastConnection), at: now + model.connectTime)
        case .refused(let wait, let cause, let reply):
            timeline.add(.refused(attempt, cause, reply: reply), at: now + wait)
        }
    }

    private mutating func transact(
        _ attempt: SimulatedAttempt, _ connection: Int, at now: Instant
    ) {
        if connections[connection]?.isExcess ?? false {
            close(connection)
            let time = model.excessTime
            return timeline.add(
                .refused(attempt, .crowded, reply: Receiver.crowdedReply), at: now + time)
        }
        let time = receivers[attempt.destination]?.transactionTime() ?? .zero
        timeline.add(.answered(attempt, connection: connection), at: now + time)
    }

    private mutating func answered(
        _ attempt: SimulatedAttempt, _ connection: Int, at now: Instant
    ) {
        guard let message = mail[attempt.mail], let used = connections[connection],
            let (outcome, isOpen) = receivers[attempt.destination]?.answer(message, at: now)
        else { return }
        connections[connection]?.messages += 1
        let isSpent = used.messages + 1 >= model.messagesPerConnection ?? .max
        let keeps =
            isOpen && !isSpent && sender.reusesConnections && now - used.opened < Self.lifetime
        if keeps {
            connections[connection]?.idleSince = now
            idle[attempt.destination, default: []].append(connection)
            timeline.add(.idle(connection: connection, since: now), at: now + Self.idleTime)
        } else {
            close(connection)
        }
        conclude(attempt, outcome, keeps: keeps, at: now)
    }

    private mutating func close(_ connection: Int) {
        guard let known = connections.removeValue(forKey: connection) else { return }
        receivers[known.destination]?.closed()
    }

    private mutating func conclude(
        _ attempt: SimulatedAttempt, _ outcome: SimulatedOutcome, keeps: Bool, at now: Instant
    ) {
        guard let message = mail[attempt.mail] else { return }
        switch outcome {
        case .delivered:
            mail[attempt.mail] = nil
            record.delivered(message, at: now)
        case .deferred(let cause, _):
            record.deferred(cause, at: now)
        }
        sender.finished(attempt, outcome, keepsConnection: keeps, at: now)
    }
}
