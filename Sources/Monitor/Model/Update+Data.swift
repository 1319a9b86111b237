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

    /// The page shows places whose rows have not been asked for.
    mutating func fetchIfUncovered() -> [Effect] {
        guard frozenAt == nil, receivedAt != nil, past == nil, !page.isCovered(in: self) else {
            return []
        }
        return fetchNow()
    }

    mutating func queryChanged() -> [Effect] {
        page.queryChanged()
        // What was frozen is no longer what is asked for.
        frozenAt = nil
        return fetchNow()
    }

    mutating func fetchNow() -> [Effect] {
        if past != nil { return recallNow() }
        guard fetching.count < Self.fetchLimit else {
            fetchAgain = true
            return []
        }
        fetchAgain = false
        lastTicket += 1
        fetching.insert(lastTicket)
        if fetching.count == 1 { fetchStartedAt = moment.elapsed }
        nextFetchAt = moment.elapsed + options.interval
        return [
            .fetch(
                FetchRequest(
                    ticket: lastTicket, page: pages.serial, question: page.question(in: self)))
        ]
    }

    mutating func fetched(
        _ request: FetchRequest, _ result: Result<Snapshot, Failure>
    ) -> [Effect] {
        fetching.remove(request.ticket)
        if request.past != nil { return recalled(request, result) }
        // What was asked before the past was entered is for the present.
        if past != nil { return [] }
        switch result {
        case .success(let snapshot): take(snapshot, request)
        case .failure(let failure): take(failure, request)
        }
        // An answer may uncover what it is about: never two for one.
        if fetchAgain { return fetchNow() }
        // What was just asked is not asked again before its time, whatever the answer was: it may
        // be about other places than those that were asked for, or a failure.
        let isSame =
            request.page == pages.serial && request.question == page.question(in: self)
        return fetching.isEmpty && !isSame ? fetchIfUncovered() : []
    }

    private mutating func take(_ snapshot: Snapshot, _ request: FetchRequest) {
        link = .live
        guard frozenAt == nil, request.ticket > shownTicket else { return }
        shownTicket = request.ticket
        status = snapshot.status
        daemonAt = snapshot.status.at
        receivedAt = moment.elapsed
        let seen = self
        pages.changeAll { $0.take(snapshot.status, in: seen) }
        guard let answer = snapshot.answer, let question = request.question else { return }
        let model = self
        pages.change(request.page) { $0.take(answer, to: question, in: model) }
    }

    private mutating func take(_ failure: Failure, _ request: FetchRequest) {
        if failure.isAnswer {
            // It is there; it only does not like what it was asked.
            if case .lost = link { link = receivedAt == nil ? .connecting : .live }
            if failure.code == "bad-filter", request.page == pages.serial,
                request.question == page.question(in: self)
            {
                let refused = query.filter ?? ""
                let shown = page.shownQuery?.filter
                query.filter = shown == query.filter ? nil : shown
                var field = TextField(refused)
                if let position = failure.position { field.move(to: position) }
                if overlay == nil {
                    overlay = .filter(FilterPrompt(field: field, failure: failure))
                } else {
                    say(.failed, "filter refused: \(safe(failure.message))")
                }
            } else {
                if let question = request.question {
                    pages.change(request.page) { $0.refused(question) }
                }
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
        isSilent = failure.isSilence
        let delay = Self.retryDelays[min(attempts - 1, Self.retryDelays.count - 1)]
        nextFetchAt = moment.elapsed + .seconds(delay)
        link = .lost(
            since: since, attempts: attempts, retryAt: moment.elapsed + .seconds(delay),
            reason: failure.message)
    }
}
