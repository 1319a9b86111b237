import Control
import Filter
import Terminal

/// The table of deliveries: all, or those that a filter selects.
struct QueuePage: ListPage {
    var list = Listing<MessageRow>()

    init(filter: String? = nil) {
        list.query.filter = filter
    }

    var kind: PageKind { .queue }
    var chosenTable: ChosenTable? { .queue }
    var viewRows: ViewRows? { .messages }

    func values(of field: String, in model: Model) -> [String] {
        let own = list.rows.flatMap { row -> [String] in
            switch field {
            case "id": [row.id]
            case "message": [row.message]
            case "domain": [row.domain]
            case "sender": [row.sender]
            case "recipient": row.recipients
            case "destination": row.destinationName.map { [$0] } ?? []
            case "worker": row.worker.map { ["\($0)"] } ?? []
            case "host": row.host.map { [$0] } ?? []
            case "code": row.lastReply.map { [String($0.prefix(3))] } ?? []
            default: []
            }
        }
        // The table at the bottom knows those with the most mail.
        let field = field == "destination" ? "name" : field
        return ["domain", "name"].contains(field)
            ? own + model.table.values(of: field, in: model) : own
    }

    var crumb: Label { PageKind.queue.title }

    func question(in model: Model) -> Question? {
        .messages(list.query, list.window(lines: model.layout.tableRows))
    }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .messages(let page) = answer, case .messages(let query, _) = question
        else { return }
        list.take(page, askedBy: query, lines: model.layout.tableRows)
    }

    func opened(in model: Model) -> (any MonitorPage)? {
        list.current.map { MessagePage($0.message) }
    }

    var query: Query? {
        get { list.query }
        set { list.query = newValue ?? Query() }
    }
    var shownQuery: Query? { list.shownQuery }
    var fields: FilterFields? { .messages }

    var message: MessageRow? { list.current }
    var target: Target? { list.current?.target }
    var rowKind: Target.Kind? { .delivery }
    var destinationTarget: Target? { list.current?.destinationTarget }

    /// Names of the filter language, most asked for first.
    var sorts: [SortChoice] { Self.sorts }
    static let sorts = [
        SortChoice(nil, "arrival", "oldest first", startsDescending: false),
        SortChoice("age", "age", "since it was accepted", startsDescending: false),
        SortChoice("next", "next", "time to the next attempt", startsDescending: false),
        SortChoice("attempts", "attempts", "so far"),
        SortChoice("size", "size", "of the message"),
        SortChoice("sender", "sender", "of the envelope", startsDescending: false),
        SortChoice("recipient", "recipient", "the first still queued", startsDescending: false),
        SortChoice("domain", "domain", "of the recipients", startsDescending: false),
        SortChoice("state", "state", "what it is doing", startsDescending: false),
        SortChoice("code", "code", "of the last reply"),
        SortChoice("id", "delivery", "its id", startsDescending: false),
        SortChoice("destination", "destination", "its name", startsDescending: false),
        SortChoice("reply", "reply", "the last one", startsDescending: false),
        SortChoice("expires", "expires", "time until it is given up", startsDescending: false),
        SortChoice("priority", "priority", "urgent before bulk"),
    ]
}

extension MessageRow {
    var destinationTarget: Target? {
        destination.map { id in
            let name = destinationName ?? domain
            return Target(id: id, name: host.map { "\(name) on \($0)" } ?? name)
        }
    }
}
