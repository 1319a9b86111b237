import Mail

/// What a destination is doing, all of it at one instant.
package struct DestinationStatus: Sendable, Hashable {
    package enum Breaker: String, Sendable, Hashable {
        case closed
        case open
        case halfOpen = "half-open"
    }

    /// `ready + delayed + running`.
    package var queued: Int
    /// Due.
    package var ready: Int
    /// Waits for its own time.
    package var delayed: Int
    package var running: Int
    /// `running + idle`, and those that are being closed.
    package var connections: Int
    package var idle: Int
    /// How many may run now: 0 while the breaker is open, 1 while it is half-open.
    package var window: Int
    /// The policy's concurrency.
    package var limit: Int
    /// nil where no rate is set, as the next two.
    package var tokens: Double?
    package var burst: Double?
    /// Per second.
    package var rate: Double?
    /// What was learned of the receiver's own rate, per second; nil where nothing is.
    package var learnedRate: Double?
    /// The same of new connections.
    package var learnedConnectionRate: Double?
    package var breaker: Breaker
    /// Only while it is open.
    package var breakerUntil: Instant?
    /// Failed attempts at the destination since it last worked.
    package var failures: Int
    /// Of the delayed ones: those that come at once when the destination works again.
    package var suspended: Int
    /// When the next delayed one is due.
    package var nextDue: Instant?
    /// When about all that wait for their own time are due; nil where none does.
    package var latestDue: Instant?
    package var oldestReceived: Instant?
    package var paused: Pause?
    /// What the receiver said when it last failed as a whole.
    package var lastReply: String?
    /// How long a transaction takes, on average; nil before the first.
    package var transactionTime: Duration?
}

/// What the caller may ask.
extension Scheduler {
    /// nil if the destination is not here.
    package func status(_ id: DestinationID, at now: Instant) -> DestinationStatus? {
        guard let index = number(of: id) else { return nil }
        let destination = destinations[index]
        let breaker: DestinationStatus.Breaker
        var breakerUntil: Instant?
        switch destination.breaker.state(at: now) {
        case .closed: breaker = .closed
        case .halfOpen: breaker = .halfOpen
        case .open(let until): (breaker, breakerUntil) = (.open, until)
        }
        let queue = destination.queue
        return DestinationStatus(
            queued: queue.ready + queue.waiting + destination.running, ready: queue.ready,
            delayed: queue.waiting, running: destination.running,
            connections: destination.connections, idle: destination.idle,
            window: destination.width(at: now), limit: destination.limit,
            tokens: destination.tokens?.tokens(at: now), burst: destination.tokens?.burst,
            rate: policies[destination.policy].limits.rate?.perSecond,
            learnedRate: destination.pace.learned,
            learnedConnectionRate: destination.connectionPace.learned, breaker: breaker,
            breakerUntil: breakerUntil, failures: destination.breaker.failures,
            suspended: queue.suspendedCount, nextDue: queue.nextDue(slots),
            latestDue: queue.latestDue(slots), oldestReceived: queue.oldest(slots),
            paused: destination.pause(at: now), lastReply: destination.failure?.reply,
            transactionTime: destination.transaction > 0
                ? .seconds(destination.transaction) : nil)
    }

    /// nil if the destination is not here.
    package func snapshot(_ id: DestinationID, at now: Instant) -> DestinationSnapshot? {
        number(of: id).map { destinations[$0].snapshot(at: now) }
    }
}

extension Destination {
    func snapshot(at now: Instant) -> DestinationSnapshot {
        var failure = failure
        if let reply = failure?.reply, reply.utf8.count > DestinationSnapshot.replyLimit {
            failure?.reply = String(
                decoding: reply.utf8.prefix(DestinationSnapshot.replyLimit), as: UTF8.self)
        }
        if let rule = failure?.rule, rule.utf8.count > DestinationSnapshot.ruleLimit {
            failure?.rule = String(
                decoding: rule.utf8.prefix(DestinationSnapshot.ruleLimit), as: UTF8.self)
        }
        return DestinationSnapshot(
            window: window.rest(at: now), breaker: breaker.rest(at: now),
            tokens: tokens?.rest(at: now),
            connectionTokens: connectionTokens?.rest(at: now), pace: pace.rest(at: now),
            paceTokens: paceTokens?.rest(at: now),
            connectionPace: connectionPace.wasRefused(at: now)
                ? connectionPace.rest(at: now) : nil,
            connectionPaceTokens: connectionPaceTokens?.rest(at: now), transaction: transaction,
            opening: opening,
            failure: failure)
    }

    mutating func restore(_ snapshot: DestinationSnapshot, at now: Instant) {
        window = Window(snapshot.window, at: now)
        breaker = Breaker(snapshot.breaker, at: now)
        tokens = snapshot.tokens.map { Bucket($0, at: now) } ?? tokens
        connectionTokens = snapshot.connectionTokens.map { Bucket($0, at: now) } ?? connectionTokens
        if let rest = snapshot.pace { pace = Pace(rest, at: now) }
        paceTokens = snapshot.paceTokens.map { Bucket($0, at: now) }
        applyPace(at: now)
        if let rest = snapshot.connectionPace { connectionPace = Pace(rest, at: now) }
        connectionPaceTokens = snapshot.connectionPaceTokens.map { Bucket($0, at: now) }
        applyConnectionPace(at: now)
        transaction = snapshot.transaction
        opening = snapshot.opening
        failure = snapshot.failure
    }
}
