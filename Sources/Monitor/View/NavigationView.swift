import Terminal

extension PageKind {
    /// Where there is no room for the title.
    var shortTitle: Label {
        switch self {
        case .destinations: "Dests"
        case .destination: "Dest"
        case .message: "Msg"
        case .workers: "Work"
        case .actions: "Acts"
        default: title
        }
    }

    /// Which get a name first where not all can have one.
    fileprivate static let byUse: [PageKind] = [
        .destinations, .queue, .backoff, .workers, .events, .ages, .actions, .destination, .message,
        .trace, .nodes,
    ]
}

extension Painter {
    /// Where the page lies, and all pages with their keys: by name as far as there is room, the
    /// one that is shown stands out.
    mutating func drawNavigation() {
        guard let row = layout.navigationRow else { return }
        let width = grid.size.columns - 2
        // At the bottom of the stack the marked page says all.
        let digits = model.pageKinds.reduce(model.pageKinds.count - 1) {
            $0 + tab($1, nil).columns
        }
        let crumbs = model.pages.isAtRoot ? [] : self.crumbs(room: width - digits - 1)
        let names = tabNames(room: width - (crumbs.isEmpty ? 0 : crumbs.columns + 2))
        let tabs = model.pageKinds.map { tab($0, names[$0]) }
        let needed = tabs.reduce(tabs.count - 1) { $0 + $1.columns }
        let start = crumbs.isEmpty ? 1 : max(1, 1 + width - needed)
        put(crumbs, row: row, column: 1, width: start - 2)
        var x = start
        for (kind, tab) in zip(model.pageKinds, tabs) where x + tab.columns <= 1 + width {
            put(tab, row: row, column: x, width: tab.columns)
            if kind == model.page.kind {
                grid.tint(
                    Rect(row: row, column: x, rows: 1, columns: tab.columns), ink(.selection))
            }
            mark(.page(kind), row: row, column: x, width: tab.columns)
            x += tab.columns + 1
        }
    }

    /// Each of three columns at least: a digit, and air that shows where it can be pressed.
    private func tab(_ kind: PageKind, _ name: Label?) -> Line {
        let isHere = kind == model.page.kind
        let isOff = !isHere && model.obstacle(to: kind) != nil
        let digit = Span(safe(String(kind.key)), isOff ? .disabled : isHere ? .strong : .key)
        // A state is not shown by colour alone.
        let (open, close): (Label, Label) = isHere ? ("[", "]") : ("", "")
        var line: Line = [Span(open, .strong), digit]
        if let name { line.append(Span(" \(name)", isOff ? .disabled : isHere ? .strong : .dim)) }
        line.append(Span(close, .strong))
        return line
    }

    /// All titles where they fit, else short ones, else those of the pages that are used most.
    private func tabNames(room: Int) -> [PageKind: Label] {
        func needed(_ names: [PageKind: Label]) -> Int {
            model.pageKinds.reduce(model.pageKinds.count - 1) {
                $0 + tab($1, names[$1]).columns
            }
        }
        for title in [\PageKind.title, \PageKind.shortTitle] {
            let all = Dictionary(
                uniqueKeysWithValues: model.pageKinds.map { ($0, $0[keyPath: title]) })
            if needed(all) <= room { return all }
        }
        var names: [PageKind: Label] = [:]
        let here = model.page.kind
        // What cannot be shown now comes last.
        let order = PageKind.byUse.sorted { a, b in
            rank(a, here) < rank(b, here)
        }
        for kind in order where model.pageKinds.contains(kind) {
            var more = names
            more[kind] = kind.shortTitle
            if needed(more) <= room { names = more }
        }
        return names
    }

    private func rank(_ kind: PageKind, _ here: PageKind) -> Int {
        if kind == here { return 0 }
        let place = 1 + (PageKind.byUse.firstIndex(of: kind) ?? 0)
        return model.obstacle(to: kind) == nil ? place : 100 + place
    }

    /// From the bottom of the stack to its top; where that is too long, from as far down as there
    /// is room for.
    func crumbs(room: Int) -> Line {
        let entries = model.pages.entries
        var line: Line = []
        for (index, entry) in entries.enumerated().reversed() {
            let isTop = index == entries.count - 1
            let crumb = Span(entry.page.crumb, isTop ? .strong : .dim)
            let longer =
                isTop ? [crumb] : [crumb, Span(" \(glyphs.into) ", .dim)] + line
            // What is below is told to be there.
            let rest = index > 0 ? glyphs.into.columns + 1 : 0
            if !isTop, longer.columns + rest > room {
                return [Span("\(glyphs.into) ", .dim)] + line
            }
            line = longer
        }
        return line
    }
}
