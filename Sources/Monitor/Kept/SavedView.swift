package import Filter

/// The rows that a saved filter is about.
package enum ViewRows: String, CaseIterable, Hashable, Sendable {
    case destinations, messages

    package var fields: FilterFields {
        switch self {
        case .destinations: .destinations
        case .messages: .messages
        }
    }
}

/// A filter and an order under a name.
package struct SavedView: Hashable, Sendable {
    package var name: String
    package var rows: ViewRows
    package var filter: String
    /// nil: the daemon's own order.
    package var sort: String?
    package var descending: Bool

    package init(
        name: String, rows: ViewRows, filter: String, sort: String? = nil, descending: Bool = false
    ) {
        self.name = name
        self.rows = rows
        self.filter = filter
        self.sort = sort
        self.descending = descending
    }

    /// As on the command line: a "-" before the field turns the order round.
    package var order: String? { sort.map { (descending ? "-" : "") + $0 } }
}
