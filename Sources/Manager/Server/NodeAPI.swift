import Control
import Filter
import Mail
import Spool

/// What the control API says of what this daemon itself has.
struct NodeAPI: Sendable {
    let dispatcher: DispatcherHandle
    let reader: SpoolReader
    let census: Census

    var planner: Planner { Planner(dispatcher: dispatcher, reader: reader) }
    var runner: ActionRunner { ActionRunner(dispatcher: dispatcher, reader: reader) }

    func destinations(_ query: ListQuery<Int64>) async throws -> Page<DestinationRow> {
        let filter = try query.filter.map { text throws(APIError) in
            try Planner.parse(text, fields: .destinations)
        }
        var page = try await dispatcher.run { dispatcher in
            try dispatcher.destinationPage(
                filter: filter, sort: query.sort, descending: query.isDescending,
                offset: query.offset, limit: query.limit, around: query.around)
        }
        page.rows = try await drained(page.rows)
        return page
    }

    private func drained(_ rows: [DestinationRow]) async throws -> [DestinationRow] {
        let ids = rows.map(\.id)
        let inputs = try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            return ids.reduce(into: [String: DrainInput]()) { inputs, id in
                inputs[id] = Int64(id).flatMap { dispatcher.drainInput(of: $0, at: now) }
            }
        }
        return rows.drained(inputs)
    }

    /// - Parameter id: its number, one of its domains, its title or its identity.
    func destination(_ id: String) async throws -> DestinationRow {
        let wanted = id.lowercased()
        let row = try await dispatcher.run { dispatcher -> DestinationRow? in
            let now = dispatcher.clocks.wall()
            let named = Int64(wanted).flatMap { dispatcher.table[$0] }
            let found =
                named.flatMap { $0.isShown ? $0 : nil }
                ?? dispatcher.table.values.first {
                    $0.isShown
                        && ($0.domains.contains(wanted) || $0.title.lowercased() == wanted
                            || $0.identity == wanted)
                }
            return found.map { dispatcher.row(of: $0, at: now) }
        }
        guard let row else {
            throw APIError(
                code: "not-found", message: "there is no destination '\(SafeText(id).text)'")
        }
        return try await drained([row])[0]
    }

    func detail(of name: String) async throws -> DestinationDetail {
        guard let id = Int64(try await destination(name).id) else {
            throw APIError(code: "not-found", message: "there is no destination of that number")
        }
        let inspection = try await dispatcher.run { $0.inspect(id, $1) }
        let due = try await reader.read { spool throws(SpoolError) in
            try spool.deliveries(inspection.due.map(\.delivery))
        }
        let detail = try await dispatcher.run { dispatcher -> DestinationDetail? in
            var detail = dispatcher.detail(of: id, inspection)
            detail?.due = dispatcher.rows(of: due)
            return detail
        }
        // It may have gone while its worker was asked.
        guard let detail else {
            throw APIError(
                code: "not-found", message: "there is no destination '\(SafeText(name).text)'")
        }
        return detail
    }

    /// Deliveries by their ids, those that are there.
    func messages(_ ids: [String]) async throws -> [MessageRow] {
        let ids = ids.compactMap { DeliveryID(text: $0) }
        let found = try await reader.read { spool throws(SpoolError) in try spool.deliveries(ids) }
        return try await dispatcher.run { $0.rows(of: found) }
    }

    /// What a filter over messages says of destinations, and which deliveries run: the spool does
    /// not know it.
    struct Matching: Codable, Sendable {
        /// For each comparison of the filter, from its left to its right.
        var destinations: [[Int64]]
        var running: [Int64]
    }

    func matching(filter: String) async throws -> Matching {
        let expression = try Planner.parse(filter, fields: .messages)
        let comparisons = expression.comparisons
        return try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            dispatcher.refreshOverview(at: now)
            let rows = dispatcher.destinationRows()
            return Matching(
                destinations: comparisons.map { comparison in
                    rows.filter { $0.matchesDeliveryField(comparison) }.compactMap { Int64($0.id) }
                }, running: dispatcher.overview.running.map(\.rawValue))
        }
    }

    /// - Parameter elsewhere: whether others count this destination.
    func ages(
        limit: Int, elsewhere: @escaping @Sendable (Int64?) -> Bool = { _ in false }
    ) async throws -> AgeMap {
        var count = try await census.count()
        count.tallies.removeAll { elsewhere($0.destination) }
        return try await dispatcher.run { [count] in $0.ageMap(count, limit: limit) }
    }

    func schedule(
        limit: Int, elsewhere: @escaping @Sendable (Int64?) -> Bool = { _ in false }
    ) async throws -> Schedule {
        var count = try await census.count()
        count.tallies.removeAll { elsewhere($0.destination) }
        return try await dispatcher.run { [count] in $0.schedule(count, limit: limit) }
    }

    func workers() async throws -> Page<WorkerRow> {
        try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            let rows = dispatcher.workerList(at: now)
            return Page(at: now, total: rows.count, offset: 0, rows: rows)
        }
    }
}

extension FilterExpression {
    /// All of them, from left to right.
    var comparisons: [FilterComparison] {
        switch self {
        case .comparison(let comparison): [comparison]
        case .not(let inner): inner.comparisons
        case .and(let a, let b), .or(let a, let b): a.comparisons + b.comparisons
        }
    }
}
