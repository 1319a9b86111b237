package import Control
import Filter
import Mail

/// What an operator's SELECTOR means.
///
/// A text with an operator or a keyword is a filter. A word is, in this order: a destination's
/// number, name or domain; the id of a message or a delivery; else a filter that searches for it.
package struct Target: Sendable {
    package var selector: Selector
    /// "destination 12 (example.com)", "messages with recipient ~ bob".
    package var description: String

    package init(selector: Selector, description: String) {
        self.selector = selector
        self.description = description
    }

    /// Asks the daemon what a word names.
    package static func resolve(
        _ text: String, for action: ActionKind, _ api: some ControlAPI
    ) async throws -> Target {
        let own = action.actsOnDeliveries ? FilterFields.messages : .destinations
        let fields = api.hosts.isEmpty ? own : own.withHost
        guard isName(text) else { return try filter(text, action, fields) }

        let destinations = try await Self.destinations(text, api)
        let message = try await Self.message(text, api)
        switch (destinations.isEmpty, message) {
        case (false, let message?) where action.actsOnDeliveries:
            throw CommandFailure.usage(
                "'\(SafeText(text))' is \(named(destinations)) and also message \(message.id): "
                    + "write \"destination = \(destinations[0].id)\" or "
                    + "\"message = \(message.id)\"")
        case (false, _):
            return Target(
                selector: Selector(destinations: destinations.map(\.id)),
                description: named(destinations))
        case (true, let message?):
            guard action.actsOnDeliveries else {
                throw CommandFailure.usage(
                    "\(action.rawValue) acts on destinations, and '\(SafeText(text))' is a message")
            }
            return Target(
                selector: Selector(messages: [message.id]),
                description: "\(message.isDelivery ? "delivery" : "message") \(message.id)")
        case (true, nil): return try filter(text, action, fields)
        }
    }

    /// Whether a text can be a name or an id: one word without operators, and no keyword.
    package static func isName(_ text: String) -> Bool {
        let keywords = ["and", "or", "not"]
        return !text.isEmpty && !keywords.contains(text.lowercased())
            && !text.unicodeScalars.contains {
                $0.properties.isWhitespace || "()\"'=<>~!*?".unicodeScalars.contains($0)
            }
            && !text.contains("&&") && !text.contains("||")
    }

    private static func filter(
        _ text: String, _ action: ActionKind, _ fields: FilterFields
    ) throws -> Target {
        let filter = try RowQuery.checked(text, fields).description
        let rows = action.actsOnDeliveries ? "messages" : "destinations"
        return Target(
            selector: Selector(filter: filter),
            description: "\(rows) with \(SafeText(filter))")
    }

    // MARK: Names

    /// Of several hosts one can be named before it: `mx1/17`, `mx1/example.com`.
    private static func qualified(_ text: String, _ api: some ControlAPI) -> QualifiedID {
        let qualified = QualifiedID(text)
        guard let host = qualified.host, api.hosts.contains(host) else {
            return QualifiedID(host: nil, id: text)
        }
        return qualified
    }

    /// The destinations with this number, name or domain.
    package static func destinations(
        _ text: String, _ api: some ControlAPI
    ) async throws -> [DestinationRow] {
        let qualified = qualified(text, api)
        if qualified.number != nil, let row = try await ifFound({ try await api.destination(text) })
        {
            return [row]
        }
        let value = FilterText.quotedIfNeeded(qualified.id)
        var filter = "name = \(value) or domain = \(value)"
        if let host = qualified.host {
            filter = "(\(filter)) and host = \(FilterText.quotedIfNeeded(host))"
        }
        return try await api.destinations(
            filter: filter, sort: nil, descending: false, limit: 100, offset: 0
        ).rows
    }

    /// The one destination that is named.
    package static func destination(
        _ text: String, _ api: some ControlAPI
    ) async throws -> DestinationRow {
        let rows = isName(text) ? try await destinations(text, api) : []
        guard let first = rows.first else {
            throw CommandFailure.refused(
                "there is no destination '\(SafeText(text))'; sluice destinations lists them")
        }
        guard rows.count == 1 else {
            throw CommandFailure.refused("'\(SafeText(text))' is more than one: \(named(rows))")
        }
        return first
    }

    package struct FoundMessage: Sendable {
        package var id: String
        package var isDelivery: Bool
        package var detail: MessageDetail
    }

    /// The message or delivery with this id.
    package static func message(
        _ text: String, _ api: some ControlAPI
    ) async throws -> FoundMessage? {
        let qualified = qualified(text, api)
        func detail(_ id: MessageID) async throws -> MessageDetail? {
            let id = QualifiedID(host: qualified.host, id: id.description)
            return try await ifFound { try await api.message(id.description) }
        }
        if let delivery = DeliveryID(text: qualified.id) {
            guard let detail = try await detail(delivery.message),
                let row = detail.deliveries.first(where: {
                    QualifiedID($0.id).id == delivery.description
                })
            else { return nil }
            return FoundMessage(id: row.id, isDelivery: true, detail: detail)
        }
        guard let id = MessageID(text: qualified.id), let detail = try await detail(id) else {
            return nil
        }
        return FoundMessage(id: detail.id, isDelivery: false, detail: detail)
    }

    private static func named(_ rows: [DestinationRow]) -> String {
        rows.map { "destination \(SafeText($0.id)) (\(SafeText($0.name)))" }
            .joined(separator: ", ")
    }
}
