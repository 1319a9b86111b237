import Control
import Faults
import Logging
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// The parts of actions on deliveries that belong to the loop: counts, marks, and the workers.
extension Dispatcher {
    /// The row as it is recorded with the first change: a crash between them would leave mail that
    /// nobody can bring back, or that has moved for no reason that is known.
    ///
    /// - Parameter deliveries: what is to be marked.
    func begin(
        _ bound: BoundPlan, number: Int64, by peer: String, _ deliveries: DeliverySet
    ) -> ActionRow {
        let request = bound.plan.request
        let target: StoredState? =
            switch request.action {
            case .purge: .purging
            case .bounce: .bouncing
            case .hold: .held
            default: nil
            }
        let window = configuration.undo.purgeWindow
        let progress = ActionProgress(
            bound, number: number, by: peer, target: target, deliveries: deliveries,
            until: clocks.wall() + window, due: clocks.monotonic() + window)
        actions.progress[number] = progress
        if target != nil {
            actions.remember(
                number, ActionTable.Mark(by: peer, reason: request.reason, deliveries: deliveries))
        }
        return actionRow(
            bound, number: number, by: peer, counts: bound.plan.counts,
            state: target == nil ? .done : .undoable,
            undoUntil: progress.isDestructive ? progress.until : nil, result: "being carried out")
    }

    /// Marks, withdraws, makes due a part of the deliveries.
    func change(
        _ part: [DeliveryFigures], of number: Int64, alongside head: [SpoolWrite],
        _ promise: EventLoopPromise<Void>
    ) {
        guard let progress = actions.progress[number] else { return promise.succeed() }
        let ids = part.map(\.id)
        if let target = progress.target {
            return mark(part, as: target, progress, alongside: head, promise)
        }
        guard progress.bound.plan.request.action == .release else {
            FaultPoint.retrying.reached()
            let writes = head + ends(waitingFor: part) + [.reschedule(ids, at: clocks.wall())]
            return commit(writes, promise) { dispatcher in
                dispatcher.ended(waitingFor: part)
                FaultPoint.retried.reached()
                promise.succeed()
            }
        }
        for delivery in part { lateArrival(delivery) }
        FaultPoint.releasing.reached()
        commit(head + [.mark(ids, from: [.held], to: .queued, at: nil)], promise) { dispatcher in
            FaultPoint.released.reached()
            for delivery in part {
                delivery.destination.flatMap { dispatcher.table[$0] }?.held -= 1
            }
            dispatcher.requeue(part)
            promise.succeed()
        }
    }

    private func mark(
        _ part: [DeliveryFigures], as target: StoredState, _ progress: ActionProgress,
        alongside head: [SpoolWrite], _ promise: EventLoopPromise<Void>
    ) {
        // Counted before it is on disk: a result or an answer of DNS that comes meanwhile finds it
        // marked.
        for delivery in part { moved(delivery, to: target) }
        FaultPoint.marking.reached()
        let mark = SpoolWrite.mark(
            part.map(\.id), from: [.queued, .held, .routing], to: target,
            at: progress.isDestructive ? progress.until : nil)
        commit(head + [mark], promise) { dispatcher in
            for delivery in part { dispatcher.unmark(delivery, as: target) }
        } then: { dispatcher in
            FaultPoint.marked.reached()
            progress.isRecorded = true
            dispatcher.withdraw(part, for: progress)
            promise.succeed()
        }
    }

    /// All parts are on disk.
    func changed(_ number: Int64) {
        guard let progress = actions.progress[number] else { return }
        progress.isComplete = true
        if progress.isDestructive, holds(action: number) { actions.doom(number, progress.doomed) }
        if progress.bound.plan.request.action == .release {
            actions.unmark(progress.bound.deliveries)
        }
    }

    /// It is concluded, or has failed.
    func ended(_ number: Int64) {
        guard let progress = actions.progress.removeValue(forKey: number), !progress.isComplete
        else { return }
        if !progress.isRecorded {
            actions.forgetMark(of: number)
        } else if progress.isDestructive, holds(action: number) {
            // Of many some are marked already: that is on record, and can be undone.
            actions.doom(number, progress.doomed)
        }
    }

    /// The number of deliveries that are in a transaction right now.
    func whenWithdrawn(_ number: Int64, _ promise: EventLoopPromise<Int>) {
        guard let progress = actions.progress[number] else { return promise.succeed(0) }
        progress.whenAnswered(promise)
    }

    private func lateArrival(_ delivery: DeliveryFigures) {
        guard let destination = delivery.destination.flatMap({ table[$0] }),
            case .loading = destination.ownership
        else { return }
        destination.lateArrivals.insert(delivery.id)
    }

    func commit<Value>(
        _ writes: [SpoolWrite], _ promise: EventLoopPromise<Value>,
        failed: @escaping (Dispatcher) -> Void = { _ in }, then: @escaping (Dispatcher) -> Void
    ) {
        let work = NIOLoopBound((then: then, failed: failed), eventLoop: loop)
        writer.submit(writes, on: loop) { [handle = handle] result in
            switch result {
            case .success: work.value.then(handle.value)
            case .failure(let error):
                handle.value.spoolFailed(error)
                work.value.failed(handle.value)
                promise.fail(
                    APIError(
                        code: "spool", message: "the spool cannot record the action: \(error)"))
            }
        }
    }

    /// Keeps the counts right when a stored delivery changes its state.
    private func moved(_ delivery: DeliveryFigures, to state: StoredState) {
        if delivery.state == .routing { unrouted[delivery.id] = nil }
        guard let destination = delivery.destination.flatMap({ table[$0] }) else { return }
        if delivery.state == .queued {
            destination.queued -= 1
            marked[delivery.id] = state
            // A page of the load may have been read before the mark.
            lateArrival(delivery)
        }
        if delivery.state == .held { destination.held -= 1 }
        if state == .held { destination.held += 1 }
        if state == .purging || state == .bouncing { destination.purging += 1 }
        if destination.queued == 0 { destination.oldest = nil }
    }

    /// The change of state could not be recorded: everything is as it was.
    private func unmark(_ delivery: DeliveryFigures, as state: StoredState) {
        // Its transaction has ended meanwhile, which took it off the counts.
        if delivery.state == .queued, marked[delivery.id] == nil { return }
        if let destination = delivery.destination.flatMap({ table[$0] }) {
            if state == .held { destination.held -= 1 } else { destination.purging -= 1 }
            if delivery.state == .held { destination.held += 1 }
        }
        if delivery.state != .held { requeue([delivery]) }
    }

    /// The workers forget what is marked; what runs counts as marked until it ends.
    private func withdraw(_ part: [DeliveryFigures], for progress: ActionProgress) {
        var owned: [Int: [DeliveryID]] = [:]
        for delivery in part where delivery.state == .queued {
            let destination = delivery.destination.flatMap { table[$0] }
            if let worker = destination?.ownership.worker, links[worker] != nil {
                owned[worker, default: []].append(delivery.id)
            } else {
                marked[delivery.id] = nil
            }
        }
        for (worker, ids) in owned {
            progress.asked()
            withdraw(ids, from: worker) { [unowned self] running in
                let still = Set(running)
                for id in ids where !still.contains(id) { marked[id] = nil }
                progress.answered(running: running.count)
            }
        }
    }

    func concluded(
        _ bound: BoundPlan, _ tally: ActionTally, running: Int, number: Int64, by peer: String
    ) -> ActionRow {
        FaultPoint.withdrawn.reached()
        let action = bound.plan.request.action
        let gone = bound.deliveries.count - tally.present
        var parts = [
            action.resultText(tally.counts.deliveries, window: configuration.undo.purgeWindow)
        ]
        if running > 0 {
            parts.append("\(Counted.exact(running)) in a transaction right now: its end decides")
        }
        if gone > 0 { parts.append("\(Counted.exact(gone)) had left the queue") }
        if tally.leftAlone > 0 {
            parts.append(
                "\(Counted.exact(tally.leftAlone)) were held, released or purged since the preview: left alone"
            )
        }
        return actionRow(
            bound, number: number, by: peer, counts: tally.counts,
            state: action.marksDeliveries ? .undoable : .done,
            undoUntil: actions.doomed[number]?.at, result: parts.joined(separator: "; "))
    }

    /// The action has ended, and is recorded as it is shown.
    ///
    /// - Parameter writes: what it changes, where that is not on disk yet.
    func finish(
        _ row: ActionRow, _ record: ActionRecord, alongside writes: [SpoolWrite] = [],
        _ promise: EventLoopPromise<ActionRow>
    ) {
        logger.notice(
            "action",
            metadata: [
                "id": "\(row.id)", "action": "\(row.action.rawValue)", "by": "\(row.by)",
                "reason": "\(SafeText(row.reason).text)", "target": "\(SafeText(row.target).text)",
                "result": "\(row.result)",
            ])
        publish("action", "\(row.by): \(row.action.rawValue) \(row.target): \(row.result)")
        commit(writes + [.action(record)], promise) { _ in
            switch row.action {
            case .pause: FaultPoint.paused.reached()
            case .resume: FaultPoint.resumed.reached()
            default: break
            }
            promise.succeed(row)
        }
    }

    func actionRow(
        _ bound: BoundPlan, number: Int64, by peer: String, counts: Counts, state: ActionState,
        undoUntil: UnixTime?, result: String
    ) -> ActionRow {
        let request = bound.plan.request
        return ActionRow(
            id: String(number), action: request.action, at: clocks.wall(), by: peer,
            reason: request.reason, target: target(of: request, bound), counts: counts,
            state: state, undoUntil: undoUntil, result: result)
    }

    private func target(of request: PlanRequest, _ bound: BoundPlan) -> String {
        var parts: [String] = []
        if request.action == .workers { parts.append(Counted.workers(request.worker ?? 0)) }
        if request.action == .drain || request.action == .undrain {
            parts.append("worker \(request.worker ?? 0)")
        }
        if let filter = request.selector.filter { parts.append(filter) }
        if let filter = request.selector.destinationFilter {
            parts.append("destinations with \(filter)")
        }
        parts += request.selector.destinations.prefix(5).map { id in
            Int64(id).flatMap { table[$0]?.title } ?? "destination \(id)"
        }
        if request.selector.destinations.count > 5 {
            parts.append("\(request.selector.destinations.count - 5) more destinations")
        }
        parts += request.selector.messages.prefix(5)
        if request.selector.messages.count > 5 {
            parts.append("\(request.selector.messages.count - 5) more messages")
        }
        return parts.joined(separator: ", ")
    }

    /// Deliveries that are queued again go to the owners of their destinations.
    func requeue(_ part: [DeliveryFigures]) {
        let batch = EnqueueBatch()
        defer { batch.send(over: links) }
        var homeless: [DeliveryID] = []
        for delivery in part {
            // Its transaction may run still: it counts as queued from now on.
            marked[delivery.id] = nil
            guard let destination = delivery.destination else {
                homeless.append(delivery.id)
                continue
            }
            returned(QueuedDelivery(delivery, destination: destination), in: batch)
        }
        if !homeless.isEmpty { routeAgain(homeless) }
    }

    private func routeAgain(_ ids: [DeliveryID]) {
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.deliveries(ids).filter { $0.state == .routing }
        } completion: { [handle = handle] result in
            switch result {
            case .failure(let error):
                handle.value.readFailed(error) { $0.routeAgain(ids) }
            case .success(let found):
                for stored in found {
                    guard stored.isAsWritten else {
                        handle.value.setAside(stored, because: Dispatcher.changedEnvelope)
                        continue
                    }
                    handle.value.route(
                        NewDelivery(
                            id: stored.id, destination: nil, domain: stored.domain,
                            recipients: stored.recipients, nextAttemptAt: stored.nextAttemptAt),
                        of: stored.message)
                }
            }
        }
    }
}

extension QueuedDelivery {
    init(_ figures: DeliveryFigures, destination: Int64) {
        self.init(
            id: figures.id, destination: destination, due: figures.nextAttemptAt,
            received: figures.receivedAt, attempts: figures.attempts, size: figures.size,
            senderHash: CRC32.checksum(figures.sender), priority: figures.priority)
    }
}

extension ActionKind {
    fileprivate func resultText(_ count: Int, window: Duration) -> String {
        let what = Counted.deliveries(count)
        let window = DurationText.text(window)
        switch self {
        case .retry: return "\(what) due now"
        case .release: return "\(what) released"
        case .hold: return "\(what) held"
        case .purge: return "\(what) purged in \(window) unless undone"
        case .bounce: return "\(what) bounced in \(window) unless undone"
        default: return what
        }
    }
}
