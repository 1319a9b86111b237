import GRDB
import Glibc
import Mail

/// Takes what can still be read out of a damaged spool into a new one; the damaged one stays as it
/// is.
///
/// Every row that its page still holds is copied. Where a page is damaged, the rows behind it are
/// looked for by their ids. Where the file's header is damaged, what is the same in every spool is
/// made anew, in a copy.
package struct SpoolSalvage: Sendable {
    /// What is lost, a line each, and what the check of the new spool repaired.
    package private(set) var losses: [String] = []
    /// Of the new spool.
    package let check: SpoolCheck

    /// - Parameters:
    ///   - target: a directory that is not there yet or has no spool.
    ///   - smallSteps: keys that are tried one by one behind a row that cannot be read, before larger
    ///     and larger steps are taken; at least 1.
    /// - Throws: `inUse` while a daemon has the old spool; `damaged` where not even its tables can
    ///   be found; `refused` if the target has a spool; `cannotWrite`.
    package init(
        directory path: String, into target: String, smallSteps: Int64 = 100_000
    ) throws(SpoolError) {
        let source = try DataDirectory(path: path)
        defer { source.release() }
        try source.requireDatabase()
        let damage = try Self.damage(of: source)
        guard mkdir(target, 0o700) == 0 || errno == EEXIST else {
            throw SpoolError(
                code: .unusable, cause: "cannot be made: \(String(cString: strerror(errno)))",
                context: target)
        }
        do {
            let directory = try DataDirectory(path: target)
            defer { directory.release() }
            guard access(directory.databasePath, F_OK) != 0 else {
                throw SpoolError(
                    code: .refused, cause: "is there already; name a new directory",
                    context: directory.databasePath)
            }
            var copy: SpoolCopy?
            defer { copy = nil }
            if let damage {
                let restored = try SpoolHeader.restore(source, in: directory)
                guard Self.isSpool(restored.path) else { throw damage }
                copy = restored
            }
            try directory.createDatabaseFile()
            let new = try DatabaseQueue(
                path: directory.databasePath,
                configuration: SpoolSchema.configuration(SQLiteSpool.Options()))
            try SpoolSchema.migrator.migrate(new)
            var configuration = SpoolSchema.configuration(SQLiteSpool.Options(), anySize: true)
            configuration.readonly = true
            let old = try DatabaseQueue(
                path: copy?.path ?? source.databasePath, configuration: configuration)
            var lines: [String] = []
            if copy != nil {
                lines.append("the header of the file; what is the same in each was made anew")
            }
            // Without a transaction, which a damaged page would break.
            try old.unsafeRead { old in
                try new.write { new in
                    var copy = Copy(old: old, new: new, smallSteps: smallSteps)
                    try copy.run()
                    lines += copy.losses
                }
            }
            losses = lines
            try old.close()
            try new.close()
        } catch {
            throw SpoolError(error, context: target)
        }
        check = try SpoolCheck(directory: target, repairs: true)
    }

    /// What keeps its tables from being found.
    private static func damage(of source: DataDirectory) throws(SpoolError) -> SpoolError? {
        do throws(SpoolError) {
            try SpoolSchema.inspect(path: source.databasePath, anySize: true)
            if isSpool(source.databasePath) { return nil }
        } catch {
            guard error.code == .damaged else { throw error }
        }
        return SpoolError(
            code: .damaged,
            cause: "its tables cannot be found, also with a new header; restore a backup",
            context: source.databasePath)
    }

    private static func isSpool(_ path: String) -> Bool {
        var configuration = SpoolSchema.configuration(SQLiteSpool.Options(), anySize: true)
        configuration.readonly = true
        guard let queue = try? DatabaseQueue(path: path, configuration: configuration) else {
            return false
        }
        defer { try? queue.close() }
        let tables = try? queue.unsafeRead { database in
            try ["deliveries", "bodies", "destinations"].allSatisfy { try database.tableExists($0) }
        }
        return tables == true
    }

    private struct Copy {
        let old: Database
        let new: Database
        let smallSteps: Int64
        var losses: [String] = []

        mutating func run() throws {
            try copyMark()
            for table in ["destinations", "actions"] {
                try copy(table, key: "id", steps: [1]) { "\(table.dropLast()) \($0)" }
            }
            try copy("bodies", key: "message", steps: [1]) {
                "the text of message \(MessageID(rawValue: $0))"
            }
            // The next delivery of the same message, or the next message.
            try copy("deliveries", key: "id", steps: [1, 1 << 16]) {
                "delivery \(DeliveryID(rawValue: $0))"
            }
            try dropTextless()
            try copyAttempts()
        }

        private func copyMark() throws {
            let sql = "SELECT value FROM meta WHERE key = 'next_message'"
            guard let mark = try? Int64.fetchOne(old, sql: sql) else {
                // The check of the new spool sets it far above all ids.
                return try new.execute(sql: "DELETE FROM meta")
            }
            try new.execute(
                sql: "UPDATE meta SET value = ? WHERE key = 'next_message'", arguments: [mark])
        }

        /// A delivery whose message has no text can only be told of. One whose text has another
        /// length may have got another's id, and with it somebody else's mail.
        private mutating func dropTextless() throws {
            let condition =
                "size IS NOT (SELECT length(data) FROM bodies WHERE message = id >> 16)"
            let rows = try Row.fetchAll(
                new, sql: "SELECT id, sender, recipients FROM deliveries WHERE \(condition)")
            for row in rows {
                let id = DeliveryID(rawValue: row["id"])
                let recipients =
                    TextCoding.recipients(addresses: row["recipients"] ?? "", attributes: "") ?? []
                losses.append(
                    "delivery \(id): the text of its message is not there; from "
                        + "<\(SafeText(row["sender"] ?? ""))> to "
                        + recipients.map { "<\(SafeText($0.address))>" }.joined(separator: ", "))
            }
            try new.execute(sql: "DELETE FROM deliveries WHERE \(condition)")
        }

        /// Of the deliveries that could be read. Those of one that cannot are no mail.
        private mutating func copyAttempts() throws {
            // An older schema has none.
            guard (try? old.tableExists("attempts")) == true else { return }
            let columns = """
                delivery, number, again, at, milliseconds, worker, remote, tls, reply, rule
                """
            let insert = try new.makeStatement(
                sql: """
                    INSERT OR IGNORE INTO attempts (\(columns))
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """)
            let tried = try Int64.fetchAll(
                new, sql: "SELECT id FROM deliveries WHERE attempts > 0 OR last_reply <> ''")
            var unread = 0
            for id in tried {
                do {
                    let statement = try old.cachedStatement(
                        sql: "SELECT \(columns) FROM attempts WHERE delivery = ?")
                    let rows = try Row.fetchCursor(statement, arguments: [id])
                    while let row = try rows.next() {
                        try insert.execute(arguments: StatementArguments(row.databaseValues))
                    }
                } catch let error as DatabaseError
                    where [.SQLITE_CORRUPT, .SQLITE_CONSTRAINT].contains(error.resultCode)
                {
                    unread += 1
                }
            }
            if unread > 0 {
                losses.append("what was tried for \(unread) deliveries cannot be read")
            }
        }

        /// - Parameters:
        ///   - steps: in which a key may follow another, ascending.
        ///   - name: of the row with a key, for people.
        private mutating func copy(
            _ table: String, key: String, steps: [Int64], name: (Int64) -> String
        ) throws {
            // An older schema may lack columns, which then have their defaults.
            let known = Set(try new.columns(in: table).map(\.name))
            let columns = try old.columns(in: table).map(\.name).filter(known.contains)
            let list = columns.joined(separator: ", ")
            let insert = try new.makeStatement(
                sql: """
                    INSERT OR IGNORE INTO \(table) (\(list))
                    VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))
                    """)
            var next: Int64 = 0
            while true {
                do {
                    let rows = try Row.fetchCursor(
                        old, sql: "SELECT \(list) FROM \(table) WHERE \(key) >= ? ORDER BY \(key)",
                        arguments: [next])
                    while let row = try rows.next() {
                        let id: Int64 = row[key]
                        // Out of its order it is not what it was.
                        guard id >= next else {
                            losses.append("\(name(id)): stands in a wrong place")
                            continue
                        }
                        do {
                            try insert.execute(arguments: StatementArguments(row.databaseValues))
                        } catch let error as DatabaseError
                            where error.resultCode == .SQLITE_CONSTRAINT
                        {
                            losses.append("\(name(id)): what it holds makes no sense")
                        }
                        next = id + 1
                    }
                    return
                } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT {
                    guard let behind = readable(table, key, after: next, steps) else {
                        losses.append("\(name(next)) and those behind it cannot be read, if any")
                        return
                    }
                    losses.append("\(name(next)) to before \(name(behind)) cannot be read, if any")
                    next = behind
                }
            }
        }

        /// The least key found above `key` from which on a row can be read.
        private func readable(
            _ table: String, _ column: String, after key: Int64, _ steps: [Int64]
        ) -> Int64? {
            // With all its columns, as a long one lies on pages of its own.
            let sql = "SELECT * FROM \(table) WHERE \(column) >= ? ORDER BY \(column) LIMIT 1"
            func isReadable(_ key: Int64) -> Bool {
                guard let statement = try? old.cachedStatement(sql: sql) else { return false }
                return (try? Row.fetchOne(statement, arguments: [key])) != nil
            }
            for step in steps {
                let first = step == 1 ? key : key / step * step
                let count = step == steps.last ? smallSteps : 64
                for number in 1...count where isReadable(first + number * step) {
                    return first + number * step
                }
            }
            var distance = smallSteps * (steps.last ?? 1)
            while distance < 1 << 61 {
                if isReadable(key + distance) { return key + distance }
                distance *= 2
            }
            return nil
        }
    }
}
