import Control
import Mail
import Terminal

/// A column of the table of deliveries.
enum QueueColumn: String, TableColumn {
    case state
    case id = "delivery"
    case age, size, sender, recipient, destination, attempts, next, worker, node, host
    case expires, priority, reply

    static let standard: [QueueColumn] = [
        .state, .id, .host, .age, .size, .sender, .recipient, .destination, .attempts, .next,
        .node, .reply,
    ]

    var title: Label {
        switch self {
        case .state: "STATE"
        case .id: "DELIVERY"
        case .age: "AGE"
        case .size: "SIZE"
        case .sender: "SENDER"
        case .recipient: "RECIPIENT"
        case .destination: "DESTINATION"
        case .attempts: "TRY"
        case .next: "NEXT"
        case .worker: "W"
        case .node: "NODE"
        case .host: "HOST"
        case .expires: "EXPIRES"
        case .priority: "PRIO"
        case .reply: "LAST REPLY OR WHY IT WAITS"
        }
    }

    var help: Label {
        switch self {
        case .state: "what it is doing"
        case .id: "the message and the number of the delivery"
        case .age: "since it was accepted"
        case .size: "of the message"
        case .sender: "of the envelope"
        case .recipient: "the first that is still queued"
        case .destination: "where it goes"
        case .attempts: "so far"
        case .next: "time to the next attempt"
        case .worker: "the worker in charge of it"
        case .node: "the node that has it, where there are several"
        case .host: "the host that has it, where there are several"
        case .expires: "time until it is given up"
        case .priority: "-3 (bulk) to 4 (urgent)"
        case .reply: "the last reply, or why it waits"
        }
    }

    var shortTitle: Label {
        switch self {
        case .state: ""
        case .id: "ID"
        case .reply: "WHY"
        case .expires: "EXP"
        default: title
        }
    }

    var sort: String? {
        switch self {
        case .state: "state"
        case .id: "id"
        // The spool does not know it, and sorts.
        case .worker, .node, .host: nil
        case .expires, .priority: rawValue
        case .age: "age"
        case .size: "size"
        case .sender: "sender"
        case .recipient: "recipient"
        case .destination: "destination"
        case .attempts: "attempts"
        case .next: "next"
        case .reply: "reply"
        }
    }

    var alignment: Grid.Alignment {
        switch self {
        case .age, .size, .attempts, .next, .worker, .expires, .priority: .right
        default: .left
        }
    }

    static let steps: [(column: QueueColumn, width: Int)] = [
        (.recipient, 12), (.state, 1), (.age, 4), (.host, 7), (.next, 5), (.attempts, 3),
        (.reply, 10),
        (.recipient, 22), (.sender, 12), (.id, 7), (.size, 6), (.worker, 2), (.node, 6),
        (.expires, 5),
        (.priority, 4), (.sender, 18), (.size, 7), (.reply, 16),
        (.state, 12), (.host, 12), (.recipient, 28), (.sender, 26), (.reply, 40), (.id, 10),
        (.destination, 18), (.node, 12), (.reply, 60), (.destination, 26),
    ]

    static let elastic: [QueueColumn] = [.reply, .recipient]
}

extension QueuePage {
    func draw(on painter: inout Painter) {
        let text = QueueText(model: painter.model, glyphs: painter.glyphs)
        // One daemon alone has no name.
        let hidden: [QueueColumn] = painter.placesUnknown(.host, .node)
        painter.drawTable(
            list, painter.columns(QueueColumn.self, of: .queue, without: hidden),
            empty: "the queue is empty"
        ) { column, row, width in
            text.line(column, row, width: width)
        }
        painter.drawStrip(
            list.current.map(text.explanation) ?? [], isLost: list.cursor.isLost)
    }
}

/// What stands in the table of deliveries and below it.
struct QueueText {
    let model: Model
    let glyphs: Glyphs

    func line(_ column: QueueColumn, _ row: MessageRow, width: Int) -> Line {
        switch column {
        case .state:
            let glyph = Span(glyphs.glyph(row.state), row.state.role)
            return width < 12 ? [glyph] : [glyph, Span(" \(row.state.word)", row.state.role)]
        // Whose it is has a column of its own.
        case .id: return [Span(safe(QualifiedID(row.id).id), .dim)]
        case .host: return model.origin(host: row.host, stale: row.staleSeconds)
        case .age: return [Span(Format.age(model.secondsSince(row.receivedAt)))]
        case .size: return [Span(Format.bytes(row.size))]
        case .sender: return [sender(row)]
        case .recipient:
            let more = row.recipients.count - 1
            let first = Span(safe(row.recipients.first ?? ""))
            return more > 0 ? [first, Span(" +\(more)", .dim)] : [first]
        case .destination:
            return row.destinationName.map { [Span(safe($0))] } ?? [Span(glyphs.dash, .dim)]
        case .attempts:
            return [row.attempts == 0 ? Span("0", .dim) : Span(Format.count(row.attempts))]
        case .next: return next(row)
        case .worker: return row.worker.map { [Span(Label($0))] } ?? [Span(glyphs.dash, .dim)]
        case .node: return row.node.map { [Span(safe($0))] } ?? [Span(glyphs.dash, .dim)]
        case .expires:
            return [Span(model.secondsUntil(row.expiresAt).map(Format.countdown) ?? "now")]
        case .priority: return [Span(Label(row.priority ?? 0), row.priority ?? 0 == 0 ? .dim : nil)]
        case .reply: return [Span(reason(row))]
        }
    }

    func sender(_ row: MessageRow) -> Span {
        row.sender.isEmpty ? Span("<>", .dim) : Span(safe(row.sender))
    }

    /// When something happens to it by itself.
    private func next(_ row: MessageRow) -> Line {
        switch row.state {
        case .delivering: return [Span("now", .delivering)]
        case .held: return [Span("held", .paused)]
        case .purging:
            guard let seconds = model.secondsUntil(row.purgeAt) else { return [Span("now", .bad)] }
            return [Span(Format.countdown(seconds), .bad)]
        case .routing, .ready, .delayed:
            guard let at = row.nextAttemptAt ?? row.why.until else {
                return [Span(glyphs.dash, .dim)]
            }
            guard let seconds = model.secondsUntil(at) else { return [Span("now")] }
            return [Span(Format.countdown(seconds))]
        }
    }

    /// What the receiver said last, where it waits because of that; else what it waits for.
    private func reason(_ row: MessageRow) -> Label {
        if row.state == .delayed, let reply = row.lastReply { return safe(reply) }
        return safe(row.why.text)
    }

    func explanation(_ row: MessageRow) -> [Line] {
        var first: Line = [
            Span(glyphs.glyph(row.state), row.state.role),
            Span(" \(row.state.word)  ", row.state.role), sender(row),
            Span(" \(glyphs.into) ", .dim), Span(safe(row.recipients.first ?? ""), .strong),
        ]
        if row.recipients.count > 1 {
            first.append(Span(" and \(row.recipients.count - 1) more", .dim))
        }
        if let seconds = model.secondsUntil(row.expiresAt) {
            first.append(Span("  expires in \(Format.countdown(seconds))", .dim))
        }
        var second: Line = [Span(safe(row.why.text))]
        if let reply = row.lastReply, !row.why.text.contains(reply) {
            second += [Span("  last reply ", .dim), Span(safe(reply))]
        }
        return [first, second]
    }
}
