package import Control
package import Mail

/// `sluice show ID`.
package enum DetailText {
    /// The columns before the facts.
    package static let indent = 14

    package static func lines(
        _ row: DestinationRow, now: UnixTime, utcOffset: (UnixTime) -> Int
    ) -> [String] {
        func at(_ time: UnixTime) -> String {
            Format.clock(time, now: now, utcOffset: utcOffset(time))
        }
        var lines = [
            "destination   \(SafeText(row.id))  \(SafeText(row.name))",
            "state         \(row.state.rawValue)"
                + (row.why.text.isEmpty ? "" : ": \(SafeText(row.why.line(at: now)))"),
            "queued        \(Format.count(row.queued)): \(Format.count(row.ready)) ready, "
                + "\(Format.count(row.delivering)) delivering, "
                + "\(Format.count(row.delayed)) delayed, \(Format.count(row.held)) held",
            "connections   \(row.connections) open, window \(row.window), limit \(row.limit)",
        ]
        lines.insert(
            contentsOf: row.waits.dropFirst().map { "also          \(SafeText($0.line(at: now)))" },
            at: 2)
        if let drain = row.drainSeconds {
            lines.append(
                "drains        "
                    + Format.drain(seconds: drain, perSecond: row.drainPerSecond)
                    + (row.drainBound == "schedule" ? ", as its retry times have it" : ""))
        }
        if let tokens = row.tokens {
            lines.append(
                "tokens        \(Format.decimal(tokens)) of \(row.burst.map(Format.decimal) ?? "?")"
                    + (row.rate.map { ", filled at \(Format.rate($0))" } ?? ""))
        }
        if let rate = row.learnedRate {
            lines.append("learned rate  the receiver bears \(Format.rate(rate))")
        }
        if let rate = row.learnedConnectionRate {
            lines.append("learned rate  … and \(Format.rate(rate)) new connections")
        }
        lines.append(
            "breaker       \(row.breaker.rawValue)"
                + (row.breakerUntil.map { " until \(at($0))" } ?? "")
                + ", \(Format.count(row.failures, "failure")) since it last worked")
        if let oldest = row.oldestAt {
            lines.append("oldest mail   \(Format.span(from: oldest, to: now))")
        }
        if let next = row.nextAttemptAt { lines.append("next attempt  \(at(next))") }
        lines.append(
            "worker        \(row.worker.map { String($0) } ?? "none")"
                + (row.node.map { " of \(SafeText($0))" } ?? "")
                + (row.pin.map { $0 == row.worker ? ", pinned" : ", pinned to \($0)" } ?? ""))
        if let by = row.pausedBy {
            lines.append(
                "paused        by \(SafeText(by))"
                    + (row.pausedUntil.map { " until \(at($0))" } ?? ""))
        }
        lines.append(
            "since start   \(Format.count(row.attempts, "attempt")): "
                + "\(Format.count(row.delivered)) delivered, "
                + "\(Format.count(row.deferred)) deferred, \(Format.count(row.bounced)) bounced; "
                + "now \(Format.rate(row.deliveredPerSecond))")
        if let reply = row.lastReply {
            lines.append(
                "last reply    \(SafeText(reply))" + (row.lastReplyAt.map { " (\(at($0)))" } ?? ""))
            rule(of: reply, row.lastRule).map { lines.append("rule          \($0)") }
        }
        lines.append("key           " + hexadecimal(row.key))
        lines += row.domains.map { "domain        \(SafeText($0))" }
        lines += row.exchangers.map { "exchanger     \(SafeText($0))" }
        return lines
    }

    package static func lines(
        _ message: MessageDetail, now: UnixTime, utcOffset: (UnixTime) -> Int
    ) -> [String] {
        func at(_ time: UnixTime) -> String {
            Format.clock(time, now: now, utcOffset: utcOffset(time))
        }
        var lines = [
            "message       \(SafeText(message.id))",
            "sender        \(Table.sender(message.sender))",
            "size          \(Format.size(message.size))",
            "received      \(at(message.receivedAt)) from \(SafeText(message.client)), "
                + "\(Format.span(from: message.receivedAt, to: now)) ago",
            "expires       \(at(message.expiresAt))",
        ]
        if let priority = message.deliveries.first?.priority, priority != 0 {
            lines.append("priority      \(MailPriority.text(priority))")
        }
        for row in message.deliveries {
            lines += [
                "",
                "delivery      \(SafeText(row.id))  \(row.state.rawValue)"
                    + (row.why.text.isEmpty ? "" : ": \(SafeText(row.why.line(at: now)))"),
            ]
            lines += row.waits.dropFirst().map {
                "  also        \(SafeText($0.line(at: now)))"
            }
            lines += [
                "  destination \(SafeText(row.destinationName ?? row.destination ?? row.domain))"
                    + (row.worker.map { ", worker \($0)" } ?? "")
                    + (row.node.map { " of \(SafeText($0))" } ?? ""),
                "  attempts    \(row.attempts)"
                    + (row.nextAttemptAt.map { ", next \(at($0))" } ?? ""),
            ]
            if let reply = row.lastReply {
                lines.append("  last reply  \(SafeText(reply))")
                rule(of: reply, row.lastRule).map { lines.append("  rule        \($0)") }
            }
            lines += message.attemptLines(of: row).map { line in
                switch line {
                case .gap(let count):
                    return "              \(count) more, of which nothing is kept"
                case .attempt(let attempt, let isCounted):
                    return (isCounted ? "  attempt \(attempt.number)" : "  not counted").padded(
                        to: 14)
                        + "\(at(attempt.at)), \(Format.decimal(attempt.seconds)) s"
                        + (attempt.remote.map { ", \(SafeText($0))" } ?? "")
                        + (attempt.tls.map { " \(SafeText($0))" } ?? "")
                        + (attempt.worker.map { ", worker \($0)" } ?? "")
                        + ": \(SafeText(attempt.reply))"
                        + (attempt.rule.map { " (rule \(SafeText($0)))" } ?? "")
                }
            }
        }
        if !message.recipients.isEmpty { lines.append("") }
        lines += message.recipients.map { row in
            "recipient     \(SafeText(row.address))  \(SafeText(row.state))"
                + (row.lastReply.map { "  \(SafeText($0))" } ?? "")
        }
        if !message.header.isEmpty {
            lines.append("")
            // Each line by itself, so that the line ends stay and nothing else does.
            lines += message.header.split(omittingEmptySubsequences: true) { $0.isNewline }
                .map { "| \(SafeText(String($0)))" }
        }
        return lines
    }

    /// What judged a refusal; nil for what is none.
    private static func rule(of reply: String, _ name: String?) -> String? {
        if let name { return SafeText(name).text }
        // "421 …"; what no receiver said is judged by no rule.
        let code = Array(reply.utf8.prefix(4))
        guard code.count >= 3, code[0] == 0x34 || code[0] == 0x35,
            code[1...2].allSatisfy({ (0x30...0x39).contains($0) }),
            code.count == 3 || code[3] == 0x20 || code[3] == 0x2D
        else { return nil }
        return "none; by its codes and words"
    }

    private static func hexadecimal(_ key: UInt32) -> String {
        let digits = String(key, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
