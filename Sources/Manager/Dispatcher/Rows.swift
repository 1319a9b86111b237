import Control
import Glibc
import Mail
import Scheduler
import Settings
import Spool

/// What the API shows. Each function runs in one turn of the loop, so that what it returns belongs
/// to one instant.
extension Dispatcher {
    func row(of destination: Destination, at now: UnixTime) -> DestinationRow {
        var row = DestinationRow(
            id: String(destination.id), key: destination.key, name: destination.title)
        row.domains = destination.domains
        row.queued = destination.queued + destination.held
        row.held = destination.held
        row.exchangers =
            destination.report.map(\.exchangers).flatMap { $0.isEmpty ? nil : $0 }
            ?? [destination.identity]
        let figures = DestinationFigures(destination, at: now)
        if let report = destination.report {
            fill(&row, figures, from: report, of: destination, at: now)
        } else {
            let limits = policy(of: destination).limits
            row.limit = limits.concurrency
            row.window = min(limits.initialWindow, limits.concurrency)
            row.rate = limits.rate?.perSecond
            row.burst = limits.rate.map { limits.burst ?? max(1, $0.perSecond) }
            row.tokens = row.burst
            row.ready = destination.queued
            if let known = figures.remembered {
                fill(&row, figures, from: known, of: destination, at: now)
            }
        }
        row.oldestAt =
            destination.queued > 0 ? destination.report?.oldest ?? destination.oldest : nil
        row.worker = destination.ownership.worker
        row.pin = destination.pin
        row.node = node(of: destination.id)
        row.pausedBy = destination.pausedBy
        row.pausedUntil = destination.pausedUntil
        row.attempts = destination.attempts
        row.delivered = destination.delivered
        row.deferred = destination.deferred
        row.bounced = destination.bounced
        row.deliveredPerSecond = destination.history.rate(at: now)
        row.history = destination.history.values(at: now)
        row.lastReply = destination.lastReply.isEmpty ? nil : SafeText(destination.lastReply).text
        row.lastReplyAt = destination.lastReplyAt
        row.lastRule = destination.lastRule.isEmpty ? nil : SafeText(destination.lastRule).text
        row.state = figures.state
        row.waits = waits(of: row, destination, at: now)
        row.why = row.waits.first ?? Why(.nothing, row.delivering > 0 ? "being sent" : "")
        return row
    }

    /// Of one that nobody has, what its last owner left.
    private func fill(
        _ row: inout DestinationRow, _ figures: DestinationFigures,
        from known: DestinationSnapshot, of destination: Destination, at now: UnixTime
    ) {
        row.breaker = figures.breaker
        row.failures = known.failures
        row.window = figures.breaker == .open ? 0 : max(1, min(known.windowSize, row.limit))
        if figures.breaker == .open, let open = known.openFor {
            row.breakerUntil = destination.snapshotAt + open
        }
        if let burst = row.burst, let tokens = known.tokens(after: now - destination.snapshotAt) {
            row.tokens = min(burst, tokens)
        }
    }

    private func fill(
        _ row: inout DestinationRow, _ figures: DestinationFigures,
        from report: DestinationReport, of destination: Destination, at now: UnixTime
    ) {
        row.delivering = figures.delivering
        row.delayed = figures.delayed
        row.ready = figures.ready
        row.connections = figures.connections
        row.window = report.window
        row.limit = report.limit
        row.rate = report.rate
        row.learnedRate = report.learnedRate
        row.learnedConnectionRate = report.learnedConnectionRate
        row.burst = report.burst
        if let tokens = report.tokens, let rate = report.rate, let burst = report.burst {
            let elapsed = max(0, now.seconds - destination.reportedAt.seconds)
            row.tokens = min(burst, tokens + rate * elapsed)
        }
        row.breaker = figures.breaker
        row.breakerUntil = report.breakerUntil
        row.failures = report.failures
        row.nextAttemptAt = report.nextDue
    }

    /// Of those that this node has.
    func destinationRows() -> [DestinationRow] {
        let now = clocks.wall()
        return table.values.filter(\.isShown).map { row(of: $0, at: now) }
    }

    func status() -> Status {
        let now = clocks.wall()
        refreshOverview(at: now)
        var counts = overview.sums.totals
        counts.routing = unrouted.count
        counts.deliveries += unrouted.count
        counts.messages = totals.messages
        counts.accepted = totals.accepted
        counts.delivered = totals.delivered
        counts.deferred = totals.deferred
        counts.bounced = totals.bounced
        var rates = Rates()
        rates.accepted = totals.acceptedHistory.rate(at: now)
        rates.delivered = totals.deliveredHistory.rate(at: now)
        rates.deferred = totals.deferredHistory.rate(at: now)
        rates.bounced = totals.bouncedHistory.rate(at: now)
        rates.history = totals.deliveredHistory.values(at: now)
        var status = Status(
            at: now, hostname: configuration.hostname, pid: Int(getpid()), startedAt: startedAt,
            totals: counts, rates: rates, workers: shownWorkers(at: now), mayOperate: true)
        status.spoolError = spoolError?.description
        status.intakeError = hasRoom ? nil : "the disk of the spool is nearly full"
        status.warning = warning
        status.running = runningActions.all
        status.nodes = districts == nil ? nil : try? nodeRows()
        return status
    }

    func workerList(at now: UnixTime) -> [WorkerRow] {
        refreshOverview(at: now)
        return shownWorkers(at: now)
    }

    /// After `refreshOverview`.
    private func shownWorkers(at now: UnixTime) -> [WorkerRow] {
        workerRows.values.sorted { $0.id < $1.id }.map { row in
            var row = row
            row.deliveredPerSecond = overview.perSecond[row.id] ?? 0
            row.destinations = overview.sums.owned[row.id] ?? 0
            row.pinned = overview.sums.pinned[row.id] ?? 0
            row.weight = configuration.weight(of: row.id)
            row.share = shares[row.id] ?? 0
            row.drainedBy = drained[row.id]
            return row
        }
    }

    /// Rows of deliveries that were read from the spool.
    func rows(of stored: [StoredDelivery]) -> [MessageRow] {
        let now = clocks.wall()
        var shared: [Int64: [Why]] = [:]
        return stored.map { row(of: $0, &shared, at: now) }
    }

    /// - Parameter shared: what the destinations of the same page wait for, found once.
    private func row(
        of stored: StoredDelivery, _ shared: inout [Int64: [Why]], at now: UnixTime
    ) -> MessageRow {
        let destination = stored.destination.flatMap { table[$0] }
        let isRunning = destination?.report?.running.contains(stored.id) ?? false
        let state: DeliveryState =
            switch stored.state {
            case .routing: .routing
            case .held: .held
            case .purging, .bouncing: .purging
            case .queued:
                isRunning ? .delivering : stored.nextAttemptAt > now ? .delayed : .ready
            }
        let waits = waits(of: stored, state: state, destination, &shared, at: now)
        let doing = state == .delivering ? "a transaction is running" : "next in turn"
        var row = MessageRow(
            id: stored.id.description, message: stored.id.message.description,
            sender: SafeText(stored.message.sender).text,
            recipients: stored.recipients.map { SafeText($0.address).text },
            domain: SafeText(stored.domain).text, size: stored.message.size,
            receivedAt: stored.message.receivedAt, expiresAt: expiry(of: stored, at: destination),
            state: state, attempts: stored.attempts,
            why: waits.first ?? Why(.nothing, doing), waits: waits)
        row.destination = stored.destination.map(String.init)
        row.destinationName = destination?.title
        row.worker = destination?.ownership.worker
        row.node = stored.destination.flatMap { node(of: $0) }
        if state == .delayed { row.nextAttemptAt = stored.nextAttemptAt }
        row.purgeAt = stored.purgeAt
        row.priority = stored.message.priority
        row.lastReply = stored.lastReply.isEmpty ? nil : SafeText(stored.lastReply).text
        row.lastRule = stored.lastRule.isEmpty ? nil : SafeText(stored.lastRule).text
        return row
    }

    /// As its destination's policy has it, and not as it was when the message came in.
    func expiry(of stored: StoredDelivery, at destination: Destination?) -> UnixTime {
        guard let destination else { return stored.message.expiresAt }
        return stored.message.receivedAt + policy(of: destination).retry.maxAge
    }

    func policy(of destination: Destination) -> DestinationPolicy {
        configuration.policy(for: names(of: destination))
    }

    func names(of destination: Destination) -> DestinationNames {
        // "mx1.example.com [192.0.2.10]": the name alone is what is matched.
        let hosts = (destination.report?.exchangers ?? []).map {
            String($0.prefix { $0 != " " }).lowercased()
        }
        return DestinationNames(
            identity: destination.identity, domains: destination.domains, exchangers: hosts)
    }
}
