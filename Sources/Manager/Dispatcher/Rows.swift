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
        if let report = destination.report {
            fill(&row, from: report, of: destination, at: now)
        } else {
            let limits = policy(of: destination).limits
            row.limit = limits.concurrency
            row.window = min(limits.initialWindow, limits.concurrency)
            row.rate = limits.rate?.perSecond
            row.burst = limits.rate == nil ? nil : limits.burst
            row.tokens = row.burst
            row.ready = destination.queued
        }
        row.oldestAt =
            destination.queued > 0 ? destination.report?.oldest ?? destination.oldest : nil
        row.worker = destination.ownership.worker
        row.pin = destination.pin
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
        row.state = state(of: row, destination)
        row.why = why(of: row, destination)
        return row
    }

    private func fill(
        _ row: inout DestinationRow, from report: DestinationReport,
        of destination: Destination, at now: UnixTime
    ) {
        // The owner's counts may be a fraction of a second older than the manager's: what is
        // queued is the manager's, and how it divides the owner's, so that the parts add up.
        row.delivering = min(report.running.count, destination.queued)
        row.delayed = min(report.delayed, destination.queued - row.delivering)
        row.ready = destination.queued - row.delivering - row.delayed
        row.connections = report.connections
        row.window = report.window
        row.limit = report.limit
        row.rate = report.rate
        row.burst = report.burst
        if let tokens = report.tokens, let rate = report.rate, let burst = report.burst {
            let elapsed = max(0, now.seconds - destination.reportedAt.seconds)
            row.tokens = min(burst, tokens + rate * elapsed)
        }
        row.breaker = [.closed, .open, .halfOpen][min(Int(report.breaker), 2)]
        row.breakerUntil = report.breakerUntil
        row.failures = report.failures
        row.nextAttemptAt = report.nextDue
    }

    private func state(
        of row: DestinationRow, _ destination: Destination
    ) -> DestinationState {
        if destination.isPaused { return .paused }
        switch row.breaker {
        case .open: return .backoff
        case .halfOpen: return .probing
        case .closed: break
        }
        if row.ready > 0 { return .waiting }
        if row.delivering > 0 { return .delivering }
        return row.delayed > 0 || row.held > 0 ? .scheduled : .idle
    }

    private func why(of row: DestinationRow, _ destination: Destination) -> Why {
        if row.queued == 0, !destination.isPaused { return Why(kind: "nothing", text: "") }
        if let by = destination.pausedBy {
            let reason = destination.pauseReason.isEmpty ? "" : ": \(destination.pauseReason)"
            return Why(
                kind: "paused", text: SafeText("paused by \(by)\(reason)").text,
                until: destination.pausedUntil)
        }
        if spoolError != nil { return Why(kind: "spool", text: "the spool cannot record") }
        switch destination.ownership {
        case .none:
            return Why(kind: "worker", text: "no worker has it now")
        case .surrendering(let worker):
            return Why(kind: "worker", text: "moving away from worker \(worker)")
        case .loading(let worker) where destination.report == nil:
            return Why(kind: "worker", text: "worker \(worker) is taking it over")
        case .owned, .loading:
            guard let report = destination.report else { return Why(kind: "nothing", text: "") }
            return Why(
                kind: report.whyKind, text: SafeText(report.whyText).text, until: report.whyUntil)
        }
    }

    func destinationRows() -> [DestinationRow] {
        let now = clocks.wall()
        return table.values.map { row(of: $0, at: now) }
    }

    func status() -> Status {
        let now = clocks.wall()
        var counts = Totals()
        for destination in table.values {
            let row = row(of: destination, at: now)
            counts.deliveries += row.queued + destination.purging
            counts.ready += row.ready
            counts.delivering += row.delivering
            counts.delayed += row.delayed
            counts.held += row.held
            counts.purging += destination.purging
            counts.connections += row.connections
            let isBackingOff = row.state == .backoff || row.state == .probing
            // Those that are counted one by one are among those that are counted.
            if row.queued + destination.purging > 0 || row.state == .paused || isBackingOff {
                counts.destinations += 1
            }
            if row.state == .paused { counts.paused += 1 }
            if isBackingOff { counts.backoff += 1 }
        }
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
            totals: counts, rates: rates, workers: workerList(at: now), mayOperate: true)
        status.spoolError =
            spoolError?.description ?? (hasRoom ? nil : "the disk of the spool is nearly full")
        return status
    }

    func workerList(at now: UnixTime) -> [WorkerRow] {
        var perSecond: [Int: Double] = [:]
        var owned: [Int: Int] = [:]
        for destination in table.values {
            guard let worker = destination.ownership.worker else { continue }
            owned[worker, default: 0] += destination.queued > 0 ? 1 : 0
            perSecond[worker, default: 0] += destination.history.rate(at: now)
        }
        return workerRows.values.sorted { $0.id < $1.id }.map { row in
            var row = row
            row.deliveredPerSecond = perSecond[row.id] ?? 0
            row.destinations = owned[row.id] ?? 0
            return row
        }
    }

    /// Rows of deliveries that were read from the spool.
    func rows(of stored: [StoredDelivery]) -> [MessageRow] {
        let now = clocks.wall()
        return stored.map { row(of: $0, at: now) }
    }

    private func row(of stored: StoredDelivery, at now: UnixTime) -> MessageRow {
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
        var row = MessageRow(
            id: stored.id.description, message: stored.id.message.description,
            sender: SafeText(stored.message.sender).text,
            recipients: stored.recipients.map { SafeText($0.address).text },
            domain: SafeText(stored.domain).text, size: stored.message.size,
            receivedAt: stored.message.receivedAt, expiresAt: stored.message.expiresAt,
            state: state, attempts: stored.attempts,
            why: why(of: stored, state: state, destination))
        row.destination = stored.destination.map(String.init)
        row.destinationName = destination?.title
        row.worker = destination?.ownership.worker
        if state == .delayed { row.nextAttemptAt = stored.nextAttemptAt }
        row.purgeAt = stored.purgeAt
        row.lastReply = stored.lastReply.isEmpty ? nil : SafeText(stored.lastReply).text
        return row
    }

    private func why(
        of stored: StoredDelivery, state: DeliveryState, _ destination: Destination?
    ) -> Why {
        switch state {
        case .routing: return Why(kind: "routing", text: "DNS is asked where it goes")
        case .held: return Why(kind: "held", text: "held by an operator")
        case .purging:
            let verb = stored.state == .bouncing ? "bounced" : "purged"
            return Why(kind: "purging", text: "\(verb) unless undone", until: stored.purgeAt)
        case .delivering: return Why(kind: "nothing", text: "a transaction is running")
        case .delayed:
            let last = SafeText(stored.lastReply).text
            return Why(
                kind: "schedule",
                text: last.isEmpty ? "waits for its retry time" : "retries after \(last)",
                until: stored.nextAttemptAt)
        case .ready:
            guard let destination else { return Why(kind: "worker", text: "no worker has it now") }
            return row(of: destination, at: clocks.wall()).why
        }
    }

    func policy(of destination: Destination) -> DestinationPolicy {
        configuration.policy(
            for: DestinationNames(
                identity: destination.identity, domains: destination.domains,
                exchangers: destination.report?.exchangers ?? []))
    }
}
