import Control
import Terminal

/// The help page, made from the table of commands.
enum HelpText {
    /// Of the box, where the terminal has room for it.
    static let columns = 76
    /// Where what a key does begins.
    private static let indent = 14

    static func lines(_ model: Model, glyphs: Glyphs) -> [Line] {
        var lines: [Line] = []
        for group in Command.Group.allCases {
            if !lines.isEmpty { lines.append([]) }
            lines.append([Span(safe(group.rawValue), .strong)])
            // Without the right to act there are no keys for it.
            if group == .act, let reason = model.mayNotOperate {
                lines.append([Span("  \(reason)", .disabled)])
            }
            for command in Command.all where command.group == group && command.isOffered(model) {
                if command.operates, model.mayNotOperate != nil { continue }
                lines += self.lines(command, model)
                if command.operates, let reason = command.availability(model).reason {
                    lines.append([Span("              not now: \(reason)", .disabled)])
                }
            }
        }
        lines += [[], [Span("What a destination does", .strong)]]
        for (state, text) in states {
            lines.append([
                Span("  \(glyphs.glyph(state)) \(state.word)", state.role),
                Span(Label(repeating: " ", count: 12 - state.word.columns)), Span(text),
            ])
        }
        lines += [[], [Span("Pictures", .strong)]]
        let gauge = Gauge(glyphs: glyphs)
        lines.append(
            [Span("  ")] + gauge.window(connections: 3, window: 5, limit: 8, columns: 8)
                + [Span("    3 connections, window 5, limit 8")])
        lines.append(
            [Span("  ")] + gauge.bar(0.6, columns: 8, .tokens)
                + [Span("    what is left in the rate bucket")])
        lines.append(
            [Span("  ")] + gauge.spark([0, 1, 3, 6, 8, 5, 2, 4], columns: 8)
                + [Span("    deliveries in each of the last seconds")])
        return lines
    }

    static func lineCount(_ model: Model) -> Int { lines(model, glyphs: .ascii).count }

    private static func lines(_ command: Command, _ model: Model) -> [Line] {
        let keys = model.options.keymap.allLabels(of: command.id)
        // What has no key is called by its name.
        let shown: Line =
            keys.isEmpty ? [Span(":\(safe(command.id.name))", .dim)] : [Span(keys, .key)]
        // Borders, and a column beside each.
        let width = min(columns, model.size.columns) - 4 - indent
        let texts = command.help.wrapped(max(10, width), limit: 8)
        let first = Label(repeating: " ", count: max(1, indent - 2 - shown.columns))
        return [[Span("  ")] + shown + [Span(first), Span(texts.first ?? "")]]
            + texts.dropFirst().map {
                [Span(Label(repeating: " ", count: indent)), Span($0)]
            }
    }

    private static let states: [(DestinationState, Label)] = [
        (.delivering, "deliveries run, nothing that is due waits"),
        (.waiting, "mail is due and waits for tokens, the window or a worker"),
        (.backoff, "refused for now: nothing is tried until the time shown"),
        (.probing, "one delivery finds out whether it works again"),
        (.paused, "kept back by an operator"),
        (.scheduled, "mail is queued, none of it due yet"),
        (.idle, "nothing is queued"),
    ]
}

extension Painter {
    /// For the lower edge of a box: the keys of commands, and what they do there.
    func keys(_ hints: [(ids: [Command.ID], text: Label)]) -> Line {
        var line: Line = []
        for (ids, text) in hints {
            let labels = ids.compactMap { model.options.keymap.label(of: $0) }
            guard let first = labels.first else { continue }
            if !line.isEmpty { line.append(Span("  ")) }
            line.append(Span(labels.dropFirst().reduce(into: first) { $0 += " " + $1 }, .key))
            line.append(Span(" \(text)", .dim))
        }
        return line
    }

    /// How a page that was stopped goes on.
    var followHint: Label {
        model.options.keymap.label(of: .last).map { ": \($0) follows again" } ?? ""
    }

    mutating func drawHelp(scroll: Int) {
        let all = HelpText.lines(model, glyphs: glyphs)
        let rect = centered(rows: all.count + 2, columns: HelpText.columns)
        let inside = box(
            rect, title: [Span("Help", .dialogTitle)],
            footer: keys([([.down, .up], "scroll"), ([.quit], "back")]))
        let start = min(scroll, max(0, all.count - inside.rows))
        for (index, line) in all.dropFirst(start).prefix(inside.rows).enumerated() {
            put(line, row: inside.row + index, column: inside.column, width: inside.columns)
        }
    }
}
