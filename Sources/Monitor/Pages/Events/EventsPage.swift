import Control
import Filter
import Mail
import Terminal

/// What happens, as it happens, with what happened since the page was opened.
struct EventsPage: MonitorPage {
    /// Enough for some minutes of a busy daemon, at about 300 bytes each.
    private(set) var log = LogBuffer<Event>(limit: 5000)
    private(set) var filter: FilterExpression?
    var query: Query? = Query()

    var kind: PageKind { .events }
    var crumb: Label { PageKind.events.title }
    var stream: StreamSubject? { .events }

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

    mutating func take(_ item: StreamItem) {
        if case .event(let event) = item { log.append(event) }
    }

    mutating func freeze(_ isOn: Bool) {
        if isOn { log.pause() } else { log.follow() }
    }

    mutating func move(by distance: Int, in model: Model) {
        let filter = filter
        log.move(by: distance) { Self.shows($0, filter) }
    }

    mutating func queryChanged() {
        filter = query?.filter.flatMap { try? FilterExpression.parse($0, fields: .events) }
    }

    var shownQuery: Query? { query }
    var fields: FilterFields? { .events }

    func shows(_ event: Event) -> Bool { Self.shows(event, filter) }

    private static func shows(_ event: Event, _ filter: FilterExpression?) -> Bool {
        filter?.matches { event.value(of: $0.name) } ?? true
    }

    var current: Event? { log.cursor.flatMap { log.entry($0)?.line } }

    func opened(in model: Model) -> (any MonitorPage)? {
        guard let event = current else { return nil }
        if let message = event.message { return MessagePage(message) }
        return destinationTarget.map { DestinationPage($0, nil, at: .zero) }
    }

    var destinationTarget: Target? {
        current?.destination.map { Target(id: $0, name: "destination \($0)") }
    }
    var noTarget: Label { "choose a line first: k" }
}

extension FilterFields {
    /// What the lines of the events page are filtered by.
    static let events = FilterFields(
        fields: [
            FilterField(
                name: "kind",
                kind: .choice([
                    "accepted", "delivered", "deferred", "bounced", "breaker", "worker", "action",
                    "spool",
                ]), help: "what happened"),
            FilterField(name: "text", kind: .text, help: "what is said of it"),
            FilterField(name: "message", kind: .text, help: "the message, as in 1a2b"),
            FilterField(name: "destination", kind: .text, help: "the destination's number"),
            FilterField(name: "worker", kind: .number, help: "the worker"),
        ],
        bareWord: "text")
}

extension Event {
    fileprivate func value(of field: String) -> FilterFieldValue? {
        switch field {
        case "kind": .text(kind)
        case "text": .text(text)
        case "message": message.map { .text($0) }
        case "destination": destination.map { .text($0) }
        case "worker": worker.map { .number(Double($0)) }
        default: nil
        }
    }
}
