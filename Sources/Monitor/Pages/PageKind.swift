import Terminal

/// The pages that there are, in the order of their keys.
package enum PageKind: String, CaseIterable, Hashable, Sendable {
    case destinations, destination, queue, message, backoff, ages, workers, events, trace, actions
    /// Only where several daemons share a spool.
    case nodes

    /// In breadcrumbs and tabs.
    var title: Label {
        switch self {
        case .destinations: "Destinations"
        case .destination: "Destination"
        case .queue: "Queue"
        case .message: "Message"
        case .backoff: "Backoff"
        case .ages: "Ages"
        case .workers: "Workers"
        case .events: "Events"
        case .trace: "Trace"
        case .actions: "Actions"
        case .nodes: "Nodes"
        }
    }

    /// The key that shows it.
    var key: Character {
        switch self {
        case .destinations: "1"
        case .destination: "2"
        case .queue: "3"
        case .message: "4"
        case .backoff: "5"
        case .ages: "6"
        case .workers: "7"
        case .events: "8"
        case .trace: "9"
        case .actions: "0"
        case .nodes: "N"
        }
    }

    /// About one thing that has to be chosen first: it lies on top of the page where that was
    /// chosen. The others lie on the table of destinations.
    package var isAboutOne: Bool {
        switch self {
        case .destinations, .queue, .backoff, .ages, .workers, .events, .actions, .nodes: false
        case .destination, .message, .trace: true
        }
    }
}
