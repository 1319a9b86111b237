import Control
import Logging
import Mail
import NIOCore
import Spool

/// The end of the undo window: what was purged is deleted, what was bounced goes back.
extension Dispatcher {
    func destroyDue() {
        guard spoolError == nil else { return }
        for (action, doomed) in actions.takeDue(at: clocks.wall()) {
            if doomed.kind == .bounce {
                bounceDoomed(doomed, action: action)
            } else {
                purgeDoomed(doomed, action: action)
            }
        }
    }

    private func purgeDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        readDoomed(doomed) { dispatcher, stored in
            let ids = stored.filter { $0.state == .purging }.map(\.id)
            dispatcher.write([.removeAll(ids, in: .purging)]) { dispatcher in
                dispatcher.destroyed(
                    stored, action: action, result: "\(Counted.deliveries(ids.count)) deleted")
            }
        }
    }

    private func bounceDoomed(_ doomed: ActionTable.Doomed, action: Int64) {
        readDoomed(doomed) { dispatcher, stored in
            let now = dispatcher.clocks.wall()
            let reason = doomed.reason.isEmpty ? "" : ": \(SafeText(doomed.reason).text)"
            for delivery in stored where delivery.state == .bouncing {
                let failures = delivery.recipients.map {
                    FailedRecipient(
                        recipient: $0, status: "5.7.1",
                        reply: "returned by the administrator\(reason)", remote: "")
                }
                dispatcher.countBounced(
                    failures.count, destination: delivery.destination ?? 0, at: now)
                dispatcher.record([.remove(delivery.id)], bouncing: failures, of: delivery.message)
            }
            dispatcher.barrier {
                $0.destroyed(
                    stored, action: action,
                    result: "\(Counted.deliveries(stored.count)) returned")
            }
        }
    }

    private func readDoomed(
        _ doomed: ActionTable.Doomed, then: @escaping (Dispatcher, [StoredDelivery]) -> Void
    ) {
        let work = NIOLoopBound(then, eventLoop: loop)
        reader.read(on: loop) { spool throws(SpoolError) in
            try ActionRunner.read(doomed.deliveries, in: spool)
        } completion: { [handle = handle] result in
            switch result {
            case .success(let stored): work.value(handle.value, stored)
            case .failure(let error):
                handle.value.spoolFailed(error)
                handle.value.after(.seconds(1)) { $0.readDoomed(doomed, then: work.value) }
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
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.action(action)
        } completion: { [handle = handle] outcome in
            guard var record = (try? outcome.get()) ?? nil else { return }
            record.state = ActionState.done.rawValue
            record.undoUntil = nil
            record.result += "; \(result)"
            record.details = []
            handle.value.write([.action(record)])
        }
    }
}
