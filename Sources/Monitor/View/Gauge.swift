import Terminal

/// Quantities as pictures, a line of spans each.
struct Gauge {
    let glyphs: Glyphs

    /// Connections busy, the window open beside them, and what of the limit the window has
    /// closed: `▮▮▮▯▯··`.
    func window(connections: Int, window: Int, limit: Int, columns: Int) -> Line {
        let whole = max(limit, window, connections, 1)
        let cells = min(columns, whole)
        func part(_ value: Int) -> Int {
            value <= 0 ? 0 : max(1, Int((Double(value) / Double(whole) * Double(cells)).rounded()))
        }
        let busy = min(part(connections), cells)
        let open = max(part(window), busy)
        return [
            Span(Label(repeating: glyphs.full, count: busy), .gauge),
            Span(Label(repeating: glyphs.room, count: open - busy), .gaugeRoom),
            Span(Label(repeating: glyphs.closed, count: cells - open), .gaugeClosed),
            Span(Label(repeating: " ", count: columns - cells)),
        ]
    }

    /// A bar in eighths of a column.
    func bar(_ share: Double, columns: Int, _ role: Role) -> Line {
        let share = share.isFinite ? min(1, max(0, share)) : 0
        let eighths = Int((share * Double(columns * 8)).rounded())
        let whole = eighths / 8
        let rest = eighths % 8
        return [
            Span(Label(repeating: glyphs.bars[7], count: whole), role),
            Span(rest > 0 ? glyphs.bars[rest - 1] : "", role),
            Span(
                Label(repeating: glyphs.closed, count: columns - whole - (rest > 0 ? 1 : 0)),
                .gaugeClosed),
        ]
    }

    /// For what goes on without saying how far it is: a block that moves to and fro, a step in an
    /// eighth of a second.
    func moving(_ seconds: Double, columns: Int, _ role: Role) -> Line {
        guard columns > 0 else { return [] }
        let block = max(1, columns / 4)
        let room = columns - block
        let steps = seconds.isFinite ? Int(min(max(0, seconds), 1e9) * 8) : 0
        let place = room == 0 ? 0 : steps % (2 * room)
        let before = place <= room ? place : 2 * room - place
        return [
            Span(Label(repeating: glyphs.closed, count: before), .gaugeClosed),
            Span(Label(repeating: glyphs.bars[7], count: block), role),
            Span(Label(repeating: glyphs.closed, count: room - before), .gaugeClosed),
        ]
    }

    /// The last `columns` of a history, the newest at the right, as tall as `peak`.
    func spark(_ history: [Int], columns: Int, peak: Int? = nil) -> Line {
        let shown = history.suffix(columns)
        let peak = max(1, peak ?? shown.max() ?? 1)
        var line: Line = [
            Span(Label(repeating: " ", count: columns - shown.count))
        ]
        for value in shown {
            if value <= 0 {
                line.append(Span(glyphs.sparks[0], .gaugeClosed))
            } else {
                let step = Int((Double(min(value, peak)) / Double(peak) * 8).rounded(.up))
                line.append(Span(glyphs.sparks[step], .spark))
            }
        }
        return line
    }
}

extension Painter {
    var gauge: Gauge { Gauge(glyphs: glyphs) }
}
