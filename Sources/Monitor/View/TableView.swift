import Control
import Terminal

/// A column of a table of rows.
protocol TableColumn: Hashable, Sendable, CaseIterable {
    var title: Label { get }
    /// Where the whole title does not fit.
    var shortTitle: Label { get }
    /// A line, for who chooses columns.
    var help: Label { get }
    /// Those that are there until the operator chooses, left to right.
    static var standard: [Self] { get }
    var alignment: Grid.Alignment { get }
    /// The field of the filter language that sorts by it.
    var sort: String? { get }
    /// Columns before the title, in a cell of that width.
    func indent(_ width: Int) -> Int
    /// In the order of importance: a column's first step brings it, others widen it.
    static var steps: [(column: Self, width: Int)] { get }
    /// Takes what is left; the first of them that is there.
    static var elastic: [Self] { get }
}

extension TableColumn {
    var shortTitle: Label { title }
    var help: Label { "" }
    static var standard: [Self] { Array(allCases) }
    var alignment: Grid.Alignment { .left }
    var sort: String? { nil }
    func indent(_ width: Int) -> Int { 0 }

    /// Which of the columns there are, in their order, and how wide, on a screen of that many
    /// columns: what is asked most comes first, and grows before the next one comes.
    static func fitted(
        _ width: Int, of chosen: [Self] = standard
    ) -> [(column: Self, width: Int)] {
        var widths: [Self: Int] = [:]
        var used = -1
        for (column, wanted) in steps where chosen.contains(column) {
            let more = wanted - (widths[column] ?? -1)
            if used + more > width { break }
            widths[column] = wanted
            used += more
        }
        guard let first = chosen.first else { return [] }
        if widths.isEmpty {
            let most = steps.first { chosen.contains($0.column) }?.column ?? first
            return [(most, max(1, width))]
        }
        let stretched = elastic.first { widths[$0] != nil }
        if let stretched { widths[stretched, default: 0] += max(0, width - used) }
        return chosen.compactMap { column in widths[column].map { (column, $0) } }
    }
}

extension Painter {
    /// The columns that the operator chose, as many as fit, and how wide; without those that say
    /// nothing now.
    func columns<Column: TableColumn & RawRepresentable<String>>(
        _ type: Column.Type, of table: ChosenTable, without hidden: [Column] = []
    ) -> [(column: Column, width: Int)] {
        let chosen = model.kept.tables[table]?.columns?.compactMap(Column.init) ?? Column.standard
        let shown = chosen.filter { !hidden.contains($0) }
        return Column.fitted(grid.size.columns - 2, of: shown.isEmpty ? chosen : shown)
    }

    /// Columns that say nothing where there is one host, or one node: it has no name.
    func placesUnknown<Column>(_ host: Column, _ node: Column? = nil) -> [Column] {
        (model.showsHosts ? [] : [host])
            + (model.nodes.count > 1 ? [] : [node].compactMap { $0 })
    }

    /// A heading and the rows of a list; `cell` says what stands in a cell of that width.
    mutating func drawTable<Row, Column: TableColumn>(
        _ list: Listing<Row>, _ columns: [(column: Column, width: Int)], empty: Label,
        cell: (Column, Row, Int) -> Line
    ) {
        let table = layout.table
        if layout.body.rows >= 2 { drawHeading(columns, list.shownQuery) }
        guard table.rows > 0 else { return }
        if !list.isLoaded { return drawNotice("waiting for the daemon") }
        if list.total == 0 {
            return drawNotice(
                list.shownQuery.filter == nil
                    ? empty
                    : "nothing matches the filter"
                        + (model.options.keymap.label(of: .cancel).map { ": \($0) clears it" } ?? "")
            )
        }
        for line in 0..<table.rows {
            let index = list.top + line
            guard index < list.total else { break }
            let y = table.row + line
            guard let row = list.row(at: index) else {
                put("...", .dim, row: y, column: 2, width: 3)
                continue
            }
            var x = 2
            for (column, width) in columns {
                put(
                    cell(column, row, width), row: y, column: x, width: width,
                    align: column.alignment)
                x += width + 1
            }
            if row.staleSeconds != nil || model.isLost(host: row.host) {
                grid.tint(self.line(y), ink(.stale))
            }
            if model.matching != nil || list.tags.contains(where: { $0.id == row.rowID }) {
                put(glyphs.tag, .tag, row: y, column: 1, width: 1)
            }
            if row.rowID == list.cursor.id, !list.cursor.isLost {
                put(glyphs.cursor, .tag, row: y, column: 0, width: 1)
                grid.tint(self.line(y), ink(.selection))
            }
        }
    }

    private mutating func drawHeading<Column: TableColumn>(
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
            let indent = column.indent(width)
            if let sort = column.sort { mark(.sort(sort), row: y, column: x, width: width) }
            put(
                title, sorted ? .headingSorted : nil, row: y, column: x + indent,
                width: width - indent, align: column.alignment)
            if sorted {
                // In the gap beside the title, which keeps its width.
                let beside =
                    column.alignment == .right
                    ? x + width - title.columns - 1 : x + indent + title.columns
                put(arrow, .headingSorted, row: y, column: beside, width: 1)
            }
            x += width + 1
        }
    }

    /// Instead of rows.
    mutating func drawNotice(_ label: Label) {
        let table = layout.table
        put(
            label, .dim, row: table.row + table.rows / 3, column: 0, width: grid.size.columns,
            align: .center)
    }

    /// The row under the cursor in words; one line of it where there is no room for two.
    mutating func drawStrip(_ lines: [Line], isLost: Bool) {
        let strip = layout.strip
        guard strip.rows > 0 else { return }
        let width = grid.size.columns - 2
        if isLost {
            let keys = [Command.ID.down, .up].compactMap { model.options.keymap.label(of: $0) }
            let hint: Label = keys.count == 2 ? ": \(keys[0]) or \(keys[1]) chooses another" : ""
            put(
                "the chosen row has moved away\(hint)", .warning,
                row: strip.row, column: 1, width: width)
        } else if strip.rows == 1, var line = lines.first {
            for more in lines.dropFirst() { line += [Span(" \(glyphs.dash) ", .dim)] + more }
            put(line, row: strip.row, column: 1, width: width)
        } else {
            for (index, line) in lines.prefix(strip.rows).enumerated() {
                put(line, row: strip.row + index, column: 1, width: width)
            }
        }
    }

    /// Lines of text on a page without a table, from `scroll` on.
    mutating func drawPage(_ lines: [Line], scroll: Int) {
        let page = layout.page
        let start = min(scroll, max(0, lines.count - page.rows))
        for (index, line) in lines.dropFirst(start).prefix(page.rows).enumerated() {
            put(line, row: page.row + index, column: 1, width: grid.size.columns - 2)
        }
    }
}
