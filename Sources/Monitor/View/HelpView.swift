import Control
import Terminal

/// The help page, made from the table of commands.
enum HelpText {
    static func lines(columns: Int, model: Model?, glyphs: Glyphs) -> [Line] {
        var lines: [Line] = []
        for group in Command.Group.allCases {
            if !lines.isEmpty { lines.append([]) }
            lines.append([Span(safe(group.rawValue), .strong)])
            for command in Command.all where command.group == group {
                lines.append(line(command, model))
                if command.operates, let model, case .no(let reason) = command.availability(model) {
                    lines.append([Span("              now not: \(reason)", .disabled)])
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

    /// At most; the reasons why something is off come and go.
    static func lineCount(columns: Int) -> Int {
        lines(columns: columns, model: nil, glyphs: .ascii).count
    }

    private static func line(_ command: Command, _ model: Model?) -> Line {
        let keys = command.keyNames.dropFirst().reduce(into: command.keyNames[0]) {
            $0 += ", " + $1
        }
        return [
            Span("  "), Span(keys, .key),
            Span(Label(repeating: " ", count: 12 - keys.columns)), Span(command.help),
        ]
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
    mutating func drawHelp(scroll: Int) {
        let all = HelpText.lines(columns: grid.size.columns, model: model, glyphs: glyphs)
        let rect = centered(rows: all.count + 2, columns: 76)
        let inside = box(
            rect, title: [Span("Help", .dialogTitle)],
            footer: [
                Span("j k", .key), Span(" scroll  ", .dim), Span("q", .key), Span(" back", .dim),
            ])
        let start = min(scroll, max(0, all.count - inside.rows))
        for (index, line) in all.dropFirst(start).prefix(inside.rows).enumerated() {
            put(line, row: inside.row + index, column: inside.column, width: inside.columns)
        }
    }
}
