import Control
import Mail
import Terminal

/// Data: asking for it, taking it, noticing that there is none.
extension Model {
    /// Requests at once: a new one for a new order need not wait for a slow old one.
    private static let fetchLimit = 3
    /// Seconds until the next attempt, by how many have failed.
    private static let retryDelays = [1, 1, 2, 3, 5]

    mutating func fetchIfDue() -> [Effect] {
        guard frozenAt == nil, fetching.isEmpty else { return [] }
        if let nextFetchAt, moment.elapsed < nextFetchAt { return [] }
        return fetchNow()
    }

    /// The screen shows places whose rows have not been asked for.
    mutating func fetchIfUncovered() -> [Effect] {
        let visible = top..<min(top + layout.tableRows, max(total, top))
        guard frozenAt == nil, receivedAt != nil, !visible.isEmpty,
            visible.lowerBound < offset || visible.upperBound > offset + rows.count
        else { return [] }
        return fetchNow()
    }

    mutating func queryChanged() -> [Effect] {
        cursor.isReordered = true
        top = 0
        // What was frozen is no longer what is asked for.
        frozenAt = nil
        return fetchNow()
    }

    mutating func fetchNow() -> [Effect] {
        guard fetching.count < Self.fetchLimit else {
            fetchAgain = true
            return []
        }
        fetchAgain = false
        lastTicket += 1
        fetching.insert(lastTicket)
        if fetching.count == 1 { fetchStartedAt = moment.elapsed }
        nextFetchAt = moment.elapsed + options.interval
        // A screen above and one below: moving finds its rows there already.
        let margin = max(8, layout.tableRows)
        let offset = max(0, top - margin)
        var request = FetchRequest(
            ticket: lastTicket, query: query, offset: offset,
            limit: top - offset + layout.tableRows + margin)
        if case .destination(let target, _)? = places.last { request.destination = target.id }
        return [.fetch(request)]
    }

    mutating func fetched(
        _ request: FetchRequest, _ result: Result<Snapshot, Failure>
    ) -> [Effect] {
        fetching.remove(request.ticket)
        switch result {
        case .success(let snapshot): take(snapshot, request)
        case .failure(let failure): take(failure, request)
        }
        if fetchAgain || request.query != query && fetching.isEmpty { return fetchNow() }
        return fetchIfUncovered()
    }

    private mutating func take(_ snapshot: Snapshot, _ request: FetchRequest) {
        link = .live
        guard frozenAt == nil, request.ticket > shownTicket else { return }
        shownTicket = request.ticket
        status = snapshot.status
        daemonAt = snapshot.status.at
        receivedAt = moment.elapsed
        takeDetail(snapshot, request)
        guard request.query == query else { return }
        shownQuery = query
        rows = snapshot.page.rows
        offset = snapshot.page.offset
        total = max(snapshot.page.total, offset + rows.count)
        followCursor()
    }

    private mutating func takeDetail(_ snapshot: Snapshot, _ request: FetchRequest) {
        guard case .destination(let target, _)? = places.last else { return }
        if let row = snapshot.destination, row.id == target.id {
            detail = (row, moment.elapsed)
        } else if let row = snapshot.page.rows.first(where: { $0.id == target.id }) {
            detail = (row, moment.elapsed)
        }
    }

    private mutating func take(_ failure: Failure, _ request: FetchRequest) {
        if failure.isAnswer {
            // It is there; it only does not like what it was asked.
            if case .lost = link { link = receivedAt == nil ? .connecting : .live }
            if failure.code == "bad-filter", request.query == query {
                let refused = query.filter ?? ""
                query.filter = shownQuery.filter == query.filter ? nil : shownQuery.filter
                var field = TextField(refused)
                if let position = failure.position { field.move(to: position) }
                if overlay == nil {
                    overlay = .filter(FilterPrompt(field: field, failure: failure))
                } else {
                    say(.failed, "filter refused: \(safe(failure.message))")
                }
            } else {
                say(.failed, safe(failure.message))
            }
            return
        }
        var attempts = 1
        var since = moment.elapsed
        if case .lost(let began, let before, _, _) = link {
            since = began
            attempts = before + 1
        }
        let delay = Self.retryDelays[min(attempts - 1, Self.retryDelays.count - 1)]
        nextFetchAt = moment.elapsed + .seconds(delay)
        link = .lost(
            since: since, attempts: attempts, retryAt: moment.elapsed + .seconds(delay),
            reason: failure.message)
    }
}
