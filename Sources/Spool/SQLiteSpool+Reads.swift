import GRDB
package import Mail
package import NIOCore
import Synchronization

extension SQLiteSpool {
    package func body(of message: MessageID) throws(SpoolError) -> ByteBuffer? {
        try readOnce("body of \(message)") { database in
            let row = try RawStatement(
                database, "SELECT data, checksum FROM bodies WHERE message = ?")
            defer { row.reset() }
            try row.bind(message.rawValue, at: 1)
            guard try row.step() else { return nil }
            let written = row.optionalInt(1)
            let body: ByteBuffer? = row.withBlob(0) { bytes in
                if let written, written != BodyChecksum.of(bytes) { return nil }
                return ByteBuffer(bytes: bytes)
            }
            guard let body else {
                throw SpoolError.damaged(
                    "the text of message \(message) is not what was written (its checksum is "
                        + "another): restore it from a backup, or purge it")
            }
            return body
        }
    }

    package func message(_ id: MessageID) throws(SpoolError) -> MessageRecord? {
        try readOnce("message \(id)") { database in
            let row = try RawStatement(
                database,
                """
                SELECT \(DeliveryRow.columns) FROM deliveries
                WHERE id BETWEEN ?1 << 16 AND ?1 << 16 | 65535 LIMIT 1
                """)
            defer { row.reset() }
            try row.bind(id.rawValue, at: 1)
            return try row.step() ? DeliveryRow.message(row, id: id) : nil
        }
    }

    package func deliveries(
        destination: Int64?, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> [StoredDelivery] {
        try readOnce("deliveries") { database in
            let ofDestination = destination == nil ? "" : "destination = ?2 AND"
            let row = try RawStatement(
                database,
                """
                SELECT \(DeliveryRow.columns) FROM deliveries
                WHERE \(ofDestination) id > ?1 ORDER BY id
                """)
            defer { row.reset() }
            try row.bind(after?.rawValue ?? 0, at: 1)
            if let destination { try row.bind(destination, at: 2) }
            // Counted here and not by LIMIT, as damaged rows are left out: fewer than the limit
            // means the end.
            var deliveries: [StoredDelivery] = []
            while deliveries.count < limit, try row.step() {
                if let delivery = decode(row) { deliveries.append(delivery) }
            }
            return deliveries
        }
    }

    package func deliveries(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredDelivery] {
        try read("deliveries") { database in try deliveries(ids, database) }
    }

    package func queue(
        of destinations: Set<Int64>, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> QueuePage? {
        try indexInUse()?.snapshot().queue(
            of: destinations, after: after, limit: limit, report: reportDamage)
    }

    package func states(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredState?] {
        try read("states of deliveries") { database in
            let row = try RawStatement(database, "SELECT state FROM deliveries WHERE id = ?")
            return try ids.map { id in
                defer { row.reset() }
                try row.bind(id.rawValue, at: 1)
                guard try row.step() else { return nil }
                return UInt8(exactly: row.int(0)).flatMap(StoredState.init(rawValue:))
            }
        }
    }

    package func figures(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures] {
        guard let index = try indexInUse() else { return try figuresFromTable(ids) }
        return index.snapshot().figures(ids, report: reportDamage)
    }

    func figuresFromTable(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures] {
        try read("figures of deliveries") { database in
            let row = try RawStatement(
                database,
                "SELECT \(DeliveryRow.figureColumns) FROM deliveries WHERE id = ?")
            var figures: [DeliveryFigures] = []
            figures.reserveCapacity(ids.count)
            for id in ids {
                defer { row.reset() }
                try row.bind(id.rawValue, at: 1)
                guard try row.step() else { continue }
                do throws(SpoolError) {
                    figures.append(try DeliveryRow.figures(row))
                } catch {
                    reportDamage(error.cause)
                }
            }
            return figures
        }
    }

    package func deliveries(of message: MessageID) throws(SpoolError) -> [StoredDelivery] {
        try rows(
            "deliveries of \(message)", "id BETWEEN ? << 16 AND ? << 16 | 65535",
            [message.rawValue, message.rawValue])
    }

    package func attempts(of message: MessageID) throws(SpoolError) -> [StoredAttempt] {
        try readOnce("attempts of \(message)") { database in
            let row = try RawStatement(
                database,
                """
                SELECT \(StoredAttempt.columns) FROM attempts
                WHERE delivery BETWEEN ?1 << 16 AND ?1 << 16 | 65535
                ORDER BY delivery, number, again
                """)
            defer { row.reset() }
            try row.bind(message.rawValue, at: 1)
            var attempts: [StoredAttempt] = []
            while try row.step() { attempts.append(StoredAttempt(row)) }
            return attempts
        }
    }

    package func unrouted() throws(SpoolError) -> [StoredDelivery] {
        if let index = try indexInUse() { return try unrouted(index.snapshot()) }
        return try unroutedInTable()
    }

    private func unroutedInTable() throws(SpoolError) -> [StoredDelivery] {
        try rows("deliveries to be routed", "state = ?", [Int64(StoredState.routing.rawValue)])
    }

    private func rows(
        _ what: String, _ condition: String, _ arguments: [Int64]
    ) throws(SpoolError) -> [StoredDelivery] {
        try readOnce(what) { database in
            let row = try RawStatement(
                database,
                "SELECT \(DeliveryRow.columns) FROM deliveries WHERE \(condition) ORDER BY id")
            defer { row.reset() }
            for (index, argument) in arguments.enumerated() {
                try row.bind(argument, at: Int32(index + 1))
            }
            var deliveries: [StoredDelivery] = []
            while try row.step() {
                if let delivery = decode(row) { deliveries.append(delivery) }
            }
            return deliveries
        }
    }

    package func moveInProgress() throws(SpoolError) -> Int64? {
        try readOnce("mark of a move") { database in
            let row = try RawStatement(database, "SELECT value FROM meta WHERE key = 'move'")
            defer { row.reset() }
            return try row.step() ? row.int(0) : nil
        }
    }

    package func messageCount() throws(SpoolError) -> Int { messages.load(ordering: .relaxed) }

    package func actionCount() throws(SpoolError) -> Int { try count(of: "actions") }

    private func count(of table: String) throws(SpoolError) -> Int {
        try readOnce("count of \(table)") { database in
            let row = try RawStatement(database, "SELECT count(*) FROM \(table)")
            defer { row.reset() }
            return try row.step() ? Int(row.int(0)) : 0
        }
    }

    private func deliveries(
        _ ids: [DeliveryID], _ database: Database
    ) throws -> [StoredDelivery] {
        let row = try RawStatement(
            database, "SELECT \(DeliveryRow.columns) FROM deliveries WHERE id = ?")
        var deliveries: [StoredDelivery] = []
        deliveries.reserveCapacity(ids.count)
        for id in ids {
            defer { row.reset() }
            try row.bind(id.rawValue, at: 1)
            if try row.step(), let delivery = decode(row) { deliveries.append(delivery) }
        }
        return deliveries
    }

    package func page(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage {
        guard let index = try indexInUse() else { return try pageFromTable(query) }
        return try index.snapshot().page(query, report: reportDamage)
    }

    func pageFromTable(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage {
        let filter = try FilterSQL(query)
        return try read("page of deliveries") { database in
            let count = try RawStatement(database, "SELECT count(*) FROM deliveries" + filter.sql)
            defer { count.reset() }
            try count.bind(filter)
            let total = try count.step() ? Int(count.int(0)) : 0

            // The ids first: what is sorted is narrow, and only the rows of the page are read.
            var ordered = filter
            ordered.order(by: query.sort, descending: query.descending)
            let offset = query.offset(place: try place(of: query.around, ordered, database))
            ordered.page(limit: query.limit, offset: offset)
            let ids = try ids(ordered, database)
            return DeliveryPage(
                total: total, offset: offset, rows: try deliveries(ids, database))
        }
    }

    package func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        guard let index = try indexInUse() else { return try selectFromTable(query) }
        return try index.snapshot().select(query)
    }

    func selectFromTable(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        var filter = try FilterSQL(query)
        filter.order(by: nil, descending: false)
        let ordered = filter
        return try readOnce("selection of deliveries") { database in
            let row = try RawStatement(database, "SELECT id FROM deliveries" + ordered.sql)
            defer { row.reset() }
            try row.bind(ordered)
            var selected = DeliverySet()
            while try row.step() {
                // A row with no such id is damaged: nothing can be done to it by its id.
                let id = DeliveryID(rawValue: row.int(0))
                if id.message.rawValue > 0 { selected.append(id) }
            }
            return selected
        }
    }

    private func place(
        of id: DeliveryID?, _ ordered: FilterSQL, _ database: Database
    ) throws -> Int? {
        guard let id else { return nil }
        let placing = ordered.placing(id)
        let row = try RawStatement(database, placing.sql)
        defer { row.reset() }
        try row.bind(placing)
        return try row.step() ? Int(row.int(0)) : nil
    }

    private func ids(_ filter: FilterSQL, _ database: Database) throws -> [DeliveryID] {
        let row = try RawStatement(database, "SELECT id FROM deliveries" + filter.sql)
        defer { row.reset() }
        try row.bind(filter)
        var ids: [DeliveryID] = []
        while try row.step() { ids.append(DeliveryID(rawValue: row.int(0))) }
        return ids
    }

    package func tallies() throws(SpoolError) -> [DestinationTally] {
        guard let index = try indexInUse() else { return try talliesFromTable() }
        return tallies(index.snapshot())
    }

    func talliesFromTable() throws(SpoolError) -> [DestinationTally] {
        try readOnce("tallies") { database in
            // Tallied here: SQLite would sort all deliveries to group them.
            struct Key: Hashable {
                var destination: Int64?
                var state: StoredState
            }
            var tallies: [Key: DestinationTally] = [:]
            let row = try RawStatement(
                database, "SELECT id, destination, state, received_at FROM deliveries")
            defer { row.reset() }
            while try row.step() {
                guard let raw = UInt8(exactly: row.int(2)), let state = StoredState(rawValue: raw)
                else {
                    reportDamage(
                        "delivery \(DeliveryID(rawValue: row.int(0))): state \(row.int(2)) is "
                            + "unknown")
                    continue
                }
                let key = Key(destination: row.optionalInt(1), state: state)
                let oldest = UnixTime(milliseconds: row.int(3))
                tallies[
                    key,
                    default: DestinationTally(
                        destination: key.destination, state: state, count: 0, oldestAt: oldest)
                ].add(oldest)
            }
            return tallies.values.sorted {
                ($0.destination ?? 0, $0.state.rawValue) < ($1.destination ?? 0, $1.state.rawValue)
            }
        }
    }

    package func destinations() throws(SpoolError) -> [DestinationRecord] {
        try readOnce("destinations") { database in
            let row = try RawStatement(
                database,
                """
                SELECT id, identity, name, domains, pin, paused_by, paused_until, pause_reason,
                    scheduler
                FROM destinations ORDER BY id
                """)
            defer { row.reset() }
            var records: [DestinationRecord] = []
            while try row.step() {
                records.append(
                    DestinationRecord(
                        id: row.int(0), identity: row.text(1), name: row.text(2),
                        domains: TextCoding.lines(from: Substring(row.text(3)).utf8),
                        pin: row.optionalInt(4).map(Int.init), pausedBy: row.optionalText(5),
                        pausedUntil: row.optionalInt(6).map(UnixTime.init(milliseconds:)),
                        pauseReason: row.text(7), scheduler: row.withBlob(8) { Array($0) }))
            }
            return records
        }
    }

    package func actions(limit: Int, offset: Int) throws(SpoolError) -> [ActionRecord] {
        try readOnce("actions") { database in
            let row = try RawStatement(
                database, Self.selectActions + " ORDER BY id DESC LIMIT ? OFFSET ?")
            defer { row.reset() }
            try row.bind(max(0, limit), at: 1)
            try row.bind(max(0, offset), at: 2)
            var records: [ActionRecord] = []
            while try row.step() { records.append(Self.action(row)) }
            return records
        }
    }

    package func action(_ id: Int64) throws(SpoolError) -> ActionRecord? {
        try readOnce("action \(id)") { database in
            let row = try RawStatement(database, Self.selectActions + " WHERE id = ?")
            defer { row.reset() }
            try row.bind(id, at: 1)
            return try row.step() ? Self.action(row) : nil
        }
    }

    package func removed(for action: Int64) throws(SpoolError) -> Int {
        try readOnce("count of action \(action)") { database in
            let row = try RawStatement(
                database, "SELECT value FROM meta WHERE key = 'removed-' || ?")
            defer { row.reset() }
            try row.bind(action, at: 1)
            return try row.step() ? Int(row.int(0)) : 0
        }
    }

    private static let selectActions =
        "SELECT id, kind, at, by, reason, target, state, undo_until, result, details FROM actions"

    private static func action(_ row: RawStatement) -> ActionRecord {
        ActionRecord(
            id: row.int(0), kind: row.text(1), at: UnixTime(milliseconds: row.int(2)),
            by: row.text(3), reason: row.text(4), target: row.text(5), state: row.text(6),
            undoUntil: row.optionalInt(7).map(UnixTime.init(milliseconds:)), result: row.text(8),
            details: row.withBlob(9) { Array($0) })
    }
}

extension RawStatement {
    fileprivate func bind(_ filter: FilterSQL) throws(SpoolError) {
        for (index, argument) in filter.arguments.enumerated() {
            let index = Int32(index + 1)
            switch argument {
            case .integer(let value): try bind(value, at: index)
            case .real(let value): try bind(value, at: index)
            case .text(let value): try bind(value, at: index)
            case .integers: preconditionFailure("not of this dialect")
            }
        }
    }
}

extension DestinationTally {
    mutating func add(_ receivedAt: UnixTime) {
        count += 1
        oldestAt = min(oldestAt, receivedAt)
    }
}
