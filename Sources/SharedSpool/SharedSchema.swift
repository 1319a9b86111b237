import PostgreSQL

/// The tables, in a schema of their own, so that the database may hold other things too.
///
/// They are those of the SQLite spool. What differs: text is in the collation "C" (the order of
/// its bytes, and case for ASCII letters only, as in SQLite), bodies are not compressed (mail
/// hardly shrinks, and it costs more than the disk), and `owners` says who may write.
enum SharedSchema {
    static let name = "sluice"

    /// One step per version; a step that was ever released never changes.
    static let steps: [[String]] = [
        [
            "CREATE SCHEMA IF NOT EXISTS \(name)",
            "CREATE TABLE \(name).meta (key TEXT PRIMARY KEY, value BIGINT NOT NULL)",
            "INSERT INTO \(name).meta VALUES ('schema', 0), ('next_message', 1)",
            """
            CREATE TABLE \(name).deliveries (
                id BIGINT PRIMARY KEY,
                destination BIGINT,
                next_attempt BIGINT NOT NULL,
                purge_at BIGINT,
                received_at BIGINT NOT NULL,
                expires_at BIGINT NOT NULL,
                size BIGINT NOT NULL,
                attempts INTEGER NOT NULL,
                flags INTEGER NOT NULL,
                state SMALLINT NOT NULL,
                code SMALLINT NOT NULL DEFAULT 0,
                domain TEXT COLLATE "C" NOT NULL,
                sender TEXT COLLATE "C" NOT NULL,
                recipients TEXT COLLATE "C" NOT NULL,
                attributes TEXT COLLATE "C" NOT NULL,
                ret TEXT COLLATE "C" NOT NULL,
                envelope_id TEXT COLLATE "C" NOT NULL,
                client TEXT COLLATE "C" NOT NULL,
                last_reply TEXT COLLATE "C" NOT NULL DEFAULT ''
            ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)
            """,
            """
            CREATE INDEX deliveries_by_destination ON \(name).deliveries (destination, id)
                WHERE destination IS NOT NULL
            """,
            """
            CREATE INDEX deliveries_set_aside ON \(name).deliveries (state) WHERE state > 1
            """,
            """
            CREATE TABLE \(name).bodies (
                message BIGINT PRIMARY KEY,
                data BYTEA NOT NULL,
                checksum BIGINT
            ) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.02)
            """,
            "ALTER TABLE \(name).bodies ALTER COLUMN data SET STORAGE EXTERNAL",
            """
            CREATE TABLE \(name).destinations (
                id BIGINT PRIMARY KEY,
                identity TEXT COLLATE "C" NOT NULL UNIQUE,
                name TEXT COLLATE "C" NOT NULL,
                domains TEXT COLLATE "C" NOT NULL,
                pin BIGINT,
                paused_by TEXT COLLATE "C",
                paused_until BIGINT,
                pause_reason TEXT COLLATE "C" NOT NULL,
                scheduler BYTEA NOT NULL
            )
            """,
            """
            CREATE TABLE \(name).actions (
                id BIGINT PRIMARY KEY,
                kind TEXT COLLATE "C" NOT NULL,
                at BIGINT NOT NULL,
                by TEXT COLLATE "C" NOT NULL,
                reason TEXT COLLATE "C" NOT NULL,
                target TEXT COLLATE "C" NOT NULL,
                state TEXT COLLATE "C" NOT NULL,
                undo_until BIGINT,
                result TEXT COLLATE "C" NOT NULL,
                details BYTEA NOT NULL
            )
            """,
            // `batch` is the number of the owner's last commit: after a lost connection it tells
            // whether that took effect.
            """
            CREATE TABLE \(name).owners (
                name TEXT COLLATE "C" PRIMARY KEY,
                epoch BIGINT NOT NULL,
                batch BIGINT NOT NULL,
                holder TEXT NOT NULL,
                since TIMESTAMPTZ NOT NULL
            ) WITH (fillfactor = 20)
            """,
            // Begins every transaction that writes; fails for an owner whose place another took.
            """
            CREATE FUNCTION \(name).claim(owner TEXT, held BIGINT, number BIGINT) RETURNS void
            LANGUAGE plpgsql SET search_path = \(name) AS $$
            BEGIN
                UPDATE owners SET batch = number WHERE name = owner AND epoch = held;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'another sluiced has taken over' USING ERRCODE = '\(fenced)';
                END IF;
            END $$
            """,
        ],
        // The rule that said what to make of the last reply; '' where none did.
        [
            """
            ALTER TABLE \(name).deliveries
                ADD COLUMN last_rule TEXT COLLATE "C" NOT NULL DEFAULT ''
            """
        ],
        // What was tried; nothing is known of what an earlier version has tried.
        [
            """
            CREATE TABLE \(name).attempts (
                delivery BIGINT NOT NULL,
                at BIGINT NOT NULL,
                milliseconds BIGINT NOT NULL,
                worker BIGINT,
                number INTEGER NOT NULL,
                again SMALLINT NOT NULL,
                remote TEXT COLLATE "C" NOT NULL,
                tls TEXT COLLATE "C" NOT NULL,
                reply TEXT COLLATE "C" NOT NULL,
                rule TEXT COLLATE "C" NOT NULL,
                PRIMARY KEY (delivery, number, again)
            ) WITH (autovacuum_vacuum_scale_factor = 0.02)
            """
        ],
    ]

    static var version: Int64 { Int64(steps.count) }

    /// The SQLSTATE of a write with an old epoch.
    static let fenced = "SL001"

    /// "Slui": the first half of the keys of advisory locks.
    static let lockSpace: Int32 = 0x536C_7569
    /// Held while the schema is changed.
    static let migrationLock: Int32 = 0

    /// Brings the schema up to `version`.
    ///
    /// - Throws: `tooNew`, `damaged` for a schema of this name that is something else's.
    static func migrate(_ connection: Connection, within time: Duration) throws {
        _ = try connection.run("BEGIN", within: time)
        do {
            _ = try connection.run(
                "SELECT pg_advisory_xact_lock(\(lockSpace), \(migrationLock))", within: time)
            let present = try presentVersion(connection, within: time)
            guard present <= version else {
                throw SharedSpoolFault.tooNew(present)
            }
            for (index, step) in steps.enumerated() where Int64(index) >= present {
                _ = try connection.run(
                    step.map { Command($0) } + [
                        Command("UPDATE \(name).meta SET value = \(index + 1) WHERE key = 'schema'")
                    ], within: time)
            }
            _ = try connection.run("COMMIT", within: time)
        } catch {
            if !connection.isLost { _ = try? connection.run("ROLLBACK", within: time) }
            throw error
        }
    }

    private static func presentVersion(
        _ connection: Connection, within time: Duration
    ) throws -> Int64 {
        let tables = try connection.run(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = '\(name)'", within: time
        ).map { $0.text(0) }
        if tables.isEmpty { return 0 }
        guard tables.contains("meta"), tables.contains("deliveries") else {
            throw SharedSpoolFault.foreign
        }
        let rows = try connection.run(
            "SELECT value FROM \(name).meta WHERE key = 'schema'", within: time)
        guard let version = rows.first?.int(0) else { throw SharedSpoolFault.foreign }
        return version
    }
}

/// What makes a database unusable as a spool.
enum SharedSpoolFault: Error {
    case tooNew(Int64)
    case foreign
    case encoding(String)
    case version(Int)
    /// Who holds it, as far as is known.
    case inUse(String)
}
