import Control
import Terminal

/// What is followed as it happens.
extension Model {
    /// Seconds between the end of a stream and the next attempt.
    private static let followDelay = Duration.seconds(2)

    /// Asks for what the uppermost page that follows something follows.
    mutating func followWhatIsShown() -> [Effect] {
        // What is followed goes on behind the past that is shown.
        let pages = past?.present?.pages ?? pages
        if past != nil, past?.present == nil { return [] }
        let entry = pages.entries.last { $0.page.stream != nil }
        if let followed {
            if followed.page == entry?.serial, followed.request.subject == entry?.page.stream {
                return []
            }
            self.followed = nil
            guard entry != nil else { return [.stream(nil)] }
        }
        guard let entry, let subject = entry.page.stream else { return [] }
        if let followAgainAt, moment.elapsed < followAgainAt { return [] }
        followAgainAt = nil
        lastTicket += 1
        let request = StreamRequest(ticket: lastTicket, subject: subject)
        followed = (request, entry.serial)
        return [.stream(request)]
    }

    mutating func streamed(_ ticket: Int, _ news: StreamNews) -> [Effect] {
        guard let followed, followed.request.ticket == ticket else { return [] }
        if case .ended(let failure) = news {
            self.followed = nil
            followAgainAt = moment.elapsed + Self.followDelay
            if let failure, failure.isAnswer { say(.failed, safe(failure.message)) }
            return []
        }
        if case .items(let items) = news {
            let take: (inout any MonitorPage) -> Void = { page in
                for item in items { page.take(item) }
            }
            if past?.present == nil {
                pages.change(followed.page, take)
            } else {
                past?.present?.pages.change(followed.page, take)
            }
        }
        return []
    }

    mutating func saved(_ result: Result<String, Failure>) -> [Effect] {
        switch result {
        case .success(let name): say(.done, "saved as \(safe(name))")
        case .failure(let failure): say(.failed, "not saved: \(safe(failure.message))")
        }
        return []
    }

    mutating func changeWorkers(by difference: Int) -> [Effect] {
        // Of several hosts the one that the cursor is on.
        let row = worker ?? status?.workers.first
        guard status != nil else { return [] }
        let count = workers(host: row?.host, node: row?.node).count
        return preview(
            .workers, subject: Subject(), worker: max(1, count + difference), of: row)
    }
}
