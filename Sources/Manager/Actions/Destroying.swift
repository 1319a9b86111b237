import Control
import Faults
import Logging
import Mail
import NIOCore
import Spool

/// The end of the undo window: what was purged is deleted, what was bounced goes back.
extension Dispatcher {
    func destroyDue() {
        guard spoolError == nil else { return }
        for (action, doomed) in actions.takeDue(at: clocks.monotonic()) {
            if doomed.kind == .bounce {
                bounceDoomed(doomed, action: action)
            } else {
                purgeDoomed(doomed, action: action)
            }
        }
    }

    /// Deliveries that are destroyed in one transaction: few, as their texts go with them.
    private static let destroyedTogether = 1000

    private func purgeDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        purge(doomed.deliveries.makeIterator(), of: doomed, action: action)
    }

    /// A part of what was purged is deleted, then the next, and mail is taken in between. How many
    /// they were is counted with them: after a crash nobody could say.
    private func purge(
        _ rest: DeliverySet.Iterator, of doomed: ActionTable.Doomed, action: Int64
    ) {
        var rest = rest
        let ids = rest.next(Self.destroyedTogether)
        guard !ids.isEmpty else { return purged(doomed, action: action) }
        readDoomed({ spool throws(SpoolError) in
            try spool.figures(ids).filter { $0.state == .purging }
        }) { [rest] dispatcher, found in
            FaultPoint.destroying.reached()
            dispatcher.write(
                [.removeAll(found.map(\.id), in: .purging, countedFor: action)], eagerly: true
            ) { dispatcher in
                for delivery in found {
                    dispatcher.marked[delivery.id] = nil
                    dispatcher.own(delivery.destination)?.purging -= 1
                }
                dispatcher.purge(rest, of: doomed, action: action)
            }
        }
    }

    private func purged(_ doomed: ActionTable.Doomed, action: Int64) {
        FaultPoint.destroyed.reached()
        let count = doomed.deliveries.count
        readDoomed({ spool throws(SpoolError) in
            // Here, as it is a thread that may block.
            Memory.handBack(after: count)
            let result = "\(Counted.deliveries(try spool.removed(for: action))) deleted"
            return (result, try spool.action(action)?.ended(result))
        }) { dispatcher, found in
            let (result, record) = found
            let writes = (record.map { [SpoolWrite.action($0)] } ?? []) + [.forgetCount(of: action)]
            dispatcher.write(writes) { $0.destroyed(action: action, result: result) }
        }
    }

    private func bounceDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        bounce(doomed.deliveries.makeIterator(), of: doomed, action: action, returned: 0)
    }

    /// A part of what is bounced is reported to the senders, then the next. What a crash leaves is
    /// bounced by the next start, which looks at actions that have not ended.
    private func bounce(
        _ rest: DeliverySet.Iterator, of doomed: ActionTable.Doomed, action: Int64, returned: Int
    ) {
        var rest = rest
        let ids = rest.next(Self.destroyedTogether)
        guard !ids.isEmpty else { return bounced(action, returned) }
        readDoomed({ spool throws(SpoolError) in
            try spool.deliveries(ids).filter { $0.state == .bouncing }
        }) { [rest] dispatcher, due in
            let now = dispatcher.clocks.wall()
            let reason = doomed.reason.isEmpty ? "" : ": \(SafeText(doomed.reason).text)"
            var open = due.count + 1
            let oneLess = { (dispatcher: Dispatcher) in
                open -= 1
                guard open == 0 else { return }
                for delivery in due {
                    dispatcher.marked[delivery.id] = nil
                    dispatcher.own(delivery.destination)?.purging -= 1
                }
                dispatcher.bounce(
                    rest, of: doomed, action: action, returned: returned + due.count)
            }
            for delivery in due {
                let failures = delivery.recipients.map {
                    ReportedRecipient(
                        recipient: $0, status: "5.7.1",
                        reply: "returned by the administrator\(reason)", remote: "")
                }
                dispatcher.countBounced(
                    failures.count, destination: delivery.destination ?? 0, at: now)
                dispatcher.record(
                    [.remove(delivery.id)], reporting: failures, of: delivery.message, then: oneLess
                )
            }
            oneLess(dispatcher)
        }
    }

    private func bounced(_ action: Int64, _ count: Int) {
        let result = "\(Counted.deliveries(count)) returned"
        readDoomed({ spool throws(SpoolError) in try spool.action(action)?.ended(result) }) {
            dispatcher, record in
            dispatcher.write(record.map { [.action($0)] } ?? []) {
                $0.destroyed(action: action, result: result)
            }
        }
    }

    /// nil where another node has it, and its counts.
    private func own(_ id: Int64?) -> Destination? {
        id.flatMap { holds(destination: $0) ? table[$0] : nil }
    }

    private func readDoomed<Found: Sendable>(
        _ body: @escaping @Sendable (any Spool) throws(SpoolError) -> Found,
        then: @escaping (Dispatcher, Found) -> Void
    ) {
        let work = NIOLoopBound(then, eventLoop: loop)
        reader.read(on: loop, body) { [handle = handle] result in
            switch result {
            case .success(let found): work.value(handle.value, found)
            case .failure(let error):
                handle.value.readFailed(error) { $0.readDoomed(body, then: work.value) }
            }
        }
    }

    private func destroyed(action: Int64, result: String) {
        actions.ending.remove(action)
        actions.forgetMark(of: action)
        logger.notice("undo window over", metadata: ["action": "\(action)", "result": "\(result)"])
    }
}

extension ActionRecord {
    /// The action when nothing of it can be undone any more.
    fileprivate func ended(_ result: String) -> ActionRecord {
        var record = self
        record.state = ActionState.done.rawValue
        record.undoUntil = nil
        record.result += "; \(result)"
        record.details =
            ActionDetails(
                counts: ActionDetails.counts(in: details), origin: ActionDetails.origin(in: details)
            ).encoded
        return record
    }
}
