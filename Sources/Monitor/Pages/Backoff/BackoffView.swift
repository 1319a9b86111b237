import Control
import Mail
import Terminal

/// A column of the time line.
enum TimelineColumn: String, TableColumn {
    case when, what, deliveries, picture, why

    var title: Label {
        switch self {
        case .when: "WHEN"
        case .what: "WHAT"
        case .deliveries: "MAIL"
        case .picture: ""
        case .why: "WHERE OR WHY"
        }
    }

    var alignment: Grid.Alignment {
        switch self {
        case .when, .deliveries: .right
        default: .left
        }
    }

    static let steps: [(column: TimelineColumn, width: Int)] = [
        (.when, 6), (.what, 10), (.deliveries, 6), (.what, 16), (.why, 12), (.what, 24),
        (.picture, 10), (.why, 24), (.picture, 20), (.what, 32), (.why, 40), (.picture, 30),
    ]

    static let elastic: [TimelineColumn] = [.why, .what]
}

extension BackoffPage {
    func draw(on painter: inout Painter) {
        let text = TimelineText(
            most: list.rows.prefix(7).map(\.deliveries).max() ?? 0, model: painter.model,
            glyphs: painter.glyphs)
        painter.drawTable(
            list, TimelineColumn.fitted(painter.grid.size.columns - 2), empty: "nothing waits"
        ) { column, row, width in
            text.line(column, row, width: width)
        }
        painter.drawStrip(summary(painter.model), isLost: list.cursor.isLost)
    }

    /// The answer in two lines, whatever the cursor is on.
    private func summary(_ model: Model) -> [Line] {
        guard let schedule else { return [] }
        var first: Line = [
            Span(Format.counted(schedule.openBreakers, "breaker", "breakers"), .strong),
            Span(" open", .dim),
        ]
        if let probe = schedule.probes.first {
            let time: Label =
                model.secondsUntil(probe.at).map { "in \(Format.countdown($0))" } ?? "now"
            first += [
                Span(", the next probe ", .dim), Span(time), Span(" at ", .dim),
                Span(safe(probe.placedName)),
            ]
        }
        var second: Line = [
            Span("expire: ", .dim),
            Span(
                Format.exact(schedule.expiresInHour),
                schedule.expiresInHour > 0 ? .warning : .dim),
            Span(" within an hour, ", .dim),
            Span(Format.exact(schedule.expiresInDay), schedule.expiresInDay > 0 ? nil : .dim),
            Span(" within a day", .dim),
        ]
        let age = model.secondsSince(schedule.countedAt)
        if age >= 5 { second.append(Span("  counted \(Format.age(age)) ago", .dim)) }
        return [first, second]
    }
}

struct TimelineText {
    /// What the longest bar stands for.
    let most: Int
    let model: Model
    let glyphs: Glyphs

    func line(_ column: TimelineColumn, _ row: TimelineRow, width: Int) -> Line {
        switch column {
        case .when: return when(row)
        case .what: return what(row)
        case .deliveries:
            return [row.deliveries == 0 ? Span("0", .dim) : Span(Format.count(row.deliveries))]
        case .picture:
            guard row.isBucket, most > 0, row.deliveries > 0 else { return [] }
            let share = Double(row.deliveries) / Double(most)
            // What there is of a thing is never shown as nothing.
            return Gauge(glyphs: glyphs).bar(
                max(share, 1 / Double(8 * width)), columns: width, .gauge
            ).dropLast() + []
        case .why: return why(row)
        }
    }

    private func when(_ row: TimelineRow) -> Line {
        switch row.subject {
        case .ready: [Span("now", .waiting)]
        case .due(let from, let to):
            [Span(to.map(Self.words) ?? "later", from == 0 ? .strong : nil)]
        case .paused, .held, .routing: [Span(glyphs.dash, .dim)]
        case .probe(let probe): [Span(countdown(probe.at), .backoff)]
        case .expiring(let row): [Span(countdown(row.firstAt), .warning)]
        }
    }

    private func countdown(_ time: UnixTime) -> Label {
        model.secondsUntil(time).map(Format.countdown) ?? "now"
    }

    private static func words(_ seconds: Double) -> Label {
        switch seconds {
        case ..<3600: "\(Int(seconds / 60)) min"
        case ..<86_400: "\(Int(seconds / 3600)) h"
        default: "\(Int(seconds / 86_400)) d"
        }
    }

    private func what(_ row: TimelineRow) -> Line {
        switch row.subject {
        case .ready: [Span("due", nil)]
        case .due(_, let to): [Span(to == nil ? "due after that" : "due by then")]
        case .paused: [Span("\(glyphs.paused) paused", .paused)]
        case .held: [Span("\(glyphs.paused) held", .paused)]
        case .routing: [Span("\(glyphs.routing) routing")]
        case .probe(let probe):
            [Span("\(glyphs.backoff) probe ", .backoff), Span(safe(probe.placedName))]
        case .expiring(let row):
            [Span("\(glyphs.purging) expires ", .warning), Span(safe(row.placedName))]
        }
    }

    private func why(_ row: TimelineRow) -> Line {
        let places: Label =
            row.destinations > 0
            ? Format.counted(row.destinations, "destination", "destinations") : ""
        switch row.subject {
        case .ready:
            return row.deliveries == 0
                ? [] : [Span(places), Span(": tokens, window or worker", .dim)]
        case .due: return [Span(places, .dim)]
        case .paused: return [Span(places), Span(": until an operator resumes", .dim)]
        case .held: return [Span("until an operator releases them", .dim)]
        case .routing: return [Span("DNS is asked where they go", .dim)]
        case .probe(let probe):
            var line: Line = [
                Span(Format.counted(probe.failures, "failure", "failures"), .dim)
            ]
            if let reply = probe.lastReply { line.append(Span("  \(safe(reply))")) }
            return line
        case .expiring(let row):
            return row.inHour > 0
                ? [Span("\(Format.exact(row.inHour)) within an hour", .warning)]
                : [Span("within a day", .dim)]
        }
    }
}

extension TimelineRow {
    /// One of the parts of the whole, not one of the destinations that stand out.
    fileprivate var isBucket: Bool {
        switch subject {
        case .probe, .expiring: false
        default: true
        }
    }
}
