package import Mail
package import NIOCore
import PostgreSQL
package import Spool

extension PostgreSQLSpool {
    package func body(of message: MessageID) throws(SpoolError) -> ByteBuffer? {
        let bodies = try bodies(of: [message])
        if let damage = bodies.damage[message] { throw damage }
        return bodies.texts[message]
    }

    package func bodies(of messages: [MessageID]) throws(SpoolError) -> SpoolBodies {
        bodies(try read("bodies", Self.bodies(of: messages, upTo: .max)))
    }

    /// Both in one exchange, and one transaction.
    package func letters(
        _ ids: [DeliveryID], upTo bytes: Int
    ) throws(SpoolError) -> SpoolLetters {
        let answers = try read(
            "letters",
            [
                Self.deliveries(ids),
                Self.bodies(of: Array(Set(ids.map(\.message))), upTo: bytes),
            ])
        return SpoolLetters(
            deliveries: answers[0].compactMap(decode), bodies: bodies(answers[1]))
    }

    private static func bodies(of messages: [MessageID], upTo bytes: Int) -> Command {
        var ids = ArrayColumn(.int8)
        for message in messages { ids.append(message.rawValue) }
        var command = Command(
            """
            SELECT message, data, checksum FROM bodies
            WHERE message = ANY ($1) AND octet_length(data) <= $2
            """, name: "bodies", ids)
        command.bind(bytes)
        return command
    }

    private func bodies(_ rows: Rows) -> SpoolBodies {
        var bodies = SpoolBodies()
        for row in rows {
            let message = MessageID(rawValue: row.int(0))
            let written = row.optionalInt(2)
            let text: ByteBuffer? = row.withBytes(1) { bytes in
                if let written, written != BodyChecksum.of(bytes) { return nil }
                return ByteBuffer(bytes: bytes)
            }
            if let text {
                bodies.texts[message] = text
            } else {
                bodies.damage[message] = SpoolError(
                    code: .damaged,
                    cause: "the text of message \(message) is not what was written (its checksum "
                        + "is another): restore it from a backup, or purge it",
                    context: place)
            }
        }
        return bodies
    }

    package func message(_ id: MessageID) throws(SpoolError) -> MessageRecord? {
        try read("message \(id)", Self.ofMessage(id)).first.map { DeliveryRow.message($0, id: id) }
    }

    package func deliveries(of message: MessageID) throws(SpoolError) -> [StoredDelivery] {
        try read("deliveries of \(message)", Self.ofMessage(message)).compactMap(decode)
    }

    package func attempts(of message: MessageID) throws(SpoolError) -> [StoredAttempt] {
        var command = Command(
            """
            SELECT \(StoredAttempt.columns) FROM attempts
            WHERE delivery BETWEEN $1 << 16 AND $1 << 16 | 65535
            ORDER BY delivery, number, again
            """, name: "attempts_of_message")
        command.bind(message.rawValue)
        return try read("attempts of \(message)", command).map { StoredAttempt($0) }
    }

    private static func ofMessage(_ id: MessageID) -> Command {
        var command = Command(
            """
            SELECT \(DeliveryRow.columns) FROM deliveries
            WHERE id BETWEEN $1 << 16 AND $1 << 16 | 65535 ORDER BY id
            """, name: "of_message")
        command.bind(id.rawValue)
        return command
    }

    package func deliveries(
        destination: Int64?, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> [StoredDelivery] {
        var deliveries: [StoredDelivery] = []
        var last = after?.rawValue ?? 0
        // Damaged rows are left out, and fewer than the limit means the end.
        while deliveries.count < limit {
            let wanted = min(limit - deliveries.count, Self.pageRows)
            let ofDestination = destination == nil ? "" : "destination = $3 AND \(isKnown)"
            var command = Command(
                """
                SELECT \(DeliveryRow.columns) FROM deliveries
                WHERE \(ofDestination) id > $1 ORDER BY id LIMIT $2
                """)
            command.bind(last)
            command.bind(wanted)
            if let destination { command.bind(destination) }
            let rows = try read("deliveries", command)
            deliveries += rows.compactMap(decode)
            guard rows.count == wanted else { break }
            last = rows[rows.count - 1].int(0)
        }
        return deliveries
    }

    /// libpq holds the whole of an answer in memory.
    private static let pageRows = 10_000

    package func deliveries(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredDelivery] {
        try read("deliveries", Self.deliveries(ids)).compactMap(decode)
    }

    private static func deliveries(_ ids: [DeliveryID]) -> Command {
        Command(
            """
            SELECT \(DeliveryRow.columns)
            FROM unnest($1) WITH ORDINALITY AS wanted (id, place)
            JOIN deliveries USING (id) ORDER BY place
            """, column(ids))
    }

    package func states(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredState?] {
        let rows = try read(
            "states of deliveries",
            Command(
                """
                SELECT state FROM unnest($1) WITH ORDINALITY AS wanted (id, place)
                LEFT JOIN deliveries USING (id) ORDER BY place
                """, Self.column(ids)))
        return rows.map { row in
            row.optionalInt(0).flatMap { UInt8(exactly: $0) }.flatMap(StoredState.init(rawValue:))
        }
    }

    package func figures(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures] {
        let rows = try read(
            "figures of deliveries",
            Command(
                """
                SELECT \(DeliveryRow.figureColumns)
                FROM unnest($1) WITH ORDINALITY AS wanted (id, place)
                JOIN deliveries USING (id) ORDER BY place
                """, Self.column(ids)))
        var figures: [DeliveryFigures] = []
        figures.reserveCapacity(rows.count)
        for row in rows {
            do throws(SpoolError) {
                figures.append(try DeliveryRow.figures(row))
            } catch {
                reportDamage(error.cause)
            }
        }
        return figures
    }

    private static func column(_ ids: [DeliveryID]) -> ArrayColumn {
        var column = ArrayColumn(.int8)
        for id in ids { column.append(id.rawValue) }
        return column
    }

    package func unrouted() throws(SpoolError) -> [StoredDelivery] {
        try read(
            "deliveries to be routed",
            Command(
                """
                SELECT \(DeliveryRow.columns) FROM deliveries WHERE \(isKnown) state = 0
                ORDER BY id
                """)
        ).compactMap(decode)
    }

    package func moveInProgress() throws(SpoolError) -> Int64? {
        try read(
            "mark of a move", Command("SELECT value FROM meta WHERE key = 'move'")
        ).first?.int(0)
    }

    package func actionCount() throws(SpoolError) -> Int {
        Int(try read("count of actions", Command("SELECT count(*) FROM actions"))[0].int(0))
    }

    package func page(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage {
        let filter = try FilterSQL(query, .postgreSQL)
        var count = Command("SELECT count(*) FROM deliveries" + filter.sql)
        count.bind(filter)
        var ordered = filter
        ordered.order(by: query.sort, descending: query.descending)
        var offset = max(0, query.offset)
        if let around = query.around {
            // Until the page is read it may move by some places, which a page is wider than.
            let placing = ordered.placing(around)
            var place = Command(placing.sql)
            place.bind(placing)
            let found = try read("place of a delivery", place).first.map { Int($0.int(0)) }
            offset = query.offset(place: found)
        }
        ordered.page(limit: query.limit, offset: offset)
        // The ids first: what is sorted is narrow, and only the rows of the page are read.
        var rows = Command(
            """
            WITH page AS MATERIALIZED (
                SELECT id, row_number() OVER () AS place
                FROM (SELECT id FROM deliveries\(ordered.sql)) AS ordered)
            SELECT \(DeliveryRow.columns) FROM page JOIN deliveries USING (id) ORDER BY place
            """)
        rows.bind(ordered)
        let answers = try read(
            "page of deliveries",
            [Command("BEGIN ISOLATION LEVEL REPEATABLE READ"), count, rows, Command("COMMIT")])
        return DeliveryPage(
            total: Int(answers[1][0].int(0)), offset: offset,
            rows: answers[2].compactMap(decode))
    }

    package func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        var filter = try FilterSQL(query, .postgreSQL)
        filter.order(by: nil, descending: false)
        var command = Command("SELECT id FROM deliveries" + filter.sql)
        command.bind(filter)
        var selected = DeliverySet()
        for row in try read("selection of deliveries", command) {
            // A row with no such id is damaged: nothing can be done to it by its id.
            let id = DeliveryID(rawValue: row.int(0))
            if id.message.rawValue > 0 { selected.append(id) }
        }
        return selected
    }

    package func tallies() throws(SpoolError) -> [DestinationTally] {
        try tallies(
            Command(
                """
                SELECT destination, state, count(*), min(received_at) FROM deliveries
                WHERE \(isKnown) true GROUP BY destination, state ORDER BY coalesce(destination, 0), state
                """))
    }

    package func tallies(of ids: Set<Int64>) throws(SpoolError) -> [DestinationTally] {
        var column = ArrayColumn(.int8)
        for id in ids { column.append(id) }
        return try tallies(
            Command(
                """
                SELECT destination, state, count(*), min(received_at) FROM deliveries
                WHERE \(isKnown) destination = ANY ($1) GROUP BY destination, state
                """, column))
    }

    private func tallies(_ command: Command) throws(SpoolError) -> [DestinationTally] {
        let rows = try read("tallies", command)
        var tallies: [DestinationTally] = []
        for row in rows {
            guard let state = UInt8(exactly: row.int(1)).flatMap(StoredState.init(rawValue:)) else {
                reportDamage("\(row.int(2)) deliveries: state \(row.int(1)) is unknown")
                continue
            }
            tallies.append(
                DestinationTally(
                    destination: row.optionalInt(0), state: state, count: Int(row.int(2)),
                    oldestAt: UnixTime(milliseconds: row.int(3))))
        }
        return tallies
    }

    /// Where there are several nodes: what others have taken in is not in the queue of its
    /// destination until its owner has heard of it, as it is told of each once.
    private var isKnown: String {
        guard node != nil else { return "" }
        return """
            NOT EXISTS (SELECT FROM \(ClusterSchema.name).arrivals WHERE delivery = deliveries.id)
            AND
            """
    }

    package func destinations() throws(SpoolError) -> [DestinationRecord] {
        try destinations(Command("\(Self.selectDestinations) ORDER BY id"))
    }

    package func destinations(_ ids: Set<Int64>) throws(SpoolError) -> [DestinationRecord] {
        var column = ArrayColumn(.int8)
        for id in ids { column.append(id) }
        return try destinations(
            Command("\(Self.selectDestinations) WHERE id = ANY ($1) ORDER BY id", column))
    }

    package func destinations(
        leaving remainders: Set<Int>, dividedBy divisor: Int
    ) throws(SpoolError) -> [DestinationRecord] {
        var column = ArrayColumn(.int8)
        for remainder in remainders { column.append(Int64(remainder)) }
        var command = Command(
            "\(Self.selectDestinations) WHERE id % $2 = ANY ($1) ORDER BY id", column)
        command.bind(divisor)
        return try destinations(command)
    }

    private static let selectDestinations = """
        SELECT id, identity, name, domains, pin, paused_by, paused_until, pause_reason, scheduler
        FROM destinations
        """

    private func destinations(_ command: Command) throws(SpoolError) -> [DestinationRecord] {
        try read("destinations", command).map { row in
            DestinationRecord(
                id: row.int(0), identity: row.text(1), name: row.text(2),
                domains: TextCoding.lines(from: Substring(row.text(3)).utf8),
                pin: row.optionalInt(4).map(Int.init), pausedBy: row.optionalText(5),
                pausedUntil: row.optionalInt(6).map(UnixTime.init(milliseconds:)),
                pauseReason: row.text(7), scheduler: row.withBytes(8) { Array($0) })
        }
    }

    package func actions(limit: Int, offset: Int) throws(SpoolError) -> [ActionRecord] {
        var command = Command(Self.selectActions + " ORDER BY id DESC LIMIT $1 OFFSET $2")
        command.bind(max(0, limit))
        command.bind(max(0, offset))
        return try read("actions", command).map(Self.action)
    }

    package func action(_ id: Int64) throws(SpoolError) -> ActionRecord? {
        var command = Command(Self.selectActions + " WHERE id = $1")
        command.bind(id)
        return try read("action \(id)", command).first.map(Self.action)
    }

    package func removed(for action: Int64) throws(SpoolError) -> Int {
        var command = Command("SELECT value FROM meta WHERE key = 'removed-' || $1::text")
        command.bind(action)
        return Int(try read("count of action \(action)", command).first?.int(0) ?? 0)
    }

    private static let selectActions =
        "SELECT id, kind, at, by, reason, target, state, undo_until, result, details FROM actions"

    private static func action(_ row: Row) -> ActionRecord {
        ActionRecord(
            id: row.int(0), kind: row.text(1), at: UnixTime(milliseconds: row.int(2)),
            by: row.text(3), reason: row.text(4), target: row.text(5), state: row.text(6),
            undoUntil: row.optionalInt(7).map(UnixTime.init(milliseconds:)), result: row.text(8),
            details: row.withBytes(9) { Array($0) })
    }
}

extension Command {
    fileprivate mutating func bind(_ filter: FilterSQL) {
        for argument in filter.arguments {
            switch argument {
            case .integer(let value): bind(value)
            case .real(let value): bind(value)
            case .text(let value): bind(value)
            case .integers(let values):
                var column = ArrayColumn(.int8)
                for value in values { column.append(value) }
                bind(column)
            }
        }
    }
}
