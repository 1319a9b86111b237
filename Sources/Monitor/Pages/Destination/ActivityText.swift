import Control
import Mail
import Terminal

/// What a destination does and did: graphs of the last hour, its connections, its replies, what
/// is due next.
struct ActivityText {
    let detail: DestinationDetail
    let model: Model
    let glyphs: Glyphs
    let columns: Int

    // MARK: The last hour

    /// A column for each minute, the newest at the right.
    var graphs: [Line] {
        if detail.minutes.isEmpty { return [] }
        let width = min(60, columns - 26)
        guard width >= 10 else { return [] }
        let minutes = filled(width)
        var lines: [Line] = [[], [Span("The last hour, by minute", .strong)]]
        func graph(_ name: Label, _ role: Role, _ value: (MinuteRow) -> Int?) {
            let values = minutes.map { $0.flatMap(value) }
            guard let most = values.compactMap(\.self).max(), most > 0 else { return }
            let spark = Gauge(glyphs: glyphs).spark(values.map { $0 ?? 0 }, columns: width)
                .map { span in span.role == .spark ? Span(span.label, role) : span }
            let latest = values.last?.map(Format.count) ?? Format.count(0)
            lines.append(
                [Span("  "), Span(name, .dim), pad(name, 14)] + spark
                    + [Span(" \(latest)"), Span(" of \(Format.count(most))", .dim)])
        }
        graph("delivered", .good) { $0.delivered }
        graph("deferred", .warning) { $0.deferred }
        graph("bounced", .bad) { $0.bounced }
        graph("connections", .spark) { $0.connections }
        graph("window", .spark) { $0.window }
        graph("tokens, least", .tokens) { $0.tokens }
        return lines
    }

    /// The last `count` minutes; nil where nothing happened.
    private func filled(_ count: Int) -> [MinuteRow?] {
        let now = detail.at.milliseconds / 60_000
        var byMinute: [Int64: MinuteRow] = [:]
        for row in detail.minutes { byMinute[row.at.milliseconds / 60_000] = row }
        return (0..<Int64(count)).reversed().map { byMinute[now - $0] }
    }

    private func pad(_ label: Label, _ width: Int) -> Span {
        Span(Label(repeating: " ", count: max(1, width - label.columns)))
    }

    // MARK: Now

    var lines: [Line] { connections + replies + due + breaker + contacts }

    private var connections: [Line] {
        var lines: [Line] = [
            [], [Span("Connections", .strong), Span(" \(detail.connections.count)", .dim)],
        ]
        for row in detail.connections {
            let waits = model.secondsSince(row.since)
            var line: Line = [
                Span("  \(row.number == 0 ? glyphs.dash : Label(row.number))", .dim),
                pad(row.number == 0 ? glyphs.dash : Label(row.number), 6),
                Span(safe(row.phase), row.phase == "idle" ? .dim : .strong),
                pad(safe(row.phase), 11),
                // What hangs stands out.
                Span(
                    Format.age(waits),
                    row.phase == "idle" ? .dim : waits > 60 ? .bad : waits > 10 ? .warning : nil),
                pad(Format.age(waits), 6),
            ]
            line.append(
                Span(row.delivery.map(safe) ?? glyphs.dash, row.delivery == nil ? .dim : nil))
            line.append(pad(row.delivery.map(safe) ?? glyphs.dash, 11))
            line.append(Span("\(safe(row.remote)) ", .dim))
            line.append(Span(row.number == 0 ? "" : safe(row.tls ?? "plain"), .dim))
            lines.append(line)
        }
        if detail.connections.isEmpty { lines.append([Span("  none is open", .dim)]) }
        return lines
    }

    private var replies: [Line] {
        if detail.replies.isEmpty { return [] }
        var lines: [Line] = [[], [Span("Replies of the last hour", .strong)]]
        for reply in detail.replies {
            let count = Format.count(reply.count)
            lines.append([
                Span(Label(repeating: " ", count: max(0, 7 - count.columns))), Span(count, .strong),
                Span("  \(Format.age(model.secondsSince(reply.lastAt)))", .dim),
                pad(Format.age(model.secondsSince(reply.lastAt)), 6),
                Span(safe(reply.reply), Self.role(of: reply.reply)),
            ])
        }
        return lines
    }

    private static func role(of reply: String) -> Role? {
        switch reply.first {
        case "2": nil
        case "5": .bad
        default: .warning
        }
    }

    private var due: [Line] {
        if detail.due.isEmpty { return [] }
        var lines: [Line] = [[], [Span("Due next", .strong)]]
        for row in detail.due {
            let time = model.secondsUntil(row.nextAttemptAt).map(Format.countdown) ?? "now"
            lines.append([
                Span(Label(repeating: " ", count: max(0, 7 - time.columns))), Span(time, .strong),
                Span("  \(safe(row.id))", .dim), pad(safe(row.id), 11),
                Span("try \(row.attempts + 1)", .dim), pad("try \(row.attempts + 1)", 8),
                Span(safe(row.recipients.first ?? "")),
                Span(row.recipients.count > 1 ? " +\(row.recipients.count - 1)" : "", .dim),
                Span("  \(safe(row.lastReply ?? ""))", .dim),
            ])
        }
        return lines
    }

    private var breaker: [Line] {
        if detail.breakerChanges.isEmpty { return [] }
        var lines: [Line] = [[], [Span("What the breaker did", .strong)]]
        for change in detail.breakerChanges {
            let (word, role): (Label, Role) =
                switch change.state {
                case .closed: ("closed", .good)
                case .open: ("open", .backoff)
                case .halfOpen: ("half-open", .probing)
                }
            lines.append([
                Span("  \(Format.clock(change.at, offset: model.moment.utcOffset))  ", .dim),
                Span(word, role), pad(word, 11), Span(safe(change.reason)),
            ])
        }
        return lines
    }

    private var contacts: [Line] {
        if detail.contacts.isEmpty { return [] }
        var lines: [Line] = [[], [Span("Addresses", .strong)]]
        for contact in detail.contacts {
            let age = Format.age(model.secondsSince(contact.at))
            lines.append([
                Span("  \(safe(contact.remote))"), pad(safe(contact.remote), 34),
                Span(
                    safe(contact.tls ?? (contact.problem == nil ? "plain" : "")),
                    contact.tls == nil ? .dim : .good),
                Span("  \(age) ago  ", .dim), Span(safe(contact.problem ?? ""), .warning),
            ])
        }
        return lines
    }
}
