package import Mail
import NIOCore
package import Spool

/// Takes everything from one spool into another: mail with its attempts, times, replies and states,
/// what was tried for it, destinations, actions.
///
/// A batch of messages is first committed in the new spool, then removed from the old one, so that
/// whatever ends this in between leaves a message in both at the worst, and the next run sees that.
/// While it is going on both spools bear the number of the move, and no daemon opens either.
package struct SpoolMove {
    package struct Outcome: Hashable, Sendable {
        package var moved = 0
        /// What could not be read; it stays where it was.
        package var left: [MessageID] = []

        package init() {}
    }

    private let source: any Spool
    private let target: any Spool
    private let batch: Int
    /// Called after every commit, with the messages moved so far; may end it by throwing.
    private let progress: (Int) throws -> Void

    /// Bytes of bodies in one batch, unless one alone has more.
    private static let batchBytes = 16 << 20

    package init(
        from source: any Spool, to target: any Spool, batch: Int = 500,
        progress: @escaping (Int) throws -> Void = { _ in }
    ) {
        self.source = source
        self.target = target
        self.batch = batch
        self.progress = progress
    }

    /// - Parameter number: of this move, should it be a new one; not 0.
    /// - Throws: `refused` where the two are not such as can be moved.
    package func run(number: Int64) throws -> Outcome {
        try begin(number)
        try raiseMessageIDs()
        var outcome = Outcome()
        try moveDestinations()
        try moveActions()
        var last: DeliveryID?
        while true {
            let page = try source.deliveries(destination: nil, after: last, limit: batch)
            guard let end = page.last?.id else { break }
            // The others of its last message too.
            last = DeliveryID(message: end.message, ordinal: .max)
            try move(page, &outcome)
        }
        try end()
        return outcome
    }

    // MARK: Beginning and end

    private func begin(_ number: Int64) throws {
        let marks = (source: try source.moveInProgress(), target: try target.moveInProgress())
        let isEmpty = try target.messageCount() == 0
        let hasLeft = try source.messageCount() == 0
        switch (marks.source, marks.target) {
        case (let a?, let b?) where a == b: return
        // Everything has arrived, and the one mark has gone already.
        case (.some, nil) where hasLeft: return
        case (.some, _):
            throw Self.refused(
                "the spool to move from is in the middle of a move to or from another one; "
                    + "finish that first")
        case (nil, _) where !isEmpty:
            throw Self.refused(
                "there is mail in the spool to move to, whose ids would collide; name an empty one")
        case (nil, _): break
        }
        let known = try target.destinations()
        try commit(known.map { .forgetDestination($0.id) } + [.moving(number)], in: target, 0)
        try commit([.moving(number)], in: source, 0)
    }

    /// No id is used again.
    private func raiseMessageIDs() throws {
        let next = try source.reserveMessageIDs(1).lowerBound
        let present = try target.reserveMessageIDs(1).lowerBound
        if present < next { _ = try target.reserveMessageIDs(Int(next - present)) }
    }

    private func end() throws {
        let moved = try source.destinations()
        try commit(moved.map { .forgetDestination($0.id) }, in: source, 0)
        try commit([.moving(nil)], in: target, 0)
        try commit([.moving(nil)], in: source, 0)
    }

    private static func refused(_ cause: String) -> SpoolError {
        SpoolError(code: .refused, cause: cause, context: "spool move")
    }

    private func commit(_ writes: [SpoolWrite], in spool: any Spool, _ moved: Int) throws {
        try spool.commit(writes)
        try progress(moved)
    }

    // MARK: What is moved

    private func moveDestinations() throws {
        try target.commit(try source.destinations().map { .destination($0) })
    }

    private func moveActions() throws {
        var offset = 0
        while true {
            let actions = try source.actions(limit: batch, offset: offset)
            guard !actions.isEmpty else { return }
            try target.commit(actions.map { .action($0) })
            offset += actions.count
        }
    }

    private func move(_ page: [StoredDelivery], _ outcome: inout Outcome) throws {
        var messages: [[StoredDelivery]] = []
        for delivery in page {
            if messages.last?.first?.id.message == delivery.id.message {
                messages[messages.count - 1].append(delivery)
            } else {
                messages.append([delivery])
            }
        }
        if let last = messages.last, page.count == batch {
            messages[messages.count - 1] = try source.deliveries(of: last[0].id.message)
        }
        var part: [[StoredDelivery]] = []
        var bytes = 0
        for message in messages {
            if !part.isEmpty, bytes + message[0].message.size > Self.batchBytes {
                try moveWhole(part, &outcome)
                (part, bytes) = ([], 0)
            }
            part.append(message)
            bytes += message[0].message.size
        }
        try moveWhole(part, &outcome)
    }

    private func moveWhole(_ messages: [[StoredDelivery]], _ outcome: inout Outcome) throws {
        let bodies = try source.bodies(of: messages.map { $0[0].id.message })
        // The earlier run that brought in one delivery of a message brought in all.
        let states = try target.states(messages.map { $0[0].id })
        var arriving: [SpoolWrite] = []
        var leaving: [SpoolWrite] = []
        var count = 0
        for (message, state) in zip(messages, states) {
            let id = message[0].id.message
            if state == nil {
                // Among others it would get a checksum, or none, and pass for what was written.
                guard let body = bodies.texts[id], message.allSatisfy(\.isAsWritten) else {
                    outcome.left.append(id)
                    continue
                }
                arriving += Self.writes(message, body: body)
                if message.contains(where: { $0.attempts != 0 || !$0.lastReply.isEmpty }) {
                    arriving += try source.attempts(of: id).map { .attempt($0) }
                }
            }
            leaving += message.map { .remove($0.id) }
            count += 1
        }
        if !arriving.isEmpty { try commit(arriving, in: target, outcome.moved) }
        outcome.moved += count
        if !leaving.isEmpty { try commit(leaving, in: source, outcome.moved) }
    }

    /// A message as it is, in the words of the protocol.
    private static func writes(_ deliveries: [StoredDelivery], body: ByteBuffer) -> [SpoolWrite] {
        let accepted = deliveries.map { stored in
            NewDelivery(
                id: stored.id, destination: stored.destination, domain: stored.domain,
                recipients: stored.recipients, nextAttemptAt: stored.nextAttemptAt)
        }
        var writes: [SpoolWrite] = [
            .accept(NewMessage(record: deliveries[0].message, body: body, deliveries: accepted))
        ]
        for stored in deliveries {
            if stored.attempts != 0 || !stored.lastReply.isEmpty {
                writes.append(
                    .update(
                        DeliveryUpdate(
                            id: stored.id, attempts: stored.attempts,
                            nextAttemptAt: stored.nextAttemptAt, lastReply: stored.lastReply,
                            lastRule: stored.lastRule, recipients: nil)))
            }
            let state: StoredState = stored.destination == nil ? .routing : .queued
            if stored.state != state || stored.purgeAt != nil {
                writes.append(
                    .mark([stored.id], from: [state], to: stored.state, at: stored.purgeAt))
            }
            if stored.isWarned { writes.append(.warned(stored.id)) }
        }
        return writes
    }
}
