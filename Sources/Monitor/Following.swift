import Synchronization

extension Monitor {
    /// How often the screen shows what has come meanwhile: faster than one reads, slow enough to
    /// cost little.
    private static let showInterval = Duration.milliseconds(300)

    /// Follows what was asked for last, and nothing else.
    static func follow(
        _ requests: AsyncStream<StreamRequest?>, of source: some MonitorSource,
        into mailbox: Mailbox, _ keeper: Keeper
    ) async {
        var iterator = requests.makeAsyncIterator()
        var next = await iterator.next()
        while let request = next {
            guard let request else {
                next = await iterator.next()
                continue
            }
            next = await withTaskGroup(of: Void.self) { group in
                group.addTask { await follow(request, of: source, into: mailbox, keeper) }
                let next = await iterator.next()
                group.cancelAll()
                return next
            }
        }
    }

    private static func follow(
        _ request: StreamRequest, of source: some MonitorSource, into mailbox: Mailbox,
        _ keeper: Keeper
    ) async {
        let batch = Batch()
        let end = await withTaskGroup(of: StreamNews?.self) { group in
            group.addTask {
                do {
                    try await source.follow(request.subject) { batch.add($0) }
                    return .ended(nil)
                } catch {
                    return .ended(Failure(error))
                }
            }
            group.addTask {
                while (try? await Task.sleep(for: showInterval)) != nil {
                    batch.post(request, to: mailbox, keeper)
                }
                return nil
            }
            let end = await group.next() ?? nil
            group.cancelAll()
            return end
        }
        batch.post(request, to: mailbox, keeper)
        if let end, !Task.isCancelled {
            mailbox.post(.streamed(ticket: request.ticket, end))
        }
    }

    /// What has come since the screen was last told.
    private final class Batch: Sendable {
        private let items = Mutex<[StreamItem]>([])

        func add(_ item: StreamItem) {
            items.withLock { $0.append(item) }
        }

        func post(_ request: StreamRequest, to mailbox: Mailbox, _ keeper: Keeper) {
            let all = items.withLock { items in
                defer { items.removeAll() }
                return items
            }
            guard !all.isEmpty else { return }
            mailbox.post(.streamed(ticket: request.ticket, .items(all)))
            if let end = keeper.keep(request.subject, all) { mailbox.post(end) }
        }
    }
}
