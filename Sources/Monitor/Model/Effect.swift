package import Control
package import Terminal

/// What the rows are asked for by.
package struct Query: Hashable, Sendable {
    package var filter: String?
    package var sort: String?
    package var descending: Bool

    package init(filter: String? = nil, sort: String? = nil, descending: Bool = false) {
        self.filter = filter
        self.sort = sort
        self.descending = descending
    }
}

package struct FetchRequest: Hashable, Sendable {
    /// Counts up; an answer that is older than one already shown is not shown.
    package var ticket: Int
    package var query: Query
    package var offset: Int
    package var limit: Int
    /// One destination besides, wherever it is in the order.
    package var destination: String?
}

/// What one fetch brings.
package struct Snapshot: Sendable {
    package var status: Status
    package var page: Page<DestinationRow>
    /// nil: not asked for, or no longer there.
    package var destination: DestinationRow?

    package init(
        status: Status, page: Page<DestinationRow>, destination: DestinationRow? = nil
    ) {
        self.status = status
        self.page = page
        self.destination = destination
    }
}

/// What the loop is to do.
package enum Effect: Sendable {
    case fetch(FetchRequest)
    case plan(ticket: Int, PlanRequest)
    case apply(ticket: Int, plan: String, ApplyRequest)
    case undo(action: String)
    case quit
    /// Draw the whole screen anew.
    case repaint
}

/// What happened.
package enum ModelEvent: Sendable {
    case key(Key)
    /// A second has passed.
    case tick
    case resize(Size)
    case fetched(FetchRequest, Result<Snapshot, Failure>)
    case planned(ticket: Int, Result<Plan, Failure>)
    case applied(ticket: Int, Result<ActionRow, Failure>)
    case undone(Result<ActionRow, Failure>)
}
