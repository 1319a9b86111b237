import Mail
import NIOCore
import PostgreSQL
import Spool

/// Many writes as few statements: one per kind, with a row of an array parameter for each write.
///
/// Writes about different messages may change places, those about one message must not. So the
/// statements of a round run in the order of `Phase`, a write joins the round if what the round
/// already does with its message comes before it, and begins the next round otherwise. Of the
/// mixed writes of many messages, nearly all fit into one round.
struct WriteBatch {
    /// Why a command is there: its count of changed rows says how many messages came or left.
    enum Effect {
        case none
        case messagesAdded
        case messagesRemoved
    }

    private(set) var commands: [(command: Command, effect: Effect)] = []
    /// The messages taken in, and whether they have a sender.
    private(set) var accepted: [(id: MessageID, hasSender: Bool)] = []
    /// Deliveries that routing makes.
    private(set) var copies: [DeliveryID] = []

    private enum Phase: Int {
        case accept, route, update, attempt, mark, reschedule, warn, remove
    }

    private var round: WriteRound
    /// The node of a cluster that writes; nil: the only one there is.
    private let node: Int64?
    private var phases: [MessageID: Phase] = [:]
    /// Those that a statement of the round may name only once.
    private var updated: Set<DeliveryID> = []
    private var tried: Set<DeliveryID> = []
    private var routed: Set<DeliveryID> = []
    private let present: Set<DeliveryID>

    /// - Parameter present: copies that routing has made already, as became known after the
    ///   failure of their commit had been reported.
    /// - Throws: `refused`.
    init(
        _ writes: [SpoolWrite], present: Set<DeliveryID> = [], node: Int64? = nil
    ) throws(SpoolError) {
        self.present = present
        self.node = node
        round = WriteRound(node: node)
        for write in writes { try add(write) }
        flush()
    }

    private mutating func flush() {
        commands += round.commands()
        round = WriteRound(node: node)
        phases.removeAll(keepingCapacity: true)
        updated.removeAll(keepingCapacity: true)
        tried.removeAll(keepingCapacity: true)
        routed.removeAll(keepingCapacity: true)
    }

    private mutating func enter(_ phase: Phase, _ messages: some Sequence<MessageID>) {
        if messages.contains(where: { (phases[$0]?.rawValue ?? -1) > phase.rawValue }) { flush() }
        for message in messages { phases[message] = phase }
    }

    private mutating func enter(_ phase: Phase, _ message: MessageID) {
        enter(phase, CollectionOfOne(message))
    }

    private mutating func add(_ write: SpoolWrite) throws(SpoolError) {
        switch write {
        case .accept(let message):
            try Self.check(message)
            enter(.accept, message.record.id)
            accepted.append((message.record.id, !message.record.sender.isEmpty))
            round.accept(message)
        case .route(let id, let deliveries): try route(id, into: deliveries)
        case .remove(let id):
            enter(.remove, id.message)
            round.remove(id)
        case .update(let update):
            enter(.update, update.id.message)
            if updated.contains(update.id) { flush() }
            phases[update.id.message] = .update
            updated.insert(update.id)
            round.update(update)
        case .attempt(let attempt):
            enter(.attempt, attempt.delivery.message)
            if tried.contains(attempt.delivery) { flush() }
            phases[attempt.delivery.message] = .attempt
            tried.insert(attempt.delivery)
            round.attempt(attempt)
        case .mark(let ids, let from, let to, let at):
            enter(.mark, ids.map(\.message))
            round.mark(ids, from: from, to: to, at: at)
        case .removeAll(let ids, let state, let action):
            enter(.remove, ids.map(\.message))
            round.removeAll(ids, in: state, countedFor: action)
        case .forgetCount(let action):
            // Of what has been removed up to here.
            flush()
            round.forgetCount(of: action)
            flush()
        case .reschedule(let ids, let time):
            enter(.reschedule, ids.map(\.message))
            round.reschedule(ids, at: time)
        case .warned(let id):
            enter(.warn, id.message)
            round.warned(id)
        case .destination(let record):
            if !round.set(record) {
                flush()
                _ = round.set(record)
            }
        case .forgetDestination(let id):
            // It asks for deliveries of any message.
            flush()
            round.forget(id)
            flush()
        case .action(let record):
            if !round.set(record) {
                flush()
                _ = round.set(record)
            }
        case .moving(let number): round.moving(number)
        // The claim that begins the transaction is one.
        case .probe: break
        }
    }

    private mutating func route(
        _ id: DeliveryID, into deliveries: [NewDelivery]
    ) throws(SpoolError) {
        guard !deliveries.isEmpty else { return try add(.remove(id)) }
        for delivery in deliveries { try Self.check(delivery, belongsTo: id.message) }
        enter(.route, id.message)
        let named = deliveries.map(\.id) + [id]
        // The copies of another route of this round are not there yet for this one.
        if named.contains(where: routed.contains) { flush() }
        phases[id.message] = .route
        routed.formUnion(named)
        let new = deliveries.filter { $0.id != id }
        copies += new.map(\.id)
        round.route(
            id, copies: new.filter { !present.contains($0.id) },
            kept: deliveries.last { $0.id == id })
    }

    private static func check(_ message: NewMessage) throws(SpoolError) {
        let id = message.record.id
        guard id.rawValue > 0, id.rawValue < 1 << 47 else {
            throw .refused("message id \(id.rawValue) is out of range")
        }
        guard !message.deliveries.isEmpty else { throw .refused("message \(id) has no delivery") }
        for delivery in message.deliveries { try check(delivery, belongsTo: id) }
    }

    private static func check(
        _ delivery: NewDelivery, belongsTo message: MessageID
    ) throws(SpoolError) {
        guard delivery.id.message == message else {
            throw .refused("delivery \(delivery.id) is not one of message \(message)")
        }
    }
}
