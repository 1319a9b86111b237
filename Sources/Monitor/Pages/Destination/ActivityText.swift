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

    /// The newest at the right; nothing stands where nothing is known.
    var graphs: [Line] {
        // Where the hour does not fit, more than one minute goes into a column.
        let room = columns - Self.nameColumns - Self.figureColumns
        guard !detail.minutes.isEmpty,
            let width = [60, 30, 20, 15, 12].first(where: { $0 <= room })
        else { return [] }
        let span = 60 / width
        let title: Label =
            span == 1 ? "The last hour, by minute" : "The last hour, \(span) minutes to a column"
        let columns = hour(span)
        let unknown = columns.prefix { $0.end <= knownSince }.count
        var lines: [Line] = [[], [Span(title, .strong)]]
        func graph(_ name: Label, _ role: Role, _ value: ([MinuteRow]) -> Int?) {
            let values = columns.dropFirst(unknown).map { value($0.minutes) ?? 0 }
            guard let most = values.max(), most > 0 else { return }
            let spark = Gauge(glyphs: glyphs).spark(Array(values), columns: width)
                .map { span in span.role == .spark ? Span(span.label, role) : span }
            lines.append(
                [Span("  "), Span(name, .dim), pad(name, Self.nameColumns - 2)] + spark
                    + [
                        Span("  \(Format.count(values.last ?? 0))"), Span(", most ", .dim),
                        Span(Format.count(most)),
                    ])
        }
        func sum(_ value: @escaping (MinuteRow) -> Int) -> ([MinuteRow]) -> Int? {
            { $0.reduce(0) { $0 + value($1) } }
        }
        graph("delivered", .good, sum(\.delivered))
        graph("deferred", .warning, sum(\.deferred))
        graph("bounced", .bad, sum(\.bounced))
        graph("connections", .spark) { $0.map(\.connections).max() }
        graph("window", .spark) { $0.last?.window }
        graph("tokens, least", .tokens) { $0.compactMap(\.tokens).min() }
        return lines
    }

    private static let nameColumns = 16
    /// `  99,999, most 99,999`.
    private static let figureColumns = 21

    private struct GraphColumn {
        /// Minutes since 1970, of the first that is later.
        var end: Int64
        /// Those in which something happened.
        var minutes: [MinuteRow]
    }

    /// Minutes since 1970: the daemon knows nothing of those before it started.
    private var knownSince: Int64 {
        let known = model.status?.startedAt ?? detail.minutes.map(\.at).min() ?? detail.at
        return known.milliseconds / 60_000
    }

    /// The last 60 minutes, `span` of them in a column.
    private func hour(_ span: Int) -> [GraphColumn] {
        let now = detail.at.milliseconds / 60_000
        var byMinute: [Int64: MinuteRow] = [:]
        for row in detail.minutes { byMinute[row.at.milliseconds / 60_000] = row }
        return stride(from: now - 59, through: now, by: span).map { first in
            GraphColumn(
                end: first + Int64(span),
                minutes: (0..<Int64(span)).compactMap { byMinute[first + $0] })
        }
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
