import Cluster
import Mail
import NIOCore
import PostgreSQL
import Spool

/// The writes of one round of a `WriteBatch`, gathered as columns.
struct WriteRound {
    private var deliveries = Columns(
        .int8, .int8, .int8, .int8, .int8, .int8, .int8, .text, .text, .text, .text, .text, .text,
        .text)
    private var bodies = Columns(.int8, .bytes, .int8)
    /// Full ones: a statement's arrays pass through the server's memory.
    private var fullBodies: [Columns] = []
    private var copies = Columns(.int8, .int8, .int8, .int8, .text, .text, .text)
    private var kept = Columns(.int8, .int8, .int8, .text, .text, .text)
    private var left = ArrayColumn(.int8)
    private var updates = Columns(
        .int8, .int8, .int8, .int8, .text, .text, .text, .text)
    private var attempts = Columns(
        .int8, .int8, .int8, .int8, .int8, .text, .text, .text, .text)
    private var forgottenAttempts = Columns(.int8, .int8)
    private var marks: [Command] = []
    private var reschedules: [Command] = []
    private var warnings = ArrayColumn(.int8)
    private var removals = ArrayColumn(.int8)
    private var removalsByState: [Command] = []
    private var emptied = ArrayColumn(.int8)
    private var destinations = Columns(
        .int8, .text, .text, .text, .int8, .text, .int8, .text, .bytes)
    private var destinationIDs: Set<Int64> = []
    private var forgotten: [Command] = []
    private var actions = Columns(
        .int8, .text, .int8, .text, .text, .text, .text, .int8, .text, .bytes)
    private var actionIDs: Set<Int64> = []
    private var moves: [Command] = []
    private let node: Int64?
    /// Deliveries that come, and whether another node has them: only where there are several.
    private var arrivals = Columns(.int8, .int8, .int8)

    init(node: Int64?) { self.node = node }

    private mutating func arrives(_ delivery: NewDelivery) {
        guard node != nil else { return }
        let district = District.of(destination: delivery.destination, delivery: delivery.id)
        arrivals.columns[0].append(delivery.id.rawValue)
        arrivals.columns[1].append(district)
        arrivals.columns[2].append(delivery.isElsewhere ? 1 : 0)
    }

    /// Parameters of one statement, all of one length.
    private struct Columns {
        var columns: [ArrayColumn]

        init(_ elements: ArrayColumn.Element...) { columns = elements.map { ArrayColumn($0) } }

        var isEmpty: Bool { columns[0].count == 0 }

        func command(_ sql: String, _ name: String) -> Command {
            var command = Command(sql, name: name)
            for column in columns { command.bind(column) }
            return command
        }
    }

    /// Bytes of bodies in one statement, unless one alone has more.
    private static let bodyBytes = 4 << 20

    mutating func accept(_ message: NewMessage) {
        let record = message.record
        for delivery in message.deliveries {
            arrives(delivery)
            deliveries.columns[0].append(delivery.id.rawValue)
            deliveries.columns[1].append(delivery.destination)
            deliveries.columns[2].append(delivery.nextAttemptAt.milliseconds)
            deliveries.columns[3].append(record.receivedAt.milliseconds)
            deliveries.columns[4].append(record.expiresAt.milliseconds)
            deliveries.columns[5].append(record.size)
            deliveries.columns[6].append(DeliveryRow.flags(of: record))
            deliveries.columns[7].append(delivery.domain)
            deliveries.columns[8].append(record.sender)
            deliveries.columns[9].append(addressesOf: delivery.recipients)
            deliveries.columns[10].append(attributesOf: delivery.recipients)
            deliveries.columns[11].append(record.ret)
            deliveries.columns[12].append(record.envelopeID)
            deliveries.columns[13].append(record.client)
        }
        if bodies.columns[1].byteCount + message.body.readableBytes > Self.bodyBytes,
            !bodies.isEmpty
        {
            fullBodies.append(bodies)
            bodies = Columns(.int8, .bytes, .int8)
        }
        bodies.columns[0].append(record.id.rawValue)
        bodies.columns[1].append(message.body)
        bodies.columns[2].append(message.body.withUnsafeReadableBytes { BodyChecksum.of($0) })
    }

    mutating func route(_ id: DeliveryID, copies new: [NewDelivery], kept same: NewDelivery?) {
        for delivery in new {
            arrives(delivery)
            copies.columns[0].append(id.rawValue)
            copies.columns[1].append(delivery.id.rawValue)
            copies.columns[2].append(delivery.destination)
            copies.columns[3].append(delivery.nextAttemptAt.milliseconds)
            copies.columns[4].append(delivery.domain)
            copies.columns[5].append(addressesOf: delivery.recipients)
            copies.columns[6].append(attributesOf: delivery.recipients)
        }
        guard let same else { return left.append(id.rawValue) }
        arrives(same)
        kept.columns[0].append(id.rawValue)
        kept.columns[1].append(same.destination)
        kept.columns[2].append(same.nextAttemptAt.milliseconds)
        kept.columns[3].append(same.domain)
        kept.columns[4].append(addressesOf: same.recipients)
        kept.columns[5].append(attributesOf: same.recipients)
    }

    mutating func update(_ change: DeliveryUpdate) {
        updates.columns[0].append(change.id.rawValue)
        updates.columns[1].append(change.attempts)
        updates.columns[2].append(change.nextAttemptAt.milliseconds)
        updates.columns[3].append(DeliveryRow.code(ofReply: change.lastReply))
        updates.columns[4].append(change.lastReply)
        updates.columns[5].append(change.lastRule)
        if let recipients = change.recipients {
            updates.columns[6].append(addressesOf: recipients)
            updates.columns[7].append(attributesOf: recipients)
        } else {
            updates.columns[6].appendNull()
            updates.columns[7].appendNull()
        }
    }

    mutating func attempt(_ attempt: StoredAttempt) {
        attempts.columns[0].append(attempt.delivery.rawValue)
        attempts.columns[1].append(attempt.number)
        attempts.columns[2].append(attempt.at.milliseconds)
        attempts.columns[3].append(attempt.milliseconds)
        attempts.columns[4].append(attempt.worker.map(Int64.init))
        attempts.columns[5].append(attempt.remote)
        attempts.columns[6].append(attempt.tls)
        attempts.columns[7].append(attempt.reply)
        attempts.columns[8].append(attempt.rule)
        guard let last = attempt.lastForgotten else { return }
        forgottenAttempts.columns[0].append(attempt.delivery.rawValue)
        forgottenAttempts.columns[1].append(last)
    }

    mutating func mark(
        _ ids: [DeliveryID], from: Set<StoredState>, to: StoredState, at: UnixTime?
    ) {
        var command = Command(
            """
            UPDATE deliveries SET purge_at = $4,
                state = CASE WHEN $3 = 1 AND destination IS NULL THEN 0 ELSE $3 END
            WHERE id = ANY ($1) AND state = ANY ($2)
            """, name: "mark")
        command.bind(Self.column(ids))
        var states = ArrayColumn(.int8)
        for state in from { states.append(Int(state.rawValue)) }
        command.bind(states)
        command.bind(Int(to.rawValue))
        command.bind(at?.milliseconds)
        marks.append(command)
        // It may have gone to another node since it was marked.
        guard let node, to == .queued else { return }
        var tell = Command(Self.tellOwners, name: "tell_owners", Self.column(ids))
        tell.bind(node)
        marks.append(tell)
    }

    mutating func reschedule(_ ids: [DeliveryID], at time: UnixTime) {
        var command = Command(
            "UPDATE deliveries SET next_attempt = $2 WHERE id = ANY ($1)", name: "reschedule")
        command.bind(Self.column(ids))
        command.bind(time.milliseconds)
        reschedules.append(command)
    }

    mutating func warned(_ id: DeliveryID) { warnings.append(id.rawValue) }

    mutating func remove(_ id: DeliveryID) {
        removals.append(id.rawValue)
        emptied.append(id.message.rawValue)
    }

    mutating func removeAll(
        _ ids: [DeliveryID], in state: StoredState, countedFor action: Int64?
    ) {
        let gone = """
            WITH removed AS (
                DELETE FROM deliveries WHERE id = ANY ($1) AND state = $2
                RETURNING id, attempts, last_reply)
            """
        let remove = "\(gone) \(Self.removeAttempts)"
        let count = """
            \(gone), cleared AS (\(Self.removeAttempts))
            INSERT INTO meta (key, value)
            SELECT 'removed-' || $3::text, count(*) FROM removed HAVING count(*) > 0
            ON CONFLICT (key) DO UPDATE SET value = meta.value + excluded.value
            """
        var command =
            action == nil
            ? Command(remove, name: "remove_by_state") : Command(count, name: "remove_and_count")
        command.bind(Self.column(ids))
        command.bind(Int(state.rawValue))
        if let action { command.bind(action) }
        removalsByState.append(command)
        for id in ids { emptied.append(id.message.rawValue) }
    }

    mutating func forgetCount(of action: Int64) {
        var command = Command(
            "DELETE FROM meta WHERE key = 'removed-' || $1::text", name: "forget_count")
        command.bind(action)
        forgotten.append(command)
    }

    /// False: it sets this destination already.
    mutating func set(_ record: DestinationRecord) -> Bool {
        guard destinationIDs.insert(record.id).inserted else { return false }
        destinations.columns[0].append(record.id)
        destinations.columns[1].append(record.identity)
        destinations.columns[2].append(record.name)
        destinations.columns[3].append(TextCoding.lines(record.domains))
        destinations.columns[4].append(record.pin.map(Int64.init))
        destinations.columns[5].append(record.pausedBy)
        destinations.columns[6].append(record.pausedUntil?.milliseconds)
        destinations.columns[7].append(record.pauseReason)
        destinations.columns[8].append(record.scheduler)
        return true
    }

    mutating func forget(_ destination: Int64) {
        var command = Command(
            """
            DELETE FROM destinations WHERE id = $1
                AND NOT EXISTS (SELECT FROM deliveries WHERE destination = $1)
            """, name: "forget")
        command.bind(destination)
        forgotten.append(command)
    }

    /// False: it sets this action already.
    mutating func set(_ record: ActionRecord) -> Bool {
        guard actionIDs.insert(record.id).inserted else { return false }
        actions.columns[0].append(record.id)
        actions.columns[1].append(record.kind)
        actions.columns[2].append(record.at.milliseconds)
        actions.columns[3].append(record.by)
        actions.columns[4].append(record.reason)
        actions.columns[5].append(record.target)
        actions.columns[6].append(record.state)
        actions.columns[7].append(record.undoUntil?.milliseconds)
        actions.columns[8].append(record.result)
        actions.columns[9].append(record.details)
        return true
    }

    mutating func moving(_ number: Int64?) {
        guard let number else {
            return moves.append(Command("DELETE FROM meta WHERE key = 'move'", name: "end_move"))
        }
        var command = Command(
            """
            INSERT INTO meta (key, value) VALUES ('move', $1)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value
            """, name: "begin_move")
        command.bind(number)
        moves.append(command)
    }

    private static func column(_ ids: [DeliveryID]) -> ArrayColumn {
        var column = ArrayColumn(.int8)
        for id in ids { column.append(id.rawValue) }
        return column
    }

    // MARK: Statements

    /// In the order of the phases.
    func commands() -> [(command: Command, effect: WriteBatch.Effect)] {
        var commands: [(command: Command, effect: WriteBatch.Effect)] = []
        func add(_ command: Command, _ effect: WriteBatch.Effect = .none) {
            commands.append((command, effect))
        }
        if !destinations.isEmpty {
            if let node {
                add(destinations.command(Self.introduceDestinations, "introduce_destinations"))
                var change = destinations.command(
                    Self.changeDestinations, "change_destinations")
                change.bind(node)
                add(change)
            } else {
                add(destinations.command(Self.setDestinations, "set_destinations"))
            }
        }
        for command in forgotten + moves { add(command) }
        if !deliveries.isEmpty { add(deliveries.command(Self.accept, "accept")) }
        for columns in fullBodies + [bodies] where !columns.isEmpty {
            add(columns.command(Self.keepBodies, "keep_bodies"), .messagesAdded)
        }
        if !copies.isEmpty {
            add(copies.command(Self.copy, "copy"))
            var pairs = Command(Self.copyAttempts, name: "copy_attempts")
            for column in copies.columns.prefix(2) { pairs.bind(column) }
            add(pairs)
        }
        if !kept.isEmpty { add(kept.command(Self.replace, "replace")) }
        if left.count > 0 { add(Command(Self.remove, name: "remove", left)) }
        if !arrivals.isEmpty { add(arrivals.command(Self.tellArrivals, "tell_arrivals")) }
        if !updates.isEmpty {
            add(
                node == nil
                    ? updates.command(Self.update, "update")
                    : updates.command(Self.updateIfLive, "update_if_live"))
        }
        if !attempts.isEmpty { add(attempts.command(Self.keepAttempts, "keep_attempts")) }
        if !forgottenAttempts.isEmpty {
            add(forgottenAttempts.command(Self.forgetAttempts, "forget_attempts"))
        }
        for command in marks + reschedules { add(command) }
        if warnings.count > 0 { add(Command(Self.warn, name: "warn", warnings)) }
        if removals.count > 0 { add(Command(Self.remove, name: "remove", removals)) }
        for command in removalsByState { add(command) }
        if emptied.count > 0 {
            if node != nil { add(Command(Self.holdBodies, name: "hold_bodies", emptied)) }
            add(Command(Self.removeBodies, name: "remove_bodies", emptied), .messagesRemoved)
        }
        if !actions.isEmpty { add(actions.command(Self.setActions, "set_actions")) }
        return commands
    }

    private static let accept = """
        INSERT INTO deliveries (
            id, destination, state, attempts, next_attempt, received_at, expires_at, size, flags,
            domain, sender, recipients, attributes, ret, envelope_id, client)
        SELECT id, destination, CASE WHEN destination IS NULL THEN 0 ELSE 1 END, 0, next_attempt,
            received_at, expires_at, size, flags, domain, sender, recipients, attributes, ret,
            envelope_id, client
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS new (
            id, destination, next_attempt, received_at, expires_at, size, flags, domain, sender,
            recipients, attributes, ret, envelope_id, client)
        """

    private static let keepBodies = """
        INSERT INTO bodies (message, data, checksum) SELECT * FROM unnest($1, $2, $3)
        """

    /// A delivery that gets a destination leaves the state `routing` (0) for `queued` (1).
    private static let copy = """
        INSERT INTO deliveries (
            id, destination, state, attempts, next_attempt, purge_at, received_at, expires_at,
            size, flags, code, domain, sender, recipients, attributes, ret, envelope_id, client,
            last_reply, last_rule)
        SELECT new.id, new.destination,
            CASE WHEN state = 0 AND new.destination IS NOT NULL THEN 1 ELSE state END, attempts,
            new.next_attempt, purge_at, received_at, expires_at, size, flags, code, new.domain,
            sender, new.recipients, new.attributes, ret, envelope_id, client, last_reply,
            last_rule
        FROM unnest($1, $2, $3, $4, $5, $6, $7) AS new (
            source, id, destination, next_attempt, domain, recipients, attributes)
        JOIN deliveries AS old ON old.id = new.source
        """

    private static let replace = """
        UPDATE deliveries AS old SET destination = new.destination,
            state = CASE WHEN state = 0 AND new.destination IS NOT NULL THEN 1 ELSE state END,
            next_attempt = new.next_attempt, domain = new.domain, recipients = new.recipients,
            attributes = new.attributes
        FROM unnest($1, $2, $3, $4, $5, $6) AS new (
            id, destination, next_attempt, domain, recipients, attributes)
        WHERE old.id = new.id
        """

    private static let update = """
        UPDATE deliveries AS old SET attempts = new.attempts, next_attempt = new.next_attempt,
            code = new.code, last_reply = new.last_reply, last_rule = new.last_rule,
            recipients = coalesce(new.recipients, old.recipients),
            attributes = coalesce(new.attributes, old.attributes)
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS new (
            id, attempts, next_attempt, code, last_reply, last_rule, recipients, attributes)
        WHERE old.id = new.id
        """

    /// A delivery that did happen is recorded whoever made it; that one is to be tried again is
    /// said by its owner alone.
    private static let updateIfLive = """
        \(update)
            AND (new.recipients IS NOT NULL OR current_setting('\(ClusterSchema.isLive)') = '1')
        """

    /// Whoever has the districts of those that are elsewhere does not know of them; nor does
    /// anybody of any where this node's life is over.
    private static let tellArrivals = """
        INSERT INTO \(ClusterSchema.name).arrivals (delivery, district)
        SELECT id, district FROM unnest($1, $2, $3) AS new (id, district, is_elsewhere)
        WHERE is_elsewhere <> 0 OR current_setting('\(ClusterSchema.isLive)') <> '1'
        ON CONFLICT (delivery) DO UPDATE SET district = excluded.district
        """

    private static let tellOwners = """
        INSERT INTO \(ClusterSchema.name).arrivals (delivery, district)
        SELECT id, coalesce(destination, id >> 16) % \(District.count) FROM deliveries
        WHERE id = ANY ($1) AND state < 2 AND NOT EXISTS (
            SELECT FROM \(ClusterSchema.name).tenures
            WHERE tenures.destination
                = coalesce(deliveries.destination, deliveries.id >> 16) % \(District.count)
                AND owner = $2 AND current_setting('\(ClusterSchema.isLive)') = '1')
        ON CONFLICT DO NOTHING
        """

    /// Two nodes that remove the last two deliveries of a message at the same time would each see
    /// the other's.
    private static let holdBodies = """
        SELECT message FROM bodies WHERE message = ANY ($1) ORDER BY message FOR UPDATE
        """

    private static let introduceDestinations = """
        INSERT INTO destinations (
            id, identity, name, domains, pin, paused_by, paused_until, pause_reason, scheduler)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT DO NOTHING
        """

    /// Only by the node that has its district, in a life that is not over.
    private static let changeDestinations = """
        UPDATE destinations AS old SET name = new.name,
            domains = new.domains, pin = new.pin, paused_by = new.paused_by,
            paused_until = new.paused_until, pause_reason = new.pause_reason,
            scheduler = new.scheduler
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS new (
            id, identity, name, domains, pin, paused_by, paused_until, pause_reason, scheduler)
        WHERE old.id = new.id AND current_setting('\(ClusterSchema.isLive)') = '1'
            AND EXISTS (
                SELECT FROM \(ClusterSchema.name).tenures AS tenure
                JOIN \(ClusterSchema.name).nodes AS node
                    ON node.id = tenure.owner AND node.life = tenure.life
                WHERE tenure.destination = new.id % \(District.count) AND tenure.owner = $10)
        """

    private static let warn = """
        UPDATE deliveries SET flags = flags | \(DeliveryRow.warned) WHERE id = ANY ($1)
        """

    private static let keepAttempts = """
        INSERT INTO attempts AS old (
            delivery, number, again, at, milliseconds, worker, remote, tls, reply, rule)
        SELECT new.delivery, new.number,
            CASE WHEN EXISTS (
                SELECT FROM attempts AS first
                WHERE first.delivery = new.delivery AND first.number = new.number
                    AND first.again = 0 AND first.at <> new.at)
            THEN 1 ELSE 0 END,
            new.at, new.milliseconds, new.worker, new.remote, new.tls, new.reply, new.rule
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS new (
            delivery, number, at, milliseconds, worker, remote, tls, reply, rule)
        JOIN deliveries ON deliveries.id = new.delivery
        WHERE deliveries.attempts > 0 OR deliveries.last_reply <> ''
        ON CONFLICT (delivery, number, again) DO UPDATE SET at = excluded.at,
            milliseconds = excluded.milliseconds, worker = excluded.worker,
            remote = excluded.remote, tls = excluded.tls, reply = excluded.reply,
            rule = excluded.rule
        """

    private static let forgetAttempts = """
        DELETE FROM attempts USING unnest($1, $2) AS new (delivery, last)
        WHERE attempts.delivery = new.delivery
            AND attempts.number > \(StoredAttempt.firstKept) AND attempts.number <= new.last
        """

    private static let copyAttempts = """
        INSERT INTO attempts (
            delivery, number, again, at, milliseconds, worker, remote, tls, reply, rule)
        SELECT new.id, number, again, at, milliseconds, worker, remote, tls, reply, rule
        FROM unnest($1, $2) AS new (source, id)
        JOIN attempts AS old ON old.delivery = new.source
        JOIN deliveries ON deliveries.id = new.id
        ON CONFLICT DO NOTHING
        """

    /// Of the deliveries that a statement has `removed`, where there may be any.
    private static let removeAttempts = """
        DELETE FROM attempts WHERE delivery = ANY (ARRAY (
            SELECT id FROM removed WHERE attempts > 0 OR last_reply <> ''))
        """

    private static let remove = """
        WITH removed AS (
            DELETE FROM deliveries WHERE id = ANY ($1) RETURNING id, attempts, last_reply)
        \(removeAttempts)
        """

    /// Of those messages that have no delivery left.
    private static let removeBodies = """
        DELETE FROM bodies WHERE message = ANY ($1) AND NOT EXISTS (
            SELECT FROM deliveries
            WHERE id BETWEEN bodies.message << 16 AND bodies.message << 16 | 65535)
        """

    private static let setDestinations = """
        INSERT INTO destinations (
            id, identity, name, domains, pin, paused_by, paused_until, pause_reason, scheduler)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (id) DO UPDATE SET identity = excluded.identity, name = excluded.name,
            domains = excluded.domains, pin = excluded.pin, paused_by = excluded.paused_by,
            paused_until = excluded.paused_until, pause_reason = excluded.pause_reason,
            scheduler = excluded.scheduler
        """

    private static let setActions = """
        INSERT INTO actions (
            id, kind, at, by, reason, target, state, undo_until, result, details)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, at = excluded.at,
            by = excluded.by, reason = excluded.reason, target = excluded.target,
            state = excluded.state, undo_until = excluded.undo_until,
            result = excluded.result, details = excluded.details
        """
}

extension ArrayColumn {
    fileprivate mutating func append(addressesOf recipients: [StoredRecipient]) {
        appendText { TextCoding.appendAddresses(recipients, to: &$0) }
    }

    fileprivate mutating func append(attributesOf recipients: [StoredRecipient]) {
        appendText { TextCoding.appendAttributes(recipients, to: &$0) }
    }
}
