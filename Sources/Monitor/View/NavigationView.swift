import Terminal

extension Painter {
    /// Where the page lies, and the digits that show others.
    mutating func drawNavigation() {
        guard let row = layout.navigationRow else { return }
        let width = grid.size.columns - 2
        let end = put(crumbs, row: row, column: 1, width: width)
        let room = width - end - 1
        guard room > 0 else { return }
        let kinds = PageKind.allCases.filter { $0 != model.page.kind }
        let tabs = kinds.map { kind -> Line in
            let isOff = model.obstacle(to: kind) != nil
            return [
                Span(safe(String(kind.key)), isOff ? .disabled : .key),
                Span(" \(kind.title)", isOff ? .disabled : .dim),
            ]
        }
        let right = tabs.fitted(room, gap: 2)
        let start = 1 + width - right.columns
        put(right, row: row, column: start, width: right.columns)
        var x = start
        for (kind, tab) in zip(kinds, tabs) where x + tab.columns <= start + right.columns {
            mark(.page(kind), row: row, column: x, width: tab.columns)
            x += tab.columns + 2
        }
    }

    /// From the bottom of the stack to its top.
    var crumbs: Line {
        let entries = model.pages.entries
        var line: Line = []
        for (index, entry) in entries.enumerated() {
            if index > 0 { line.append(Span(" \(glyphs.into) ", .dim)) }
            line.append(Span(entry.page.crumb, index == entries.count - 1 ? .strong : .dim))
        }
        return line
    }
}
