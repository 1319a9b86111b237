import GRDB
import Mail
import NIOCore

/// The prepared statements behind `SpoolWrite`, and how each write is made of them.
///
/// Not Sendable: it belongs to the writing connection and is used only in accesses to that.
final class WriteStatements {
    private let insertDelivery: RawStatement
    private let insertBody: RawStatement
    private let deleteDelivery: RawStatement
    private let deleteDeliveryInState: RawStatement
    private let deleteBody: RawStatement
    private let copyDelivery: RawStatement
    private let replaceDelivery: RawStatement
    private let update: RawStatement
    private let updateRecipients: RawStatement
    private let insertAttempt: RawStatement
    private let forgetAttempts: RawStatement
    private let copyAttempts: RawStatement
    private let mark: RawStatement
    private let reschedule: RawStatement
    private let setFlags: RawStatement
    private let upsertDestination: RawStatement
    private let deleteDestination: RawStatement
    private let upsertAction: RawStatement
    private let probe: RawStatement
    private let setMove: RawStatement
    private let clearMove: RawStatement
    private let addToCount: RawStatement
    private let forgetCount: RawStatement
    private var texts = RowTexts()
    /// Since the transaction began: messages accepted, less those that left.
    var messagesAdded = 0
    /// False where there is no room for what people only look at.
    var keepsAttempts = true

    init(_ database: Database) throws {
        func prepare(_ sql: String) throws -> RawStatement { try RawStatement(database, sql) }
        insertDelivery = try prepare(
            """
            INSERT INTO deliveries (
                id, destination, state, attempts, next_attempt, received_at, expires_at, size,
                flags, domain, sender, recipients, attributes, ret, envelope_id, client)
            VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        insertBody = try prepare(
            "INSERT INTO bodies (message, data, checksum) VALUES (?, ?, ?)")
        deleteDelivery = try prepare("DELETE FROM deliveries WHERE id = ?")
        deleteDeliveryInState = try prepare("DELETE FROM deliveries WHERE id = ? AND state = ?")
        deleteBody = try prepare(
            """
            DELETE FROM bodies WHERE message = ?1 AND NOT EXISTS (
                SELECT 1 FROM deliveries WHERE id BETWEEN ?1 << 16 AND ?1 << 16 | 65535)
            """)
        // A delivery that gets a destination leaves the state `routing` (0) for `queued` (1).
        copyDelivery = try prepare(
            """
            INSERT INTO deliveries (
                id, destination, state, attempts, next_attempt, purge_at, received_at, expires_at,
                size, flags, code, domain, sender, recipients, attributes, ret, envelope_id,
                client, last_reply, last_rule)
            SELECT ?2, ?3, CASE WHEN state = 0 AND ?3 IS NOT NULL THEN 1 ELSE state END, attempts,
                ?4, purge_at, received_at, expires_at, size,
                \(EnvelopeChecksum.change(to: "?8", domain: true)), code, ?5, sender, ?6, ?7, ret,
                envelope_id, client, last_reply, last_rule
            FROM deliveries WHERE id = ?1
            """)
        replaceDelivery = try prepare(
            """
            UPDATE deliveries SET destination = ?2,
                state = CASE WHEN state = 0 AND ?2 IS NOT NULL THEN 1 ELSE state END,
                next_attempt = ?3, domain = ?4, recipients = ?5, attributes = ?6,
                flags = \(EnvelopeChecksum.change(to: "?7", domain: true))
            WHERE id = ?1
            """)
        update = try prepare(
            """
            UPDATE deliveries SET attempts = ?2, next_attempt = ?3, code = ?4, last_reply = ?5,
                last_rule = ?6
            WHERE id = ?1
            """)
        updateRecipients = try prepare(
            """
            UPDATE deliveries SET recipients = ?2, attributes = ?3,
                flags = \(EnvelopeChecksum.change(to: "?4", domain: false))
            WHERE id = ?1
            """)
        insertAttempt = try prepare(
            """
            INSERT OR REPLACE INTO attempts (
                delivery, number, again, at, milliseconds, worker, remote, tls, reply, rule)
            SELECT ?1, ?2, EXISTS (
                    SELECT 1 FROM attempts
                    WHERE delivery = ?1 AND number = ?2 AND again = 0 AND at <> ?3),
                ?3, ?4, ?5, ?6, ?7, ?8, ?9
            FROM deliveries WHERE id = ?1 AND (attempts > 0 OR last_reply <> '')
            """)
        forgetAttempts = try prepare(
            """
            DELETE FROM attempts
            WHERE delivery = ?1 AND number > \(StoredAttempt.firstKept) AND number <= ?2
            """)
        copyAttempts = try prepare(
            """
            INSERT OR IGNORE INTO attempts (
                delivery, number, again, at, milliseconds, worker, remote, tls, reply, rule)
            SELECT ?2, number, again, at, milliseconds, worker, remote, tls, reply, rule
            FROM attempts WHERE delivery = ?1
            """)
        mark = try prepare(
            """
            UPDATE deliveries SET
                state = CASE WHEN ?2 = 1 AND destination IS NULL THEN 0 ELSE ?2 END, purge_at = ?3
            WHERE id = ?1 AND 1 << state & ?4
            """)
        setFlags = try prepare("UPDATE deliveries SET flags = flags | ?2 WHERE id = ?1")
        reschedule = try prepare("UPDATE deliveries SET next_attempt = ?2 WHERE id = ?1")
        upsertDestination = try prepare(
            """
            INSERT INTO destinations (
                id, identity, name, domains, pin, paused_by, paused_until, pause_reason, scheduler)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, name = excluded.name,
                domains = excluded.domains, pin = excluded.pin, paused_by = excluded.paused_by,
                paused_until = excluded.paused_until, pause_reason = excluded.pause_reason,
                scheduler = excluded.scheduler
            """)
        deleteDestination = try prepare(
            """
            DELETE FROM destinations WHERE id = ?1
                AND NOT EXISTS (SELECT 1 FROM deliveries WHERE destination = ?1)
            """)
        probe = try prepare(
            """
            INSERT INTO meta (key, value) VALUES ('probes', 1)
            ON CONFLICT (key) DO UPDATE SET value = value + 1
            """)
        addToCount = try prepare(
            """
            INSERT INTO meta (key, value) VALUES ('removed-' || ?1, ?2)
            ON CONFLICT (key) DO UPDATE SET value = value + excluded.value
            """)
        forgetCount = try prepare("DELETE FROM meta WHERE key = 'removed-' || ?1")
        setMove = try prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('move', ?)")
        clearMove = try prepare("DELETE FROM meta WHERE key = 'move'")
        upsertAction = try prepare(
            """
            INSERT INTO actions (
                id, kind, at, by, reason, target, state, undo_until, result, details)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, at = excluded.at,
                by = excluded.by, reason = excluded.reason, target = excluded.target,
                state = excluded.state, undo_until = excluded.undo_until,
                result = excluded.result, details = excluded.details
            """)
    }

    func apply(_ write: SpoolWrite) throws(SpoolError) {
        switch write {
        case .accept(let message): try accept(message)
        case .route(let id, let deliveries): try route(id, into: deliveries)
        case .remove(let id):
            try deleteDelivery.bind(id.rawValue, at: 1)
            if try deleteDelivery.run() > 0 { try removeBodyIfLast(id.message) }
        case .update(let update): try apply(update)
        case .attempt(let attempt): if keepsAttempts { try apply(attempt) }
        case .mark(let ids, let from, let to, let at):
            let mask = from.reduce(Int64(0)) { $0 | 1 << Int64($1.rawValue) }
            for id in ids {
                try mark.bind(id.rawValue, at: 1)
                try mark.bind(Int64(to.rawValue), at: 2)
                try mark.bind(at?.milliseconds, at: 3)
                try mark.bind(mask, at: 4)
                try mark.run()
            }
        case .removeAll(let ids, let state, let action):
            var removed = 0
            for id in ids {
                try deleteDeliveryInState.bind(id.rawValue, at: 1)
                try deleteDeliveryInState.bind(Int64(state.rawValue), at: 2)
                guard try deleteDeliveryInState.run() > 0 else { continue }
                removed += 1
                try removeBodyIfLast(id.message)
            }
            guard let action, removed > 0 else { return }
            try addToCount.bind(action, at: 1)
            try addToCount.bind(removed, at: 2)
            try addToCount.run()
        case .forgetCount(let action):
            try forgetCount.bind(action, at: 1)
            try forgetCount.run()
        case .reschedule(let ids, let time):
            for id in ids {
                try reschedule.bind(id.rawValue, at: 1)
                try reschedule.bind(time.milliseconds, at: 2)
                try reschedule.run()
            }
        case .destination(let record): try apply(record)
        case .forgetDestination(let id):
            try deleteDestination.bind(id, at: 1)
            try deleteDestination.run()
        case .action(let record): try apply(record)
        case .warned(let id):
            try setFlags.bind(id.rawValue, at: 1)
            try setFlags.bind(DeliveryRow.warned, at: 2)
            try setFlags.run()
        case .moving(let number):
            if let number {
                try setMove.bind(number, at: 1)
                try setMove.run()
            } else {
                try clearMove.run()
            }
        case .probe: try probe.run()
        }
    }

    // MARK: Messages

    private func accept(_ message: NewMessage) throws(SpoolError) {
        let record = message.record
        guard record.id.rawValue > 0, record.id.rawValue < 1 << 47 else {
            throw .refused("message id \(record.id.rawValue) is out of range")
        }
        guard !message.deliveries.isEmpty else {
            throw .refused("message \(record.id) has no delivery")
        }
        for delivery in message.deliveries {
            try check(delivery, belongsTo: record.id)
            let statement = insertDelivery
            try statement.bind(delivery.id.rawValue, at: 1)
            try statement.bind(delivery.destination, at: 2)
            let state: StoredState = delivery.destination == nil ? .routing : .queued
            try statement.bind(Int64(state.rawValue), at: 3)
            try statement.bind(delivery.nextAttemptAt.milliseconds, at: 4)
            try statement.bind(record.receivedAt.milliseconds, at: 5)
            try statement.bind(record.expiresAt.milliseconds, at: 6)
            try statement.bind(record.size, at: 7)
            texts.removeAll()
            texts.append(delivery.domain)
            texts.append(record.sender)
            texts.appendAddresses(delivery.recipients)
            texts.appendAttributes(delivery.recipients)
            texts.append(record.ret)
            texts.append(record.envelopeID)
            texts.append(record.client)
            let sums = EnvelopeChecksum.flags(
                fixed: texts.sum(of: 1, 4, 5, 6), domain: texts.sum(of: 0),
                recipients: texts.sum(of: 2, 3))
            try statement.bind(DeliveryRow.flags(of: record) | sums, at: 8)
            try texts.run(statement, firstAt: 9)
        }
        try insertBody.bind(record.id.rawValue, at: 1)
        let result = message.body.withUnsafeReadableBytes {
            (bytes) -> Result<Void, SpoolError> in
            do throws(SpoolError) {
                try insertBody.bindBlob(borrowing: bytes, at: 2)
                try insertBody.bind(BodyChecksum.of(bytes), at: 3)
                try insertBody.run()
                return .success(())
            } catch {
                insertBody.reset()
                return .failure(error)
            }
        }
        try result.get()
        messagesAdded += 1
    }

    private func check(
        _ delivery: NewDelivery, belongsTo message: MessageID
    ) throws(SpoolError) {
        guard delivery.id.message == message else {
            throw .refused("delivery \(delivery.id) is not one of message \(message)")
        }
    }

    private func removeBodyIfLast(_ message: MessageID) throws(SpoolError) {
        try deleteBody.bind(message.rawValue, at: 1)
        messagesAdded -= try deleteBody.run()
    }

    private func route(
        _ id: DeliveryID, into deliveries: [NewDelivery]
    ) throws(SpoolError) {
        guard !deliveries.isEmpty else { return try apply(.remove(id)) }
        // The one that keeps the id comes last: the others are copied from it.
        for delivery in deliveries where delivery.id != id {
            try check(delivery, belongsTo: id.message)
            try copyDelivery.bind(id.rawValue, at: 1)
            try copyDelivery.bind(delivery.id.rawValue, at: 2)
            try copyDelivery.bind(delivery.destination, at: 3)
            try copyDelivery.bind(delivery.nextAttemptAt.milliseconds, at: 4)
            try copyDelivery.bind(gatherTexts(of: delivery), at: 8)
            // Nothing was copied: the delivery has left.
            guard try texts.run(copyDelivery, firstAt: 5) > 0 else { return }
            try copyAttempts.bind(id.rawValue, at: 1)
            try copyAttempts.bind(delivery.id.rawValue, at: 2)
            try copyAttempts.run()
        }
        if let delivery = deliveries.last(where: { $0.id == id }) {
            try replaceDelivery.bind(id.rawValue, at: 1)
            try replaceDelivery.bind(delivery.destination, at: 2)
            try replaceDelivery.bind(delivery.nextAttemptAt.milliseconds, at: 3)
            try replaceDelivery.bind(gatherTexts(of: delivery), at: 7)
            try texts.run(replaceDelivery, firstAt: 4)
        } else {
            try deleteDelivery.bind(id.rawValue, at: 1)
            try deleteDelivery.run()
        }
    }

    /// Returns their sums.
    private func gatherTexts(of delivery: NewDelivery) -> Int64 {
        texts.removeAll()
        texts.append(delivery.domain)
        texts.appendAddresses(delivery.recipients)
        texts.appendAttributes(delivery.recipients)
        return EnvelopeChecksum.flags(domain: texts.sum(of: 0))
            | EnvelopeChecksum.flags(recipients: texts.sum(of: 1, 2))
    }

    private func apply(_ change: DeliveryUpdate) throws(SpoolError) {
        try update.bind(change.id.rawValue, at: 1)
        try update.bind(change.attempts, at: 2)
        try update.bind(change.nextAttemptAt.milliseconds, at: 3)
        try update.bind(DeliveryRow.code(ofReply: change.lastReply), at: 4)
        texts.removeAll()
        texts.append(change.lastReply)
        texts.append(change.lastRule)
        guard try texts.run(update, firstAt: 5) > 0, let recipients = change.recipients else {
            return
        }
        try updateRecipients.bind(change.id.rawValue, at: 1)
        texts.removeAll()
        texts.appendAddresses(recipients)
        texts.appendAttributes(recipients)
        try updateRecipients.bind(
            EnvelopeChecksum.flags(recipients: texts.sum(of: 0, 1)), at: 4)
        try texts.run(updateRecipients, firstAt: 2)
    }

    private func apply(_ attempt: StoredAttempt) throws(SpoolError) {
        try insertAttempt.bind(attempt.delivery.rawValue, at: 1)
        try insertAttempt.bind(attempt.number, at: 2)
        try insertAttempt.bind(attempt.at.milliseconds, at: 3)
        try insertAttempt.bind(attempt.milliseconds, at: 4)
        try insertAttempt.bind(attempt.worker.map(Int64.init), at: 5)
        texts.removeAll()
        texts.append(attempt.remote)
        texts.append(attempt.tls)
        texts.append(attempt.reply)
        texts.append(attempt.rule)
        guard try texts.run(insertAttempt, firstAt: 6) > 0, let last = attempt.lastForgotten else {
            return
        }
        try forgetAttempts.bind(attempt.delivery.rawValue, at: 1)
        try forgetAttempts.bind(last, at: 2)
        try forgetAttempts.run()
    }

    // MARK: Destinations and actions

    private func apply(_ record: DestinationRecord) throws(SpoolError) {
        let statement = upsertDestination
        try statement.bind(record.id, at: 1)
        try statement.bind(record.identity, at: 2)
        try statement.bind(record.name, at: 3)
        try statement.bind(TextCoding.lines(record.domains), at: 4)
        try statement.bind(record.pin.map(Int64.init), at: 5)
        try statement.bind(record.pausedBy, at: 6)
        try statement.bind(record.pausedUntil?.milliseconds, at: 7)
        try statement.bind(record.pauseReason, at: 8)
        try run(statement, withBlob: record.scheduler, at: 9)
    }

    private func apply(_ record: ActionRecord) throws(SpoolError) {
        let statement = upsertAction
        try statement.bind(record.id, at: 1)
        try statement.bind(record.kind, at: 2)
        try statement.bind(record.at.milliseconds, at: 3)
        try statement.bind(record.by, at: 4)
        try statement.bind(record.reason, at: 5)
        try statement.bind(record.target, at: 6)
        try statement.bind(record.state, at: 7)
        try statement.bind(record.undoUntil?.milliseconds, at: 8)
        try statement.bind(record.result, at: 9)
        try run(statement, withBlob: record.details, at: 10)
    }

    private func run(
        _ statement: RawStatement, withBlob bytes: [UInt8], at index: Int32
    ) throws(SpoolError) {
        let result = bytes.withUnsafeBytes { (bytes) -> Result<Void, SpoolError> in
            do throws(SpoolError) {
                try statement.bindBlob(borrowing: bytes, at: index)
                try statement.run()
                return .success(())
            } catch {
                statement.reset()
                return .failure(error)
            }
        }
        try result.get()
    }
}
