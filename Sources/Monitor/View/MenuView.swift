import Control
import Terminal

extension Painter {
    mutating func drawMenu(_ menu: Menu) {
        let title: Line
        switch menu.purpose {
        case .sort: title = [Span("Sort by", .dialogTitle)]
        case .worker(let subject, _):
            title = [Span("Reassign \(subject.label) to", .dialogTitle)]
        case .theme: title = [Span("Theme", .dialogTitle)]
        }
        let lines = menu.choices.map { line($0, of: menu) }
        let columns = max(lines.map(\.columns).max() ?? 0, title.columns + 2, 26) + 6
        let inside = box(
            centered(rows: lines.count + 2, columns: columns), title: title,
            footer: [
                Span("Enter", .key), Span(" takes  ", .dim), Span("Esc", .key),
                Span(" cancels", .dim),
            ])
        drawChoices(lines, selected: menu.selected, inside)
    }

    /// The one that was offered, as it is now.
    private func workerNow(_ id: Int, _ menu: Menu) -> WorkerRow? {
        guard case .worker(_, let workers) = menu.purpose else { return nil }
        let offered = workers.first { $0.id == id }
        return model.status?.workers.first { $0.rowID == offered?.rowID }
    }

    private func line(_ choice: Menu.Choice, of menu: Menu) -> Line {
        switch choice {
        case .sort(let name):
            guard let sort = model.page.sorts.first(where: { $0.name == name }) else { return [] }
            let isNow = name == model.query.sort
            let isDescending =
                name == nil && model.page.kind == .destinations || model.query.descending
            let arrow = isDescending ? glyphs.descending : glyphs.ascending
            return [
                Span(sort.title, isNow ? .strong : nil), Span(isNow ? " \(arrow)" : "  ", .tag),
                Span(Label(repeating: " ", count: 12 - sort.title.columns)), Span(sort.help, .dim),
            ]
        case .theme(let name): return [Span(safe(name))]
        case .worker(nil): return [Span("ring"), Span("  unpinned: the ring decides", .dim)]
        case .worker(let id?):
            guard let worker = workerNow(id, menu) else {
                return [Span("worker \(id)"), Span("  gone", .bad)]
            }
            let word: Label = worker.drainedBy == nil ? worker.state.word : "drained"
            let role: Role? = worker.drainedBy == nil ? worker.state.role : .warning
            return [
                Span("worker \(id) "), Span(glyphs.glyph(worker.state), role),
                Span(" \(word)  ", role),
                Span(
                    "\(Format.count(worker.destinations)) destinations, "
                        + "\(Format.rate(worker.deliveredPerSecond))/s", .dim),
                Span(id == menu.now ? "  now" : "", .strong),
            ]
        }
    }
}
