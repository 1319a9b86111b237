import Mail
import Synchronization

/// The columns of all deliveries in memory, as of the last commit: what pages, plans and counts are
/// answered from. SQLite would read the whole table for most filters and orders.
///
/// The writer brings it up to date with every commit; readers take a snapshot, which costs nothing
/// and holds nobody up: what is written while they read is written to copies of the blocks.
final class DeliveryIndex: Sendable {
    private let state = Mutex(IndexState())

    func snapshot() -> IndexSnapshot {
        state.withLock {
            IndexSnapshot(
                blocks: $0.blocks, domains: $0.domains.texts, senders: $0.senders.texts,
                replies: $0.replies.texts, destinations: $0.destinations)
        }
    }

    /// In the order of the commits.
    func apply(_ writes: [SpoolWrite]) {
        state.withLock { for write in writes { $0.apply(write) } }
    }

    /// In place of what it held.
    func load(_ body: (inout IndexState) throws -> Void) rethrows {
        try state.withLock {
            $0 = IndexState()
            try body(&$0)
        }
    }
}

/// What an `IndexRow` refers to.
private struct IndexTexts {
    var destination: Int64?
    var domain: String
    var sender: String
    var reply: String
    /// As in the table.
    var recipients: [UInt8]
}

/// What the index is made of. Each write has the effect here that `WriteStatements` gives it in the
/// table.
struct IndexState: Sendable {
    private(set) var blocks: [IndexBlock] = []
    private(set) var domains = TextPool()
    private(set) var senders = TextPool()
    private(set) var replies = TextPool()
    var destinations = DestinationTable()

    private typealias Place = (block: Int, row: Int)

    mutating func apply(_ write: SpoolWrite) {
        switch write {
        case .accept(let message): accept(message)
        case .route(let id, let deliveries): route(id, into: deliveries)
        case .remove(let id): remove(id)
        case .update(let change): apply(change)
        case .mark(let ids, let from, let to, let at):
            for id in ids {
                change(id) { row in
                    guard let state = StoredState(rawValue: row.state), from.contains(state) else {
                        return
                    }
                    row.state =
                        to == .queued && row.destination == 0
                        ? StoredState.routing.rawValue : to.rawValue
                    row.purgeAt = at?.milliseconds ?? IndexRow.never
                }
            }
        case .removeAll(let ids, let state, _):
            for id in ids {
                guard let place = find(id),
                    blocks[place.block].rows[place.row].state == state.rawValue
                else { continue }
                remove(at: place)
            }
        case .reschedule(let ids, let time):
            for id in ids { change(id) { $0.next = time.milliseconds } }
        case .warned(let id): change(id) { $0.flags |= UInt8(DeliveryRow.warned) }
        case .destination(let record): destinations.name(record.id, record.name)
        case .forgetDestination(let id): destinations.forget(id)
        case .attempt, .action, .forgetCount, .moving, .probe: break
        }
    }

    // MARK: Writes

    private mutating func accept(_ message: NewMessage) {
        let record = message.record
        for delivery in message.deliveries {
            var row = IndexRow()
            row.id = delivery.id.rawValue
            row.next = delivery.nextAttemptAt.milliseconds
            row.received = record.receivedAt.milliseconds
            row.expires = record.expiresAt.milliseconds
            row.size = UInt32(clamping: record.size)
            row.flags = UInt8(truncatingIfNeeded: DeliveryRow.flags(of: record))
            row.state =
                (delivery.destination == nil ? StoredState.routing : .queued).rawValue
            var recipients: [UInt8] = []
            TextCoding.appendAddresses(delivery.recipients, to: &recipients)
            insert(
                row,
                IndexTexts(
                    destination: delivery.destination, domain: delivery.domain,
                    sender: record.sender, reply: "", recipients: recipients))
        }
    }

    private mutating func route(_ id: DeliveryID, into deliveries: [NewDelivery]) {
        guard let place = find(id) else { return }
        let old = blocks[place.block].rows[place.row]
        for delivery in deliveries where delivery.id != id {
            var row = old
            row.id = delivery.id.rawValue
            row.next = delivery.nextAttemptAt.milliseconds
            Self.settle(&row, delivery)
            var recipients: [UInt8] = []
            TextCoding.appendAddresses(delivery.recipients, to: &recipients)
            insert(
                row,
                IndexTexts(
                    destination: delivery.destination, domain: delivery.domain,
                    sender: senders.texts[Int(old.sender)], reply: replies.texts[Int(old.reply)],
                    recipients: recipients))
        }
        guard let delivery = deliveries.last(where: { $0.id == id }) else { return remove(id) }
        let destination = destinations.use(delivery.destination)
        let domain = domains.use(delivery.domain)
        change(id) { row in
            row.next = delivery.nextAttemptAt.milliseconds
            Self.settle(&row, delivery)
            row.destination = destination
            row.domain = domain
        }
        destinations.release(old.destination)
        domains.release(old.domain)
        setRecipients(delivery.recipients, of: id)
    }

    /// A delivery that gets a destination leaves the state `routing`.
    private static func settle(_ row: inout IndexRow, _ delivery: NewDelivery) {
        if row.state == StoredState.routing.rawValue, delivery.destination != nil {
            row.state = StoredState.queued.rawValue
        }
    }

    private mutating func apply(_ update: DeliveryUpdate) {
        guard let place = find(update.id) else { return }
        let old = blocks[place.block].rows[place.row].reply
        let reply = replies.use(update.lastReply)
        change(update.id) { row in
            row.attempts = Int32(clamping: update.attempts)
            row.next = update.nextAttemptAt.milliseconds
            row.code = UInt16(DeliveryRow.code(ofReply: update.lastReply))
            row.reply = reply
        }
        replies.release(old)
        if let recipients = update.recipients { setRecipients(recipients, of: update.id) }
    }

    private mutating func setRecipients(_ recipients: [StoredRecipient], of id: DeliveryID) {
        guard let place = find(id) else { return }
        var bytes: [UInt8] = []
        TextCoding.appendAddresses(recipients, to: &bytes)
        own(place.block)
        bytes.withUnsafeBytes { blocks[place.block].setRecipients($0, at: place.row) }
    }

    // MARK: Rows

    private mutating func change(_ id: DeliveryID, _ body: (inout IndexRow) -> Void) {
        guard let place = find(id) else { return }
        own(place.block)
        body(&blocks[place.block].rows[place.row])
    }

    /// What a snapshot holds too is copied before it changes.
    private mutating func own(_ block: Int) {
        if !isKnownUniquelyReferenced(&blocks[block]) { blocks[block] = blocks[block].copy() }
    }

    /// The last block that begins at or before an id; the first where none does.
    private func block(for id: Int64) -> Int {
        var (low, high) = (0, blocks.count)
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].firstID <= id { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    private func find(_ id: DeliveryID) -> Place? {
        guard !blocks.isEmpty else { return nil }
        let block = block(for: id.rawValue)
        let row = blocks[block].index(of: id.rawValue)
        guard row < blocks[block].count, blocks[block].rows[row].id == id.rawValue else {
            return nil
        }
        return (block, row)
    }

    private mutating func insert(_ row: IndexRow, _ texts: IndexTexts) {
        var row = row
        row.destination = destinations.use(texts.destination)
        row.domain = domains.use(texts.domain)
        row.sender = senders.use(texts.sender)
        row.reply = replies.use(texts.reply)
        texts.recipients.withUnsafeBytes { insert(row, $0) }
    }

    /// A row of the table: its columns from `destination` to `last_reply`.
    mutating func load(
        _ row: IndexRow, destination: Int64?, domain: UnsafeRawBufferPointer,
        sender: UnsafeRawBufferPointer, reply: UnsafeRawBufferPointer,
        recipients: UnsafeRawBufferPointer
    ) {
        var row = row
        row.destination = destinations.use(destination)
        row.domain = domains.use(domain)
        row.sender = senders.use(sender)
        row.reply = replies.use(reply)
        insert(row, recipients)
    }

    private mutating func insert(_ row: IndexRow, _ recipients: UnsafeRawBufferPointer) {
        if blocks.isEmpty { blocks.append(IndexBlock()) }
        var place = block(for: row.id)
        own(place)
        if blocks[place].isFull {
            if place == blocks.count - 1, row.id > blocks[place].lastID {
                // Mail comes in the order of ids: full blocks stay full.
                blocks.append(IndexBlock())
                place += 1
            } else {
                blocks.insert(blocks[place].split(at: IndexBlock.capacity / 2), at: place + 1)
                if row.id > blocks[place].lastID { place += 1 }
            }
        }
        let index = blocks[place].index(of: row.id)
        blocks[place].insert(row, at: index, recipients: recipients)
    }

    private mutating func remove(_ id: DeliveryID) {
        if let place = find(id) { remove(at: place) }
    }

    private mutating func remove(at place: Place) {
        own(place.block)
        let row = blocks[place.block].rows[place.row]
        destinations.release(row.destination)
        domains.release(row.domain)
        senders.release(row.sender)
        replies.release(row.reply)
        blocks[place.block].remove(at: place.row)
        let count = blocks[place.block].count
        if count == 0 {
            blocks.remove(at: place.block)
        } else if count < IndexBlock.capacity / 4, place.block + 1 < blocks.count,
            count + blocks[place.block + 1].count <= IndexBlock.capacity * 3 / 4
        {
            blocks[place.block].append(blocks[place.block + 1])
            blocks.remove(at: place.block + 1)
        }
    }
}
