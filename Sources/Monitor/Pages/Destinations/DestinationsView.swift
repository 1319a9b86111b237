import Control
import Mail
import Terminal

extension DestinationsPage {
    func draw(on painter: inout Painter) {
        painter.drawTable(self)
        painter.drawStrip(self)
    }
}

extension Painter {
    fileprivate mutating func drawTable(_ page: DestinationsPage) {
        let table = layout.table
        let columns = Column.fitted(grid.size.columns - 2)
        if layout.body.rows >= 2 { drawHeading(columns, page.list.shownQuery) }
        guard table.rows > 0 else { return }
        let list = page.list
        if !list.isLoaded {
            drawEmpty("waiting for the daemon")
            return
        }
        if list.total == 0 {
            drawEmpty(
                list.shownQuery.filter == nil
                    ? "nothing is queued" : "nothing matches the filter: Esc clears it")
            return
        }
        let text = CellText(model: model, glyphs: glyphs)
        for line in 0..<table.rows {
            let index = list.top + line
            guard index < list.total else { break }
            let y = table.row + line
            guard let row = list.row(at: index) else {
                put("...", .dim, row: y, column: 2, width: 3)
                continue
            }
            draw(row, page, text, columns, y)
        }
    }

    private mutating func draw(
        _ row: DestinationRow, _ page: DestinationsPage, _ text: CellText,
        _ columns: [(column: Column, width: Int)],
        _ y: Int
    ) {
        var x = 2
        for (column, width) in columns {
            put(
                text.line(column, row, width: width), row: y, column: x, width: width,
                align: column.alignment)
            x += width + 1
        }
        if page.tags.contains(where: { $0.id == row.id }) {
            put(glyphs.tag, .tag, row: y, column: 1, width: 1)
        }
        if row.id == page.list.cursor.id, !page.list.cursor.isLost {
            put(glyphs.cursor, .tag, row: y, column: 0, width: 1)
            grid.tint(line(y), ink(.selection))
        }
    }

    private mutating func drawHeading(
        _ columns: [(column: Column, width: Int)], _ query: Query
    ) {
        let y = layout.body.row
        fill(line(y), .heading)
        let arrow = query.descending ? glyphs.descending : glyphs.ascending
        var x = 2
        for (column, width) in columns {
            let sorted = column.sort != nil && column.sort == query.sort
            var title = column.title.columns <= width ? column.title : column.shortTitle
            if title.columns > width { title = "" }
            // Over the number, which has four columns before its picture.
            let indent = column == .rate ? max(0, 4 - title.columns) : 0
            put(
                title, sorted ? .headingSorted : nil, row: y, column: x + indent,
                width: width - indent, align: column.alignment)
            if sorted {
                // In the gap beside the title, which keeps its width.
                let beside = column.alignment == .right ? x - 1 : x + title.columns
                put(arrow, .headingSorted, row: y, column: beside, width: 1)
            }
            x += width + 1
        }
    }

    private mutating func drawEmpty(_ label: Label) {
        let table = layout.table
        put(
            label, .dim, row: table.row + table.rows / 3, column: 0, width: grid.size.columns,
            align: .center)
    }

    /// The row under the cursor, in words.
    fileprivate mutating func drawStrip(_ page: DestinationsPage) {
        let strip = layout.strip
        guard strip.rows > 0 else { return }
        let width = grid.size.columns - 2
        guard let row = page.list.current else {
            if page.list.cursor.isLost {
                put(
                    "the chosen row has moved away: j or k chooses another", .warning,
                    row: strip.row, column: 1, width: width)
            }
            return
        }
        let lines = Self.explanation(row, model, glyphs)
        if strip.rows == 1 {
            var line = lines[0]
            if lines.count > 1 { line += [Span(" \(glyphs.dash) ", .dim)] + lines[1] }
            put(line, row: strip.row, column: 1, width: width)
        } else {
            for (index, line) in lines.prefix(strip.rows).enumerated() {
                put(line, row: strip.row + index, column: 1, width: width)
            }
        }
    }

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
