import Mail
import Terminal

extension Painter {
    /// In the bar, where otherwise it says how fresh the numbers are.
    func pastMark(_ past: Past) -> Line {
        guard let at = past.position ?? past.at else {
            return [Span("\(glyphs.starting) reading", .warning)]
        }
        let wide = grid.size.columns >= 70
        let clock = Format.clock(at, offset: model.moment.utcOffset)
        let name: Label = past.present == nil ? "REPLAY" : "PAST"
        var text: Label = " \(name) \(clock) "
        if wide { text += "\(ago(past, at)) " }
        if past.isPlaying {
            text += "\(glyphs.into)\(speed(past.speed)) "
        } else if past.present == nil {
            text += "\(glyphs.frozen) "
        }
        return [Span(text, .buttonFocused)]
    }

    /// A recording may be of any day.
    private func ago(_ past: Past, _ at: UnixTime) -> Label {
        if past.present == nil { return day(at) }
        return "\(Format.age((model.moment.wall - at).inSeconds)) ago"
    }

    private func day(_ time: UnixTime) -> Label {
        let local = time + .seconds(model.moment.utcOffset)
        return safe(String(DateHeader.iso8601(local).prefix(10)))
    }

    private func speed(_ speed: Double) -> Label {
        if speed >= 1 { return "\(Format.count(Int(speed)))x" }
        return speed >= 0.5 ? "1/2x" : "1/4x"
    }

    /// In the status line.
    func pastHint(_ past: Past) -> Line {
        if let problem = past.problem { return [Span("\(glyphs.lost) \(safe(problem))", .bad)] }
        var line: Line = [
            Span(past.present == nil ? "a recording" : "the past", .warning),
            Span(", nothing can be done here", .dim),
        ]
        if let span = past.span {
            let offset = model.moment.utcOffset
            line.append(
                Span(
                    "; \(Format.clock(span.lowerBound, offset: offset)) to "
                        + "\(Format.clock(span.upperBound, offset: offset))", .dim))
        }
        if past.present != nil, let key = model.options.keymap.label(of: .cancel) {
            line += [Span("  "), Span(key, .key), Span(" back to now", .dim)]
        }
        return line
    }

    mutating func drawTimePrompt(_ prompt: TimePrompt) {
        let ground = look.theme.ground(look.capabilities.depth)
        let row =
            layout.statusRow ?? (layout.strip.rows > 0 ? layout.strip.row : grid.size.rows - 1)
        grid.clear(line(row), ground)
        put("time", .key, row: row, column: 1, width: 4)
        drawField(
            prompt.field, row: row, column: 6, width: min(20, grid.size.columns - 8),
            wrong: prompt.isWrong ? 0 : nil, isFocused: true)
        let hint: Label =
            prompt.isWrong
            ? "that is no time: 14:05, 14:05:30 or -10m"
            : "14:05, 14:05:30 or -10m; Enter goes there"
        put(hint, prompt.isWrong ? .bad : .dim, row: row, column: 28, width: grid.size.columns - 29)
    }
}
