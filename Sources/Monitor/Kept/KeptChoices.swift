/// A table whose columns and order the operator chooses.
package enum ChosenTable: String, CaseIterable, Hashable, Sendable {
    case destinations, queue, workers

    /// The names of the columns that there are, in the order of the table.
    package var columns: [String] {
        switch self {
        case .destinations: Column.allCases.map(\.rawValue)
        case .queue: QueueColumn.allCases.map(\.rawValue)
        case .workers: WorkerColumn.allCases.map(\.rawValue)
        }
    }

    /// Those that are there until the operator chooses.
    package var standard: [String] {
        switch self {
        case .destinations: Column.standard.map(\.rawValue)
        case .queue: QueueColumn.standard.map(\.rawValue)
        case .workers: WorkerColumn.standard.map(\.rawValue)
        }
    }

    /// What its rows can be sorted by.
    package var sorts: [String] {
        switch self {
        case .destinations: DestinationsPage.sorts.compactMap(\.name)
        case .queue: QueuePage.sorts.compactMap(\.name)
        case .workers: []
        }
    }
}

/// What the operator has chosen and finds again at the next start: columns, orders, views. In
/// `monitor.toml` of the operator's folder.
package struct KeptChoices: Hashable, Sendable {
    package struct Arrangement: Hashable, Sendable {
        /// Left to right; nil: the standard ones.
        package var columns: [String]?
        /// nil: the daemon's own order.
        package var sort: String?
        package var descending = false

        var isStandard: Bool { self == Arrangement() }
    }

    package var tables: [ChosenTable: Arrangement] = [:]
    /// In the order of their numbers.
    package var views: [SavedView] = []

    package init() {}

    package func view(named name: String) -> SavedView? {
        views.first { $0.name == name }
    }

    /// One thing that the operator chose. It is made to the file as it is then, so that two
    /// monitors that run at a time do not undo what the other keeps.
    package enum Change: Hashable, Sendable {
        /// nil: the standard ones again.
        case columns(ChosenTable, [String]?)
        case sort(ChosenTable, String?, descending: Bool)
        /// Takes the place of one of that name.
        case keep(SavedView)
        case drop(view: String)
    }

    package mutating func make(_ change: Change) {
        switch change {
        case .columns(let table, let columns):
            tables[table, default: Arrangement()].columns = columns
        case .sort(let table, let sort, let descending):
            tables[table, default: Arrangement()].sort = sort
            tables[table]?.descending = descending
        case .keep(let view):
            if let index = views.firstIndex(where: { $0.name == view.name }) {
                views[index] = view
            } else {
                views.append(view)
            }
        case .drop(let name): views.removeAll { $0.name == name }
        }
        tables = tables.filter { !$0.value.isStandard }
    }
}
