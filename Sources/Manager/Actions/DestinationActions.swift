import Control
import Mail
import NIOCore
import Spool

/// Pause, resume, reassign, and the number of workers.
extension Dispatcher {
    func applyToDestinations(
        _ bound: BoundPlan, number: Int64, by peer: String, _ promise: EventLoopPromise<ActionRow>
    ) {
        let request = bound.plan.request
        var details = ActionDetails()
        var touched = 0
        if request.action == .workers {
            details.workers = supervisor?.count
            supervisor?.setCount(request.worker ?? 1)
        }
        for id in bound.destinations {
            guard let destination = table[id] else { continue }
            let previous = ActionDetails.PreviousDestination(
                id: id, pin: destination.pin, pausedBy: destination.pausedBy,
                pausedUntil: destination.pausedUntil, pauseReason: destination.pauseReason)
            guard apply(request, to: destination, by: peer) else { continue }
            details.destinations.append(previous)
            touched += 1
        }
        var counts = Counts()
        counts.destinations = touched
        counts.deliveries = bound.destinations.reduce(0) { $0 + (table[$1]?.queued ?? 0) }
        details.counts = counts
        let gone = bound.destinations.count { table[$0] == nil }
        var result = resultText(request, touched)
        if gone > 0 { result += "; \(gone) no longer there" }
        let row = actionRow(
            bound, number: number, by: peer, counts: counts,
            state: touched > 0 || request.action == .workers ? .undoable : .done, undoUntil: nil,
            result: result)
        finish(row, row.record(details), promise)
    }

    /// False where there was nothing to do.
    private func apply(
        _ request: PlanRequest, to destination: Destination, by peer: String
    ) -> Bool {
        switch request.action {
        case .pause:
            pause(
                destination, by: peer, until: request.seconds.map { clocks.wall() + .seconds($0) },
                reason: request.reason)
        case .resume:
            guard destination.isPaused else { return false }
            resume(destination)
        case .reassign:
            let isThere = request.worker.map { destination.ownership.worker == $0 } ?? true
            guard destination.pin != request.worker || !isThere else { return false }
            pin(destination, to: request.worker)
        default:
            return false
        }
        return true
    }

    func pause(_ destination: Destination, by: String, until: UnixTime?, reason: String) {
        destination.pausedBy = by
        destination.pausedUntil = until
        destination.pauseReason = reason
        persist(destination)
        guard let worker = destination.ownership.worker else { return }
        links[worker]?.send(
            .pause(destination: destination.id, until: until, by: by, reason: reason))
    }

    func resume(_ destination: Destination) {
        destination.pausedBy = nil
        destination.pausedUntil = nil
        destination.pauseReason = ""
        persist(destination)
        guard let worker = destination.ownership.worker else { return }
        links[worker]?.send(.resume(destination: destination.id))
    }

    private func pin(_ destination: Destination, to worker: Int?) {
        destination.pin = worker
        persist(destination)
        move(destination)
    }

    /// Pauses whose time is over.
    func endPauses() {
        let now = clocks.wall()
        for destination in table.values {
            if let until = destination.pausedUntil, until <= now { resume(destination) }
        }
    }

    private func resultText(_ request: PlanRequest, _ count: Int) -> String {
        let what = Counted.destinations(count)
        switch request.action {
        case .pause: return "\(what) paused"
        case .resume: return "\(what) resumed"
        case .reassign:
            return request.worker.map { "\(what) moving to worker \($0)" }
                ?? "\(what) given back to the ring"
        case .workers: return Counted.workers(request.worker ?? 0)
        default: return what
        }
    }

    func undoDestinations(
        _ old: ActionRecord, _ details: ActionDetails, by peer: String,
        _ promise: EventLoopPromise<ActionRow>
    ) {
        if let workers = details.workers { supervisor?.setCount(workers) }
        let isReassign = old.kind == ActionKind.reassign.rawValue
        for previous in details.destinations {
            guard let destination = table[previous.id] else { continue }
            if isReassign {
                pin(destination, to: previous.pin)
            } else if let by = previous.pausedBy {
                pause(
                    destination, by: by, until: previous.pausedUntil, reason: previous.pauseReason)
            } else {
                resume(destination)
            }
        }
        var counts = Counts()
        counts.destinations = details.destinations.count
        let result =
            details.workers.map { "\(Counted.workers($0)) again" }
            ?? "\(Counted.destinations(counts.destinations)) as before"
        let row = undoneRow(old, counts: counts, result: result, by: peer)
        finish(row, row.record(details), promise)
    }
}
