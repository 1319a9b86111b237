import Control
import Mail
import Terminal

extension ActionKind {
    /// What the button says.
    var title: Label {
        switch self {
        case .retry: "Retry now"
        case .purge: "Purge"
        case .hold: "Hold"
        case .release: "Release"
        case .bounce: "Bounce"
        case .pause: "Pause"
        case .resume: "Resume"
        case .reassign: "Reassign"
        case .workers: "Set workers"
        case .drain: "Drain worker"
        case .undrain: "End the drain"
        }
    }
}

extension ActionKind {
    /// What `undo` undoes: "u undoes the …".
    var noun: Label {
        switch self {
        case .workers: "change of workers"
        case .undrain: "end of the drain"
        default: safe(rawValue)
        }
    }
}

/// What a preview says, most needed first.
private struct PreviewText {
    let preview: Preview
    let model: Model
    let glyphs: Glyphs
    let columns: Int

    /// A line and how soon it goes where there is no room: 0 never.
    typealias Ranked = (line: Line, rank: Int)

    var lines: [Ranked] {
        switch preview.phase {
        case .planning:
            return [(target, 1), ([Span("asking the daemon what this would touch ", .dim)], 0)]
        case .failed(let failure):
            return [(target, 1)]
                + safe(failure.message).wrapped(columns, limit: 3).enumerated().map {
                    ([Span($1, .bad)], $0)
                }
        case .ready(let plan), .applying(_, let plan): return lines(plan)
        }
    }

    /// " of mx2".
    private var place: Label {
        [preview.node, preview.host].compactMap { $0 }.reduce("") { "\($0) of \(safe($1))" }
    }

    private var target: Line {
        if preview.action == .drain || preview.action == .undrain {
            return [Span("worker \(preview.worker ?? 0)\(place)", .strong)]
        }
        if preview.action == .workers {
            let count = Format.counted(preview.worker ?? 0, "worker", "workers")
            return [Span("\(count)\(place)", .strong)]
        }
        var line: Line = [Span(preview.subject.label, .strong)]
        if preview.action == .reassign {
            line.append(Span(" \(glyphs.into) ", .dim))
            line.append(
                Span(preview.worker.map { "worker \($0)" } ?? "as the ring says", .strong))
        }
        return line
    }

    private func lines(_ plan: Plan) -> [Ranked] {
        var lines: [Ranked] = [(target, 2), (counts(plan), 0)]
        let facts = self.facts(plan)
        if !facts.isEmpty { lines.append((facts, 4)) }
        for (index, line) in safe(plan.effect).wrapped(columns, limit: 3).enumerated() {
            lines.append(([Span(line)], 1 + index))
        }
        for note in plan.notes {
            for (index, line) in safe(note).wrapped(columns - 2, limit: 2).enumerated() {
                let lead = index == 0 ? glyphs.bullet : " "
                lines.append(([Span("\(lead) \(line)", .warning)], 3))
            }
        }
        var details: [Ranked] = []
        if let line = top("senders", plan.topSenders) { details.append((line, 6)) }
        if let line = top("domains", plan.topDomains) { details.append((line, 7)) }
        for sample in plan.samples.prefix(5) { details.append((self.sample(sample), 8)) }
        if !details.isEmpty { lines += [([], 9)] + details }
        return lines
    }

    private func counts(_ plan: Plan) -> Line {
        let counts = plan.counts
        var line: Line = []
        func add(_ label: Label, _ role: Role? = nil) {
            if !line.isEmpty { line.append(Span(", ", .dim)) }
            line.append(Span(label, role))
        }
        if preview.action.actsOnDeliveries {
            add(Format.counted(counts.deliveries, "delivery", "deliveries"), .strong)
            add(Format.counted(counts.destinations, "destination", "destinations"))
        } else {
            add(Format.counted(counts.destinations, "destination", "destinations"), .strong)
            add(Format.counted(counts.deliveries, "delivery", "deliveries"))
        }
        // Of what is only moved nobody counts whose it is.
        guard preview.action.actsOnDeliveries || counts.messages > 0 else { return line }
        add(Format.counted(counts.messages, "message", "messages"))
        add(Format.counted(counts.recipients, "recipient", "recipients"))
        add(Format.bytes(counts.bytes))
        return line
    }

    private func facts(_ plan: Plan) -> Line {
        var line: Line = []
        if let oldest = plan.oldestAt {
            line.append(Span("oldest ", .dim))
            line.append(Span(Format.age(max(0, (plan.at - oldest).inSeconds))))
        }
        if let drain = plan.drainSeconds {
            if !line.isEmpty { line.append(Span(", ", .dim)) }
            line.append(Span("gone in about ", .dim))
            line.append(Span(Format.countdown(drain)))
            line.append(Span(" at the present limits", .dim))
        }
        if let undo = plan.undoSeconds {
            if !line.isEmpty { line.append(Span(", ", .dim)) }
            line.append(Span("can be undone for ", .dim))
            line.append(Span(Format.countdown(undo)))
        }
        return line
    }

    private func top(_ title: Label, _ counts: [NamedCount]) -> Line? {
        if counts.isEmpty { return nil }
        var line: Line = [Span(title, .dim), Span(" ")]
        for count in counts.prefix(5) {
            let name: Label = count.name.isEmpty ? "<>" : safe(count.name)
            line += [Span(" \(name) "), Span("\(Format.exact(count.count)) ", .dim)]
        }
        return line
    }

    private func sample(_ row: MessageRow) -> Line {
        let sender: Label = row.sender.isEmpty ? "<>" : safe(row.sender)
        let more = row.recipients.count - 1
        var line: Line = [
            Span("\(safe(row.id)) ", .dim),
            Span("\(Format.age(max(0, model.secondsSince(row.receivedAt)))) ", .dim),
            Span("\(sender) \(glyphs.into) \(safe(row.recipients.first ?? ""))"),
        ]
        if more > 0 { line.append(Span(" +\(more)", .dim)) }
        if let reply = row.lastReply { line.append(Span("  \(safe(reply))", .dim)) }
        return line
    }
}

extension Subject {
    /// In words: "gmail.com, yahoo.com, aol.com and 12 more".
    var label: Label {
        if let matching {
            let rows: Label = matching.kind == .destination ? "destinations" : "deliveries"
            return matching.filter.map { "all \(rows) that match \(safe($0))" } ?? "all \(rows)"
        }
        let names = targets.prefix(3).map { safe($0.name) }
        var label = names.dropFirst().reduce(into: names.first ?? "") { $0 += ", " + $1 }
        let more = targets.count - names.count
        if more > 0 { label += " and \(Format.exact(more)) more" }
        return label
    }
}

extension Painter {
    /// Longer lines are hard to read.
    private static let previewColumns = 96

    mutating func drawPreview(_ preview: Preview) {
        let text = PreviewText(
            preview: preview, model: model, glyphs: glyphs,
            columns: min(grid.size.columns, Self.previewColumns) - 4)
        var lines = text.lines
        let mustType = preview.plan?.mustTypeCount == true
        // Fields, buttons, and air between them.
        let controls = preview.focuses.count - 1
        let frame = grid.size.rows >= 6 ? 2 : 0
        let room = grid.size.rows - frame - controls
        let air = room > lines.count + 2 ? 1 : 0
        while lines.count > max(1, room), let worst = lines.map(\.rank).max(), worst > 0,
            let index = lines.lastIndex(where: { $0.rank == worst })
        {
            lines.remove(at: index)
        }
        let widest = (lines.map(\.line.columns).max() ?? 0) + 4
        let columns = min(grid.size.columns, max(56, min(widest, Self.previewColumns)))
        let rows = min(grid.size.rows, lines.count + controls + frame + 2 * air)
        let rect = centered(rows: rows, columns: columns)
        let footer: Line = [
            Span("Tab", .key), Span(" moves  ", .dim), Span("Enter", .key),
            Span(" presses  ", .dim), Span("Esc", .key), Span(" cancels", .dim),
        ]
        let inside: Rect
        if frame > 0 {
            inside = box(rect, title: [Span(preview.action.title, .dialogTitle)], footer: footer)
        } else {
            grid.clear(rect, look.ink(.dialog).over(look.theme.ground(look.capabilities.depth)))
            inside = rect
        }
        var row = inside.row
        for (line, _) in lines {
            put(line, row: row, column: inside.column, width: inside.columns)
            row += 1
        }
        row += air
        drawControls(preview, mustType: mustType, inside, row, air: air)
    }

    private mutating func drawControls(
        _ preview: Preview, mustType: Bool, _ inside: Rect, _ top: Int, air: Int
    ) {
        var row = top
        if preview.focuses.contains(.time) {
            field(
                "for", preview.time, .time, preview, "until resumed; or 30m, 2h, 1d", row: row,
                inside)
            row += 1
        }
        field(
            "reason", preview.reason, .reason, preview, "optional, kept with the action",
            row: row, inside)
        row += 1
        if mustType {
            let count = Format.exact(preview.plan?.counts.deliveries ?? 0)
            field("type \(count)", preview.count, .count, preview, "", row: row, inside)
            row += 1
        }
        row += air
        drawButtons(preview, row: row, inside)
    }

    private mutating func field(
        _ title: Label, _ field: TextField, _ focus: Preview.Focus, _ preview: Preview,
        _ placeholder: Label, row: Int, _ inside: Rect
    ) {
        let isFocused = preview.focus == focus
        mark(.focus(focus), row: row, column: inside.column, width: inside.columns)
        let width = max(7, title.columns + 1)
        put(title, isFocused ? .strong : .dim, row: row, column: inside.column, width: width)
        drawField(
            field, row: row, column: inside.column + width, width: inside.columns - width,
            isFocused: isFocused, placeholder: placeholder)
    }

    private mutating func drawButtons(_ preview: Preview, row: Int, _ inside: Rect) {
        let obstacle = model.obstacle(preview)
        var x = inside.column
        x = button("Cancel", .cancel, preview, danger: false, off: false, row: row, x)
        let isFailed = if case .failed = preview.phase { true } else { false }
        var title = isFailed ? "Preview again" : preview.action.title
        if preview.action.actsOnDeliveries, let plan = preview.plan {
            title += " \(Format.exact(plan.counts.deliveries))"
        }
        x = button(
            title, .confirm, preview, danger: preview.isDangerous, off: obstacle != nil,
            row: row, x + 2)
        let rest = inside.column + inside.columns - x - 2
        guard rest > 8 else { return }
        if let waited = waited(preview), let progress = model.progress(of: preview), rest >= 18 {
            let verb: Label =
                switch progress.phase {
                case .planning: "counted"
                case .reading: "looking at"
                case .changing: "done"
                case .checking: "checked"
                }
            let text: Line = [
                Span(" \(Int(100 * progress.fraction))% ", .strong),
                Span(
                    "\(verb) \(Format.count(progress.done)) of \(Format.count(progress.total)), "
                        + "\(Format.age(waited))", .dim),
            ]
            let columns = max(6, min(16, rest - text.columns))
            put(
                gauge.bar(progress.fraction, columns: columns, .gauge) + text, row: row,
                column: x + 2, width: rest)
            return
        }
        if let waited = waited(preview) {
            let gauge = gauge.moving(waited, columns: min(16, rest - 6), .gauge)
            put(
                gauge + [Span(" \(Format.age(waited))", .dim)], row: row, column: x + 2,
                width: rest)
            return
        }
        if let obstacle {
            put(obstacle, .warning, row: row, column: x + 2, width: rest)
        } else if let plan = preview.plan, let left = model.secondsLeft(plan), left < 30 {
            put(
                "holds for \(Format.countdown(left))", .dim, row: row, column: x + 2, width: rest)
        }
    }

    /// Seconds that the daemon has been at it, once that is long enough to be told.
    private func waited(_ preview: Preview) -> Double? {
        switch preview.phase {
        case .planning, .applying: break
        case .ready, .failed: return nil
        }
        let seconds = (model.moment.elapsed - preview.since).inSeconds
        return seconds >= 0.5 ? seconds : nil
    }

    /// Brackets say what has the focus where colours cannot.
    private mutating func button(
        _ title: Label, _ focus: Preview.Focus, _ preview: Preview, danger: Bool, off: Bool,
        row: Int, _ column: Int
    ) -> Int {
        let isFocused = preview.focus == focus
        let text: Label = isFocused ? "[ \(title) ]" : "  \(title)  "
        let role: Role =
            isFocused ? (danger ? .dangerFocused : .buttonFocused) : .button
        let rect = Rect(row: row, column: column, rows: 1, columns: text.columns)
        fill(rect, role)
        mark(.focus(focus), row: row, column: column, width: text.columns)
        put(text, off ? .disabled : nil, row: row, column: column, width: text.columns)
        return column + text.columns
    }
}
