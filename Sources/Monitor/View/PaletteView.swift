import Terminal

extension Painter {
    private static let paletteColumns = 84

    mutating func drawPalette(_ palette: Palette) {
        let matches = model.matches(palette)
        // As high with one match as with all: a box that jumps while one types is hard to read.
        let rows = min(Command.all.count + 1, max(3, grid.size.rows - 6))
        let inside = box(
            centered(rows: rows + 2, columns: Self.paletteColumns),
            title: [Span("Commands", .dialogTitle)],
            footer: [
                Span("Enter", .key), Span(" does it  ", .dim), Span("Esc", .key),
                Span(" cancels", .dim),
            ])
        guard inside.rows > 0 else { return }
        put(":", .key, row: inside.row, column: inside.column, width: 1)
        drawField(
            palette.field, row: inside.row, column: inside.column + 2, width: inside.columns - 2,
            isFocused: true)
        let room = inside.rows - 1
        guard room > 0 else { return }
        guard !matches.isEmpty else {
            put(
                "nothing is called that", .dim, row: inside.row + 1, column: inside.column + 2,
                width: inside.columns - 2)
            return
        }
        let start = max(0, min(palette.selected - room / 2, matches.count - room))
        for (index, command) in matches.dropFirst(start).prefix(room).enumerated() {
            let row = inside.row + 1 + index
            put(line(command), row: row, column: inside.column + 2, width: inside.columns - 2)
            mark(.choice(start + index), row: row, column: inside.column, width: inside.columns)
            guard start + index == palette.selected else { continue }
            put(glyphs.cursor, .tag, row: row, column: inside.column, width: 1)
            grid.tint(
                Rect(row: row, column: inside.column, rows: 1, columns: inside.columns),
                ink(.selection))
        }
    }

    /// Its key, its name, and what it does or why it does not.
    private func line(_ command: Command) -> Line {
        let reason = command.availability(model).reason
        let key = model.options.keymap.label(of: command.id) ?? ""
        let name = safe(command.id.name)
        return [
            Span(key, reason == nil ? .key : .disabled),
            Span(Label(repeating: " ", count: max(1, 7 - key.columns))),
            Span(name, reason == nil ? .strong : .disabled),
            Span(Label(repeating: " ", count: max(1, 19 - name.columns))),
            Span(reason.map { "not now: \($0)" } ?? command.help, reason == nil ? nil : .disabled),
        ]
    }
}
