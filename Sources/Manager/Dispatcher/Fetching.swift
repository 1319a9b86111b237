import Control
import DequeModule
import Logging
import Mail
import NIOCore
import Spool

/// A worker's request for what it is about to send.
struct LetterRequest<Link> {
    var ids: [DeliveryID]
    var destination: Int64
    var link: Link
}

/// Those that come together are read together: each read is a transaction where the spool is in a
/// database.
struct LetterRequests<Link> {
    private var waiting: Deque<LetterRequest<Link>> = []
    /// Reads that are under way.
    private var running = 0
    private var isCalled = false

    /// As many as the reader has threads.
    private var readsAtOnce: Int { 2 }
    /// A destination asks for no more by default (`limits.concurrency`); larger reads would only
    /// hold more texts in memory.
    private var deliveriesTogether: Int { 20 }

    /// - Returns: whether `next` is to be asked on the loop's next turn.
    mutating func add(_ request: LetterRequest<Link>) -> Bool {
        waiting.append(request)
        guard !isCalled, running < readsAtOnce else { return false }
        isCalled = true
        return true
    }

    /// What is to be read now; nil: nothing, or when one of the others has ended.
    mutating func next() -> [LetterRequest<Link>]? {
        isCalled = false
        guard running < readsAtOnce, let first = waiting.popFirst() else { return nil }
        running += 1
        var part = [first]
        var count = first.ids.count
        while let more = waiting.first, count + more.ids.count <= deliveriesTogether {
            waiting.removeFirst()
            part.append(more)
            count += more.ids.count
        }
        return part
    }

    mutating func ended() { running -= 1 }
}

/// A delivery whose turn has come: with its job, with neither if its text is gone, or with what is
/// wrong with it.
private struct Fetched {
    var stored: StoredDelivery
    var job: Job?
    var damage: SpoolError?
}

extension Dispatcher {
    /// Sends envelope and body of deliveries whose turn has come.
    func fetch(_ request: LetterRequest<WorkerLink>) {
        guard letterRequests.add(request) else { return }
        loop.assumeIsolated().execute { [weak self] in self?.fetchNext() }
    }

    private func fetchNext() {
        while let part = letterRequests.next() {
            read(part) { dispatcher in
                dispatcher.letterRequests.ended()
                dispatcher.fetchNext()
            }
        }
    }

    private func read(
        _ part: [LetterRequest<WorkerLink>], then: @escaping (Dispatcher) -> Void
    ) {
        let bound = NIOLoopBound((part, then), eventLoop: loop)
        let ids = part.flatMap(\.ids)
        reader.read(on: loop) { spool throws(SpoolError) in
            let letters = try spool.letters(ids, upTo: .max)
            return letters.deliveries.map { Self.fetched($0, letters.bodies) }
        } completion: { [handle = handle] result in
            let (part, then) = bound.value
            handle.value.read(result, for: part)
            then(handle.value)
        }
    }

    private static func fetched(_ stored: StoredDelivery, _ bodies: SpoolBodies) -> Fetched {
        let message = stored.id.message
        guard stored.isAsWritten else { return Fetched(stored: stored, damage: changedEnvelope) }
        if let damage = bodies.damage[message] { return Fetched(stored: stored, damage: damage) }
        return Fetched(stored: stored, job: bodies.texts[message].map { Job(stored, body: $0) })
    }

    private func read(
        _ result: Result<[Fetched], SpoolError>, for part: [LetterRequest<WorkerLink>]
    ) {
        switch result {
        case .failure(let error) where error.code == .damaged && part.count > 1:
            // The others do not wait for one that lies on a damaged page.
            for request in part { read([request]) { _ in } }
        case .failure(let error):
            readFailed(error) { dispatcher in for request in part { dispatcher.fetch(request) } }
        case .success(let letters):
            let letters = Dictionary(letters.map { ($0.stored.id, $0) }, uniquingKeysWith: { $1 })
            for request in part {
                for id in request.ids {
                    if let damage = letters[id]?.damage, let stored = letters[id]?.stored {
                        setAside(stored, because: damage)
                    }
                    request.link.send(
                        .job(id, destination: request.destination, letters[id]?.job))
                }
            }
        }
    }
}
