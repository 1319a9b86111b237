import DequeModule
package import Mail

/// Starting deliveries, and learning from how they end.
extension Scheduler {
    /// A delivery to start now; nil if nothing can be. Poll until nil, after every event and when
    /// `nextWake` says so. Destinations take turns, one delivery each.
    package mutating func next(at now: Instant) -> Start? {
        // Also while nothing can be recorded, or the time of `nextWake` would stay in the past.
        ring(at: now)
        guard isRecording else { return nil }
        while let number = nextStarved() {
            let start = begin(number, at: now)
            review(number, at: now)
            if let start { return start }
        }
        while let number = runnable.popFirst() {
            destinations[Int(number)].isRunnable = false
            guard isKnown(number) else { continue }
            let start = begin(number, at: now)
            review(number, at: now)
            if let start { return start }
        }
        return nil
    }

    private mutating func begin(_ number: UInt32, at now: Instant) -> Start? {
        let index = Int(number)
        destinations[index].queue.mature(&slots, at: now)
        guard destinations[index].obstacle(at: now) == nil else { return nil }
        if destinations[index].idle == 0 && connections >= capacity {
            starve(number)
            return nil
        }
        let probe = destinations[index].breaker.state(at: now) == .halfOpen
        let popped =
            probe
            ? destinations[index].queue.popProbe(&slots)
            : destinations[index].queue.popFirst(&slots)
        guard let item = popped else { return nil }

        let connection: Start.Connection = destinations[index].idle > 0 ? .reuse : .open
        var isBeyond = false
        switch connection {
        case .reuse: destinations[index].idle -= 1
        case .open:
            destinations[index].connectionTokens?.take(at: now)
            destinations[index].connectionPaceTokens?.take(at: now)
            opened(index)
            isBeyond = destinations[index].window.isBeyond(others: destinations[index].others)
            if isBeyond { destinations[index].beyond += 1 }
        }
        destinations[index].tokens?.take(at: now)
        destinations[index].paceTokens?.take(at: now)
        destinations[index].running += 1
        if probe { destinations[index].isProbing = true }
        let serial = destinations[index].serial
        destinations[index].serial += 1
        destinations[index].window.started(
            serial, running: destinations[index].running, limit: destinations[index].limit)
        slots[item].due = now.nanoseconds
        slots[item].mark = serial
        slots[item].isProbe = probe
        slots[item].isBeyond = isBeyond
        slots[item].isReuse = connection == .reuse
        slots[item].isWithdrawn = false
        return Start(
            delivery: DeliveryID(rawValue: slots[item].id), destination: destinations[index].id,
            connection: connection, probe: probe, attempts: Int(slots[item].attempts),
            patience: patience(index, serial))
    }

    private func patience(_ index: Int, _ serial: Int64) -> Duration? {
        guard destinations[index].breaker.works else { return nil }
        return destinations[index].opening.patience(
            serial, isPatchy: destinations[index].breaker.isPatchy)
    }

    /// A started delivery ended. What is not running is `.gone`, and nothing changes.
    ///
    /// - Parameter opened: how long it took until the connection that was opened for it could be
    ///   used; nil if that never was, or is not known.
    package mutating func finished(
        _ id: DeliveryID, of destination: DestinationID, _ result: AttemptResult,
        connection: ConnectionFate, opened: Duration? = nil, at now: Instant
    ) -> Verdict {
        guard let number = numbers[destination], let item = slots.number(of: id.rawValue),
            slots[item].destination == number, slots[item].place == .running
        else { return .gone }
        let index = Int(number)
        destinations[index].running -= 1
        if slots[item].isProbe { destinations[index].isProbing = false }
        if slots[item].isBeyond { destinations[index].beyond -= 1 }
        if connection == .idle && !destinations[index].isLeaving {
            destinations[index].idle += 1
            rest(number)
        } else {
            closed(index)
        }
        if let opened, !slots[item].isReuse { destinations[index].opening.took(opened) }
        learn(from: result, item, index, at: now)
        let verdict = verdict(on: item, result, index, at: now)

        switch verdict {
        case .gone, .expired:
            destinations[index].queue.remove(item, &slots)
            slots.remove(item)
        case .retry(let due, let attempts):
            slots[item].due = due.nanoseconds
            slots[item].attempts = UInt16(clamping: attempts)
            slots[item].mark = now.nanoseconds
            slots[item].isProbe = false
            if slots[item].isWithdrawn || destinations[index].isLeaving {
                destinations[index].queue.remove(item, &slots)
                slots.remove(item)
            } else {
                requeue(item, result, index, at: now)
            }
        }
        vacate(number)
        review(number, at: now)
        return verdict
    }

    /// The first wait of what met the machine of several that is not well: the next connection may
    /// find another one. Long enough that mail does not come back to the same one at once.
    private static let patchyWait = Duration.seconds(2)

    private mutating func verdict(
        on item: UInt32, _ result: AttemptResult, _ index: Int, at now: Instant
    ) -> Verdict {
        let attempts = Int(slots[item].attempts)
        let isOver = destinations[index].isOver(slots[item], at: now)
        switch result {
        case .settled:
            return .gone
        case .notAttempted:
            // Whatever kept us from trying, it is not the receiver's answer: `nextExpired` says
            // so if it is too late.
            return .retry(at: now + Backoff.breather(random: &random), attempts: attempts)
        case .deferred(let cause, let reply):
            if isOver { return .expired }
            var retry = policies[destinations[index].policy].retry
            if destinations[index].isPatchy(for: cause) {
                retry.breakerFirst = min(retry.breakerFirst, Self.patchyWait)
            }
            let wait = Backoff.wait(
                attempts: attempts + 1, cause: cause, reply: reply, retry: retry,
                random: &random)
            return .retry(at: now + wait, attempts: attempts + 1)
        case .suspended(let time, _, _):
            if isOver { return .expired }
            // Not before the destination may be used, and not all in one moment then.
            let wait = random.duration(time, time * 11 / 10)
            return .retry(at: now + wait, attempts: attempts + 1)
        }
    }

    private mutating func requeue(
        _ item: UInt32, _ result: AttemptResult, _ index: Int, at now: Instant
    ) {
        var isSuspended = false
        // A fixed schedule is a promise; nothing is tried before its time then.
        if case .deferred(let cause, _) = result {
            isSuspended =
                cause.isDestination
                && policies[destinations[index].policy].retry.schedule == nil
        } else if case .suspended = result {
            isSuspended = true
        }
        destinations[index].queue.putBack(item, isSuspended: isSuspended, &slots, at: now)
    }

    // MARK: Learning

    private mutating func learn(
        from result: AttemptResult, _ item: UInt32, _ index: Int, at now: Instant
    ) {
        let started = Instant(nanoseconds: slots[item].due)
        let serial = slots[item].mark
        switch result {
        case .notAttempted, .deferred(.us, _):
            break
        case .deferred(.handshake, _):
            // The machine is up; whether TLS works says nothing about its load.
            if slots[item].isProbe { worked(item, index, at: now) }
        case .settled, .deferred(.recipient, _), .deferred(.content, _), .deferred(.greylisted, _),
            .deferred(.full, _):
            timed(index, now - started)
            letIn(item, index, at: now)
            // What began before the breaker opened does not fill the window that is left.
            if !worked(item, index, at: now) && serial >= destinations[index].breaker.opened {
                destinations[index].window.succeeded(
                    serial, limit: destinations[index].limit, at: now)
            }
            accepted(index, at: now)
            var pause = policies[destinations[index].policy].retry.breakerFirst
            if destinations[index].window.isIndifferent {
                pause = min(pause, Self.patchyWait)
            }
            destinations[index].queue.wake(&slots, pause: pause, at: now)
        case .deferred(let cause, let reply):
            if cause == .destination { letIn(item, index, at: now) }
            failed(index, cause, reply, item, serial, started, at: now)
        case .suspended(let time, let reply, let rule):
            destinations[index].failure = LastFailure(
                cause: .destination, reply: reply, rule: rule)
            destinations[index].breaker.suspend(
                for: time, next: destinations[index].serial, at: now)
        }
    }

    private mutating func letIn(_ item: UInt32, _ index: Int, at now: Instant) {
        if slots[item].isReuse { return }
        destinations[index].window.letIn(beyond: slots[item].isBeyond)
        let isUsed =
            destinations[index].queue.ready > 0
            && destinations[index].connectionPaceTokens.map { $0.tokens(at: now) < 1 } ?? false
        if destinations[index].connectionPace.accepted(isUsed: isUsed, isLast: !isUsed, at: now) {
            destinations[index].applyConnectionPace(at: now)
        }
    }

    /// A new connection was turned away, perhaps for having come too soon.
    private mutating func hurried(_ index: Int, _ serial: Int64, isNamed: Bool, at now: Instant) {
        let next = destinations[index].serial
        guard
            destinations[index].connectionPace.refused(
                serial, next: next, isNamed: isNamed, at: now)
        else { return }
        destinations[index].applyConnectionPace(at: now)
        destinations[index].connectionPaceTokens?.empty(at: now)
    }

    /// The destination works. True if it did not before.
    @discardableResult
    private mutating func worked(_ item: UInt32, _ index: Int, at now: Instant) -> Bool {
        let isNew = !slots[item].isReuse
        guard destinations[index].breaker.succeeded(isNew: isNew, at: now) else { return false }
        destinations[index].window.reopen(next: destinations[index].serial)
        return true
    }

    private mutating func failed(
        _ index: Int, _ cause: Cause, _ reply: String, _ item: UInt32, _ serial: Int64,
        _ started: Instant, at now: Instant
    ) {
        guard serial >= destinations[index].breaker.opened else { return }
        destinations[index].failure = LastFailure(cause: cause, reply: reply)
        let limit = destinations[index].limit
        let next = destinations[index].serial
        let cohort = destinations[index].window.width(limit: limit)
        // What began before the last cut is the same news once more, not more of an outage.
        let cut =
            cause == .hurried
            ? destinations[index].connectionPace.cut : destinations[index].window.cut
        let isOldNews = cause != .connect && serial < cut
        if case .closed = destinations[index].breaker.state(at: now) {
            slowDown(index, cause, item, serial, at: now)
        }
        if isOldNews { return }
        let hasOpened = destinations[index].breaker.failed(
            cause, serial, next: next, cohort: cohort, running: destinations[index].running,
            started: started, retry: policies[destinations[index].policy].retry,
            random: &random, at: now)
        guard hasOpened else { return }
        if destinations[index].pace.gaveUp() { destinations[index].applyPace(at: now) }
        if destinations[index].connectionPace.gaveUp() {
            destinations[index].applyConnectionPace(at: now)
        }
    }

    /// Fewer at a time, or fewer in a time.
    private mutating func slowDown(
        _ index: Int, _ cause: Cause, _ item: UInt32, _ serial: Int64, at now: Instant
    ) {
        let limit = destinations[index].limit
        let next = destinations[index].serial
        switch cause {
        case .connect:
            destinations[index].window.missed(
                limit: limit, usual: destinations[index].breaker.usual / 2)
        case .crowded:
            destinations[index].window.turnedAway(
                serial, next: next, limit: limit,
                others: destinations[index].others, beyond: slots[item].isBeyond,
                transaction: .seconds(destinations[index].transaction), at: now)
            // However few there are, or so many of them as no machine of several turns away: then
            // their number is not what it is about.
            let isFew =
                destinations[index].window.isIndifferent || destinations[index].others == 0
            if isFew, destinations[index].mayBeHurried {
                hurried(index, serial, isNamed: false, at: now)
            }
        case .hurried:
            hurried(index, serial, isNamed: true, at: now)
        default:
            if destinations[index].pace.refused(serial, next: next, at: now) {
                destinations[index].applyPace(at: now)
                destinations[index].paceTokens?.empty(at: now)
            }
            // Refused however slow it goes: that is no reason to send less at a time.
            guard !destinations[index].pace.isDeaf(at: now) else { return }
            destinations[index].window.refused(serial, next: next, limit: limit)
        }
    }

    private mutating func accepted(_ index: Int, at now: Instant) {
        let isLast = destinations[index].queue.ready == 0
        let isUsed =
            !isLast && destinations[index].paceTokens.map { $0.tokens(at: now) < 1 } ?? false
        if destinations[index].pace.accepted(isUsed: isUsed, isLast: isLast, at: now) {
            destinations[index].applyPace(at: now)
        }
        if destinations[index].pace.isSingle {
            let time = destinations[index].pace.next(after: now)
            destinations[index].paceTokens?.hold(until: time)
        }
    }

    private mutating func timed(_ index: Int, _ duration: Duration) {
        let seconds = duration.inSeconds
        destinations[index].pace.took(seconds)
        let mean = destinations[index].transaction
        destinations[index].transaction = mean == 0 ? seconds : mean + (seconds - mean) / 8
    }

    // MARK: Connections

    /// An idle connection went away, by whoever closed it.
    package mutating func idleConnectionClosed(_ id: DestinationID, at now: Instant) {
        guard let index = number(of: id), destinations[index].idle > 0 else { return }
        destinations[index].idle -= 1
        closed(index)
        review(UInt32(index), at: now)
    }

    /// How many idle connections the destination has beyond its window: close these, and report
    /// each with `idleConnectionLeaving` and, when it is gone, `leavingConnectionClosed`.
    package func surplus(_ id: DestinationID, at now: Instant) -> Int {
        guard let index = number(of: id) else { return 0 }
        let idle = destinations[index].idle
        let over = destinations[index].running + idle - destinations[index].width(at: now)
        return max(0, min(idle, over))
    }
}
