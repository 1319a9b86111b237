import Terminal

extension Painter {
    // MARK: Columns

    mutating func drawColumns(_ chooser: ColumnChooser) {
        let lines = chooser.items.map { line($0, chooser.table) }
        let columns = max(lines.map(\.columns).max() ?? 0, 44) + 6
        // At the right and below the heading, so that the table is seen as it changes.
        let top = layout.body.row + 1
        let room = max(3, grid.size.rows - top - 1)
        let rows = min(lines.count + 2, room)
        let width = min(columns, grid.size.columns)
        let rect = Rect(
            row: min(top, max(0, grid.size.rows - rows)), column: grid.size.columns - width,
            rows: rows, columns: width)
        let inside = box(
            rect, title: [Span("Columns", .dialogTitle)],
            footer: keys([
                ([.tag], "on or off"), ([.left, .right], "moves it"), ([.untag], "standard"),
            ]) + [Span("  Enter", .key), Span(" keeps", .dim)])
        drawChoices(lines, selected: chooser.selected, inside)
    }

    private func line(_ item: ColumnChooser.Item, _ table: ChosenTable) -> Line {
        let help: Label =
            switch table {
            case .destinations: Column(rawValue: item.name)?.help ?? ""
            case .queue: QueueColumn(rawValue: item.name)?.help ?? ""
            case .workers: WorkerColumn(rawValue: item.name)?.help ?? ""
            }
        let name = safe(item.name)
        return [
            Span(item.isShown ? "[x] " : "[ ] ", item.isShown ? .key : .dim),
            Span(name, item.isShown ? nil : .dim),
            Span(Label(repeating: " ", count: max(1, 14 - name.columns))), Span(help, .dim),
        ]
    }

    // MARK: Views

    mutating func drawViews(_ menu: ViewMenu) {
        let views = model.kept.views
        let widest = min(24, views.map { safe($0.name).columns }.max() ?? 0)
        let none: Line = [Span("0", .key), Span("  no filter", .dim)]
        let lines = [none] + views.enumerated().map { line($1, number: $0 + 1, widest, menu) }
        let note = self.note(menu, isEmpty: views.isEmpty)
        let columns = max((lines + [note]).map(\.columns).max() ?? 0, 52) + 6
        let rows = lines.count + 3
        let inside = box(
            centered(rows: rows, columns: columns), title: [Span("Views", .dialogTitle)],
            footer: [Span("Enter", .key), Span(" shows  ", .dim)]
                + keys([([.save], "saves this filter")])
                + [Span("  Del", .key), Span(" deletes", .dim)])
        guard inside.rows > 1 else { return }
        let list = Rect(
            row: inside.row, column: inside.column, rows: inside.rows - 1, columns: inside.columns)
        drawChoices(lines, selected: menu.selected, list)
        let row = inside.row + inside.rows - 1
        if let name = menu.name {
            put("name", .strong, row: row, column: inside.column, width: 5)
            drawField(
                name, row: row, column: inside.column + 5, width: inside.columns - 5,
                isFocused: true)
        } else {
            put(note, row: row, column: inside.column + 2, width: inside.columns - 2)
        }
    }

    private func line(_ view: SavedView, number: Int, _ width: Int, _ menu: ViewMenu) -> Line {
        let name = safe(view.name).cut(width)
        var line: Line = [
            Span(number < 10 ? "\(number)" : " ", .key), Span("  "),
            Span(name, view == model.currentView ? .strong : nil),
            Span(Label(repeating: " ", count: width - name.columns + 2)),
            Span(view.rows == .destinations ? "destinations  " : "messages      ", .dim),
            Span(safe(view.filter)),
        ]
        if let order = view.order { line.append(Span("  by \(safe(order))", .dim)) }
        return line
    }

    private func note(_ menu: ViewMenu, isEmpty: Bool) -> Line {
        if let name = menu.deletes {
            return [Span("once more deletes \(safe(name))", .warning)]
        }
        if let reason = model.noViewToSave {
            return isEmpty ? [Span("none is saved yet; \(reason)", .dim)] : []
        }
        return [Span("now: ", .dim), Span(safe(model.query.filter ?? ""))]
    }

    // MARK: Lists

    /// Lines of which one is chosen, around it where they do not all fit.
    mutating func drawChoices(_ lines: [Line], selected: Int, _ inside: Rect) {
        guard inside.rows > 0 else { return }
        let start = max(0, min(selected - inside.rows / 2, lines.count - inside.rows))
        for (index, line) in lines.dropFirst(start).prefix(inside.rows).enumerated() {
            let row = inside.row + index
            put(line, row: row, column: inside.column + 2, width: inside.columns - 2)
            mark(.choice(start + index), row: row, column: inside.column, width: inside.columns)
            if start + index == selected {
                put(glyphs.cursor, .tag, row: row, column: inside.column, width: 1)
                grid.tint(
                    Rect(row: row, column: inside.column, rows: 1, columns: inside.columns),
                    ink(.selection))
            }
        }
    }
}
