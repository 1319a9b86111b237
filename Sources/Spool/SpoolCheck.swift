import GRDB
import Mail

/// Looks a spool over that no daemon uses, and repairs what can be repaired without guessing.
package struct SpoolCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        /// What is wrong, and what to do where it was not repaired.
        package var text: String
        package var isRepaired: Bool
    }

    /// Lines of SQLite's own check, and rows of one kind, that are told one by one.
    private static let maximumLines = 20
    /// Where texts are kept that have lost their envelopes, in the data directory.
    package static let keptFolder = "recovered"
    /// More messages than any spool has seen since its ids were last known.
    private static let safeDistance: Int64 = 1 << 32

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
        try directory.requireDatabase()
        try directory.requireContent()
        try SpoolSchema.inspect(path: file)
        do {
            var configuration = SpoolSchema.configuration(SQLiteSpool.Options())
            configuration.readonly = !repairs
            let queue = try DatabaseQueue(path: file, configuration: configuration)
            if repairs { try SpoolSchema.migrator.migrate(queue) }
            try queue.writeWithoutTransaction { database in
                guard try checkFile(database), try checkSchema(database) else { return }
                try database.inTransaction {
                    try checkRows(database, in: directory)
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
            // Where anything else is, nothing is changed: what is left has to be read as it is.
            var left = faults
            try? database.inTransaction {
                try database.execute(sql: "REINDEX")
                left = try Self.integrity(database)
                return left.isEmpty ? .commit : .rollback
            }
            if left.isEmpty {
                findings += faults.map {
                    Finding(text: "\($0): index made anew", isRepaired: true)
                }
                faults = []
            }
        }
        findings += faults.map { Finding(text: "damaged file: \($0)", isRepaired: false) }
        guard faults.isEmpty else {
            let advice =
                (repairs ? "" : "--repair makes indexes anew where only they are wrong; else ")
                + "save what can be read with sluiced fsck --salvage, or restore a backup"
            findings.append(Finding(text: advice, isRepaired: false))
            return false
        }
        return true
    }

    /// False if a table is missing.
    private mutating func checkSchema(_ database: Database) throws -> Bool {
        let there = Set(try String.fetchAll(database, sql: "SELECT name FROM sqlite_master"))
        guard there.contains("grdb_migrations") else {
            findings.append(
                Finding(
                    text: "no spool was made in this file yet, or it is gone", isRepaired: false))
            return false
        }
        // A spool of an earlier version has what that version made; a repair has migrated it.
        guard try SpoolSchema.migrator.hasCompletedMigrations(database) else { return true }
        var isWhole = true
        for part in try SpoolSchema.parts() where !there.contains(part.name) {
            switch part.name {
            // Its mark of the message ids is set anew below; the rest are counts. No mail is lost
            // with what is known of former attempts.
            case "meta", "attempts":
                if repairs { try database.execute(sql: part.sql) } else { isWhole = false }
                add("the table \(part.name) is missing", "made anew")
            case _ where part.type != "table":
                if repairs { try database.execute(sql: part.sql) }
                add("the \(part.type) \(part.name) is missing", "made anew")
            default:
                isWhole = false
                findings.append(
                    Finding(
                        text: "the table \(part.name) is missing: restore a backup",
                        isRepaired: false))
            }
        }
        return isWhole
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

    private mutating func checkRows(_ database: Database, in directory: DataDirectory) throws {
        func count(_ sql: String) throws -> Int { try Int.fetchOne(database, sql: sql) ?? 0 }
        try checkDeliveries(database)
        deliveries = try count("SELECT count(*) FROM deliveries")
        messages = try count("SELECT count(DISTINCT id >> 16) FROM deliveries")
        destinations = try count("SELECT count(*) FROM destinations")

        try checkOrphans(database, in: directory)
        try checkAttempts(database)
        let lost = "destination NOT NULL AND destination NOT IN (SELECT id FROM destinations)"
        try settle(
            try deliveries(database, lost), "for destinations that are not there",
            "they will be routed again",
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
            try deliveries(database, marked), "marked by an action that is not there",
            "held: release or purge them",
            "UPDATE deliveries SET state = \(StoredState.held.rawValue) WHERE \(marked)", database)
        try checkMessageIDs(database)
    }

    /// The ids of the deliveries for which `condition` holds, and their number.
    private func deliveries(
        _ database: Database, _ condition: String
    ) throws -> (ids: [String], count: Int) {
        let ids = try Int64.fetchAll(
            database,
            sql: """
                SELECT id FROM deliveries WHERE \(condition) ORDER BY id LIMIT \(Self.maximumLines)
                """)
        let count = try Int.fetchOne(
            database, sql: "SELECT count(*) FROM deliveries WHERE \(condition)")
        return (ids.map { DeliveryID(rawValue: $0).description }, count ?? 0)
    }

    private mutating func settle(
        _ found: (ids: [String], count: Int), _ what: String, _ repair: String, _ sql: String,
        _ database: Database
    ) throws {
        guard found.count > 0 else { return }
        if repairs { try database.execute(sql: sql) }
        add("\(found.count) deliveries \(what) (\(Self.list(found)))", repair)
    }

    private mutating func add(_ what: String, _ repair: String) {
        let end = repairs ? repair : "--repair: \(repair)"
        findings.append(Finding(text: "\(what); \(end)", isRepaired: repairs))
    }

    private static func list(_ found: (ids: [String], count: Int)) -> String {
        found.ids.joined(separator: ", ") + (found.count > found.ids.count ? ", …" : "")
    }

    /// Texts of messages that have no delivery: nobody can tell for whom they are, but they can be
    /// read, so a repair keeps them as files.
    private mutating func checkOrphans(_ database: Database, in directory: DataDirectory) throws {
        let orphans = try Int64.fetchAll(
            database,
            sql: """
                SELECT message FROM bodies WHERE message NOT IN (SELECT id >> 16 FROM deliveries)
                ORDER BY message
                """)
        guard !orphans.isEmpty else { return }
        let ids = orphans.map { MessageID(rawValue: $0).description }
        if repairs {
            let body = try RawStatement(database, "SELECT data FROM bodies WHERE message = ?")
            for (orphan, id) in zip(orphans, ids) {
                try body.bind(orphan, at: 1)
                if try body.step() {
                    let bytes = body.withBlob(0) { Array($0) }
                    try directory.keep(bytes, as: "\(id).eml", in: Self.keptFolder)
                }
                body.reset()
                try database.execute(
                    sql: "DELETE FROM bodies WHERE message = ?", arguments: [orphan])
            }
        }
        add(
            "\(orphans.count) messages without a delivery "
                + "(\(Self.list((Array(ids.prefix(Self.maximumLines)), ids.count))))",
            "moved to \(directory.path)/\(Self.keptFolder): send them by hand, or delete them")
    }

    /// Attempts at deliveries that have left.
    private mutating func checkAttempts(_ database: Database) throws {
        // A spool of an earlier version, which a check without repairs leaves as it is.
        guard try database.tableExists("attempts") else { return }
        let condition = "delivery NOT IN (SELECT id FROM deliveries)"
        let count =
            try Int.fetchOne(database, sql: "SELECT count(*) FROM attempts WHERE \(condition)") ?? 0
        guard count > 0 else { return }
        if repairs { try database.execute(sql: "DELETE FROM attempts WHERE \(condition)") }
        add("\(count) attempts at deliveries that are not there", "removed")
    }

    /// The mark is above every id that was ever given out. Where it is gone, nobody knows that:
    /// then it is set so far above the ids in use that none can come again.
    private mutating func checkMessageIDs(_ database: Database) throws {
        let largest =
            try Int64.fetchOne(
                database,
                sql: """
                    SELECT max(ifnull((SELECT max(id) >> 16 FROM deliveries), 0),
                        ifnull((SELECT max(message) FROM bodies), 0))
                    """) ?? 0
        let mark = try Int64.fetchOne(
            database, sql: "SELECT value FROM meta WHERE key = 'next_message'")
        let (fault, raised): (String, Int64)
        switch mark {
        case nil: (fault, raised) = ("is missing", largest + Self.safeDistance)
        case let mark? where mark <= 0 || mark >= 1 << 47:
            (fault, raised) = ("is out of range", largest + Self.safeDistance)
        case let mark? where mark <= largest:
            (fault, raised) = ("is below an id in use", largest + 1)
        default: return
        }
        if repairs {
            try database.execute(
                sql: "INSERT OR REPLACE INTO meta (key, value) VALUES ('next_message', ?)",
                arguments: [raised])
        }
        add("the mark of the message ids \(fault)", "set to \(raised)")
    }

    /// Texts as long as they were, with another checksum than they were written with.
    private static func changedTexts(_ database: Database) throws -> [String] {
        // A spool of an earlier version, which a check without repairs leaves as it is.
        guard try database.columns(in: "bodies").contains(where: { $0.name == "checksum" }) else {
            return []
        }
        var faults: [String] = []
        let row = try RawStatement(
            database,
            """
            SELECT message, data, checksum FROM bodies
            WHERE checksum NOT NULL AND length(data) = (
                SELECT size FROM deliveries WHERE id BETWEEN message << 16 AND message << 16 | 65535
                LIMIT 1)
            ORDER BY message
            """)
        while try row.step() {
            let written = row.int(2)
            guard row.withBlob(1, { BodyChecksum.of($0) }) != written else { continue }
            faults.append("message \(MessageID(rawValue: row.int(0))): its text has changed")
        }
        return faults
    }

    /// A spool of an earlier version has no rules.
    private static func columns(_ database: Database) throws -> String {
        let isThere = try database.columns(in: "deliveries").contains { $0.name == "last_rule" }
        return isThere
            ? DeliveryRow.columns : DeliveryRow.columns.replacing("last_rule", with: "''")
    }

    /// Rows that cannot be understood, bodies that are missing or not as long as they were: what
    /// they were nobody can tell any more.
    private mutating func checkDeliveries(_ database: Database) throws {
        var faults = try Self.changedTexts(database)
        let row = try RawStatement(
            database,
            """
            SELECT \(try Self.columns(database)), (SELECT length(data) FROM bodies WHERE message = id >> 16)
            FROM deliveries
            """)
        while try row.step() {
            do throws(SpoolError) {
                let delivery = try DeliveryRow.decode(row)
                if let fault = Self.fault(of: delivery) {
                    faults.append("delivery \(delivery.id): \(fault)")
                }
                switch row.optionalInt(19) {
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

    /// What no version of this program has written.
    private static func fault(of delivery: StoredDelivery) -> String? {
        if delivery.recipients.isEmpty { return "it has no recipients" }
        let addresses = delivery.recipients.map(\.address)
        for address in addresses where !isAddress(address) {
            return "'\(SafeText(address, limit: 100))' is no address"
        }
        let sender = delivery.message.sender
        if !sender.isEmpty, !isAddress(sender) {
            return "its sender '\(SafeText(sender, limit: 100))' is no address"
        }
        if delivery.attempts < 0 { return "it has \(delivery.attempts) attempts" }
        return delivery.isAsWritten ? nil : "its envelope has changed"
    }

    private static func isAddress(_ text: String) -> Bool {
        let address = try? EmailAddress(
            parsing: text, allowUTF8: true, allowBarePostmaster: true)
        return address != nil
    }
}
