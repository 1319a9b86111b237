import Control
import Faults
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

extension Dispatcher {
    /// A worker's results, in the order in which the attempts ended.
    func settle(_ reports: [AttemptReport], from link: WorkerLink) {
        for report in reports {
            settle(report, of: link.worker) { link.recorded(report.number) }
        }
    }

    /// Records one result; `done` runs when it is on disk.
    ///
    /// - Parameter worker: the one whose result it is.
    func settle(_ report: AttemptReport, of worker: Int, done: @escaping () -> Void) {
        FaultPoint.resultReceived.reached()
        // Who is left of its recipients is known when the result before it is on disk.
        if settling[report.delivery] != nil {
            settling[report.delivery]?.append { $0.settle(report, of: worker, done: done) }
            return
        }
        attemptLog.write(report, destination: table[report.destination], worker: worker)
        let now = clocks.wall()
        let failed = report.recipients.contains { $0.outcome == .failed }
        let isRelayed = report.recipients.contains { $0.outcome == .relayed }
        let delivered = report.recipients.count { $0.outcome.isDelivered }
        count(report, delivered: delivered, at: now)
        table[report.destination]?.isRetryUnproven = false

        if report.disposition == .settled, !failed, !isRelayed {
            left(report.delivery, destination: report.destination)
            return write([.remove(report.delivery)]) { _ in
                FaultPoint.recorded.reached()
                done()
            }
        }
        if report.disposition == .retry, !failed, delivered == 0 {
            FaultPoint.deferring.reached()
            return write([
                .update(
                    DeliveryUpdate(
                        id: report.delivery, attempts: report.attempts,
                        nextAttemptAt: report.due, lastReply: report.reply, lastRule: report.rule,
                        recipients: nil)),
                .attempt(StoredAttempt(report, worker: worker)),
            ]) { _ in
                FaultPoint.deferred.reached()
                done()
            }
        }
        settling[report.delivery] = []
        table[report.destination]?.pendingSettlements += 1
        settleInParts(report, of: worker) { [self] in
            done()
            settlementEnded(report)
        }
    }

    /// Some recipients are done and some are not, or some failed: who they are stands in the
    /// spool.
    private func settleInParts(
        _ report: AttemptReport, of worker: Int, done: @escaping () -> Void
    ) {
        let work = NIOLoopBound(done, eventLoop: loop)
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.deliveries([report.delivery]).first
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            switch result {
            case .failure(let error):
                dispatcher.spoolFailed(error)
                dispatcher.unrecorded.append(
                    Unrecorded(writes: []) {
                        $0.settleInParts(report, of: worker, done: work.value)
                    })
            case .success(nil):
                work.value()
            case .success(let stored?) where !stored.isAsWritten:
                // Whoever a report of it would go to, it may be somebody else's.
                dispatcher.setAside(stored, because: Self.changedEnvelope)
                work.value()
            case .success(let stored?):
                dispatcher.settle(stored, by: report, of: worker, done: work.value)
            }
        }
    }

    private func settlementEnded(_ report: AttemptReport) {
        for next in settling.removeValue(forKey: report.delivery) ?? [] { next(self) }
        guard let destination = table[report.destination] else { return }
        destination.pendingSettlements -= 1
        if destination.pendingSettlements == 0, destination.loadWaits {
            destination.loadWaits = false
            load(destination)
        }
    }

    private func settle(
        _ stored: StoredDelivery, by report: AttemptReport, of worker: Int,
        done: @escaping () -> Void
    ) {
        var remaining: [StoredRecipient] = []
        var reported: [ReportedRecipient] = []
        let age = table[report.destination].map { policy(of: $0).retry.maxAge } ?? maxAge
        // A report of other recipients than these says nothing of them: better twice than never.
        let isOfThese = report.recipients.count == stored.recipients.count
        for (index, recipient) in stored.recipients.enumerated() {
            let outcome = isOfThese ? report.recipients[index] : nil
            switch outcome?.outcome ?? .deferred {
            case .delivered:
                break
            case .relayed:
                reported.append(
                    ReportedRecipient(
                        recipient: recipient, kind: .relayed, status: "",
                        reply: outcome?.reply ?? "", remote: report.remote))
            case .failed:
                reported.append(
                    ReportedRecipient(
                        recipient: recipient, status: Self.status(in: outcome?.reply ?? ""),
                        reply: outcome?.reply ?? "", remote: report.remote))
            case .deferred:
                var waiting = recipient
                // An end that comes while it waits brings no reply: the last one stands.
                let last = outcome?.reply ?? report.reply
                if !last.isEmpty {
                    waiting.lastReply = last
                } else if waiting.lastReply.isEmpty {
                    waiting.lastReply = stored.lastReply
                }
                if report.disposition == .expired {
                    reported.append(expired(waiting, after: age, remote: report.remote))
                } else {
                    remaining.append(waiting)
                }
            }
        }
        let now = clocks.wall()
        if report.disposition == .expired {
            let late =
                reported.count { $0.kind == .failed }
                - report.recipients.count { $0.outcome == .failed }
            countBounced(late, destination: report.destination, at: now)
        }
        let writes: [SpoolWrite]
        if remaining.isEmpty {
            left(report.delivery, destination: report.destination)
            writes = [.remove(report.delivery)]
        } else {
            writes = [
                .update(
                    DeliveryUpdate(
                        id: report.delivery, attempts: report.attempts, nextAttemptAt: report.due,
                        lastReply: report.reply, lastRule: report.rule, recipients: remaining)),
                .attempt(StoredAttempt(report, worker: worker)),
            ]
        }
        FaultPoint.settling.reached()
        record(writes, reporting: reported, of: stored.message) { _ in
            FaultPoint.settled.reached()
            done()
        }
    }

    private func expired(
        _ recipient: StoredRecipient, after age: Duration, remote: String
    ) -> ReportedRecipient {
        let last = recipient.lastReply.isEmpty ? "" : "; last: \(recipient.lastReply)"
        return ReportedRecipient(
            recipient: recipient, status: "4.4.7",
            reply: "delivery time expired after \(DurationText.text(age))\(last)",
            remote: remote)
    }

    /// The enhanced code in a reply "550 5.1.1 …"; 5.0.0 where it has none (RFC 3464 §2.3.4).
    static func status(in reply: String) -> String {
        let words = reply.split(separator: " ", maxSplits: 2)
        guard let first = words.first else { return "5.0.0" }
        if let code = EnhancedCode.parse(first) { return code.description }
        guard words.count > 1, let code = EnhancedCode.parse(words[1]) else { return "5.0.0" }
        return code.description
    }

    /// A delivery has left the queue of its destination.
    func left(_ id: DeliveryID, destination: Int64) {
        guard let destination = table[destination] else { return }
        switch marked.removeValue(forKey: id) {
        case .purging, .bouncing: destination.purging -= 1
        case .held: destination.held -= 1
        default: destination.queued -= 1
        }
        destination.lastActive = clocks.wall()
        if destination.queued == 0 { destination.oldest = nil }
    }

    private func count(_ report: AttemptReport, delivered: Int, at now: UnixTime) {
        let deferred = report.recipients.count { $0.outcome == .deferred }
        let failed = report.recipients.count - delivered - deferred
        if delivered > 0 {
            totals.delivered += delivered
            totals.deliveredHistory.add(delivered, at: now)
        }
        if deferred > 0 {
            totals.deferred += deferred
            totals.deferredHistory.add(deferred, at: now)
        }
        countBounced(failed, destination: report.destination, at: now)
        guard let destination = table[report.destination] else { return }
        destination.attempts += 1
        destination.delivered += delivered
        destination.deferred += deferred
        if delivered > 0 { destination.history.add(delivered, at: now) }
        destination.past.ended(
            delivered: delivered, deferred: deferred, bounced: failed, reply: report.reply, at: now)
        if !report.reply.isEmpty {
            destination.lastReply = report.reply
            destination.lastRule = report.rule
            destination.lastReplyAt = report.at
        }
        guard events.isWanted else { return }
        let kind = deferred > 0 ? "deferred" : failed > 0 ? "bounced" : "delivered"
        publish(
            kind,
            "\(report.delivery) to \(destination.title): \(report.reply)"
                + (report.rule.isEmpty ? "" : " (rule \(report.rule))"),
            message: report.delivery.message, destination: report.destination,
            worker: destination.ownership.worker)
    }

    func countBounced(_ count: Int, destination: Int64, at now: UnixTime) {
        guard count > 0 else { return }
        totals.bounced += count
        totals.bouncedHistory.add(count, at: now)
        table[destination]?.bounced += count
    }
}
