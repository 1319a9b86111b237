import Control
import Mail
import Terminal

extension TracePage {
    func draw(on painter: inout Painter) {
        let body = painter.layout.body
        let width = painter.grid.size.columns - 2
        let room = body.rows + painter.layout.strip.rows - 1
        guard room > 0 else { return }
        let (lines, newer) = log.window(rows: room, where: shows)
        painter.fill(painter.line(body.row), .heading)
        let heading = heading(newer: newer, follow: painter.followHint, glyphs: painter.glyphs)
        painter.put(heading, row: body.row, column: 1, width: width)
        painter.drawFilter(query, row: body.row, beside: heading)
        if lines.isEmpty {
            return painter.drawNotice(
                filter == nil
                    ? "nothing has been said since this page was opened"
                    : "nothing that matches has been said since this page was opened")
        }
        for (index, entry) in lines.enumerated() {
            let y = body.row + 1 + index
            painter.put(
                line(entry.line, painter.model, painter.glyphs), row: y, column: 2, width: width - 1
            )
            if entry.number == log.cursor {
                painter.put(painter.glyphs.cursor, .tag, row: y, column: 0, width: 1)
                painter.grid.tint(painter.line(y), painter.ink(.selection))
            }
        }
    }

    private func heading(newer: Int, follow: Label, glyphs: Glyphs) -> Line {
        var line: Line = [Span("TIME     CONN    ", .heading)]
        if log.isFollowing {
            line.append(Span("\(glyphs.live) following", .headingSorted))
        } else {
            line.append(
                Span(
                    "\(glyphs.frozen) stopped, \(Format.exact(newer)) newer\(follow)",
                    .headingSorted))
        }
        if showsContent {
            line.append(Span("  \(glyphs.lost) with what messages say", .headingSorted))
        }
        if dropped > 0 {
            line.append(
                Span("  \(Format.counted(dropped, "line", "lines")) left out", .headingSorted))
        }
        return line
    }

    private func line(_ line: TraceLine, _ model: Model, _ glyphs: Glyphs) -> Line {
        let connection: Label = "\(line.worker):\(line.connection)"
        var spans: Line = [
            Span(Format.clock(line.at, offset: model.moment.utcOffset), .dim), Span(" "),
            Span(connection, .dim),
            Span(Label(repeating: " ", count: max(1, 8 - connection.columns))),
        ]
        if line.dropped > 0 {
            spans.append(
                Span("\(glyphs.lost) \(Format.exact(line.dropped)) left out  ", .warning))
        }
        let role = Self.role(of: line)
        return spans + [Span("\(safe(line.direction)) ", role), Span(safe(line.text), role)]
    }

    /// By who speaks, and for replies by their code, which is there to be read.
    private static func role(of line: TraceLine) -> Role? {
        switch line.direction {
        case ">": .sent
        case TraceLine.contentDirection: nil
        case "<":
            switch line.code ?? 0 {
            case 400..<500: .warning
            case 500...: .bad
            default: .received
            }
        default: .dim
        }
    }
}
