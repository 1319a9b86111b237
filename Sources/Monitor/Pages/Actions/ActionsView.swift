import Control
import Mail
import Terminal

/// A column of the table of actions.
enum ActionColumn: String, TableColumn {
    case at, host, node, by, action, target, count, state, reason, result

    var title: Label {
        switch self {
        case .at: "WHEN"
        case .host: "HOST"
        case .node: "NODE"
        case .by: "WHO"
        case .action: "ACTION"
        case .target: "ON"
        case .count: "HOW MANY"
        case .state: "UNDO"
        case .reason: "WHY"
        case .result: "RESULT"
        }
    }

    var shortTitle: Label { self == .count ? "N" : title }

    var alignment: Grid.Alignment { self == .count ? .right : .left }

    static let steps: [(column: ActionColumn, width: Int)] = [
        (.action, 8), (.at, 8), (.host, 7), (.target, 12), (.count, 6), (.state, 6), (.by, 8),
        (.node, 6),
        (.target, 20),
        (.count, 8), (.state, 10), (.by, 16), (.reason, 16), (.result, 24), (.target, 30),
        (.reason, 30), (.result, 60),
    ]

    static let elastic: [ActionColumn] = [.result, .reason, .target]
}

extension ActionsPage {
    func draw(on painter: inout Painter) {
        let text = ActionText(model: painter.model, glyphs: painter.glyphs)
        painter.drawTable(
            list,
            ActionColumn.fitted(
                painter.grid.size.columns - 2,
                of: ActionColumn.standard.filter {
                    !painter.placesUnknown(.host, .node).contains($0)
                }),
            empty: "nobody has done anything yet"
        ) { column, row, width in
            text.line(column, row)
        }
        painter.drawStrip(list.current.map(text.explanation) ?? [], isLost: list.cursor.isLost)
    }
}

struct ActionText {
    let model: Model
    let glyphs: Glyphs

    func line(_ column: ActionColumn, _ row: ActionRow) -> Line {
        switch column {
        case .at: return [Span(when(row), .dim)]
        case .host: return model.origin(host: row.host)
        case .node: return [row.node.map { Span(safe($0)) } ?? Span(glyphs.dash, .dim)]
        case .by: return [Span(safe(row.by))]
        case .action: return [Span(safe(row.action.rawValue), .strong)]
        case .target: return [Span(safe(row.target))]
        case .count:
            let count =
                row.action.actsOnDeliveries ? row.counts.deliveries : row.counts.destinations
            return [count == 0 ? Span("0", .dim) : Span(Format.count(count))]
        case .state: return state(row)
        case .reason:
            return [row.reason.isEmpty ? Span(glyphs.dash, .dim) : Span(safe(row.reason))]
        case .result: return [Span(safe(row.result))]
        }
    }

    /// The clock today, else how long ago.
    private func when(_ row: ActionRow) -> Label {
        let age = model.secondsSince(row.at)
        return age < 43_200
            ? Format.clock(row.at, offset: model.moment.utcOffset) : "\(Format.age(age)) ago"
    }

    private func state(_ row: ActionRow) -> Line {
        switch row.state {
        case .done: return [Span(glyphs.dash, .dim)]
        case .undone: return [Span("undone", .dim)]
        case .failed: return [Span("failed", .bad)]
        case .undoable:
            guard row.undoUntil != nil else { return [Span("possible", .good)] }
            guard let seconds = model.secondsUntil(row.undoUntil) else {
                return [Span("over", .dim)]
            }
            return [Span("\(Format.countdown(seconds)) left", .warning)]
        }
    }

    func explanation(_ row: ActionRow) -> [Line] {
        var first: Line = [
            Span(safe(row.action.rawValue), .strong), Span(" \(safe(row.target))"),
            Span(" by \(safe(row.by)), \(Format.age(model.secondsSince(row.at))) ago", .dim),
        ]
        if !row.reason.isEmpty { first.append(Span(": \(safe(row.reason))")) }
        return [first, [Span(safe(row.result))]]
    }
}
