import Control
import Faults
import Mail
import NIOCore
import Spool

/// The marks of a purge, bounce or hold are taken back.
extension Dispatcher {
    /// From here on nothing of it is destroyed. Returns what `undoFailed` needs.
    func beginUndo(of record: ActionRecord) throws -> ActionTable.Doomed? {
        if actions.progress[record.id] != nil {
            throw APIError(
                code: "not-undoable",
                message: "action \(record.id) is still being carried out; undo it when it has ended"
            )
        }
        let doomed = actions.spare(record.id)
        guard doomed != nil || record.kind == ActionKind.hold.rawValue else {
            throw APIError(
                code: "too-late", message: "action \(record.id) can no longer be undone")
        }
        actions.undoing.insert(record.id)
        return doomed
    }

    /// Whether this node has it: it goes with the district that its number is in.
    func holds(action: Int64) -> Bool { holds(destination: action) }

    func newActionID() throws(APIError) -> Int64 {
        guard let id = actions.newActionID(in: districts?.open.sorted()) else {
            throw APIError(
                code: "other-node",
                message: "this node has no part of the queue at present: try again, or at another "
                    + "node")
        }
        return id
    }

    func undoFailed(of action: Int64, _ doomed: ActionTable.Doomed?) {
        actions.undoing.remove(action)
        guard let doomed, holds(action: action) else { return }
        actions.doom(action, doomed)
    }

    func takeBack(
        _ part: [DeliveryFigures], to state: StoredState, of record: ActionRecord,
        alongside tail: [SpoolWrite], _ promise: EventLoopPromise<Void>
    ) {
        for delivery in part {
            guard let destination = delivery.destination.flatMap({ table[$0] }),
                case .loading = destination.ownership
            else { continue }
            destination.lateArrivals.insert(delivery.id)
        }
        FaultPoint.undoing.reached()
        commit(
            [.mark(part.map(\.id), from: record.marks, to: state, at: nil)] + tail, promise
        ) { _ in
            FaultPoint.undone.reached()
            promise.succeed()
        }
    }

    /// They are as before on disk, and here too from now on.
    func cameBack(_ part: [DeliveryFigures], from record: ActionRecord) {
        let wasHold = record.kind == ActionKind.hold.rawValue
        // Others hear of theirs by the database.
        let part = part.filter { holds($0.id, of: $0.destination) }
        for delivery in part {
            guard let destination = delivery.destination.flatMap({ table[$0] }) else { continue }
            if wasHold { destination.held -= 1 } else { destination.purging -= 1 }
            if delivery.state == .held { destination.held += 1 }
        }
        requeue(part.filter { $0.state == .queued || $0.state == .routing })
    }

    func undone(
        _ old: ActionRecord, _ counts: Counts, gone: Int, by peer: String
    ) -> ActionRow {
        var result = "\(Counted.deliveries(counts.deliveries)) back"
        if gone > 0 { result += "; \(Counted.exact(gone)) released or gone since" }
        return undoneRow(old, counts: counts, result: result, by: peer)
    }

    /// The row of an action that has been undone.
    func undoneRow(
        _ old: ActionRecord, counts: Counts, result: String, by peer: String
    ) -> ActionRow {
        actions.forgetMark(of: old.id)
        return ActionRow(
            id: String(old.id), action: ActionKind(rawValue: old.kind) ?? .retry, at: old.at,
            by: old.by, reason: old.reason, target: old.target, counts: counts, state: .undone,
            undoUntil: nil, result: "undone by \(peer): \(result)")
    }
}
