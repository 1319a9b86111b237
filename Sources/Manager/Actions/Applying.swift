import Control
import Faults
import FoundationEssentials
import Logging
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// Carries out plans and undoes them. Every action is recorded with who, what, when, why and how
/// many, in the same transaction as what it changes.
struct ActionRunner {
    let dispatcher: DispatcherHandle
    let reader: SpoolReader

    func apply(_ id: String, _ request: ApplyRequest, by peer: String) async throws -> ActionRow {
        let taken = try await dispatcher.run { dispatcher throws -> (BoundPlan, Int64) in
            let now = dispatcher.clocks.wall()
            guard let known = dispatcher.actions.plan(id) else {
                throw APIError(
                    code: "no-such-plan",
                    message:
                        "plan \(SafeText(id).text) is unknown, applied, or older than 10 min; make a new one"
                )
            }
            if known.plan.mustTypeCount, request.count != known.plan.counts.deliveries {
                throw APIError(
                    code: "count-required",
                    message: "this plan touches \(known.plan.counts.deliveries) deliveries; "
                        + "apply it with that count to confirm")
            }
            guard let bound = dispatcher.actions.take(id, at: now) else {
                throw APIError(code: "plan-expired", message: "the plan is too old; make a new one")
            }
            return (bound, dispatcher.actions.newActionID())
        }
        var bound = taken.0
        let number = taken.1
        if let reason = request.reason { bound.plan.request.reason = reason }
        if bound.plan.request.action.actsOnDeliveries {
            return try await applyToDeliveries(bound, number: number, by: peer)
        }
        return try await dispatcher.run { [bound] dispatcher, promise in
            dispatcher.applyToDestinations(bound, number: number, by: peer, promise)
        }
    }

    private func applyToDeliveries(
        _ bound: BoundPlan, number: Int64, by peer: String
    ) async throws -> ActionRow {
        let action = bound.plan.request.action
        let before = try await reader.read { spool throws(SpoolError) in
            try Self.read(bound.deliveries, in: spool).filter { action.applies(to: $0.state) }
        }
        let running = try await dispatcher.run { (dispatcher, promise: EventLoopPromise<Int>) in
            dispatcher.change(bound, before, number: number, by: peer, promise)
        }
        // Read back: what is reported is what the spool now says.
        let after = try await reader.read { spool throws(SpoolError) in
            try spool.states(before.map(\.id))
        }
        return try await dispatcher.run { dispatcher, promise in
            dispatcher.conclude(
                bound, before: before, after: after, running: running, number: number, by: peer,
                promise)
        }
    }

    static func read(
        _ ids: [DeliveryID], in spool: any Spool
    ) throws(SpoolError) -> [StoredDelivery] {
        var all: [StoredDelivery] = []
        for start in stride(from: 0, to: ids.count, by: 1000) {
            all += try spool.deliveries(Array(ids[start..<min(start + 1000, ids.count)]))
        }
        return all
    }

    func undo(_ text: String, by peer: String) async throws -> ActionRow {
        guard let id = Int64(text) else {
            throw APIError(code: "bad-request", message: "action ids are numbers")
        }
        guard
            let record = try await reader.read({ spool throws(SpoolError) in try spool.action(id) })
        else { throw APIError(code: "not-found", message: "there is no action \(id)") }
        guard record.state == ActionState.undoable.rawValue else {
            throw APIError(
                code: "not-undoable",
                message: "action \(id) (\(record.kind)) cannot be undone (any more): "
                    + record.result)
        }
        let details = try JSONDecoder().decode(ActionDetails.self, from: Data(record.details))
        let ids = (details.queued + details.held + details.routing).map(DeliveryID.init(rawValue:))
        if ActionKind(rawValue: record.kind)?.actsOnDeliveries == true {
            // What was released, purged or delivered since is not as the action left it, and stays
            // as it is.
            let marked = try await reader.read { spool throws(SpoolError) in
                zip(ids, try spool.states(ids)).filter { _, state in
                    state.map(record.marks.contains) ?? false
                }.map(\.0)
            }
            try await dispatcher.run { dispatcher, promise in
                dispatcher.undoMarks(record, details, of: marked, by: peer, promise)
            }
            let restored = try await reader.read { spool throws(SpoolError) in
                try Self.read(marked, in: spool).filter { !record.marks.contains($0.state) }
            }
            return try await dispatcher.run { dispatcher, promise in
                dispatcher.requeue(
                    restored.filter { $0.state == .queued || $0.state == .routing })
                dispatcher.concludeUndo(
                    record, details, restored: restored, gone: ids.count - restored.count,
                    by: peer, promise)
            }
        }
        return try await dispatcher.run { dispatcher, promise in
            dispatcher.undoDestinations(record, details, by: peer, promise)
        }
    }
}

extension Dispatcher {
    /// Marks, withdraws, makes due: the first half of an action on deliveries. The promise gets
    /// the number of those that are in a transaction right now.
    fileprivate func change(
        _ bound: BoundPlan, _ before: [StoredDelivery], number: Int64, by peer: String,
        _ promise: EventLoopPromise<Int>
    ) {
        let request = bound.plan.request
        let ids = before.map(\.id)
        let now = clocks.wall()
        let until = now + configuration.undo.purgeWindow
        let due = clocks.monotonic() + configuration.undo.purgeWindow
        let target: StoredState
        // The record goes with the change: a crash between them would leave mail that nobody can
        // bring back, or that has moved for no reason that is known.
        let plain = SpoolWrite.action(
            record(
                actionRow(
                    bound, number: number, by: peer, counts: bound.plan.counts, state: .done,
                    undoUntil: nil, result: "being carried out"),
                ActionDetails(counts: bound.plan.counts)))
        switch request.action {
        case .retry:
            commit([.reschedule(ids, at: now), plain], promise) { dispatcher in
                for (destination, ids) in before.byDestination {
                    dispatcher.retryNow(ids, of: destination)
                }
                promise.succeed(0)
            }
            return
        case .release:
            for stored in before { lateArrival(stored) }
            actions.unmark(Set(ids))
            FaultPoint.releasing.reached()
            commit(
                [.mark(ids, from: [.held], to: .queued, at: nil), plain], promise
            ) { dispatcher in
                FaultPoint.released.reached()
                for stored in before {
                    guard let destination = stored.destination.flatMap({ dispatcher.table[$0] })
                    else { continue }
                    destination.held -= 1
                }
                dispatcher.requeue(before)
                promise.succeed(0)
            }
            return
        case .purge: target = .purging
        case .bounce: target = .bouncing
        case .hold: target = .held
        default: return promise.succeed(0)
        }
        let destructive = target != .held
        var details = ActionDetails()
        details.queued = before.filter { $0.state == .queued }.map(\.id.rawValue)
        details.held = before.filter { $0.state == .held }.map(\.id.rawValue)
        details.routing = before.filter { $0.state == .routing }.map(\.id.rawValue)
        let row = actionRow(
            bound, number: number, by: peer, counts: bound.plan.counts, state: .undoable,
            undoUntil: destructive ? until : nil, result: "being carried out")
        let marks = Self.chunks(ids).map {
            SpoolWrite.mark(
                $0, from: [.queued, .held, .routing], to: target, at: destructive ? until : nil)
        }
        // Counted before it is on disk: a result or an answer of DNS that comes meanwhile finds it
        // marked.
        for stored in before { moved(stored, to: target) }
        actions.remember(
            number,
            ActionTable.Mark(by: peer, reason: request.reason, deliveries: ids.sorted()))
        let doomed = ActionTable.Doomed(
            at: until, due: due, kind: request.action, deliveries: ids, reason: request.reason)
        FaultPoint.marking.reached()
        commit([.action(record(row, details))], marks[...], promise) { dispatcher, open in
            if open == before.count {
                dispatcher.actions.forgetMark(of: number)
            } else if destructive {
                // Of many some are marked already: that is on record, and can be undone.
                dispatcher.actions.doom(number, doomed)
            }
            for stored in before.suffix(open) { dispatcher.unmark(stored, as: target) }
        } then: { dispatcher in
            FaultPoint.marked.reached()
            if destructive { dispatcher.actions.doom(number, doomed) }
            dispatcher.withdrawAll(before, promise)
        }
    }

    /// Deliveries that change in one transaction: mail is taken in between two of them.
    private static let chunk = 5000

    private static func chunks(_ ids: [DeliveryID]) -> [[DeliveryID]] {
        stride(from: 0, to: ids.count, by: chunk).map { start in
            Array(ids[start..<min(start + chunk, ids.count)])
        }
    }

    /// Writes `head` with the first of the marks in one transaction, and the others one after the
    /// other, `tail` with the last. `failed` gets the number of deliveries whose mark is not on disk.
    private func commit<Value>(
        _ head: [SpoolWrite], _ marks: ArraySlice<SpoolWrite>, tail: [SpoolWrite] = [],
        _ promise: EventLoopPromise<Value>,
        failed: @escaping (Dispatcher, Int) -> Void = { _, _ in },
        then: @escaping (Dispatcher) -> Void
    ) {
        let open = marks.reduce(0) { $0 + $1.marked }
        let rest = marks.dropFirst()
        commit(head + marks.prefix(1) + (rest.isEmpty ? tail : []), promise) { dispatcher in
            failed(dispatcher, open)
        } then: { dispatcher in
            if rest.isEmpty { return then(dispatcher) }
            dispatcher.commit([], rest, tail: tail, promise, failed: failed, then: then)
        }
    }

    private func lateArrival(_ stored: StoredDelivery) {
        guard let destination = stored.destination.flatMap({ table[$0] }),
            case .loading = destination.ownership
        else { return }
        destination.lateArrivals.insert(stored.id)
    }

    private func commit<Value>(
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
    private func moved(_ stored: StoredDelivery, to state: StoredState) {
        if stored.state == .routing { unrouted[stored.id] = nil }
        guard let destination = stored.destination.flatMap({ table[$0] }) else { return }
        if stored.state == .queued {
            destination.queued -= 1
            marked[stored.id] = state
            // A page of the load may have been read before the mark.
            lateArrival(stored)
        }
        if stored.state == .held { destination.held -= 1 }
        if state == .held { destination.held += 1 }
        if state == .purging || state == .bouncing { destination.purging += 1 }
        if destination.queued == 0 { destination.oldest = nil }
    }

    /// The change of state could not be recorded: everything is as it was.
    private func unmark(_ stored: StoredDelivery, as state: StoredState) {
        // Its transaction has ended meanwhile, which took it off the counts.
        if stored.state == .queued, marked[stored.id] == nil { return }
        if let destination = stored.destination.flatMap({ table[$0] }) {
            if state == .held { destination.held -= 1 } else { destination.purging -= 1 }
            if stored.state == .held { destination.held += 1 }
        }
        if stored.state != .held { requeue([stored]) }
    }

    private func withdrawAll(_ before: [StoredDelivery], _ promise: EventLoopPromise<Int>) {
        let groups = before.filter { $0.state == .queued }.byDestination
        var open = groups.count
        var running = 0
        guard open > 0 else { return promise.succeed(0) }
        for (id, ids) in groups {
            guard let destination = table[id] else {
                open -= 1
                if open == 0 { promise.succeed(running) }
                continue
            }
            withdraw(ids, of: destination) { [unowned self] stillRunning in
                let still = Set(stillRunning)
                for id in ids where !still.contains(id) { marked[id] = nil }
                running += stillRunning.count
                open -= 1
                if open == 0 { promise.succeed(running) }
            }
        }
    }

    fileprivate func conclude(
        _ bound: BoundPlan, before: [StoredDelivery], after: [StoredState?], running: Int,
        number: Int64, by peer: String, _ promise: EventLoopPromise<ActionRow>
    ) {
        FaultPoint.withdrawn.reached()
        let action = bound.plan.request.action
        let touched = zip(before, after).filter { _, state in
            state.map(action.leaves) ?? false
        }.map(\.0)
        var counts = Counts()
        counts.deliveries = touched.count
        counts.messages = Set(touched.map(\.id.message)).count
        counts.recipients = touched.reduce(0) { $0 + $1.recipients.count }
        counts.bytes = touched.reduce(0) { $0 + $1.message.size }
        counts.destinations = Set(touched.compactMap(\.destination)).count
        let gone = bound.deliveries.count - after.count { $0 != nil }
        var parts = [action.resultText(touched.count, window: configuration.undo.purgeWindow)]
        if running > 0 {
            parts.append("\(running) in a transaction right now: its end decides")
        }
        if gone > 0 { parts.append("\(gone) had left the queue") }
        let isDestructive = action == .purge || action == .bounce
        let undoUntil = actions.doomed[number]?.at
        let row = actionRow(
            bound, number: number, by: peer, counts: counts,
            state: isDestructive || action == .hold ? .undoable : .done, undoUntil: undoUntil,
            result: parts.joined(separator: "; "))
        var details = ActionDetails()
        details.counts = counts
        details.queued = before.filter { $0.state == .queued }.map(\.id.rawValue)
        details.held = before.filter { $0.state == .held }.map(\.id.rawValue)
        details.routing = before.filter { $0.state == .routing }.map(\.id.rawValue)
        if action == .retry || action == .release { details = ActionDetails(counts: counts) }
        finish(row, details, promise)
    }

    func finish(
        _ row: ActionRow, _ details: ActionDetails, _ promise: EventLoopPromise<ActionRow>
    ) {
        logger.notice(
            "action",
            metadata: [
                "id": "\(row.id)", "action": "\(row.action.rawValue)", "by": "\(row.by)",
                "reason": "\(SafeText(row.reason).text)", "target": "\(SafeText(row.target).text)",
                "result": "\(row.result)",
            ])
        publish("action", "\(row.by): \(row.action.rawValue) \(row.target): \(row.result)")
        commit([.action(record(row, details))], promise) { _ in promise.succeed(row) }
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

    func record(_ row: ActionRow, _ details: ActionDetails) -> ActionRecord {
        ActionRecord(
            id: Int64(row.id) ?? 0, kind: row.action.rawValue, at: row.at, by: row.by,
            reason: row.reason, target: row.target, state: row.state.rawValue,
            undoUntil: row.undoUntil, result: row.result,
            details: (try? JSONEncoder().encode(details)).map { [UInt8]($0) } ?? [])
    }

    // MARK: Undo

    /// The marks of a purge, bounce or hold are taken back.
    fileprivate func undoMarks(
        _ old: ActionRecord, _ details: ActionDetails, of marked: [DeliveryID], by peer: String,
        _ promise: EventLoopPromise<Void>
    ) {
        let isHold = old.kind == ActionKind.hold.rawValue
        let spared = actions.spare(old.id)
        guard isHold || spared != nil else {
            return promise.fail(
                APIError(code: "too-late", message: "action \(old.id) can no longer be undone"))
        }
        func mark(_ raw: [Int64], to state: StoredState) -> [SpoolWrite] {
            Self.chunks(raw.map(DeliveryID.init(rawValue:))).map {
                .mark($0, from: old.marks, to: state, at: nil)
            }
        }
        for destination in table.values {
            if case .loading = destination.ownership {
                destination.lateArrivals.formUnion(marked)
            }
        }
        let writes =
            mark(details.queued, to: .queued) + mark(details.held, to: .held)
            + mark(details.routing, to: .routing)
        // With the last of them: until then what is still marked can be undone, or ends.
        var record = old
        record.state = ActionState.undone.rawValue
        record.undoUntil = nil
        record.result = "undone by \(peer)"
        FaultPoint.undoing.reached()
        commit([], writes[...], tail: [.action(record)], promise) { dispatcher, _ in
            if let spared { dispatcher.actions.doom(old.id, spared) }
        } then: { _ in
            FaultPoint.undone.reached()
            promise.succeed()
        }
    }

    /// Deliveries that are queued again go to the owners of their destinations.
    fileprivate func requeue(_ stored: [StoredDelivery]) {
        let batch = EnqueueBatch()
        defer { batch.send(over: links) }
        for delivery in stored {
            // Its transaction may run still: it counts as queued from now on.
            marked[delivery.id] = nil
            let new = NewDelivery(
                id: delivery.id, destination: delivery.destination, domain: delivery.domain,
                recipients: delivery.recipients, nextAttemptAt: delivery.nextAttemptAt)
            if delivery.state == .routing {
                route(new, of: delivery.message)
            } else {
                arrived(
                    new, of: delivery.message, body: nil, attempts: delivery.attempts, in: batch)
            }
        }
    }

    fileprivate func concludeUndo(
        _ old: ActionRecord, _ details: ActionDetails, restored: [StoredDelivery], gone: Int,
        by peer: String, _ promise: EventLoopPromise<ActionRow>
    ) {
        let wasHold = old.kind == ActionKind.hold.rawValue
        let held = Set(details.held)
        for stored in restored {
            guard let destination = stored.destination.flatMap({ table[$0] }) else { continue }
            if wasHold { destination.held -= 1 } else { destination.purging -= 1 }
            if held.contains(stored.id.rawValue) { destination.held += 1 }
        }
        var counts = Counts()
        counts.deliveries = restored.count
        counts.recipients = restored.reduce(0) { $0 + $1.recipients.count }
        var result = "\(Counted.deliveries(restored.count)) back"
        if gone > 0 { result += "; \(gone) had been released or left the queue" }
        finishUndo(old, details, counts: counts, result: result, by: peer, promise)
    }

    func finishUndo(
        _ old: ActionRecord, _ details: ActionDetails, counts: Counts, result: String,
        by peer: String, _ promise: EventLoopPromise<ActionRow>
    ) {
        actions.forgetMark(of: old.id)
        let row = ActionRow(
            id: String(old.id), action: ActionKind(rawValue: old.kind) ?? .retry, at: old.at,
            by: old.by, reason: old.reason, target: old.target, counts: counts, state: .undone,
            undoUntil: nil, result: "undone by \(peer): \(result)")
        finish(row, details, promise)
    }
}

extension ActionKind {
    /// Whether a delivery that is in this state after the action shows it.
    fileprivate func leaves(_ state: StoredState) -> Bool {
        switch self {
        case .retry, .release: state == .queued
        case .hold: state == .held
        case .purge: state == .purging
        case .bounce: state == .bouncing
        default: false
        }
    }

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

extension ActionRecord {
    /// The states that the action puts deliveries into.
    fileprivate var marks: Set<StoredState> {
        kind == ActionKind.hold.rawValue ? [.held] : [.purging, .bouncing]
    }
}

extension SpoolWrite {
    /// Deliveries that a `mark` is about.
    fileprivate var marked: Int {
        if case .mark(let ids, _, _, _) = self { ids.count } else { 0 }
    }
}

extension [StoredDelivery] {
    var byDestination: [Int64: [DeliveryID]] {
        var groups: [Int64: [DeliveryID]] = [:]
        for stored in self {
            if let destination = stored.destination {
                groups[destination, default: []].append(stored.id)
            }
        }
        return groups
    }
}
