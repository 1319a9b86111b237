import Control
import Mail
import Terminal

enum AgesView {
    /// A bucket, with the blank before it.
    static let cellColumns = 7

    static func nameColumns(_ columns: Int) -> Int { min(30, max(10, columns / 4)) }
}

extension AgesPage {
    func draw(on painter: inout Painter) {
        let columns = painter.grid.size.columns
        let table = painter.layout.table
        let shown = buckets(columns: columns)
        if painter.layout.body.rows >= 2 { drawHeading(shown, &painter) }
        guard table.rows > 0 else { return }
        guard let map, list.isLoaded else { return painter.drawNotice("waiting for the daemon") }
        if list.total == 0 { return painter.drawNotice("nothing is queued") }
        let most =
            map.rows.lazy.flatMap { row in shown.lazy.map { count($0, of: shown, row) } }.max() ?? 0
        for line in 0..<table.rows {
            guard let row = list.row(at: list.top + line) else { break }
            draw(row, shown, most: most, y: table.row + line, &painter)
        }
        painter.drawStrip(explanation(map, shown, painter.model), isLost: list.cursor.isLost)
    }

    private func count(_ bucket: Int, of shown: [Int], _ row: AgeRow) -> Int {
        part(bucket, of: shown).reduce(0) {
            $0 + (row.counts.indices.contains($1) ? row.counts[$1] : 0)
        }
    }

    private func drawHeading(_ shown: [Int], _ painter: inout Painter) {
        let column = column(in: shown)
        let y = painter.layout.body.row
        painter.fill(painter.line(y), .heading)
        let width = AgesView.nameColumns(painter.grid.size.columns)
        painter.put("DESTINATION", row: y, column: 2, width: width)
        var x = 2 + width
        painter.put(
            "ALL", column == nil ? .headingSorted : nil, row: y, column: x + 1, width: 7,
            align: .right)
        x += 8
        for bucket in shown {
            painter.put(
                title(bucket), bucket == column ? .headingSorted : nil, row: y, column: x + 1,
                width: AgesView.cellColumns - 1, align: .right)
            x += AgesView.cellColumns
        }
    }

    /// The age below which its mail is: "<4m"; the last has no end.
    private func title(_ bucket: Int) -> Label {
        guard let map else { return "" }
        if bucket < map.bounds.count { return "<\(Format.age(map.bounds[bucket]))" }
        return "older"
    }

    private func draw(
        _ row: AgeRow, _ shown: [Int], most: Int, y: Int, _ painter: inout Painter
    ) {
        let width = AgesView.nameColumns(painter.grid.size.columns)
        painter.put(
            [
                Span(painter.glyphs.glyph(row.state), row.state.role),
                Span(" \(safe(row.placedName))"),
            ],
            row: y, column: 2, width: width)
        var x = 2 + width
        painter.put(
            Format.count(row.total), .strong, row: y, column: x + 1, width: 7, align: .right)
        let isCurrent = row.id == list.cursor.id && !list.cursor.isLost
        let column = column(in: shown)
        if isCurrent, column == nil { mark(y, x + 1, 7, &painter) }
        x += 8
        for bucket in shown {
            let count = count(bucket, of: shown, row)
            painter.put(
                count == 0 ? painter.glyphs.idle : Format.count(count),
                Self.heat(count, most: most), row: y, column: x + 1,
                width: AgesView.cellColumns - 1, align: .right)
            if isCurrent, bucket == column { mark(y, x + 1, AgesView.cellColumns - 1, &painter) }
            x += AgesView.cellColumns
        }
        if list.tags.contains(where: { $0.id == row.id }) {
            painter.put(painter.glyphs.tag, .tag, row: y, column: 1, width: 1)
        }
        if isCurrent {
            painter.put(painter.glyphs.cursor, .tag, row: y, column: 0, width: 1)
            painter.grid.tint(painter.line(y), painter.ink(.selection))
        }
    }

    /// The cell under the cursor, seen without colours too.
    private func mark(_ row: Int, _ column: Int, _ width: Int, _ painter: inout Painter) {
        painter.grid.tint(
            Rect(row: row, column: column, rows: 1, columns: width),
            Ink(attributes: [.underline, .bold]))
    }

    /// By the share of the largest cell, each step four times the one before it.
    private static func heat(_ count: Int, most: Int) -> Role {
        if count == 0 { return .dim }
        if count * 16 <= most { return .heatLow }
        return count * 4 <= most ? .heatMid : .heatHigh
    }

    private func explanation(_ map: AgeMap, _ shown: [Int], _ model: Model) -> [Line] {
        guard let row = list.current else { return [] }
        var first: Line = [Span(safe(row.placedName), .strong)]
        if let column = column(in: shown) {
            let count = count(column, of: shown, row)
            let start = part(column, of: shown).lowerBound
            let from = start > 0 ? Format.age(map.bounds[start - 1]) : "0s"
            let to: Label =
                column < map.bounds.count ? " to \(Format.age(map.bounds[column]))" : " and more"
            first.append(
                Span(
                    "  \(Format.counted(count, "delivery", "deliveries")), \(from)\(to) old"
                ))
        } else {
            first.append(Span("  \(Format.counted(row.total, "delivery", "deliveries"))"))
        }
        first.append(Span("; Enter shows them", .dim))
        var second: Line = [
            Span("all: ", .dim),
            Span(Format.exact(map.totals.reduce(0, +))), Span(" in ", .dim),
            Span(Format.counted(map.destinations, "destination", "destinations")),
        ]
        if map.rows.count < map.destinations {
            second.append(Span(", those with the most are shown", .dim))
        }
        let age = model.secondsSince(map.countedAt)
        if age >= 5 { second.append(Span("  counted \(Format.age(age)) ago", .dim)) }
        return [first, second]
    }
}
