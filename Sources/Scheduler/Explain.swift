package import Mail

/// Why mail waits.
extension Scheduler {
    /// Everything that keeps the destination from starting more, the most lasting first; empty if
    /// nothing does.
    package func waits(_ id: DestinationID, at now: Instant) -> [Wait] {
        guard let index = number(of: id) else { return [Self.notHere] }
        return waits(destinations[index], at: now)
    }

    /// The first of `waits`, or what it does instead of waiting.
    package func explain(_ id: DestinationID, at now: Instant) -> Wait {
        guard let index = number(of: id) else { return Self.notHere }
        let destination = destinations[index]
        if let first = waits(destination, at: now).first { return first }
        if destination.queue.ready > 0 { return Wait(.nothing, "next in turn") }
        return Wait(.nothing, destination.running > 0 ? "all being sent" : "nothing queued")
    }

    /// Everything that this delivery waits for, the most lasting first; empty while it is being
    /// sent, or when it is next. For one that is not here, that no worker has it.
    package func waits(delivery id: DeliveryID, at now: Instant) -> [Wait] {
        guard let item = slots.number(of: id.rawValue) else { return [Self.notHere] }
        let slot = slots[item]
        if slot.place == .running || slot.place == .vacant { return [] }
        let shared = waits(destinations[Int(slot.destination)], at: now)
        guard slot.due > now.nanoseconds else { return shared.filter { $0.kind != .schedule } }
        let tries = slot.attempts == 1 ? "1 attempt" : "\(slot.attempts) attempts"
        let sooner = slot.place == .suspended ? ", or for a success there" : ""
        var facts = Wait.Facts()
        facts.attempts = Int(slot.attempts)
        let own = Wait(
            .schedule, "waits for its retry time after \(tries)\(sooner)",
            until: Instant(nanoseconds: slot.due), facts)
        var waits = shared.filter(\.kind.isForAll)
        // What ends before its own time comes is not what it waits for in the end.
        let place = waits.firstIndex { $0.until.map { $0 < own.until ?? $0 } ?? false }
        waits.insert(own, at: place ?? waits.count)
        return waits
    }

    package func explain(delivery id: DeliveryID, at now: Instant) -> Wait {
        if let first = waits(delivery: id, at: now).first { return first }
        guard let item = slots.number(of: id.rawValue), slots[item].place == .running else {
            return Wait(.nothing, "next in turn")
        }
        return Wait(.nothing, slots[item].isProbe ? "being sent as a probe" : "being sent")
    }

    private static let notHere = Wait(.worker, "not assigned to this worker")

    private func waits(_ destination: Destination, at now: Instant) -> [Wait] {
        var waits: [Wait] = []
        if let pause = destination.pause(at: now) { waits.append(Self.wait(for: pause)) }
        let isDue = destination.queue.ready > 0
        if !isRecording && isDue {
            waits.append(Wait(.spool, "the spool cannot record results"))
        }
        switch destination.breaker.state(at: now) {
        case .open(let until):
            waits.append(
                Wait(
                    .breaker, "\(destination.failure.backsOff) after \(destination.blame)",
                    until: until, destination.failureFacts))
        case .halfOpen where destination.isProbing && isDue:
            waits.append(
                Wait(
                    .probing, "one probe decides, after \(destination.blame)",
                    destination.failureFacts))
        default:
            if isDue { waits += limits(destination, at: now) }
        }
        if let due = destination.queue.nextDue(slots) {
            var facts = Wait.Facts()
            facts.deliveries = destination.queue.waiting
            let what =
                destination.queue.waiting == 1
                ? "1 delivery waits for its" : "\(destination.queue.waiting) wait for their"
            waits.append(Wait(.schedule, "\(what) retry time", until: due, facts))
        }
        return waits
    }

    private static func wait(for pause: Pause) -> Wait {
        var facts = Wait.Facts()
        facts.by = pause.by
        facts.reason = pause.reason.isEmpty ? nil : pause.reason
        let reason = pause.reason.isEmpty ? "" : ": \(pause.reason)"
        return Wait(.paused, "paused by \(pause.by)\(reason)", until: pause.until, facts)
    }

    /// What holds back mail that is due, of a destination that works.
    private func limits(_ destination: Destination, at now: Instant) -> [Wait] {
        var waits: [Wait] = []
        func add(
            _ kind: Wait.Kind, _ bucket: Bucket?, perSecond: Double?,
            _ text: (Bucket) -> String
        ) {
            guard let bucket, case let time = bucket.available(from: now), time > now else {
                return
            }
            var facts = Wait.Facts()
            facts.rate = perSecond
            facts.burst = bucket.burst
            waits.append(Wait(kind, text(bucket), until: time, facts))
        }
        let configured = policies[destination.policy].limits
        add(.tokens, destination.tokens, perSecond: configured.rate?.perSecond) {
            let size =
                $0.burst == $0.burst.rounded() ? String(Int64($0.burst)) : String($0.burst)
            return "0 of \(size) tokens"
        }
        add(.learnedRate, destination.paceTokens, perSecond: destination.pace.rate) { _ in
            "the receiver bears \(Self.text(rate: destination.pace.rate))"
        }
        let width = destination.width(at: now)
        // Those that are being closed are still the receiver's.
        let busy = destination.running + (destination.idle == 0 ? destination.closing : 0)
        if destination.running >= width || busy >= destination.limit {
            var facts = Wait.Facts()
            facts.busy = busy
            facts.window = width
            facts.limit = destination.limit
            waits.append(Wait(.window, "window \(busy) of \(width) busy", facts))
        } else if destination.idle == 0 {
            if connections >= capacity {
                var facts = Wait.Facts()
                facts.busy = connections
                facts.limit = capacity
                waits.append(
                    Wait(.connections, "all \(capacity) connections of the worker busy", facts))
            }
            add(
                .connectionRate, destination.connectionTokens,
                perSecond: configured.connectionRate?.perSecond
            ) { _ in "no token for a new connection" }
            let pace = destination.connectionPace.rate
            add(.learnedConnectionRate, destination.connectionPaceTokens, perSecond: pace) { _ in
                "the receiver bears \(Self.text(rate: pace)) new connections"
            }
        }
        return waits
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
}

extension LastFailure? {
    /// What is done about it, and who says so.
    fileprivate var backsOff: String {
        guard let self, !self.rule.isEmpty else { return "backing off" }
        return "suspended by rule \(self.rule)"
    }
}

extension Destination {
    fileprivate var blame: String {
        guard let failure, !failure.reply.isEmpty else {
            return breaker.failures == 1
                ? "a failed attempt" : "\(breaker.failures) failed attempts"
        }
        return failure.reply
    }

    fileprivate var failureFacts: Wait.Facts {
        var facts = Wait.Facts()
        facts.reply = failure.flatMap { $0.reply.isEmpty ? nil : $0.reply }
        facts.reason = failure.flatMap { $0.rule.isEmpty ? nil : "rule \($0.rule)" }
        facts.attempts = breaker.failures
        return facts
    }
}

/// What is known of a destination that nobody has.
extension DestinationSnapshot {
    /// How long the breaker stays open from the snapshot on; nil where it is not open.
    package var openFor: Duration? { breaker.open.map { .nanoseconds($0) } }

    /// Its breaker is half-open this long after the snapshot: a probe is to decide.
    package func isProbing(after time: Duration) -> Bool {
        breaker.open.map { $0 <= time.nanoseconds } ?? false
    }

    /// How many connections it might have, without the configured limit.
    package var windowSize: Int { window.size }

    /// What is in the bucket of the configured rate this long after the snapshot; nil without one.
    package func tokens(after time: Duration) -> Double? {
        tokens.map { bucket in
            let debt = Double(max(0, bucket.debt - max(0, time.nanoseconds)))
            return max(0, bucket.burst - debt / Double(max(1, bucket.interval)))
        }
    }

    /// Failed attempts since the destination last worked.
    package var failures: Int { breaker.failures }

    /// What the receiver said when it last failed as a whole.
    package var lastReply: String? {
        failure.flatMap { $0.reply.isEmpty ? nil : $0.reply }
    }

    /// The rule that said to leave it alone.
    package var lastRule: String? { failure.flatMap { $0.rule.isEmpty ? nil : $0.rule } }

    /// "backing off", or which rule suspends it.
    package var backsOff: String { failure.backsOff }
}
