import Control
import Mail
import Spool

extension StoredAttempt {
    /// Characters of a reply that are kept of an attempt; of the last one all are.
    private static let replyLimit = 500

    init(_ report: AttemptReport, worker: Int) {
        self.init(
            delivery: report.delivery, number: report.attempts, at: report.at,
            milliseconds: report.milliseconds, worker: worker,
            remote: SafeText(report.remote).text, tls: report.tls,
            reply: SafeText(report.reply, limit: Self.replyLimit).text,
            rule: SafeText(report.rule).text)
    }
}

extension AttemptRow {
    init(_ stored: StoredAttempt) {
        self.init(
            delivery: stored.delivery.description, number: stored.number, at: stored.at,
            seconds: Double(stored.milliseconds) / 1000,
            remote: stored.remote.isEmpty ? nil : SafeText(stored.remote).text,
            tls: stored.tls.isEmpty ? nil : SafeText(stored.tls).text, worker: stored.worker,
            reply: SafeText(stored.reply).text,
            rule: stored.rule.isEmpty ? nil : SafeText(stored.rule).text)
    }
}
