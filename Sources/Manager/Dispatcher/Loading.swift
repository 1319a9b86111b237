import Control
import Faults
import Mail
import NIOCore
import Scheduler
import Spool

/// A destination whose owner is to get what lies in the spool. Outdated once the destination has
/// moved on, which its generation tells.
struct QueueLoad {
    var destination: Int64
    var generation: Int
    /// Deliveries, about.
    var count: Int
}

/// Loads that wait for their turn: few are read at a time, so that mail whose turn has come finds a
/// reader, and those with little mail come first, so that fresh mail does not wait for a million.
struct LoadQueue {
    /// The next one last, unless new ones have come.
    private var waiting: [QueueLoad] = []
    private var isSorted = true
    /// Deliveries of all that wait.
    private var total = 0
    var running = 0
    var isScheduled = false

    static let together = 2
    /// Every group is a look at all deliveries: many small ones go together.
    private static let groupSize = 20_000
    private static let groupShare = 16

    mutating func add(_ load: QueueLoad) {
        waiting.append(load)
        total += load.count
        isSorted = false
    }

    /// The next ones to be read in one go; nil if none wait or enough are being read.
    mutating func next() -> [QueueLoad]? {
        guard running < Self.together, !waiting.isEmpty else { return nil }
        if !isSorted {
            waiting.sort { ($0.count, $0.destination) > ($1.count, $1.destination) }
            isSorted = true
        }
        let size = max(Self.groupSize, total / Self.groupShare)
        var (group, count): ([QueueLoad], Int) = ([], 0)
        while let load = waiting.last, group.isEmpty || count + load.count <= size {
            waiting.removeLast()
            group.append(load)
            count += load.count
        }
        total -= count
        running += 1
        return group
    }
}

extension Dispatcher {
    /// Sends the owner what lies in the spool. Everything that was submitted before is on disk
    /// when the reading starts; everything after it comes by itself.
    func load(_ destination: Destination) {
        guard destination.pendingSettlements == 0 else {
            destination.loadWaits = true
            return
        }
        loads.add(
            QueueLoad(
                destination: destination.id, generation: destination.generation,
                count: destination.queued))
        guard !loads.isScheduled else { return }
        loads.isScheduled = true
        // What else is placed in this turn is read together with it.
        loop.execute { [handle] in
            handle.value.loads.isScheduled = false
            handle.value.startLoads()
        }
    }

    private func startLoads() {
        while let group = loads.next() {
            barrier { $0.load(group, after: nil) }
        }
    }

    private static let pageSize = 1000
    /// How long a worker may take to read what it was sent before it is sent more.
    private static let patience = 50

    private func load(_ group: [QueueLoad], after: DeliveryID?, waited: Int = 0) {
        // A million deliveries are read faster than they are taken: they must not fill the memory.
        if waited < Self.patience, links.values.contains(where: { !$0.isWritable }) {
            return self.after(.milliseconds(1)) { $0.load(group, after: after, waited: waited + 1) }
        }
        let ids = Set(group.map(\.destination))
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.queue(of: ids, after: after, limit: Self.pageSize)
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            switch result {
            case .failure(let error):
                dispatcher.readFailed(error) { $0.load(group, after: after) }
            case .success(nil):
                dispatcher.loadSingly(group[...])
            case .success(let page?):
                dispatcher.loaded(page, of: group)
            }
        }
    }

    private func loaded(_ page: QueuePage, of group: [QueueLoad]) {
        FaultPoint.loading.reached()
        let generations = Dictionary(
            group.map { ($0.destination, $0.generation) }, uniquingKeysWith: max)
        let batch = EnqueueBatch()
        for delivery in page.deliveries where delivery.state == .queued {
            guard let id = delivery.destination, let generation = generations[id],
                let (destination, link) = isLoading(id, generation),
                !destination.lateArrivals.contains(delivery.id)
            else { continue }
            batch.add(QueuedDelivery(delivery, destination: id), for: link.worker)
        }
        batch.send(over: links)
        guard page.isLast else { return load(group, after: page.last) }
        for load in group { ended(load) }
        groupEnded()
    }

    /// One destination after the other, from the table.
    private func loadSingly(_ group: ArraySlice<QueueLoad>) {
        guard let load = group.first else { return groupEnded() }
        loadPage(load, after: nil) { $0.loadSingly(group.dropFirst()) }
    }

    private func loadPage(
        _ load: QueueLoad, after: DeliveryID?, then: @escaping (Dispatcher) -> Void
    ) {
        guard isLoading(load.destination, load.generation) != nil else { return then(self) }
        let work = NIOLoopBound(then, eventLoop: loop)
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.deliveries(
                destination: load.destination, after: after, limit: Self.pageSize)
        } completion: { [handle = handle] result in
            handle.value.loaded(result, of: load, after: after, then: work.value)
        }
    }

    private func loaded(
        _ result: Result<[StoredDelivery], SpoolError>, of load: QueueLoad, after: DeliveryID?,
        then: @escaping (Dispatcher) -> Void
    ) {
        guard let (destination, link) = isLoading(load.destination, load.generation) else {
            return then(self)
        }
        switch result {
        case .failure(let error):
            // The others do not wait for one that lies on a damaged page.
            readFailed(error) { $0.loadPage(load, after: after) { _ in } }
            then(self)
        case .success(let page):
            FaultPoint.loading.reached()
            let entries = page.filter {
                $0.state == .queued && !destination.lateArrivals.contains($0.id)
            }.map { QueuedDelivery($0, destination: load.destination) }
            if !entries.isEmpty { link.send(.enqueue(entries)) }
            if page.count < Self.pageSize {
                ended(load)
                then(self)
            } else {
                loadPage(load, after: page.last?.id, then: then)
            }
        }
    }

    /// nil: the owner may have died or been told to give it up while the disk was read.
    private func isLoading(_ id: Int64, _ generation: Int) -> (Destination, WorkerLink)? {
        guard let destination = table[id], destination.generation == generation,
            case .loading(let worker) = destination.ownership, let link = links[worker]
        else { return nil }
        return (destination, link)
    }

    private func ended(_ load: QueueLoad) {
        guard let (destination, link) = isLoading(load.destination, load.generation) else {
            return
        }
        destination.ownership = .owned(link.worker)
        destination.lateArrivals = []
        sendHastened(destination)
        FaultPoint.loaded.reached()
    }

    private func groupEnded() {
        loads.running -= 1
        startLoads()
    }
}

extension QueuedDelivery {
    init(_ stored: StoredDelivery, destination: Int64) {
        self.init(
            id: stored.id, destination: destination, due: stored.nextAttemptAt,
            received: stored.message.receivedAt, attempts: stored.attempts,
            size: stored.message.size,
            senderHash: CRC32.checksum(stored.message.sender),
            priority: stored.message.priority)
    }
}
