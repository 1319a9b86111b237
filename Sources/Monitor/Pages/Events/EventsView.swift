import Control
import Mail
import Terminal

extension EventsPage {
    func draw(on painter: inout Painter) {
        let body = painter.layout.body
        let width = painter.grid.size.columns - 2
        let room = body.rows + painter.layout.strip.rows - 1
        guard room > 0 else { return }
        let (lines, newer) = log.window(rows: room, where: shows)
        painter.fill(painter.line(body.row), .heading)
        let places = places(painter.model)
        let title: Label = !painter.model.showsHosts ? "NODE" : "HOST"
        let heading = heading(
            newer: newer, follow: painter.followHint, glyphs: painter.glyphs, title, places)
        painter.put(heading, row: body.row, column: 1, width: width)
        painter.drawFilter(query, row: body.row, beside: heading)
        if lines.isEmpty {
            return painter.drawNotice(
                filter == nil
                    ? "nothing has happened since this page was opened"
                    : "nothing that matches has happened since this page was opened")
        }
        for (index, entry) in lines.enumerated() {
            let y = body.row + 1 + index
            painter.put(
                line(entry.line, painter.model, painter.glyphs, places), row: y, column: 2,
                width: width - 1)
            if entry.number == log.cursor {
                painter.put(painter.glyphs.cursor, .tag, row: y, column: 0, width: 1)
                painter.grid.tint(painter.line(y), painter.ink(.selection))
            }
        }
    }

    /// How wide the column of hosts and nodes is; 0: there is none.
    private func places(_ model: Model) -> Int {
        let names = model.hosts.map(\.name)
        func widest(_ labels: [Label]) -> Int { labels.map(\.columns).max() ?? 0 }
        let host =
            model.showsHosts ? widest(names.map { safe(HostNames.short($0, among: names)) }) : 0
        let node = model.nodes.count > 1 ? widest(model.nodes.map { safe($0.name) }) : 0
        let both = host + node + (host > 0 && node > 0 ? 1 : 0)
        return both > 0 ? min(max(5, both), 16) + 1 : 0
    }

    private func heading(
        newer: Int, follow: Label, glyphs: Glyphs, _ title: Label, _ places: Int
    ) -> Line {
        let host: Label =
            places > 0 ? title + Label(repeating: " ", count: places - title.columns) : ""
        var line: Line = [Span("TIME     \(host)EVENT     ", .heading)]
        if log.isFollowing {
            line.append(Span("\(glyphs.live) following", .headingSorted))
        } else {
            line.append(
                Span(
                    "\(glyphs.frozen) stopped, \(Format.exact(newer)) newer\(follow)",
                    .headingSorted))
        }
        return line
    }

    private func place(_ event: Event, _ model: Model, _ places: Int) -> Span {
        let names = model.hosts.map(\.name)
        let host = event.host.map { HostNames.short($0, among: names) }
        let name = safe([host, event.node].compactMap { $0 }.joined(separator: ":"))
        let room = Label(repeating: " ", count: max(1, places - name.columns))
        return Span(name + room, .dim)
    }

    private func line(
        _ event: Event, _ model: Model, _ glyphs: Glyphs, _ places: Int
    ) -> Line {
        let kind = safe(event.kind)
        let (glyph, role) = Self.look(event.kind, glyphs)
        return [
            Span(Format.clock(event.at, offset: model.moment.utcOffset), .dim), Span(" "),
            places > 0 ? place(event, model, places) : Span(""),
            Span("\(glyph) \(kind)", role),
            Span(Label(repeating: " ", count: max(1, 10 - kind.columns))), Span(safe(event.text)),
        ]
    }

    private static func look(_ kind: String, _ glyphs: Glyphs) -> (Label, Role?) {
        switch kind {
        case "delivered": (glyphs.delivering, .good)
        case "deferred": (glyphs.scheduled, .warning)
        case "bounced": (glyphs.purging, .bad)
        case "breaker": (glyphs.backoff, .backoff)
        case "worker", "spool", "host": (glyphs.silent, .warning)
        case "action": (glyphs.paused, .paused)
        default: (glyphs.idle, .dim)
        }
    }
}
