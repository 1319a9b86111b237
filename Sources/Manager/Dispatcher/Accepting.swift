import Control
import Faults
import Mail
import NIOCore
import Scheduler
import Spool

/// Deliveries that come to their workers together, in few frames. Confined to the event loop.
final class EnqueueBatch {
    private static let size = 1000
    private var entries: [Int: [QueuedDelivery]] = [:]

    func add(_ entry: QueuedDelivery, for worker: Int) {
        entries[worker, default: []].append(entry)
    }

    /// In the turn of the loop in which they were gathered: owners are still the same.
    func send(over links: [Int: WorkerLink]) {
        for (worker, all) in entries {
            for start in stride(from: 0, to: all.count, by: Self.size) {
                links[worker]?.send(
                    .enqueue(Array(all[start..<min(start + Self.size, all.count)])))
            }
        }
        entries = [:]
    }
}

/// What the intake, `sluice send` and the bounces hand in.
struct Submission {
    var id: MessageID
    var sender: String
    var recipients: [StoredRecipient]
    var eightBit: Bool
    var utf8: Bool
    var leadingDots: Bool
    var ret: String
    var envelopeID: String
    var client: String
    /// `MailPriority`.
    var priority = 0
    var body: ByteBuffer
}

extension Dispatcher {
    /// Commits a message, then routes it. `completion` runs on the loop after the commit (or its
    /// failure); `alongside` are writes that must happen in the same transaction, and `arriving` the
    /// deliveries that these bring.
    func accept(
        _ submission: Submission, alongside: [SpoolWrite] = [], arriving: [NewDelivery] = [],
        completion: @escaping (SpoolError?) -> Void
    ) {
        let now = clocks.wall()
        let record = MessageRecord(
            id: submission.id, sender: submission.sender, receivedAt: now,
            expiresAt: now + maxAge, size: submission.body.readableBytes,
            eightBit: submission.eightBit, utf8: submission.utf8,
            leadingDots: submission.leadingDots, ret: submission.ret,
            envelopeID: submission.envelopeID, client: submission.client,
            priority: submission.priority)
        let deliveries = split(submission.recipients, of: submission.id, from: 0, at: now)
        register(deliveries, at: now)
        register(arriving, at: now)
        let message = NewMessage(record: record, body: submission.body, deliveries: deliveries)
        let work = NIOLoopBound(completion, eventLoop: loop)
        FaultPoint.bound.reached()
        writer.submit(alongside + [.accept(message)], on: loop) { [handle = handle] result in
            let dispatcher = handle.value
            switch result {
            case .failure(let error):
                dispatcher.spoolFailed(error)
                work.value(error)
            case .success:
                FaultPoint.committed.reached()
                dispatcher.accepted(message, at: now)
                work.value(nil)
            }
        }
    }

    private func accepted(_ message: NewMessage, at now: UnixTime) {
        totals.accepted += 1
        totals.acceptedHistory.add(1, at: now)
        let count = message.deliveries.reduce(0) { $0 + $1.recipients.count }
        attemptLog.accepted(message.record, recipients: count, at: now)
        if events.isWanted {
            publish(
                "accepted",
                "\(message.record.id) from <\(message.record.sender)> to "
                    + "\(Counted.recipients(count)), \(message.record.size) bytes",
                message: message.record.id)
        }
        for delivery in message.deliveries where !delivery.isElsewhere {
            if delivery.destination == nil {
                guard holds(unrouted: delivery.id.message) else { continue }
                route(delivery, of: message.record)
            } else {
                arrived(delivery, of: message.record, body: message.body)
            }
        }
    }

    /// Deliveries for recipients: one per destination that is known, and one for all whose
    /// domain has to be asked for. Ordinals from `first`, the unknown one's the highest: what it is
    /// split into later gets those beyond it.
    func split(
        _ recipients: [StoredRecipient], of message: MessageID, from first: UInt16,
        at now: UnixTime
    ) -> [NewDelivery] {
        let instant = clocks.monotonic()
        var groups: [(destination: Int64?, domain: String, recipients: [StoredRecipient])] = []
        var places: [Int64?: Int] = [:]
        for recipient in recipients {
            let domain = Self.domain(of: recipient.address)
            let destination = knownDestination(of: domain, at: instant)
            if let place = places[destination] {
                groups[place].recipients.append(recipient)
            } else {
                places[destination] = groups.count
                groups.append((destination, domain, [recipient]))
            }
        }
        if let place = places[nil] { groups.append(groups.remove(at: place)) }
        return groups.enumerated().map { index, group in
            var delivery = NewDelivery(
                id: DeliveryID(message: message, ordinal: first + UInt16(index)),
                destination: group.destination, domain: group.domain,
                recipients: group.recipients, nextAttemptAt: now)
            delivery.isElsewhere = !holds(delivery.id, of: delivery.destination)
            return delivery
        }
    }

    static func domain(of address: String) -> String {
        // By bytes: looking for characters costs more than all the rest of a message's routing.
        guard let at = address.utf8.lastIndex(of: UInt8(ascii: "@")) else { return "" }
        let domain = address[address.utf8.index(after: at)...]
        let isLowercase = domain.utf8.allSatisfy { $0 < 0x80 && !(0x41...0x5A ~= $0) }
        return isLowercase ? String(domain) : domain.lowercased()
    }

    /// Called whenever deliveries are submitted to the spool, a second time too: a load that began
    /// before leaves them out, and one that begins later finds them.
    func register(_ deliveries: [NewDelivery], at now: UnixTime) {
        for delivery in deliveries {
            guard let destination = delivery.destination.flatMap({ table[$0] }) else { continue }
            // Or it could be forgotten as idle before the commit has ended.
            destination.lastActive = now
            if case .loading = destination.ownership {
                destination.lateArrivals.insert(delivery.id)
            }
        }
    }

    /// A delivery is on disk and has a destination: its owner gets it, now or by a load.
    func arrived(
        _ delivery: NewDelivery, of message: MessageRecord, body: ByteBuffer?, attempts: Int = 0
    ) {
        // What this node has no more is found by the one that has it next.
        guard let id = delivery.destination, !delivery.isElsewhere, holds(destination: id) else {
            return
        }
        let entry = QueuedDelivery(
            id: delivery.id, destination: id, due: delivery.nextAttemptAt,
            received: message.receivedAt, attempts: attempts,
            size: message.size, senderHash: CRC32.checksum(message.sender),
            priority: message.priority)
        guard let (destination, link) = takeIn(entry) else { return }
        // A destination with a long queue fetches bodies when their turn comes; sending them now
        // would only fill the worker's memory.
        if let body, Self.isEager(body.readableBytes, behind: destination.queued) {
            link.send(.deliver(entry, job(delivery, of: message, body: body)))
        } else {
            link.send(.enqueue([entry]))
        }
        FaultPoint.handed.reached()
    }

    /// Mail that another node has taken in.
    func queue(_ stored: StoredDelivery, destination id: Int64, body: ByteBuffer?) {
        let entry = QueuedDelivery(stored, destination: id)
        guard let (destination, link) = takeIn(entry) else { return }
        // What has changed since it was written is found, and kept back, when its turn comes.
        if let body, stored.isAsWritten,
            Self.isEager(body.readableBytes, behind: destination.queued)
        {
            link.send(.deliver(entry, Job(stored, body: body)))
        } else {
            link.send(.enqueue([entry]))
        }
        FaultPoint.handed.reached()
    }

    /// A delivery is queued again; its owner gets it with the batch, or by a load.
    func returned(_ entry: QueuedDelivery, in batch: EnqueueBatch) {
        guard let (_, link) = takeIn(entry) else { return }
        batch.add(entry, for: link.worker)
        FaultPoint.handed.reached()
    }

    /// Counts what is queued. Returns where it has to be sent; nil: a load finds it.
    private func takeIn(_ entry: QueuedDelivery) -> (Destination, WorkerLink)? {
        guard let destination = table[entry.destination], holds(destination: destination.id) else {
            return nil
        }
        let isFirst = destination.queued == 0
        destination.queued += 1
        destination.lastActive = clocks.wall()
        if destination.oldest == nil { destination.oldest = entry.received }
        switch destination.ownership {
        case .surrendering:
            return nil
        case .loading where !destination.lateArrivals.contains(entry.id):
            return nil
        case .none:
            place(destination, empty: isFirst)
            guard case .owned = destination.ownership else { return nil }
        case .owned, .loading:
            break
        }
        guard let worker = destination.ownership.worker, let link = links[worker] else {
            return nil
        }
        return (destination, link)
    }

    /// Deliveries of one destination whose bodies may lie in the worker's memory, and how many
    /// where they are small: reading one back costs more than delivering it.
    private static let (eagerDeliveries, eagerSmall) = (200, 2000)
    static let smallBody = 16 << 10

    private static func isEager(_ size: Int, behind queued: Int) -> Bool {
        queued <= (size <= smallBody ? eagerSmall : eagerDeliveries)
    }

    private func job(_ delivery: NewDelivery, of message: MessageRecord, body: ByteBuffer) -> Job {
        Job(
            domain: delivery.domain, sender: message.sender,
            recipients: delivery.recipients.map(JobRecipient.init),
            eightBit: message.eightBit, utf8: message.utf8, leadingDots: message.leadingDots,
            ret: message.ret, envelopeID: message.envelopeID, body: body)
    }
}

extension JobRecipient {
    init(_ stored: StoredRecipient) {
        self.init(
            address: stored.address, notify: stored.notify,
            originalRecipient: stored.originalRecipient)
    }
}
