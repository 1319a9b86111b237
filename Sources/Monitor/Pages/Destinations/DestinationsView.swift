import Control
import Mail
import Terminal

extension DestinationsPage {
    func draw(on painter: inout Painter) {
        let text = CellText(model: painter.model, glyphs: painter.glyphs)
        painter.drawTable(
            list,
            painter.columns(
                Column.self, of: .destinations, without: painter.placesUnknown(.host, .node)),
            empty: "nothing is queued"
        ) { column, row, width in
            text.line(column, row, width: width)
        }
        painter.drawStrip(
            list.current.map { Painter.explanation($0, painter.model, painter.glyphs) } ?? [],
            isLost: list.cursor.isLost)
    }
}

extension Painter {
    /// What a destination does and why, and what was last heard from it.
    static func explanation(_ row: DestinationRow, _ model: Model, _ glyphs: Glyphs) -> [Line] {
        var first: Line = [
            Span(glyphs.glyph(row.state), row.state.role),
            Span(" \(row.state.word)", row.state.wordRole), Span("  "),
            Span(safe(row.name), .strong),
        ]
        if row.why.kind != "nothing", !row.why.text.isEmpty {
            first.append(Span("  \(safe(row.why.text))"))
        }
        guard let reply = row.lastReply, !reply.isEmpty else { return [first, figures(row)] }
        var second: Line = [Span("last reply", .dim)]
        if let at = row.lastReplyAt {
            second.append(Span(" \(Format.age(model.secondsSince(at))) ago", .dim))
        }
        second.append(Span(": \(safe(reply))"))
        return [first, second]
    }

    /// What a destination that nothing is wrong with does.
    private static func figures(_ row: DestinationRow) -> Line {
        var line: Line = [
            Span("\(Format.exact(row.connections))"), Span(" of ", .dim),
            Span(Format.counted(row.window, "connection", "connections")),
            Span(" open, limit \(Format.exact(row.limit)); ", .dim),
            Span(Format.exact(row.delivered)), Span(" delivered", .dim),
        ]
        if let exchanger = row.exchangers.first {
            line += [Span("; to ", .dim), Span(safe(exchanger))]
            if row.exchangers.count > 1 {
                line.append(Span(" and \(row.exchangers.count - 1) more", .dim))
            }
        }
        return line
    }

    /// What is shown is no longer so: it does not look alive either.
    mutating func dimData() {
        let top = min(1, layout.headerRows)
        let bottom = layout.strip.row + layout.strip.rows
        grid.tint(
            Rect(row: top, column: 0, rows: bottom - top, columns: grid.size.columns),
            ink(.stale))
    }
}
