package import Control
import Mail

/// `sluice status`, and the head of the other overviews.
package enum StatusText {
    /// The columns before the facts.
    package static let indent = 14

    package static func lines(_ status: Status) -> [String] {
        let totals = status.totals
        let rates = status.rates
        var lines = heading(status)
        if let error = status.spoolError {
            lines.append("SPOOL CANNOT RECORD: \(SafeText(error)); intake and delivery wait")
        }
        if let error = status.intakeError {
            let more = status.spoolError == nil ? "; delivery goes on" : ""
            lines.append("NO MAIL IS TAKEN IN: \(SafeText(error))\(more)")
        }
        if let warning = status.warning { lines.append("WARNING: \(SafeText(warning))") }
        lines += [
            "queue         \(Format.count(totals.messages, "message")), "
                + Format.count(totals.deliveries, "delivery")
                + some([
                    (totals.routing, "routing"), (totals.ready, "ready"),
                    (totals.delivering, "delivering"), (totals.delayed, "delayed"),
                    (totals.held, "held"), (totals.purging, "being purged"),
                ]),
            "destinations  \(Format.count(totals.destinations))"
                + some([
                    (totals.backoff, "backing off"), (totals.paused, "paused"),
                    (totals.connections, "connections"),
                ]),
            "now           \(Format.rate(rates.accepted)) accepted, "
                + "\(Format.rate(rates.delivered)) delivered, "
                + "\(Format.rate(rates.deferred)) deferred, \(Format.rate(rates.bounced)) bounced",
            "since start   \(Format.count(totals.accepted)) accepted, "
                + "\(Format.count(totals.delivered)) delivered, "
                + "\(Format.count(totals.deferred)) deferred, "
                + "\(Format.count(totals.bounced)) bounced",
            "workers       " + workers(status.workers),
        ]
        if !status.mayOperate {
            lines.append(
                "you may look, not act"
                    + (status.mayNotOperateBecause.map { ": \(SafeText($0))" } ?? ""))
        }
        return lines
    }

    private static func heading(_ status: Status) -> [String] {
        guard let parts = status.parts, parts.contains(where: { $0.isHost == true }) else {
            return [
                "sluiced on \(SafeText(status.hostname)), pid \(status.pid), up "
                    + Format.span(from: status.startedAt, to: status.at)
            ]
        }
        let away = parts.filter { !$0.reached }
        return [
            "sluiced on \(parts.count) hosts: "
                + parts.map { SafeText($0.name).text }.joined(separator: ", ")
        ]
            + away.map { part in
                "NOT REACHED: \(SafeText(part.name))"
                    + (part.problem.map { " (\(SafeText($0)))" } ?? "")
                    + (part.staleSeconds.map {
                        ", counted as \(Format.duration(seconds: $0)) ago"
                    } ?? ", not counted")
            }
    }

    /// One line for a log or a screen reader.
    package static func summary(_ status: Status) -> String {
        let totals = status.totals
        return "\(Format.count(totals.deliveries)) queued"
            + some([
                (totals.ready, "ready"), (totals.delivering, "delivering"),
                (totals.delayed, "delayed"), (totals.held, "held"),
            ])
            + "; \(Format.rate(status.rates.delivered)) delivered, "
            + "\(Format.rate(status.rates.deferred)) deferred; "
            + "\(Format.count(totals.backoff)) of "
            + "\(Format.count(totals.destinations, "destination")) backing off"
            + (status.spoolError == nil ? "" : "; SPOOL CANNOT RECORD")
            + (status.intakeError == nil ? "" : "; NO MAIL IS TAKEN IN")
            + (status.parts ?? []).filter { !$0.reached }.map {
                "; \(SafeText($0.name)) NOT REACHED"
            }.joined()
    }

    private static func some(_ parts: [(Int, String)]) -> String {
        let named = parts.filter { $0.0 > 0 }.map { "\(Format.count($0.0)) \($0.1)" }
        return named.isEmpty ? "" : ": " + named.joined(separator: ", ")
    }

    private static func workers(_ rows: [WorkerRow]) -> String {
        if rows.isEmpty { return "none" }
        return rows.map { row in
            [row.host, row.node].compactMap { $0.map { "\(SafeText($0)) " } }.joined()
                + "\(row.id) \(row.state.rawValue)" + (row.pid.map { " (pid \($0))" } ?? "")
        }.joined(separator: ", ")
    }
}
