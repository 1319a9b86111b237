import GRDB

/// Looks a spool over that no daemon uses, and repairs what can be repaired without guessing.
package struct SpoolCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        /// What is wrong, and what to do where it was not repaired.
        package var text: String
        package var isRepaired: Bool
    }

    /// Lines of SQLite's own check, and rows of one kind, that are told one by one.
    private static let maximumLines = 20

    package private(set) var findings: [Finding] = []
    package private(set) var messages = 0
    package private(set) var deliveries = 0
    package private(set) var destinations = 0

    package var isGood: Bool { findings.allSatisfy(\.isRepaired) }

    private let repairs: Bool

    /// - Throws: `inUse` while a daemon has it, `unusable`, `tooNew`, `damaged` for a file that is
    ///   no spool at all.
    package init(directory path: String, repairs: Bool) throws(SpoolError) {
        self.repairs = repairs
        let directory = try DataDirectory(path: path)
        defer { directory.release() }
        let file = directory.databasePath
        try SpoolSchema.inspect(path: file)
        do {
            var configuration = SpoolSchema.configuration(SQLiteSpool.Options())
            configuration.readonly = !repairs
            let queue = try DatabaseQueue(path: file, configuration: configuration)
            if repairs { try SpoolSchema.migrator.migrate(queue) }
            try queue.writeWithoutTransaction { database in
                guard try checkFile(database) else { return }
                try database.inTransaction {
                    try checkRows(database)
                    return .commit
                }
            }
            try queue.close()
        } catch {
            throw SpoolError(error, context: file)
        }
    }

    // MARK: The file

    /// False if the tables cannot be relied on.
    private mutating func checkFile(_ database: Database) throws -> Bool {
        var faults = try Self.integrity(database)
        if repairs, !faults.isEmpty {
            // Indexes are made of the tables; where only they are wrong this is all it takes.
            try? database.execute(sql: "REINDEX")
            let left = try Self.integrity(database)
            findings += faults.filter { !left.contains($0) }
                .map { Finding(text: "\($0): index made anew", isRepaired: true) }
            faults = left
        }
        findings += faults.map { Finding(text: "damaged file: \($0)", isRepaired: false) }
        guard faults.isEmpty else {
            let advice =
                repairs
                ? "restore a backup (sluice backup makes them); what the file still holds can be "
                    + "read with: sqlite3 spool.db .recover"
                : "--repair makes indexes anew; else restore a backup"
            findings.append(Finding(text: advice, isRepaired: false))
            return false
        }
        return true
    }

    private static func integrity(_ database: Database) throws -> [String] {
        do {
            return try String.fetchAll(database, sql: "PRAGMA integrity_check(\(maximumLines))")
                .flatMap { $0.split(separator: "\n").map(String.init) }
                .filter { $0 != "ok" }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT {
            // So damaged that not even the check gets through.
            return [error.message ?? "\(error)"]
        }
    }

    // MARK: The rows

    private mutating func checkRows(_ database: Database) throws {
        func count(_ sql: String) throws -> Int { try Int.fetchOne(database, sql: sql) ?? 0 }
        try checkDeliveries(database)
        deliveries = try count("SELECT count(*) FROM deliveries")
        messages = try count("SELECT count(DISTINCT id >> 16) FROM deliveries")
        destinations = try count("SELECT count(*) FROM destinations")

        let orphans = "message NOT IN (SELECT id >> 16 FROM deliveries)"
        try settle(
            try count("SELECT count(*) FROM bodies WHERE \(orphans)"),
            "messages without a delivery", "removed: nobody waits for them",
            "DELETE FROM bodies WHERE \(orphans)", database)
        let lost = "destination NOT NULL AND destination NOT IN (SELECT id FROM destinations)"
        try settle(
            try count("SELECT count(*) FROM deliveries WHERE \(lost)"),
            "deliveries for destinations that are not there", "they will be routed again",
            """
            UPDATE deliveries SET destination = NULL, state = CASE state WHEN 1 THEN 0 ELSE state END
            WHERE \(lost)
            """, database)
        // Only an action that can still be undone ends a purge or a bounce.
        let marked = """
            state IN (\(StoredState.purging.rawValue), \(StoredState.bouncing.rawValue))
            AND NOT EXISTS (SELECT 1 FROM actions WHERE actions.state = 'undoable')
            """
        try settle(
            try count("SELECT count(*) FROM deliveries WHERE \(marked)"),
            "deliveries marked by an action that is not there", "held: release or purge them",
            "UPDATE deliveries SET state = \(StoredState.held.rawValue) WHERE \(marked)", database)
        let largest = "(SELECT ifnull(max(id) >> 16, 0) FROM deliveries)"
        try settle(
            try count(
                "SELECT count(*) FROM meta WHERE key = 'next_message' AND value <= \(largest)"),
            "mark of the message ids below an id in use", "raised",
            "UPDATE meta SET value = \(largest) + 1 WHERE key = 'next_message'", database)
    }

    private mutating func settle(
        _ count: Int, _ what: String, _ repair: String, _ sql: String, _ database: Database
    ) throws {
        guard count > 0 else { return }
        if repairs { try database.execute(sql: sql) }
        let end = repairs ? repair : "--repair: \(repair)"
        findings.append(Finding(text: "\(count) \(what); \(end)", isRepaired: repairs))
    }

    /// Rows that cannot be understood, bodies that are missing or not as long as they were: what
    /// they were nobody can tell any more.
    private mutating func checkDeliveries(_ database: Database) throws {
        var faults: [String] = []
        let row = try RawStatement(
            database,
            """
            SELECT \(DeliveryRow.columns), (SELECT length(data) FROM bodies WHERE message = id >> 16)
            FROM deliveries
            """)
        while try row.step() {
            do throws(SpoolError) {
                let delivery = try DeliveryRow.decode(row)
                switch row.optionalInt(18) {
                case nil:
                    faults.append("delivery \(delivery.id): its message's text is missing")
                case let length? where length != delivery.message.size:
                    faults.append(
                        "delivery \(delivery.id): its message has \(length) bytes instead of "
                            + "\(delivery.message.size)")
                default: break
                }
            } catch {
                faults.append(error.cause)
            }
        }
        let more = faults.count - Self.maximumLines
        findings += faults.prefix(Self.maximumLines).map {
            Finding(text: $0 + "; restore it from a backup, or purge it", isRepaired: false)
        }
        if more > 0 {
            findings.append(Finding(text: "and \(more) more of these", isRepaired: false))
        }
    }
}
