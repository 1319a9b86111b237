import Control
import Faults
import Mail
import NIOCore
import SMTP
import Scheduler
import Settings

/// What connections report.
extension Engine: ClientConnectionDelegate {
    func ready(_ connection: ClientConnection) {
        guard let pooled = connections[ObjectIdentifier(connection)] else { return }
        destinations[pooled.destination]?.trouble = nil
        destinations[pooled.destination]?.answered(pooled.candidate)
        guard let attempt = pooled.attempt else { return close(pooled) }
        destinations[pooled.destination]?.contacted(
            ContactReport(
                remote: pooled.candidate.description, at: clocks.wall(),
                tls: connection.tls?.version ?? "", problem: ""))
        deliver(attempt, over: connection)
    }

    func finished(_ connection: ClientConnection, _ result: TransactionResult) {
        guard let pooled = connections[ObjectIdentifier(connection)], let attempt = pooled.attempt
        else { return }
        FaultPoint.replyRead.reached()
        pooled.attempt = nil
        if result.unanswered, pooled.transactions > 1, !attempt.triedAgain, !isStopping, holdsLease,
            let destination = destinations[attempt.destination]
        {
            // The server had closed the kept connection: that is nobody's failure.
            attempt.triedAgain = true
            attempt.connection = nil
            return open(
                pooled.candidate, for: attempt, of: destination, plain: pooled.withoutTLS)
        }
        attempt.timings = result.timings
        let (decision, reports, others) = decide(result, of: attempt)
        if !others.isEmpty, goElsewhere(attempt, pooled, reports, others) { return }
        let end = { [weak self] (fate: ConnectionFate) in
            guard let self else { return }
            report(
                attempt, recipients: attempt.reports(of: reports), result: decision.result,
                reply: decision.reply, rule: decision.rule, remote: pooled.candidate.description,
                fate: fate)
            trim(pooled.destination)
        }
        if canKeep(pooled, after: result) {
            keep(pooled)
            end(.idle)
        } else {
            pooled.onClosed = { end(.closed) }
            close(pooled)
        }
    }

    /// What the rules make of a transaction: the result as a whole, each recipient's, and which
    /// recipients are to be tried elsewhere.
    private func decide(
        _ result: TransactionResult, of attempt: Attempt
    ) -> (Decision, [RecipientReport], Set<Int>) {
        var decision = Decision()
        var reports: [RecipientReport] = []
        var others: Set<Int> = []
        let selection = destinations[attempt.destination]?.rules ?? rules.none
        for (index, outcome) in result.outcomes.enumerated() {
            switch outcome {
            case .delivered(let reply):
                decision.delivered(reply)
                // A server with DSN tells the sender itself.
                let asks =
                    !result.offersDSN && attempt.job?.recipients[index].asksForSuccess == true
                reports.append(
                    RecipientReport(outcome: asks ? .relayed : .delivered, reply: reply.text))
            case .deferred(let reply, let stage), .failed(let reply, let stage):
                // 552 for a recipient too many is no end, whatever its class.
                var isPermanent = false
                if case .failed = outcome { isPermanent = true }
                let treatment = rules.treatment(
                    of: reply, stage: stage.known, permanent: isPermanent, among: selection)
                if treatment.outcome == .elsewhere {
                    others.insert(index)
                    attempt.refusal = reply
                }
                decision.weigh(treatment, reply: reply)
                reports.append(
                    RecipientReport(
                        outcome: treatment.outcome == .fail ? .failed : .deferred,
                        reply: reply.text))
            }
        }
        return (decision, reports, others)
    }

    /// Tries some recipients at the next address; the outcomes of the others stand. False if there
    /// is no other address.
    private func goElsewhere(
        _ attempt: Attempt, _ pooled: PooledConnection, _ reports: [RecipientReport],
        _ others: Set<Int>
    ) -> Bool {
        guard attempt.hasCandidate(besides: pooled.candidate, using: &random), !isStopping,
            destinations[attempt.destination] != nil
        else { return false }
        attempt.keep(reports, except: others)
        attempt.connection = nil
        // Its slot is free when the receiver has seen the last of it.
        pooled.onClosed = { [weak self] in self?.openNext(attempt) }
        close(pooled)
        return true
    }

    private func canKeep(_ pooled: PooledConnection, after result: TransactionResult) -> Bool {
        guard result.reusable, !isStopping, let destination = destinations[pooled.destination],
            !destination.isSurrendering
        else { return false }
        if let limit = destination.policy.limits.messagesPerConnection,
            pooled.transactions >= limit
        {
            return false
        }
        // By time and not by count alone: counts make the slowest exchanger collect connections.
        return clocks.monotonic() - pooled.openedAt < configuration.delivery.connectionLifetime
    }

    func keep(_ pooled: PooledConnection) {
        guard let destination = destinations[pooled.destination] else { return close(pooled) }
        pooled.isIdle = true
        destination.idle.append(pooled)
        pooled.idleSince = clocks.monotonic()
        if !pooled.hasTimer { watch(pooled, for: configuration.delivery.idleTime) }
    }

    /// Under load a connection is idle for microseconds, thousands of times a second: one timer
    /// runs on, and looks at its end whether the connection has been idle for long.
    private func watch(_ pooled: PooledConnection, for delay: Duration) {
        pooled.hasTimer = true
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            [weak self, weak pooled] in
            guard let self, let pooled else { return }
            pooled.hasTimer = false
            guard pooled.isIdle else { return }
            let rest =
                configuration.delivery.idleTime - (clocks.monotonic() - pooled.idleSince)
            if rest > .zero { watch(pooled, for: rest) } else { close(pooled) }
        }
    }

    /// The window may have shrunk below the connections that are kept.
    private func trim(_ id: Int64) {
        guard let destination = destinations[id] else { return }
        let surplus = scheduler.surplus(DestinationID(rawValue: id), at: clocks.monotonic())
        for _ in 0..<min(surplus, destination.idle.count) { close(destination.idle[0]) }
    }

    /// Connections of those who have one to spare make room for those who have none.
    func yieldConnections() {
        while let id = scheduler.nextToYield() {
            guard let pooled = destinations[id.rawValue]?.idle.first else { break }
            close(pooled)
        }
    }

    /// Says QUIT. The connection counts until it is closed, so that the receiver never sees more
    /// than the limit.
    func close(_ pooled: PooledConnection) {
        if pooled.isIdle {
            pooled.isIdle = false
            pooled.leavesPool = true
            destinations[pooled.destination]?.idle.removeAll { $0 === pooled }
            scheduler.idleConnectionLeaving(
                DestinationID(rawValue: pooled.destination), at: clocks.monotonic())
        }
        pooled.connection.quit()
    }

    func closed(_ connection: ClientConnection, _ error: ClientError?) {
        guard let pooled = connections.removeValue(forKey: ObjectIdentifier(connection)) else {
            return
        }
        if let error, pooled.transactions == 0 {
            destinations[pooled.destination]?.contacted(
                ContactReport(
                    remote: pooled.candidate.description, at: clocks.wall(),
                    tls: connection.tls?.version ?? "", problem: error.reply?.text ?? error.text))
            if error.reply == nil, !error.isLocal, [.connect, .greeting].contains(error.stage) {
                destinations[pooled.destination]?.gaveNoAnswer(
                    pooled.candidate, at: clocks.monotonic())
            }
        }
        if pooled.isIdle { destinations[pooled.destination]?.idle.removeAll { $0 === pooled } }
        let id = DestinationID(rawValue: pooled.destination)
        if pooled.leavesPool {
            scheduler.leavingConnectionClosed(id, at: clocks.monotonic())
            schedulePump()
        } else if pooled.isIdle {
            pooled.isIdle = false
            scheduler.idleConnectionClosed(id, at: clocks.monotonic())
            schedulePump()
        }
        let destination = destinations[pooled.destination]
        destination?.connections -= 1
        defer {
            if let destination, destination.isSurrendering { surrenderIfDone(destination) }
            if isStopping { endIfDone() }
        }
        if let onClosed = pooled.onClosed { return onClosed() }
        guard let attempt = pooled.attempt else { return }
        attempt.connection = nil
        attempt.lastError = error ?? ClientError(stage: .greeting, text: "connection closed")
        guard let destination, !isStopping, holdsLease else { return release(attempt) }
        if error?.stage == .tls, configuration.tls.mode == .opportunistic, !pooled.withoutTLS {
            // RFC 7435: without the handshake there would have been plain text anyway.
            withoutTLS[pooled.candidate.text] = clocks.monotonic() + .seconds(3600)
            return open(pooled.candidate, for: attempt, of: destination, plain: true)
        }
        if pooled.transactions > 0 {
            // A kept connection that died in the pool's hands.
            attempt.tryAgain(pooled.candidate, using: &random)
        }
        if let error, let reply = error.reply {
            let treatment = rules.treatment(
                of: reply, stage: error.stage.known, permanent: false, among: destination.rules)
            // The operator's word is about the destination, not about this one of its addresses.
            switch treatment.outcome {
            case .suspend, .fail: attempt.dropCandidates()
            case .wait, .elsewhere: break
            }
        }
        openNext(attempt)
    }

    func traced(_ connection: ClientConnection, direction: TraceDirection, line: String) {
        guard let pooled = connections[ObjectIdentifier(connection)] else { return }
        guard traceBudget > 0 else {
            traceDropped += 1
            return
        }
        traceBudget -= 1
        let mark: UInt8 =
            switch direction {
            case .sent: UInt8(ascii: ">")
            case .received: UInt8(ascii: "<")
            case .note: UInt8(ascii: "*")
            case .content: UInt8(ascii: "|")
            }
        link?.send(
            .traced(
                destination: pooled.destination, connection: pooled.number, direction: mark,
                dropped: traceDropped, line: line))
        traceDropped = 0
    }
}

extension JobRecipient {
    /// NOTIFY=SUCCESS (RFC 3461 §4.1), whatever else it asks for.
    fileprivate var asksForSuccess: Bool {
        // Most mail asks for nothing, and every delivery comes through here.
        !notify.isEmpty && notify.uppercased().contains("SUCCESS")
    }
}
