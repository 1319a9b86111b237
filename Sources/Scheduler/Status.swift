package import Mail

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
    /// `running + idle`.
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
    package var breaker: Breaker
    /// Only while it is open.
    package var breakerUntil: Instant?
    /// Failed attempts at the destination since it last worked.
    package var failures: Int
    /// When the next delayed one is due.
    package var nextDue: Instant?
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
            connections: destination.running + destination.idle, idle: destination.idle,
            window: destination.width(at: now), limit: destination.limit,
            tokens: destination.tokens?.tokens(at: now), burst: destination.tokens?.burst,
            rate: policies[destination.policy].limits.rate?.perSecond,
            learnedRate: destination.pace.rate > 0 ? destination.pace.rate : nil, breaker: breaker,
            breakerUntil: breakerUntil, failures: destination.breaker.failures,
            nextDue: queue.nextDue(slots), oldestReceived: queue.oldest(slots),
            paused: destination.pause(at: now), lastReply: destination.failure?.reply,
            transactionTime: destination.transaction > 0
                ? .seconds(destination.transaction) : nil)
    }

    /// nil if the destination is not here.
    package func snapshot(_ id: DestinationID, at now: Instant) -> DestinationSnapshot? {
        number(of: id).map { destinations[$0].snapshot(at: now) }
    }

    /// How long so many deliveries take from now on, at the present limits and window and the
    /// transaction time seen lately; with what is left of a pause or of the breaker's time. nil
    /// if the destination is not here, is paused without an end, or nothing is known that would
    /// tell.
    package func drainTime(
        deliveries: Int, of id: DestinationID, at now: Instant
    ) -> Duration? {
        guard let index = number(of: id) else { return nil }
        guard deliveries > 0 else { return .zero }
        let destination = destinations[index]
        var start = now
        if let pause = destination.pause(at: now) {
            guard let until = pause.until else { return nil }
            start = until
        }
        var window = destination.window.width(limit: destination.limit)
        switch destination.breaker.state(at: now) {
        case .closed: break
        case .halfOpen: window = max(1, min(destination.limit, destination.window.good))
        case .open(let until):
            start = max(start, until)
            window = max(1, min(destination.limit, destination.window.good))
        }
        var seconds: Double?
        if destination.transaction > 0 {
            seconds =
                (Double(deliveries) / Double(window)).rounded(.up) * destination.transaction
        }
        if let tokens = destination.tokens, let rate = policies[destination.policy].limits.rate {
            let missing = Double(deliveries) - tokens.tokens(at: start)
            seconds = max(seconds ?? 0, max(0, missing) / rate.perSecond)
        }
        if destination.pace.rate > 0 {
            seconds = max(seconds ?? 0, Double(deliveries) / destination.pace.rate)
        }
        return seconds.map { start - now + .seconds(min($0, 1e9)) }
    }

    // MARK: Why

    /// What keeps the destination from starting more, the most lasting reason first.
    package func explain(_ id: DestinationID, at now: Instant) -> Wait {
        guard let index = number(of: id) else {
            return Wait(.worker, "not assigned to this worker")
        }
        return explain(destinations[index], at: now)
    }

    /// What this delivery waits for. For one that is not here, that no worker has it.
    package func explain(delivery id: DeliveryID, at now: Instant) -> Wait {
        guard let item = slots.number(of: id.rawValue) else {
            return Wait(.worker, "not assigned to this worker")
        }
        let slot = slots[item]
        let destination = destinations[Int(slot.destination)]
        switch slot.place {
        case .running, .vacant:
            return Wait(.nothing, slot.isProbe ? "being sent as a probe" : "being sent")
        case .delayed, .suspended:
            if slot.due > now.nanoseconds, destination.pause(at: now) == nil {
                let tries = slot.attempts == 1 ? "1 attempt" : "\(slot.attempts) attempts"
                return Wait(
                    .schedule, "waits for its retry time after \(tries)",
                    until: Instant(nanoseconds: slot.due))
            }
            return explain(destination, at: now)
        case .fresh, .retried:
            return explain(destination, at: now)
        }
    }

    private func explain(_ destination: Destination, at now: Instant) -> Wait {
        let obstacle = destination.obstacle(at: now)
        if case .paused(let pause) = obstacle {
            let reason = pause.reason.isEmpty ? "" : ": \(pause.reason)"
            return Wait(.paused, "paused by \(pause.by)\(reason)", until: pause.until)
        }
        if !isRecording && destination.queue.ready > 0 {
            return Wait(.spool, "the spool cannot record results")
        }
        switch obstacle {
        case nil, .paused:
            return Wait(.nothing, "next in turn")
        case .open(let until):
            return Wait(.breaker, "backing off after \(blame(destination))", until: until)
        case .probing:
            return Wait(.probing, "one probe decides, after \(blame(destination))")
        case .tokens(let until):
            let burst = destination.tokens?.burst ?? 1
            let size = burst == burst.rounded() ? String(Int64(burst)) : String(burst)
            return Wait(.tokens, "0 of \(size) tokens", until: until)
        case .pace(let until):
            return Wait(
                .tokens, "the receiver bears \(Self.text(rate: destination.pace.rate))",
                until: until)
        case .connectionTokens(let until):
            return Wait(.tokens, "no token for a new connection", until: until)
        case .window:
            let width = destination.width(at: now)
            let busy = destination.running
            return Wait(.window, "window \(busy) of \(width) busy")
        case .empty:
            if let due = destination.queue.nextDue(slots) {
                let waiting = destination.queue.waiting
                let what = waiting == 1 ? "1 delivery waits for its" : "\(waiting) wait for their"
                return Wait(.schedule, "\(what) retry time", until: due)
            }
            return Wait(.nothing, destination.running > 0 ? "all being sent" : "nothing queued")
        }
    }

    /// In the unit in which it is 1 or more, with two digits.
    private static func text(rate perSecond: Double) -> String {
        for (unit, seconds) in [("s", 1.0), ("min", 60), ("h", 3600)] {
            let rate = perSecond * seconds
            guard rate >= 1 || unit == "h" else { continue }
            let tenths = (rate * 10).rounded()
            let isWhole = rate >= 10 || tenths.truncatingRemainder(dividingBy: 10) == 0
            return isWhole ? "\(Int(rate.rounded()))/\(unit)" : "\(tenths / 10)/\(unit)"
        }
        return ""
    }

    private func blame(_ destination: Destination) -> String {
        guard let failure = destination.failure, !failure.reply.isEmpty else {
            return "\(destination.breaker.failures) failed attempts"
        }
        return failure.reply
    }
}

extension Destination {
    func snapshot(at now: Instant) -> DestinationSnapshot {
        var failure = failure
        if let reply = failure?.reply, reply.utf8.count > DestinationSnapshot.replyLimit {
            failure?.reply = String(
                decoding: reply.utf8.prefix(DestinationSnapshot.replyLimit), as: UTF8.self)
        }
        return DestinationSnapshot(
            window: window.rest(at: now), breaker: breaker.rest(at: now),
            tokens: tokens?.rest(at: now),
            connectionTokens: connectionTokens?.rest(at: now), pace: pace.rest(at: now),
            paceTokens: paceTokens?.rest(at: now), transaction: transaction, failure: failure)
    }

    mutating func restore(_ snapshot: DestinationSnapshot, at now: Instant) {
        window = Window(snapshot.window, at: now)
        breaker = Breaker(snapshot.breaker, at: now)
        tokens = snapshot.tokens.map { Bucket($0, at: now) } ?? tokens
        connectionTokens = snapshot.connectionTokens.map { Bucket($0, at: now) } ?? connectionTokens
        if let rest = snapshot.pace { pace = Pace(rest, at: now) }
        paceTokens = snapshot.paceTokens.map { Bucket($0, at: now) }
        applyPace(at: now)
        transaction = snapshot.transaction
        failure = snapshot.failure
    }
}
