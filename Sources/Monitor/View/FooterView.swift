import Control
import Mail
import Terminal

extension Painter {
    // MARK: The status line

    mutating func drawStatus() {
        let width = grid.size.columns - 2
        let news = self.news
        guard let row = layout.statusRow else {
            // No line of its own: what is new goes before what can wait.
            let shared = layout.strip
            guard !news.isEmpty, shared.rows > 0 else { return }
            grid.clear(shared, look.theme.ground(look.capabilities.depth))
            put(news, row: shared.row, column: 1, width: width)
            return
        }
        let position = self.position
        let left = news.isEmpty ? tagged : news
        let gap = left.isEmpty ? 0 : 2
        // What was done is said whole; the position can wait.
        let room = max(0, width - left.columns - gap)
        let right = position.fitted(room, gap: 2)
        put(left, row: row, column: 1, width: width)
        put(right, row: row, column: 1 + width - right.columns, width: right.columns)
    }

    /// What was done, else what is wrong.
    private var news: Line {
        if let undo = model.undoProgress { return undoing(undo.waited, undo.progress) }
        if let feedback = model.feedback {
            let role: Role =
                switch feedback.kind {
                case .done: .good
                case .hint: .warning
                case .failed: .bad
                }
            return [Span(feedback.text, role)] + undoHint
        }
        if let past = model.past { return pastHint(past) }
        if case .lost(_, _, _, let reason) = model.link { return [Span(safe(reason), .bad)] }
        if let error = model.status?.spoolError {
            return [Span("\(glyphs.lost) the spool cannot record: \(safe(error))", .bad)]
        }
        if let error = model.status?.intakeError {
            return [Span("\(glyphs.lost) no mail is taken in: \(safe(error))", .bad)]
        }
        if let warning = model.status?.warning {
            return [Span("\(glyphs.lost) \(safe(warning))", .warning)]
        }
        if let undoable = model.undoable, let left = model.undoSeconds, left.isFinite {
            // Its hint names it.
            return [Span(safe(undoable.target), .dim)] + undoHint
        }
        return []
    }

    private func undoing(_ waited: Double, _ progress: RunningAction?) -> Line {
        let columns = min(16, grid.size.columns / 4)
        guard let progress else {
            return [Span("undoing ", .strong)] + gauge.moving(waited, columns: columns, .gauge)
                + [Span(" \(Format.age(waited))", .dim)]
        }
        // It has one phase, not the three of an action.
        let fraction = min(1, Double(progress.done) / Double(max(1, progress.total)))
        return [Span("undoing ", .strong)] + gauge.bar(fraction, columns: columns, .gauge)
            + [
                Span(" \(Int(100 * fraction))% ", .strong),
                Span(
                    "\(Format.count(progress.done)) of \(Format.count(progress.total)), "
                        + "\(Format.age(waited))", .dim),
            ]
    }

    private var undoHint: Line {
        guard model.mayNotOperate == nil, let undoable = model.undoable,
            let left = model.undoSeconds, let key = model.options.keymap.label(of: .undo)
        else { return [] }
        let time: Label = left.isFinite ? ", \(Format.countdown(left)) left" : ""
        // What was said last need not be what can be undone.
        return [
            Span("  "), Span(key, .key),
            Span(" undoes the \(undoable.action.noun)\(time)", .dim),
        ]
    }

    private var tagged: Line {
        if let matching = model.matching {
            let count: Label =
                model.page.position(in: model).map { "\(Format.exact($0.total)) " } ?? ""
            let rest: Label = matching.filter == nil ? "" : "that match"
            return [Span("\(glyphs.tag) all \(count)\(rest)", .tag)]
        }
        if model.range != nil {
            let keys = model.options.keymap.label(of: .tagRange) ?? ""
            return [
                Span("\(glyphs.tag) \(Format.exact(model.tags.count)) tagged, to here", .tag),
                Span("  "), Span(keys, .key), Span(" ends the range", .dim),
            ]
        }
        return model.tags.isEmpty
            ? [] : [Span("\(glyphs.tag) \(Format.exact(model.tags.count)) tagged", .tag)]
    }

    /// Where in what: rows, then the order, then the filter.
    private var position: [Line] {
        guard let position = model.page.position(in: model) else { return [] }
        let query = model.query
        var parts: [Line] = []
        parts.append([
            Span(
                position.total == 0
                    ? "none"
                    : "\(position.shown.lowerBound + 1)\(glyphs.dash)\(position.shown.upperBound) of \(Format.exact(position.total))",
                .dim)
        ])
        if let shown = model.page.shownQuery, query != shown {
            parts.append([Span("asking", .warning)])
        }
        if let sort = query.sort {
            let arrow = query.descending ? glyphs.descending : glyphs.ascending
            parts.append([Span("by \(safe(sort)) \(arrow)", .dim)])
        } else if query.descending {
            parts.append([Span("inverted", .dim)])
        }
        if let filter = query.filter {
            let name: Line = model.currentView.map { [Span("\(safe($0.name)): ", .tag)] } ?? []
            parts.insert([Span("/ ", .key)] + name + [Span(safe(filter), .strong)], at: 0)
        }
        return parts
    }

    // MARK: Hints

    mutating func drawHints() {
        guard let row = layout.hintRow else { return }
        let width = grid.size.columns - 2
        let commands = Command.all.filter { command in
            guard command.rank != nil, model.options.keymap.label(of: command.id) != nil
            else { return false }
            if command.operates, model.mayNotOperate != nil { return false }
            switch command.availability(model) {
            case .yes: return true
            case .no: return !command.isQuiet
            // On a page only what means something there.
            case .elsewhere: return false
            }
        }
        var shown: [Command] = []
        var used = 0
        for command in commands.sorted(by: { ($0.rank ?? 0) < ($1.rank ?? 0) }) {
            let needed = hint(command).columns + 2
            if used + needed > width + 2 { break }
            used += needed
            shown.append(command)
        }
        let ids = Set(shown.map(\.id))
        var x = 1
        for command in Command.all where ids.contains(command.id) {
            let hint = hint(command)
            put(hint, row: row, column: x, width: width + 1 - x)
            mark(.command(command.id), row: row, column: x, width: hint.columns)
            x += hint.columns + 2
        }
    }

    private func hint(_ command: Command) -> Line {
        let isOff = command.availability(model) != .yes
        return [
            Span(model.options.keymap.label(of: command.id) ?? "", isOff ? .disabled : .key),
            Span(" \(title(command))", isOff ? .disabled : .dim),
        ]
    }

    private func title(_ command: Command) -> Label {
        switch command.id {
        case .freeze where model.past != nil: model.past?.isPlaying == true ? "stop" : "play"
        case .quit where model.pages.isAtRoot && model.past?.present != nil: "to now"
        case .freeze where model.frozenAt != nil: "go on"
        case .quit where !model.pages.isAtRoot: "back"
        default: command.title
        }
    }

    // MARK: Fields

    /// A line that is edited; the part around the cursor where it is too long.
    mutating func drawField(
        _ field: TextField, row: Int, column: Int, width: Int, wrong: Int? = nil,
        isFocused: Bool, placeholder: Label = ""
    ) {
        guard width > 0, row >= 0, row < grid.size.rows else { return }
        let rect = Rect(row: row, column: column, rows: 1, columns: width)
        fill(rect, .field)
        if field.characters.isEmpty, !isFocused {
            put(placeholder, .placeholder, row: row, column: column, width: width)
        }
        let labels = field.characters.map { safe(String($0)) }
        var start = 0
        while labels[start..<field.cursor].reduce(0, { $0 + $1.columns }) > width - 1 { start += 1 }
        var x = column
        for index in start..<labels.count {
            let columns = labels[index].columns
            if x + columns > column + width { break }
            put(
                labels[index], index == wrong ? .bad : nil, row: row, column: x, width: columns)
            if index == field.cursor, isFocused { grid.cursor = (row, x) }
            x += columns
        }
        if field.cursor == labels.count, isFocused {
            grid.cursor = (row, min(x, column + width - 1))
        }
    }
}

extension Model {
    /// What keys act on is paused.
    var isPaused: Bool { current?.state == .paused || current?.pausedBy != nil }
}
