import Filter
import Terminal

extension Painter {
    mutating func drawPrompt(_ prompt: FilterPrompt) {
        let ground = look.theme.ground(look.capabilities.depth)
        let row =
            layout.statusRow ?? (layout.strip.rows > 0 ? layout.strip.row : grid.size.rows - 1)
        let width = grid.size.columns
        drawCompletion(prompt, above: row)
        grid.clear(line(row), ground)
        put("/", .key, row: row, column: 1, width: 1)
        drawField(
            prompt.field, row: row, column: 3, width: width - 4,
            wrong: prompt.failure?.position, isFocused: true)
        guard let hintRow = layout.hintRow, hintRow != row else { return }
        grid.clear(line(hintRow), ground)
        if let failure = prompt.failure {
            let place: Label = failure.position.map { "at \($0 + 1): " } ?? ""
            put(
                "\(place)\(safe(failure.message))", .bad, row: hintRow, column: 1,
                width: width - 2)
        } else {
            let hints: [Line] =
                [
                    [Span("Enter", .key), Span(" applies", .dim)],
                    [Span("Esc", .key), Span(" cancels", .dim)],
                    [Span("Tab", .key), Span(" completes", .dim)],
                ] + model.page.kind.filterExamples.map { [Span($0, .dim)] }
            put(hints.fitted(width - 2), row: hintRow, column: 1, width: width - 2)
        }
    }

    /// What can stand at the cursor, over the prompt and below the first line of the table.
    private mutating func drawCompletion(_ prompt: FilterPrompt, above row: Int) {
        guard let completion = prompt.completion, !completion.candidates.isEmpty else { return }
        let candidates = completion.candidates
        let room = min(10, candidates.count, row - layout.table.row - 3)
        guard room > 0 else { return }
        let widest = candidates.map { safe($0.text).columns }.max() ?? 0
        let lines = candidates.map { candidate -> Line in
            let text = safe(candidate.text)
            return [
                Span(text), Span(Label(repeating: " ", count: widest - text.columns + 1)),
                Span(safe(candidate.help), .dim),
            ]
        }
        let columns = min(grid.size.columns, max(24, (lines.map(\.columns).max() ?? 0) + 6))
        let rect = Rect(row: row - room - 2, column: 1, rows: room + 2, columns: columns)
        let more = candidates.count - room
        let inside = box(
            rect, title: [Span("Tab", .key)],
            footer: more > 0 ? [Span("\(Format.exact(more)) more", .dim)] : [])
        drawChoices(lines, selected: prompt.cycle?.index ?? -1, inside)
    }
}

extension PageKind {
    /// What can be typed there.
    fileprivate var filterExamples: [Label] {
        switch self {
        case .queue: ["code = 4xx and age > 1h", "sender = news@* or size > 1M"]
        case .events: ["kind = breaker or kind = worker", "text ~ refused"]
        case .trace: ["code = 4xx or code = 5xx", "direction = sent"]
        default: ["state = backoff and age > 1h", "queued > 100 or tokens = 0"]
        }
    }
}
