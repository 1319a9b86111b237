import Control
import Filter
import Mail
import Terminal

/// What happens, as it happens, with what happened since the page was opened.
struct EventsPage: FollowingPage {
    /// Enough for some minutes of a busy daemon, at about 300 bytes each.
    var log = LogBuffer<Event>(limit: 5000)
    var filter: FilterExpression?
    var query: Query? = Query()
    static var filterFields: FilterFields { .events }

    var kind: PageKind { .events }
    var crumb: Label { PageKind.events.title }
    var stream: StreamSubject? { .events }

    mutating func take(_ item: StreamItem) {
        if case .event(let event) = item { log.append(event) }
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
                    "spool", "host",
                ]), help: "what happened"),
            FilterField(name: "text", kind: .text, help: "what is said of it"),
            FilterField(name: "message", kind: .text, help: "the message, as in 1a2b"),
            FilterField(name: "destination", kind: .text, help: "the destination's number"),
            FilterField(name: "worker", kind: .number, help: "the worker"),
            FilterField(name: "node", kind: .text, help: "at which node, of several"),
        ],
        bareWord: "text")
}

extension Event: FollowedLine {
    func value(of field: String) -> FilterFieldValue? {
        switch field {
        case "kind": .text(kind)
        case "text": .text(text)
        case "message": message.map { .text($0) }
        case "destination": destination.map { .text($0) }
        case "worker": worker.map { .number(Double($0)) }
        case "node": node.map { .text($0) }
        case "host": host.map { .text($0) }
        default: nil
        }
    }
}
