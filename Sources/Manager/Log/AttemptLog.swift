import Control
import Mail
import Spool

/// What became of messages, in lines for programs: one for each message taken in, one for each
/// attempt to deliver (one for each of its outcomes where its recipients fared differently).
struct AttemptLog {
    let log: LineLog

    /// Recipients in one line; more of them go into further lines.
    private static let recipientsInLine = 100

    func accepted(_ message: MessageRecord, recipients: Int, at now: UnixTime) {
        guard log.hasInfo else { return }
        var line = LogLine(log.format, at: now, level: "info", event: "accepted")
        line.add("message", message.id.description)
        line.add("from", message.sender)
        line.add("recipients", recipients)
        line.add("size", message.size)
        line.add("client", message.client)
        line.end()
        log.append(line)
    }

    /// - Parameter worker: the one that made the attempt.
    func write(_ report: AttemptReport, destination: Destination?, worker: Int?) {
        guard log.hasInfo else { return }
        let trail = report.trail
        guard trail.recipients.count == report.recipients.count, !report.recipients.isEmpty else {
            let outcome = report.disposition == .expired ? "expired" : "deferred"
            return write(
                report, destination, worker, trail.recipients[...], outcome, report.reply)
        }
        var start = 0
        while start < report.recipients.count {
            // Recipients who fared alike stand side by side, nearly always.
            let first = report.recipients[start]
            var end = start + 1
            while end < report.recipients.count, end - start < Self.recipientsInLine,
                report.recipients[end] == first
            {
                end += 1
            }
            write(
                report, destination, worker, trail.recipients[start..<end], name(of: first, report),
                first.reply.isEmpty ? report.reply : first.reply)
            start = end
        }
    }

    private func name(of recipient: RecipientReport, _ report: AttemptReport) -> String {
        switch recipient.outcome {
        case .delivered, .relayed: "delivered"
        case .failed: "failed"
        case .deferred: report.disposition == .expired ? "expired" : "deferred"
        }
    }

    private func write(
        _ report: AttemptReport, _ destination: Destination?, _ worker: Int?,
        _ recipients: ArraySlice<String>, _ outcome: String, _ reply: String
    ) {
        var line = LogLine(log.format, at: report.at, level: "info", event: "attempt")
        line.add("message", report.delivery.message.description)
        line.add("delivery", report.delivery.description)
        line.add("outcome", outcome)
        line.add("from", report.trail.sender)
        line.add("to", recipients)
        if let destination { line.add("destination", destination.name) }
        if let worker { line.add("worker", worker) }
        if !report.remote.isEmpty {
            line.add("mx", report.remote)
            line.add("tls", report.tls.isEmpty ? "none" : report.tls)
        }
        line.add("attempts", report.attempts)
        line.add("ms", report.milliseconds)
        if let connect = report.trail.connect { line.add("connect_ms", connect) }
        if let mail = report.trail.mail { line.add("mail_ms", mail) }
        if let data = report.trail.data { line.add("data_ms", data) }
        if report.disposition == .retry, outcome == "deferred" {
            line.add("next", DateHeader.iso8601(report.due))
        }
        line.add("reply", reply)
        if !report.rule.isEmpty { line.add("rule", report.rule) }
        line.end()
        log.append(line)
    }
}
