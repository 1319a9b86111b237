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

    private func purgeDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        readDoomed(doomed, of: action) { dispatcher, found in
            let ids = found.deliveries.filter { $0.state == .purging }.map(\.id)
            let result = "\(Counted.deliveries(ids.count)) deleted"
            var writes: [SpoolWrite] = [.removeAll(ids, in: .purging)]
            // In one transaction: after a crash between them nobody could say how many they were.
            if let record = found.action?.ended(result) { writes.append(.action(record)) }
            FaultPoint.destroying.reached()
            dispatcher.write(writes) { dispatcher in
                FaultPoint.destroyed.reached()
                dispatcher.destroyed(found.deliveries, action: action, result: result)
            }
        }
    }

    private func bounceDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        readDoomed(doomed, of: action) { dispatcher, found in
            let now = dispatcher.clocks.wall()
            let reason = doomed.reason.isEmpty ? "" : ": \(SafeText(doomed.reason).text)"
            let due = found.deliveries.filter { $0.state == .bouncing }
            var open = due.count + 1
            // The action ends when all of them are on disk: what a crash leaves is bounced by the
            // next start, which looks at actions that have not ended.
            let oneLess = { (dispatcher: Dispatcher) in
                open -= 1
                guard open == 0 else { return }
                let result = "\(Counted.deliveries(due.count)) returned"
                let record = found.action?.ended(result)
                dispatcher.write(record.map { [.action($0)] } ?? []) {
                    $0.destroyed(found.deliveries, action: action, result: result)
                }
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

    private struct Found: Sendable {
        var deliveries: [StoredDelivery]
        var action: ActionRecord?
    }

    private func readDoomed(
        _ doomed: ActionTable.Doomed, of action: Int64,
        then: @escaping (Dispatcher, Found) -> Void
    ) {
        let work = NIOLoopBound(then, eventLoop: loop)
        reader.read(on: loop) { spool throws(SpoolError) in
            Found(
                deliveries: try ActionRunner.read(doomed.deliveries, in: spool),
                action: try spool.action(action))
        } completion: { [handle = handle] result in
            switch result {
            case .success(let found): work.value(handle.value, found)
            case .failure(let error):
                handle.value.readFailed(error) {
                    $0.readDoomed(doomed, of: action, then: work.value)
                }
            }
        }
    }

    private func destroyed(_ stored: [StoredDelivery], action: Int64, result: String) {
        actions.forgetMark(of: action)
        for delivery in stored {
            marked[delivery.id] = nil
            delivery.destination.flatMap { table[$0] }?.purging -= 1
        }
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
        record.details = []
        return record
    }
}
