import Control
import Faults
import Mail
import NIOCore
import Spool

/// Pause, resume, reassign, and the number of workers.
extension Dispatcher {
    func applyToDestinations(
        _ bound: BoundPlan, number: Int64, by peer: String, _ promise: EventLoopPromise<ActionRow>
    ) {
        let request = bound.plan.request
        var details = ActionDetails(origin: bound.origin)
        var writes: [SpoolWrite] = []
        let altered: Set<Int64>
        switch request.action {
        case .pause: FaultPoint.pausing.reached()
        case .resume: FaultPoint.resuming.reached()
        default: break
        }
        do throws(APIError) {
            altered = try changedSinceShown(bound)
            try applyToWorkers(request, &details, by: peer)
        } catch {
            return promise.fail(error)
        }
        for id in bound.destinations where !altered.contains(id) {
            guard let destination = table[id], holds(destination: id) else { continue }
            let previous = ActionDetails.PreviousDestination(destination)
            guard apply(request, to: destination, by: peer) else { continue }
            details.destinations.append(previous)
            writes.append(changed(destination))
        }
        let touched = writes.count
        var counts = Counts()
        counts.destinations = touched
        counts.deliveries = bound.destinations.reduce(0) { $0 + (table[$1]?.queued ?? 0) }
        details.counts = counts
        let gone = bound.destinations.count { table[$0] == nil || !holds(destination: $0) }
        var result = resultText(request, touched)
        if gone > 0 { result += "; \(gone) no longer there" }
        if !altered.isEmpty {
            result += "; \(altered.count) changed since the preview, left as they are"
        }
        let row = actionRow(
            bound, number: number, by: peer, counts: counts,
            state: touched > 0 || request.action.isAboutWorkers ? .undoable : .done,
            undoUntil: nil,
            result: result)
        finish(row, row.record(details), alongside: writes, promise)
    }

    /// The destinations that are no longer as the preview showed them. Throws where none is left
    /// that is, or the workers are others: then what would be done is not what was agreed to.
    private func changedSinceShown(_ bound: BoundPlan) throws(APIError) -> Set<Int64> {
        let action = bound.plan.request.action
        if action.isAboutWorkers {
            guard bound.workers == supervisor?.count ?? 0, bound.drained == Set(drained.keys) else {
                throw APIError(
                    code: "plan-changed",
                    message: "the workers have changed since the preview; nothing was done: make "
                        + "a new one")
            }
            return []
        }
        // The worker may have gone since.
        try validate(bound.plan.request)
        let changed = bound.destinations.filter { id in
            table[id].map { ActionDetails.PreviousDestination($0) != bound.shown[id] } ?? false
        }
        if !changed.isEmpty, changed.count == bound.destinations.count {
            let name = table[changed[0]]?.title ?? ""
            let what = changed.count == 1 ? name : "all of \(Counted.destinations(changed.count))"
            throw APIError(
                code: "plan-changed",
                message: "\(what) was paused, resumed or reassigned since the preview; nothing was "
                    + "done: make a new one")
        }
        return Set(changed)
    }

    private func applyToWorkers(
        _ request: PlanRequest, _ details: inout ActionDetails, by peer: String
    ) throws(APIError) {
        switch request.action {
        case .workers:
            details.workers = supervisor?.count
            supervisor?.setCount(request.worker ?? 1)
        case .drain, .undrain:
            guard let worker = request.worker else { return }
            details.drainedWorker = worker
            details.drainedBy = drained[worker]
            try setDrained(worker, by: request.action == .drain ? peer : nil)
        default: break
        }
    }

    private func setDrained(_ worker: Int, by who: String?) throws(APIError) {
        // Without processes there is nobody to write it down.
        guard let supervisor else {
            drained[worker] = who
            return
        }
        try supervisor.setDrained(worker, by: who)
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
        guard let worker = destination.ownership.worker else { return }
        links[worker]?.send(
            .pause(destination: destination.id, until: until, by: by, reason: reason))
    }

    func resume(_ destination: Destination) {
        destination.pausedBy = nil
        destination.pausedUntil = nil
        destination.pauseReason = ""
        guard let worker = destination.ownership.worker else { return }
        links[worker]?.send(.resume(destination: destination.id))
    }

    private func pin(_ destination: Destination, to worker: Int?) {
        destination.pin = worker
        move(destination)
    }

    /// Pauses whose time is over.
    func endPauses() {
        let now = clocks.wall()
        for destination in table.values {
            guard let until = destination.pausedUntil, until <= now,
                holds(destination: destination.id)
            else { continue }
            resume(destination)
            persist(destination)
        }
    }

    /// What a destination is now, to be recorded with the action that made it so; later with the
    /// schedulers' states where the spool cannot record now.
    private func changed(_ destination: Destination) -> SpoolWrite {
        destination.snapshotChanged = true
        return .destination(record(of: destination))
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
        case .drain:
            return "worker \(request.worker ?? 0) hands over what it has and gets nothing new"
        case .undrain: return "worker \(request.worker ?? 0) takes mail again"
        default: return what
        }
    }

    func undoDestinations(
        _ old: ActionRecord, _ details: ActionDetails, by peer: String,
        _ promise: EventLoopPromise<ActionRow>
    ) {
        if let workers = details.workers { supervisor?.setCount(workers) }
        if let worker = details.drainedWorker {
            do throws(APIError) {
                guard workerRows[worker] != nil else {
                    throw APIError(
                        code: "not-undoable", message: "there is no worker \(worker) any more")
                }
                try setDrained(worker, by: details.drainedBy)
            } catch {
                return promise.fail(error)
            }
        }
        let writes = restore(details, of: old)
        var counts = Counts()
        counts.destinations = writes.count
        let result =
            details.workers.map { "\(Counted.workers($0)) again" }
            ?? details.drainedWorker.map { worker in
                details.drainedBy == nil
                    ? "worker \(worker) takes mail again" : "worker \(worker) is drained again"
            }
            ?? "\(Counted.destinations(counts.destinations)) as before"
        let row = undoneRow(old, counts: counts, result: result, by: peer)
        finish(row, row.record(details), alongside: writes, promise)
    }

    /// Those of its destinations that this node has are as before.
    private func restore(_ details: ActionDetails, of old: ActionRecord) -> [SpoolWrite] {
        let isReassign = old.kind == ActionKind.reassign.rawValue
        var writes: [SpoolWrite] = []
        for previous in details.destinations {
            guard let destination = table[previous.id], holds(destination: previous.id) else {
                continue
            }
            if isReassign {
                pin(destination, to: previous.pin)
            } else if let by = previous.pausedBy {
                pause(
                    destination, by: by, until: previous.pausedUntil, reason: previous.pauseReason)
            } else {
                resume(destination)
            }
            writes.append(changed(destination))
        }
        return writes
    }

    /// The part of an action of another node's that this one has is as before; how many those are.
    func undoPart(
        of old: ActionRecord, _ details: ActionDetails, _ promise: EventLoopPromise<Int>
    ) {
        let writes = restore(details, of: old)
        commit(writes, promise) { _ in promise.succeed(writes.count) }
    }
}

extension ActionDetails.PreviousDestination {
    init(_ destination: Destination) {
        self.init(
            id: destination.id, pin: destination.pin, pausedBy: destination.pausedBy,
            pausedUntil: destination.pausedUntil, pauseReason: destination.pauseReason)
    }
}
