import Faults
import GRDB
import Synchronization

/// The spool in one SQLite file, `spool.db` in the data directory, for one daemon.
///
/// What `commit` has returned from is on disk: write-ahead log, synchronous=FULL, so that every
/// commit ends with an fsync of the log. There is one writing connection, used serially; reads
/// have connections of their own, see the last commit, and never wait for the writer.
///
/// An error that leaves it open whether the log reached the disk (`cannotWrite` from the fsync
/// itself) is reported as a failure. After a power cut such a batch may still turn up: a message
/// that was answered 4xx may then go out, none that was answered 250 can be missing.
///
/// Files are readable for their owner only.
package final class SQLiteSpool: Spool {
    package struct Options: Sendable {
        /// How large the database may become; nil: as large as the disk.
        package var maximumBytes: Int?
        /// What intake leaves free on the disk: the log needs room for removals, too, and the
        /// database for what is copied from it.
        package var reservedBytes: Int
        /// Connections for reading.
        package var readers: Int
        /// Page cache of the writing connection.
        package var cacheBytes: Int
        /// The log is copied into the database when it has so many pages. More of them means
        /// that more of what is written has been removed again before it is copied.
        package var checkpointPages: Int
        /// Keeps the columns of all deliveries in memory, some 110 bytes each. Without it pages and
        /// plans read the table.
        package var keepsIndex: Bool

        package init(
            maximumBytes: Int? = nil, reservedBytes: Int = 64 << 20, readers: Int = 4,
            cacheBytes: Int = 8 << 20, checkpointPages: Int = 10_000, keepsIndex: Bool = true
        ) {
            self.keepsIndex = keepsIndex
            self.maximumBytes = maximumBytes
            self.reservedBytes = reservedBytes
            self.readers = readers
            self.cacheBytes = cacheBytes
            self.checkpointPages = checkpointPages
        }
    }

    static let pageSize = 4096

    let pool: DatabasePool
    let directory: DataDirectory
    private let options: Options
    private let report: @Sendable (SpoolError) -> Void
    /// Not Sendable; touched only in accesses to the pool's writer, which are serial.
    nonisolated(unsafe) private var statements: WriteStatements?
    private let closed = Atomic<Bool>(false)
    /// Messages in the spool, kept up with every commit: counting rows would read them all.
    let messages = Atomic<Int>(0)
    /// As of the last commit.
    let index: DeliveryIndex?

    /// Opens the spool, or makes an empty one, and migrates its schema.
    ///
    /// - Parameters:
    ///   - directory: exists and is writable.
    ///   - report: is told of rows that are damaged and were left out of an answer; called on the
    ///     reading thread.
    package init(
        directory path: String, options: Options = Options(),
        report: @escaping @Sendable (SpoolError) -> Void = { _ in }
    ) throws(SpoolError) {
        directory = try DataDirectory(path: path)
        self.options = options
        self.report = report
        let index = options.keepsIndex ? DeliveryIndex() : nil
        self.index = index
        do {
            let file = directory.databasePath
            Self.removeLeftCopies(in: directory)
            try directory.createDatabaseFile()
            try SpoolSchema.inspect(path: file)
            pool = try DatabasePool(path: file, configuration: SpoolSchema.configuration(options))
            statements = nil
            try pool.writeWithoutTransaction { database in
                // GRDB sets NORMAL when it opens a pool, with which a power cut loses commits.
                try database.execute(sql: "PRAGMA synchronous = FULL")
            }
            try SpoolSchema.migrator.migrate(pool)
            try pool.writeWithoutTransaction { database in
                try Self.raiseMessageIDs(database)
                messages.store(try Self.load(index, database), ordering: .relaxed)
                statements = try WriteStatements(database)
            }
        } catch {
            directory.release()
            throw SpoolError(error, context: directory.databasePath)
        }
    }

    package func close() {
        guard closed.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged
        else { return }
        pool.writeWithoutTransaction { database in
            statements = nil
            // So that the next start has no log to read. A failure costs only that.
            _ = try? database.checkpoint(.truncate)
        }
        try? pool.close()
        directory.release()
    }

    // MARK: Writing

    package func commit(_ writes: [SpoolWrite]) throws(SpoolError) {
        guard !writes.isEmpty else { return }
        try directory.checkPlace()
        do throws(SpoolError) {
            try commit(writes, keepsAttempts: true)
        } catch  where error.code == .cannotWrite && writes.contains(where: \.isAttempt) {
            // The disk may still have room for what has to be known.
            try commit(writes, keepsAttempts: false)
        }
    }

    private func commit(_ writes: [SpoolWrite], keepsAttempts: Bool) throws(SpoolError) {
        try write("commit") { database, statements in
            statements.messagesAdded = 0
            statements.keepsAttempts = keepsAttempts
            try database.inTransaction(.immediate) {
                for write in writes { try statements.apply(write) }
                FaultPoint.applied.reached()
                return .commit
            }
            FaultPoint.synced.reached()
            messages.add(statements.messagesAdded, ordering: .relaxed)
            index?.apply(writes)
        }
    }

    package func reserveMessageIDs(_ count: Int) throws(SpoolError) -> Range<Int64> {
        precondition(count > 0)
        return try write("reserve message ids") { database, _ in
            var first: Int64 = 0
            try database.inTransaction(.immediate) {
                first = try Self.nextMessageID(database)
                guard Int64(count) < 1 << 47 - first else {
                    throw SpoolError.refused("no message ids are left")
                }
                try database.execute(
                    sql: "UPDATE meta SET value = ? WHERE key = 'next_message'",
                    arguments: [first + Int64(count)])
                return .commit
            }
            return first..<first + Int64(count)
        }
    }

    private static func nextMessageID(_ database: Database) throws -> Int64 {
        let sql = "SELECT value FROM meta WHERE key = 'next_message'"
        guard let next = try Int64.fetchOne(database, sql: sql), next > 0, next < 1 << 47 else {
            throw SpoolError.damaged("the mark of the message ids is missing or out of range")
        }
        return next
    }

    /// The mark is above every id in use, unless somebody mixed two spools; an id that is given
    /// out twice would be worse than a moment's look at the largest.
    private static func raiseMessageIDs(_ database: Database) throws {
        let next = try nextMessageID(database)
        let largest = try Int64.fetchOne(
            database,
            sql: """
                SELECT max(ifnull((SELECT max(id) >> 16 FROM deliveries), 0),
                    ifnull((SELECT max(message) FROM bodies), 0))
                """)
        if let largest, largest >= next {
            try database.execute(
                sql: "UPDATE meta SET value = ? WHERE key = 'next_message'",
                arguments: [largest + 1])
        }
    }

    private func write<R>(
        _ purpose: String, _ body: (Database, WriteStatements) throws -> R
    ) throws(SpoolError) -> R {
        do {
            return try pool.writeWithoutTransaction { database in
                guard let statements else { throw Self.closedError }
                do {
                    return try body(database, statements)
                } catch {
                    Self.reclaimLog(database, after: SpoolError(error, context: ""))
                    throw error
                }
            }
        } catch {
            throw SpoolError(error, context: "\(directory.databasePath): \(purpose)")
        }
    }

    /// On a full disk not even a removal can be recorded while the log has to grow for it. What
    /// the log holds is copied into the database as far as possible, after which the log is
    /// written again from its start, in the space that it has.
    private static func reclaimLog(_ database: Database, after error: SpoolError) {
        guard error.code == .cannotWrite else { return }
        _ = try? database.checkpoint(.passive)
    }

    // MARK: Reading

    /// All that `body` reads belongs to one instant.
    func read<R>(
        _ purpose: String, _ body: (Database) throws -> R
    ) throws(SpoolError) -> R {
        do {
            guard !closed.load(ordering: .relaxed) else { throw Self.closedError }
            return try pool.read(body)
        } catch {
            throw SpoolError(error, context: "\(directory.databasePath): \(purpose)")
        }
    }

    /// For `body`s of one statement, which need no transaction around it.
    func readOnce<R>(
        _ purpose: String, _ body: (Database) throws -> R
    ) throws(SpoolError) -> R {
        do {
            guard !closed.load(ordering: .relaxed) else { throw Self.closedError }
            return try pool.unsafeRead(body)
        } catch {
            throw SpoolError(error, context: "\(directory.databasePath): \(purpose)")
        }
    }

    package func availableBytes() throws(SpoolError) -> Int {
        try directory.checkPlace()
        let onDisk = try directory.freeBytes() - options.reservedBytes
        let inDatabase = try readOnce("free pages") { database in
            // Pages that removed mail has left are used before the file grows.
            let free = try Int.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0
            let used = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            return (free * Self.pageSize, options.maximumBytes.map { $0 - used * Self.pageSize })
        }
        let growth = min(onDisk, inDatabase.1 ?? .max)
        return max(0, onDisk <= 0 ? 0 : growth + inDatabase.0)
    }

    /// nil if there is none.
    func indexInUse() throws(SpoolError) -> DeliveryIndex? {
        if closed.load(ordering: .relaxed) { throw Self.closedError }
        return index
    }

    private static var closedError: SpoolError {
        SpoolError(code: .unusable, cause: "the spool has been closed", context: "")
    }

    /// Decodes a row, or reports why it cannot be used.
    func decode(_ row: RawStatement) -> StoredDelivery? {
        do throws(SpoolError) {
            return try DeliveryRow.decode(row)
        } catch {
            var error = error
            error.context = directory.databasePath
            report(error)
            return nil
        }
    }

    func reportDamage(_ cause: String) {
        report(SpoolError(code: .damaged, cause: cause, context: directory.databasePath))
    }
}

extension SpoolWrite {
    fileprivate var isAttempt: Bool {
        if case .attempt = self { true } else { false }
    }
}
