import Control
import Mail
import Terminal

/// When what waits goes: all of it on one time line, the breakers that probe next, and what
/// expires.
struct BackoffPage: ListPage {
    var list = Listing<TimelineRow>()
    private(set) var schedule: Schedule?

    var kind: PageKind { .backoff }
    var crumb: Label { PageKind.backoff.title }

    /// Probes and expiring destinations that are asked for.
    private static let limit = 100

    func question(in model: Model) -> Question? { .schedule(limit: Self.limit) }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .schedule(let schedule) = answer else { return }
        self.schedule = schedule
        list.take(
            TimelineRow.rows(of: schedule), askedBy: list.query, lines: model.layout.tableRows)
    }

    func opened(in model: Model) -> (any MonitorPage)? {
        guard let row = list.current else { return nil }
        switch row.subject {
        case .ready: return QueuePage(filter: "state = ready")
        case .due(let from, let to):
            var filter = "state = delayed and next > \(Int(from))s"
            if let to { filter += " and next <= \(Int(to))s" }
            return QueuePage(filter: filter)
        case .paused: return DestinationsPage(filter: "paused")
        case .held: return QueuePage(filter: "state = held")
        case .routing: return QueuePage(filter: "state = routing")
        case .probe(let probe):
            return DestinationPage(
                Target(id: probe.id, name: probe.name), nil, at: model.moment.elapsed)
        case .expiring(let row):
            return QueuePage(filter: "destination = \(row.id) and expires <= 24h")
        }
    }

    var hasRows: Bool { false }
    var destinationTarget: Target? {
        switch list.current?.subject {
        case .probe(let probe): Target(id: probe.id, name: probe.name)
        case .expiring(let row): Target(id: row.id, name: row.name)
        default: nil
        }
    }
    var target: Target? { destinationTarget }
    var noTarget: Label { "choose a destination, or go into the line: Enter" }
}

/// A line of the time line.
struct TimelineRow: ListedRow {
    enum Subject: Sendable {
        case ready
        /// Seconds from now; nil: without an end.
        case due(from: Double, to: Double?)
        case paused, held, routing
        case probe(ProbeRow)
        case expiring(ExpiringRow)
    }

    let rowID: String
    let subject: Subject
    let deliveries: Int
    let destinations: Int

    static func rows(of schedule: Schedule) -> [TimelineRow] {
        var rows = [
            TimelineRow(
                rowID: "ready", subject: .ready, deliveries: schedule.ready.deliveries,
                destinations: schedule.ready.destinations)
        ]
        var from = 0.0
        for (index, due) in schedule.due.enumerated() {
            rows.append(
                TimelineRow(
                    rowID: "due \(index)", subject: .due(from: from, to: due.within),
                    deliveries: due.deliveries, destinations: due.destinations))
            from = due.within ?? from
        }
        for (subject, id, count, destinations) in [
            (Subject.paused, "paused", schedule.paused.deliveries, schedule.paused.destinations),
            (.held, "held", schedule.held, 0), (.routing, "routing", schedule.routing, 0),
        ] where count > 0 {
            rows.append(
                TimelineRow(
                    rowID: id, subject: subject, deliveries: count, destinations: destinations))
        }
        rows += schedule.probes.map {
            TimelineRow(
                rowID: "probe \($0.id)", subject: .probe($0), deliveries: $0.queued,
                destinations: 1)
        }
        // The daemon names those with the most mail; a time line goes by time.
        let expiring = schedule.expiring.sorted { ($0.firstAt, $0.id) < ($1.firstAt, $1.id) }
        rows += expiring.map {
            TimelineRow(
                rowID: "expiring \($0.id)", subject: .expiring($0), deliveries: $0.inDay,
                destinations: 1)
        }
        return rows
    }
}
