import Control
import Filter
import Mail
import Terminal

/// A line of a log that goes on: it has a time, and can be filtered.
protocol FollowedLine: Sendable {
    var at: UnixTime { get }
    /// For the filter language; nil: it has no such value.
    func value(of field: String) -> FilterFieldValue?
}

/// A page that follows what happens and keeps the lines: events, and the trace.
protocol FollowingPage: MonitorPage {
    associatedtype Followed: FollowedLine

    var log: LogBuffer<Followed> { get set }
    /// What `query` says; nil: everything.
    var filter: FilterExpression? { get set }
    static var filterFields: FilterFields { get }
}

extension FollowingPage {
    /// What was followed: only the past is asked for it.
    func question(in model: Model) -> Question? {
        guard model.past != nil, log.count == 0 || model.past?.present == nil else { return nil }
        return stream.map { .log($0) }
    }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .log(let items) = answer else { return }
        log.removeAll()
        for item in items { take(item) }
    }

    var hasLog: Bool { log.count > 0 }

    mutating func show(until time: UnixTime) { log.show { $0.at <= time } }

    mutating func freeze(_ isOn: Bool) {
        if isOn { log.pause() } else { log.follow() }
    }

    mutating func move(by distance: Int, in model: Model) {
        let filter = filter
        log.move(by: distance) { Self.shows($0, filter) }
    }

    mutating func queryChanged() {
        filter = query?.filter.flatMap {
            try? FilterExpression.parse($0, fields: Self.filterFields.withHost)
        }
    }

    var shownQuery: Query? { query }
    var fields: FilterFields? { Self.filterFields }

    func shows(_ line: Followed) -> Bool { Self.shows(line, filter) }

    private static func shows(_ line: Followed, _ filter: FilterExpression?) -> Bool {
        filter?.matches { line.value(of: $0.name) } ?? true
    }
}

extension Painter {
    /// What of it is shown, at the end of a heading.
    mutating func drawFilter(_ query: Query?, row: Int, beside heading: Line) {
        guard let filter = query?.filter else { return }
        let room = grid.size.columns - 2 - heading.columns - 2
        guard room >= 8 else { return }
        put(
            [Span("/ \(safe(filter))", .headingSorted)], row: row,
            column: 1 + heading.columns + 2, width: room, align: .right)
    }
}
