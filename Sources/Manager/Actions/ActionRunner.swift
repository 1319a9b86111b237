import Cluster
import Control
import Faults
import Mail
import NIOCore
import Spool

/// Carries out plans and undoes them. Every action is recorded with who, what, when, why and how
/// many, in the same transaction as what it changes first.
///
/// However many deliveries it is about, they are read, written, and taken from their workers in
/// parts, between which the loop and the writer do other work; and everything that grows with their
/// number, but the part itself, is done on other threads.
struct ActionRunner {
    let dispatcher: DispatcherHandle
    let reader: SpoolReader

    /// Deliveries of a part: some ten milliseconds of the writer's time.
    static let part = 2000

    /// - Parameter group: what it has in common with what other nodes do.
    func apply(
        _ id: String, _ request: ApplyRequest, by peer: String, group: String? = nil
    ) async throws -> ActionRow {
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
            guard var bound = dispatcher.actions.take(id, at: now) else {
                throw APIError(code: "plan-expired", message: "the plan is too old; make a new one")
            }
            let node = dispatcher.districts?.node.id.rawValue
            bound.origin = ActionDetails.Origin(node: node, group: group)
            return (bound, try dispatcher.newActionID())
        }
        var bound = taken.0
        let number = taken.1
        if let reason = request.reason { bound.plan.request.reason = reason }
        guard bound.plan.request.action.actsOnDeliveries else {
            return try await dispatcher.run { [bound] dispatcher, promise in
                dispatcher.applyToDestinations(bound, number: number, by: peer, promise)
            }
        }
        let count = bound.deliveries.count
        defer { Memory.handBack(after: count) }
        do {
            let row = try await applyToDeliveries(bound, number: number, by: peer)
            try await dispatcher.run { $0.ended(number) }
            return row
        } catch {
            try await dispatcher.run { $0.ended(number) }
            throw error
        }
    }

    private func applyToDeliveries(
        _ bound: BoundPlan, number: Int64, by peer: String
    ) async throws -> ActionRow {
        let (running, now) = try await dispatcher.run { ($0.runningActions, $0.clocks.wall()) }
        running.begin(
            RunningAction(
                id: bound.plan.id, action: bound.plan.request.action, by: peer, since: now,
                total: bound.deliveries.count))
        defer { running.end(bound.plan.id) }
        let changed =
            bound.plan.request.action == .retry
            ? try await change(bound, running, number: number, by: peer)
            : try await inTurn { try await change(bound, running, number: number, by: peer) }
        running.enter(.checking, bound.plan.id)
        return try await conclude(bound, changed, running, number: number, by: peer)
    }

    /// Throws where nothing is as the preview showed it: then there is nothing that was agreed to.
    private func mustBeAsShown(_ bound: BoundPlan) async throws {
        var found = 0
        var rest = bound.deliveries.makeIterator()
        while case let ids = rest.next(Self.part), !ids.isEmpty {
            let figures = try await figures(ids)
            if figures.contains(where: bound.isAsShown) { return }
            found += figures.count
        }
        guard !bound.deliveries.isEmpty else { return }
        let gone = bound.deliveries.count - found
        var parts: [String] = []
        if gone > 0 { parts.append("\(gone) have left the queue") }
        if found > 0 { parts.append("\(found) were held, released or purged meanwhile") }
        throw APIError(
            code: "plan-changed",
            message:
                "nothing is as the preview showed it: \(parts.joined(separator: ", ")); nothing "
                + "was done: make a new one")
    }

    /// One after the other, those that mark deliveries or take marks back.
    private func inTurn<Value>(_ body: () async throws -> Value) async throws -> Value {
        try await dispatcher.run { dispatcher, promise in dispatcher.actions.enter(promise) }
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        try await dispatcher.run { $0.actions.leave() }
        return try result.get()
    }

    private func figures(_ ids: [DeliveryID]) async throws -> [DeliveryFigures] {
        try await reader.read { spool throws(SpoolError) in try spool.figures(ids) }
    }

    /// Those that are still as the preview showed them, and this node's.
    private func shown(_ ids: [DeliveryID], _ bound: BoundPlan) async throws -> [DeliveryFigures] {
        let found = try await figures(ids).filter(bound.isAsShown)
        return try await dispatcher.run { dispatcher in
            guard dispatcher.districts != nil else { return found }
            return found.filter { dispatcher.holds($0.id, of: $0.destination) }
        }
    }

    // MARK: Apply

    /// Returns what was changed, by the state before.
    private func change(
        _ bound: BoundPlan, _ running: RunningActions, number: Int64, by peer: String
    ) async throws -> ActionDetails {
        try await mustBeAsShown(bound)
        let action = bound.plan.request.action
        var before = ActionDetails(counts: bound.plan.counts, origin: bound.origin)
        if action.marksDeliveries {
            // Known in full before the first is marked: what a crash leaves half done can be undone.
            var rest = bound.deliveries.makeIterator()
            while case let ids = rest.next(Self.part), !ids.isEmpty {
                before.add(try await shown(ids, bound))
                running.advance(bound.plan.id, by: ids.count)
            }
        }
        running.enter(.changing, bound.plan.id)
        let deliveries = before.deliveries
        let row = try await dispatcher.run { dispatcher in
            dispatcher.begin(bound, number: number, by: peer, deliveries)
        }
        var head = [SpoolWrite.action(row.record(before))]
        var changed = ActionDetails(origin: bound.origin)
        var hastened: [Int64: [DeliveryID]] = [:]
        var rest = bound.deliveries.makeIterator()
        while case let ids = rest.next(Self.part), !ids.isEmpty || !head.isEmpty {
            let part = try await shown(ids, bound)
            running.advance(bound.plan.id, by: ids.count)
            if part.isEmpty, head.isEmpty { continue }
            if head.isEmpty, action.marksDeliveries { FaultPoint.partlyMarked.reached() }
            try await dispatcher.run { [head] dispatcher, promise in
                dispatcher.change(part, of: number, alongside: head, promise)
            }
            head = []
            changed.add(part)
            guard action == .retry else { continue }
            for delivery in part {
                guard let destination = delivery.destination else { continue }
                hastened[destination, default: []].append(delivery.id)
            }
        }
        try await hasten(hastened)
        try await dispatcher.run { $0.changed(number) }
        return changed
    }

    private func hasten(_ deliveries: [Int64: [DeliveryID]]) async throws {
        for (destination, ids) in deliveries {
            for start in stride(from: 0, to: ids.count, by: Self.part) {
                let part = Array(ids[start..<min(start + Self.part, ids.count)])
                try await dispatcher.run { $0.retryNow(part, of: destination) }
            }
        }
    }

    /// Reports what the spool now says of what was changed.
    private func conclude(
        _ bound: BoundPlan, _ changed: ActionDetails, _ progress: RunningActions, number: Int64,
        by peer: String
    ) async throws -> ActionRow {
        let action = bound.plan.request.action
        let running = try await dispatcher.run { dispatcher, promise in
            dispatcher.whenWithdrawn(number, promise)
        }
        var tally = ActionTally()
        let done = changed.deliveries
        // Those that were left alone: what is not there has left.
        var others = bound.deliveries.subtracting(done).makeIterator()
        while case let ids = others.next(Self.part), !ids.isEmpty {
            let found = try await figures(ids)
            tally.present += found.count
            tally.leftAlone += found.count
        }
        var rest = done.makeIterator()
        while case let ids = rest.next(Self.part), !ids.isEmpty {
            // Read back from the disk.
            let (present, figures) = try await reader.read { [ids] spool throws(SpoolError) in
                let states = try spool.states(ids)
                let touched = zip(ids, states).filter { $1.map(action.leaves) ?? false }.map(\.0)
                return (states.count { $0 != nil }, try spool.figures(touched))
            }
            progress.advance(bound.plan.id, by: ids.count)
            tally.present += present
            for delivery in figures { tally.add(delivery) }
        }
        let row = try await dispatcher.run { [tally] dispatcher in
            dispatcher.concluded(bound, tally, running: running, number: number, by: peer)
        }
        var details = action.marksDeliveries ? changed : ActionDetails(origin: bound.origin)
        details.counts = row.counts
        return try await finish(row, details)
    }

    private func finish(_ row: ActionRow, _ details: ActionDetails) async throws -> ActionRow {
        let record = row.record(details)
        return try await dispatcher.run { dispatcher, promise in
            dispatcher.finish(row, record, promise)
        }
    }

    // MARK: Undo

    func undo(_ text: String, by peer: String) async throws -> ActionRow {
        guard let id = Int64(text) else {
            throw APIError(code: "bad-request", message: "action ids are numbers")
        }
        guard let record = try await action(id) else {
            throw APIError(code: "not-found", message: "there is no action \(id)")
        }
        try record.mustBeUndoable()
        guard ActionKind(rawValue: record.kind)?.actsOnDeliveries == true else {
            try await dispatcher.run { dispatcher in
                guard record.isAboutWorkers || dispatcher.holds(action: id) else {
                    throw APIError(
                        code: "other-node", message: "another node has that: undo it there")
                }
            }
            let details = try record.decodedDetails()
            return try await dispatcher.run { dispatcher, promise in
                dispatcher.undoDestinations(record, details, by: peer, promise)
            }
        }
        return try await inTurn { try await undoMarks(of: id, by: peer) }
    }

    /// Of an action on destinations that another node has undone; how many of them this one has.
    func undoPart(of text: String) async throws -> Int {
        guard let id = Int64(text), let record = try await action(id) else {
            throw APIError(code: "not-found", message: "there is no such action")
        }
        let details = try record.decodedDetails()
        return try await dispatcher.run { dispatcher, promise in
            dispatcher.undoPart(of: record, details, promise)
        }
    }

    private func action(_ id: Int64) async throws -> ActionRecord? {
        try await reader.read { spool throws(SpoolError) in try spool.action(id) }
    }

    private func undoMarks(of id: Int64, by peer: String) async throws -> ActionRow {
        // Another undo may have had the turn before.
        guard let record = try await action(id) else {
            throw APIError(code: "not-found", message: "there is no action \(id)")
        }
        try record.mustBeUndoable()
        let details = try record.decodedDetails()
        let all = details.deliveries.count
        defer { Memory.handBack(after: all) }
        let doomed = try await dispatcher.run { dispatcher in
            guard dispatcher.holds(action: id) else {
                throw APIError(
                    code: "other-node", message: "another node has that: undo it there")
            }
            return try dispatcher.beginUndo(of: record)
        }
        let (running, now) = try await dispatcher.run { ($0.runningActions, $0.clocks.wall()) }
        let name = String(id)
        running.begin(
            RunningAction(
                id: name, action: ActionKind(rawValue: record.kind) ?? .purge, by: peer, since: now,
                phase: .changing, total: all))
        defer { running.end(name) }
        var counts = Counts()
        do {
            var walk = UndoWalk(details)
            // With the last of them: until then what is still marked can be undone, or ends.
            var undone = record
            undone.state = ActionState.undone.rawValue
            undone.undoUntil = nil
            undone.result = "undone by \(peer)"
            var next = walk.next()
            repeat {
                let part = next
                next = walk.next()
                let tail = next == nil ? [SpoolWrite.action(undone)] : []
                let back = try await takeBack(part, of: record, alongside: tail)
                running.advance(name, by: part?.ids.count ?? 0)
                counts.deliveries += back.count
                counts.recipients += back.reduce(0) { $0 + $1.recipients }
                if next != nil { FaultPoint.partlyUndone.reached() }
            } while next != nil
        } catch {
            try await dispatcher.run { $0.undoFailed(of: id, doomed) }
            throw error
        }
        try await dispatcher.run { _ = $0.actions.undoing.remove(id) }
        let row = try await dispatcher.run { [counts] dispatcher in
            dispatcher.undone(record, counts, gone: all - counts.deliveries, by: peer)
        }
        return try await finish(row, details)
    }

    /// What was released, purged or delivered since is not as the action left it, and stays as it
    /// is. Returns what came back.
    private func takeBack(
        _ part: UndoWalk.Part?, of record: ActionRecord, alongside tail: [SpoolWrite]
    ) async throws -> [DeliveryFigures] {
        let marked = try await figures(part?.ids ?? []).filter { record.marks.contains($0.state) }
        guard !marked.isEmpty || !tail.isEmpty else { return [] }
        let state = part?.state ?? .queued
        try await dispatcher.run { dispatcher, promise in
            dispatcher.takeBack(marked, to: state, of: record, alongside: tail, promise)
        }
        // Again, as a transaction that ran until now may have changed it.
        let back = try await figures(marked.map(\.id)).filter { !record.marks.contains($0.state) }
        try await dispatcher.run { $0.cameBack(back, from: record) }
        return back
    }
}

/// The deliveries of an action in parts, each of one state before.
private struct UndoWalk {
    struct Part: Sendable {
        var ids: [DeliveryID]
        var state: StoredState
    }

    private var rest: [(DeliverySet.Iterator, StoredState)]

    init(_ details: ActionDetails) {
        // What has been routed meanwhile is queued; what has no destination yet is routed.
        rest = [
            (details.queued.makeIterator(), .queued), (details.held.makeIterator(), .held),
            (details.routing.makeIterator(), .queued),
        ]
    }

    mutating func next() -> Part? {
        while !rest.isEmpty {
            let ids = rest[0].0.next(ActionRunner.part)
            if !ids.isEmpty { return Part(ids: ids, state: rest[0].1) }
            rest.removeFirst()
        }
        return nil
    }
}

/// What an action has changed, as the spool says afterwards.
struct ActionTally: Sendable {
    var counts = Counts()
    /// Still in the queue, changed or not.
    var present = 0
    /// Of these: no longer as they were shown when it began.
    var leftAlone = 0
    private var destinations: Set<Int64> = []
    private var lastMessage: MessageID?

    /// In the order of ids.
    mutating func add(_ delivery: DeliveryFigures) {
        counts.deliveries += 1
        counts.recipients += delivery.recipients
        counts.bytes += delivery.size
        if let destination = delivery.destination, destinations.insert(destination).inserted {
            counts.destinations += 1
        }
        if lastMessage != delivery.id.message { counts.messages += 1 }
        lastMessage = delivery.id.message
    }
}

extension BoundPlan {
    /// The action can still touch it, and nobody has held or released it since the preview.
    func isAsShown(_ delivery: DeliveryFigures) -> Bool {
        plan.request.action.applies(to: delivery.state)
            && (delivery.state == .held) == held.contains(delivery.id)
    }
}

extension ActionKind {
    var marksDeliveries: Bool { self == .purge || self == .bounce || self == .hold }

    /// Whether a delivery that is in this state after the action shows it.
    fileprivate func leaves(_ state: StoredState) -> Bool {
        switch self {
        case .retry, .release: state == .queued || self == .release && state == .routing
        case .hold: state == .held
        case .purge: state == .purging
        case .bounce: state == .bouncing
        default: false
        }
    }
}

extension ActionRow {
    func record(_ details: ActionDetails) -> ActionRecord {
        ActionRecord(
            id: Int64(id) ?? 0, kind: action.rawValue, at: at, by: by, reason: reason,
            target: target, state: state.rawValue, undoUntil: undoUntil, result: result,
            details: details.encoded)
    }
}

extension ActionRecord {
    var isAboutWorkers: Bool { ActionKind(rawValue: kind)?.isAboutWorkers ?? false }

    /// The states that the action puts deliveries into.
    var marks: Set<StoredState> {
        kind == ActionKind.hold.rawValue ? [.held] : [.purging, .bouncing]
    }

    fileprivate func mustBeUndoable() throws(APIError) {
        guard state == ActionState.undoable.rawValue else {
            throw APIError(
                code: "not-undoable",
                message: "action \(id) (\(kind)) cannot be undone (any more): \(result)")
        }
    }

    fileprivate func decodedDetails() throws(APIError) -> ActionDetails {
        guard let details = ActionDetails(decoding: details) else {
            throw APIError(
                code: "not-undoable", message: "what action \(id) changed cannot be read")
        }
        return details
    }
}
