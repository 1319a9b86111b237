import Control
import Mail
import Settings

/// One line per delivery attempt, in the format of the configuration.
struct AttemptLog {
    let log: LineLog
    let isOn: Bool

    func write(_ report: AttemptReport, destination: Destination?) {
        guard isOn else { return }
        let outcome =
            switch report.disposition {
            case .settled:
                report.recipients.contains { $0.outcome == .failed } ? "failed" : "delivered"
            case .retry: "deferred"
            case .expired: "expired"
            }
        var line = DateHeader.iso8601(report.at)
        line += " attempt delivery=\(report.delivery) outcome=\(outcome)"
        line += " attempts=\(report.attempts) ms=\(report.milliseconds)"
        if let destination {
            line += " destination=\(Logfmt.quoted(SafeText(destination.name).text))"
            if let worker = destination.ownership.worker { line += " worker=\(worker)" }
        }
        if !report.remote.isEmpty { line += " mx=\(Logfmt.quoted(SafeText(report.remote).text))" }
        if !report.tls.isEmpty { line += " tls=\(Logfmt.quoted(SafeText(report.tls).text))" }
        line += " recipients=\(report.recipients.count)"
        line += " reply=\(Logfmt.quoted(SafeText(report.reply).text))"
        log.append(line)
    }
}
