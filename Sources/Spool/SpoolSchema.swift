import GRDB

/// The tables, and what every connection to them is set to.
///
/// - `deliveries`: one row per delivery, with a copy of its message's envelope: the usual message
///   has one delivery, so a table of messages would be a second insert and a join for nothing.
///   A message exists as long as one of its deliveries does; they lie together, as `id` is the
///   message's id and an ordinal in one number.
/// - `bodies`: apart, so that going through the deliveries does not go through the bodies.
/// - `attempts`: apart too, as most mail has none. `again` is 1 for the last of several that have
///   the same number. They go with their delivery, whoever removes it; the trigger looks for them
///   only where there may be any.
/// - `destinations`, `actions`, `meta`.
enum SpoolSchema {
    /// "Slui": says that a database file is a spool (https://www.sqlite.org/fileformat2.html,
    /// 1.3.19 Application ID).
    static let applicationID: Int64 = 0x536C_7569

    /// One step per version of the schema; a step that was ever released never changes.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    PRAGMA application_id = \(applicationID);

                    CREATE TABLE deliveries (
                        id INTEGER PRIMARY KEY,
                        destination INTEGER,
                        state INTEGER NOT NULL,
                        attempts INTEGER NOT NULL,
                        next_attempt INTEGER NOT NULL,
                        purge_at INTEGER,
                        received_at INTEGER NOT NULL,
                        expires_at INTEGER NOT NULL,
                        size INTEGER NOT NULL,
                        flags INTEGER NOT NULL,
                        code INTEGER NOT NULL DEFAULT 0,
                        domain TEXT NOT NULL,
                        sender TEXT NOT NULL,
                        recipients TEXT NOT NULL,
                        attributes TEXT NOT NULL,
                        ret TEXT NOT NULL,
                        envelope_id TEXT NOT NULL,
                        client TEXT NOT NULL,
                        last_reply TEXT NOT NULL DEFAULT ''
                    ) STRICT;
                    CREATE INDEX deliveries_by_destination ON deliveries (destination);
                    CREATE INDEX deliveries_set_aside ON deliveries (state) WHERE state > 1;

                    CREATE TABLE bodies (
                        message INTEGER PRIMARY KEY,
                        data BLOB NOT NULL
                    ) STRICT;

                    CREATE TABLE destinations (
                        id INTEGER PRIMARY KEY,
                        identity TEXT NOT NULL UNIQUE,
                        name TEXT NOT NULL,
                        domains TEXT NOT NULL,
                        pin INTEGER,
                        paused_by TEXT,
                        paused_until INTEGER,
                        pause_reason TEXT NOT NULL,
                        scheduler BLOB NOT NULL
                    ) STRICT;

                    CREATE TABLE actions (
                        id INTEGER PRIMARY KEY,
                        kind TEXT NOT NULL,
                        at INTEGER NOT NULL,
                        by TEXT NOT NULL,
                        reason TEXT NOT NULL,
                        target TEXT NOT NULL,
                        state TEXT NOT NULL,
                        undo_until INTEGER,
                        result TEXT NOT NULL,
                        details BLOB NOT NULL
                    ) STRICT;

                    CREATE TABLE meta (
                        key TEXT PRIMARY KEY,
                        value INTEGER NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    INSERT INTO meta (key, value) VALUES ('next_message', 1);
                    """)
        }
        // The CRC-32C of a message's text; NULL for those that an earlier version took in.
        migrator.registerMigration("2") { database in
            try database.execute(sql: "ALTER TABLE bodies ADD COLUMN checksum INTEGER")
        }
        // The rule that said what to make of the last reply; '' where none did.
        migrator.registerMigration("3") { database in
            try database.execute(
                sql: "ALTER TABLE deliveries ADD COLUMN last_rule TEXT NOT NULL DEFAULT ''")
        }
        // What was tried; nothing is known of what an earlier version has tried.
        migrator.registerMigration("4") { database in
            try database.execute(
                sql: """
                    CREATE TABLE attempts (
                        delivery INTEGER NOT NULL,
                        number INTEGER NOT NULL,
                        again INTEGER NOT NULL,
                        at INTEGER NOT NULL,
                        milliseconds INTEGER NOT NULL,
                        worker INTEGER,
                        remote TEXT NOT NULL,
                        tls TEXT NOT NULL,
                        reply TEXT NOT NULL,
                        rule TEXT NOT NULL,
                        PRIMARY KEY (delivery, number, again)
                    ) STRICT, WITHOUT ROWID;
                    CREATE TRIGGER attempts_end AFTER DELETE ON deliveries
                    WHEN old.attempts > 0 OR old.last_reply <> ''
                    BEGIN
                        DELETE FROM attempts WHERE delivery = old.id;
                    END;
                    """)
        }
        return migrator
    }

    /// A table, an index or a trigger of the current version, and how it is made.
    struct Part: Hashable {
        var name: String
        /// "table", "index", "trigger".
        var type: String
        var sql: String
    }

    /// Tables first.
    static func parts() throws -> [Part] {
        let queue = try DatabaseQueue()
        defer { try? queue.close() }
        try migrator.migrate(queue)
        return try queue.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT name, type, sql FROM sqlite_master
                    WHERE type IN ('table', 'index', 'trigger') AND sql NOT NULL
                        AND name NOT LIKE 'grdb%' AND name NOT LIKE 'sqlite%'
                    ORDER BY type <> 'table', name
                    """
            ).map { Part(name: $0[0], type: $0[1], sql: $0[2]) }
        }
    }

    /// - Parameter anySize: as in `inspect`.
    static func configuration(
        _ options: SQLiteSpool.Options, anySize: Bool = false
    ) -> Configuration {
        var configuration = Configuration()
        // Before anything else is asked of the file.
        if anySize { configuration.prepareDatabase(takeAnySize) }
        configuration.label = "spool"
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = options.readers
        configuration.persistentReadOnlyConnections = true
        configuration.prepareDatabase { database in
            // A reader passes over what it reads once, and the kernel has it too.
            let cache = database.configuration.readonly ? 2 << 20 : options.cacheBytes
            // Debian builds SQLite with SECURE_DELETE, which writes every freed page once more.
            // cell_size_check finds a damaged page before it is used.
            try database.execute(
                sql: """
                    PRAGMA page_size = \(SQLiteSpool.pageSize);
                    PRAGMA secure_delete = OFF;
                    PRAGMA temp_store = MEMORY;
                    PRAGMA trusted_schema = OFF;
                    PRAGMA cell_size_check = ON;
                    PRAGMA cache_size = -\(cache / 1024);
                    PRAGMA wal_autocheckpoint = \(options.checkpointPages);
                    PRAGMA journal_size_limit = \(options.checkpointPages * SQLiteSpool.pageSize * 2);
                    """)
            if let bytes = options.maximumBytes, !database.configuration.readonly {
                try database.execute(
                    sql: "PRAGMA max_page_count = \(max(1, bytes / SQLiteSpool.pageSize))")
            }
            database.add(function: FilterSQL.anyLineMatches)
        }
        return configuration
    }

    /// Looks at an existing file through a connection that cannot change it.
    ///
    /// - Parameter anySize: also a file that is shorter than it says.
    /// - Throws: `damaged` for what is not a spool, `tooNew` for a later schema.
    static func inspect(path: String, anySize: Bool = false) throws(SpoolError) {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            if anySize { configuration.prepareDatabase(takeAnySize) }
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? queue.close() }
            try queue.read { database in
                let tables = try Int.fetchOne(
                    database, sql: "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'grdb%'")
                // Made, but stopped before the first migration was committed.
                guard tables != 0 else { return }
                guard try Int64.fetchOne(database, sql: "PRAGMA application_id") == applicationID
                else {
                    throw SpoolError(
                        code: .damaged,
                        cause: "is a database of something else; move it away, or change data_dir",
                        context: path)
                }
                guard try !migrator.hasBeenSuperseded(database) else {
                    throw SpoolError(
                        code: .tooNew,
                        cause: "was written by a newer version; run that one, or change data_dir "
                            + "(nothing was changed)",
                        context: path)
                }
            }
        } catch {
            var error = SpoolError(error, context: path)
            // Nothing but reading: what SQLite cannot make sense of is the file.
            if error.code == .refused { error.code = .damaged }
            if error.code == .damaged, error.context == path, error.cause.contains("SQLite code") {
                error.cause +=
                    "; save what can be read with sluiced fsck --salvage, restore a backup, or "
                    + "move it away to start an empty one"
            }
            throw error
        }
    }

    /// SQLite refuses a file that is shorter than its header says, but not with this.
    static func takeAnySize(_ database: Database) throws {
        try database.execute(sql: "PRAGMA writable_schema = ON")
    }
}
