import Control
import Filter
import Terminal

/// The table of destinations.
struct DestinationsPage: ListPage {
    var list = Listing<DestinationRow>()

    init(filter: String? = nil) {
        list.query.filter = filter
    }

    var kind: PageKind { .destinations }
    var chosenTable: ChosenTable? { .destinations }
    var viewRows: ViewRows? { .destinations }

    func values(of field: String, in model: Model) -> [String] {
        list.rows.flatMap { row -> [String] in
            switch field {
            case "domain": row.domains
            case "name": [row.name]
            case "id": [row.id]
            case "exchanger": row.exchangers
            case "worker": row.worker.map { ["\($0)"] } ?? []
            case "host": row.host.map { [$0] } ?? []
            case "code": row.lastReply.map { [String($0.prefix(3))] } ?? []
            default: []
            }
        }
    }

    var crumb: Label { PageKind.destinations.title }

    func question(in model: Model) -> Question? {
        .destinations(list.query, list.window(lines: model.layout.tableRows))
    }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .destinations(let page) = answer, case .destinations(let query, _) = question
        else { return }
        list.take(page, askedBy: query, lines: model.layout.tableRows)
    }

    func opened(in model: Model) -> (any MonitorPage)? {
        target.map { DestinationPage($0, list.current, at: model.receivedAt ?? .zero) }
    }

    var query: Query? {
        get { list.query }
        set { list.query = newValue ?? Query() }
    }
    var shownQuery: Query? { list.shownQuery }
    var fields: FilterFields? { .destinations }

    var destination: DestinationRow? { list.current }
    var target: Target? { list.current?.target }
    var rowKind: Target.Kind? { .destination }

    /// Names of the filter language, most asked for first.
    var sorts: [SortChoice] { Self.sorts }
    static let sorts = [
        SortChoice(nil, "default", "the daemon's own order", startsDescending: false),
        SortChoice("queued", "queued", "deliveries in the spool"),
        SortChoice("age", "age", "of the oldest mail"),
        SortChoice("next", "next", "time to the next attempt", startsDescending: false),
        SortChoice("state", "state", "what it is doing"),
        SortChoice("name", "name", "of the destination", startsDescending: false),
        SortChoice("connections", "connections", "open now"),
        SortChoice("window", "window", "connections it may have"),
        SortChoice("tokens", "tokens", "left in its rate bucket"),
        SortChoice("failures", "failures", "since it last worked"),
        SortChoice("attempts", "attempts", "since the start"),
        SortChoice("worker", "worker", "in charge of it"),
        SortChoice("code", "code", "of the last reply"),
        SortChoice("out", "out", "deliveries per second"),
        SortChoice("why", "why", "what its mail waits for", startsDescending: false),
        SortChoice("ready", "ready", "deliveries that are due"),
        SortChoice("delayed", "delayed", "deliveries due later"),
        SortChoice("held", "held", "deliveries on hold"),
        SortChoice("delivered", "delivered", "since the start"),
        SortChoice("deferred", "deferred", "since the start"),
        SortChoice("bounced", "bounced", "since the start"),
        SortChoice("exchanger", "exchanger", "the first of them", startsDescending: false),
        SortChoice("reply", "reply", "the last one", startsDescending: false),
    ]
}
