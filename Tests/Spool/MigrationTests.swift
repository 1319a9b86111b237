import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

/// Spools as earlier versions wrote them, with mail in every state: after the migration every
/// delivery is accounted for. What is below never changes; a new version of the schema adds its
/// own.
@Suite struct MigrationTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Version 1, and a log that no checkpoint has copied into the database, as after a crash.
    private static let version1 = """
        CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
        INSERT INTO grdb_migrations VALUES ('1');
        PRAGMA application_id = 1399616873;
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
        INSERT INTO meta (key, value) VALUES ('next_message', 4097);

        INSERT INTO destinations VALUES
            (1, '192.0.2.1', 'mx.example.com', 'example.com' || char(10), 2, 'root', 99, 'why', x'03'),
            (2, '192.0.2.2', 'mx.example.net', 'example.net' || char(10), NULL, NULL, NULL, '', x'');
        INSERT INTO actions VALUES
            (5, 'purge', 10, 'root (uid 0)', 'spam', 'all', 'undoable', 20, 'done', x'7b7d');
        INSERT INTO bodies VALUES
            (1, CAST('One.' || char(13, 10) AS BLOB)), (2, CAST('Two.' || char(13, 10) AS BLOB)),
            (3, CAST('Three.' || char(13, 10) AS BLOB)), (4096, CAST('.x' || char(13, 10) AS BLOB));
        INSERT INTO deliveries VALUES
            (65536, NULL, 0, 0, 5, NULL, 1, 100, 6, 0, 0, 'example.org', 'a@sender.example',
                char(10) || 'x@example.org' || char(10) || 'y@example.org' || char(10),
                '', '', '', 'app [192.0.2.9]', ''),
            (65537, 1, 1, 0, 5, NULL, 1, 100, 6, 0, 0, 'example.com', 'a@sender.example',
                char(10) || 'b@example.com' || char(10), '', '', '', 'app [192.0.2.9]', ''),
            (131072, 1, 1, 3, 50, NULL, 2, 100, 6, 3, 450, 'example.com', '',
                char(10) || 'c@example.com' || char(10),
                'FAILURE' || char(9) || 'rfc822;c' || char(9) || '450 4.2.0 no' || char(10),
                'HDRS', 'id', '', '450 4.2.0 later'),
            (131073, 2, 2, 1, 50, NULL, 2, 100, 6, 3, 0, 'example.net', '',
                char(10) || 'd@example.net' || char(10), '', 'HDRS', 'id', '', 'timeout'),
            (196608, 2, 3, 0, 5, 20, 3, 100, 8, 0, 0, 'example.net', 'a@sender.example',
                char(10) || 'e@example.net' || char(10), '', '', '', '', ''),
            (268435456, 2, 4, 9, 5, 20, 4, 100, 4, 4, 0, 'example.net', 'a@sender.example',
                char(10) || 'f@example.net' || char(10), '', '', '', '', '');
        """

    /// What each later version has changed.
    private static let steps = [
        "ALTER TABLE bodies ADD COLUMN checksum INTEGER;",
        "ALTER TABLE deliveries ADD COLUMN last_rule TEXT NOT NULL DEFAULT '';",
    ]

    private static func version(_ number: Int) -> String {
        let later = steps.prefix(number - 1).enumerated().map { index, step in
            step + "INSERT INTO grdb_migrations VALUES ('\(index + 2)');"
        }
        return version1 + later.joined()
    }

    private func make(_ sql: String) throws {
        var configuration = GRDB.Configuration()
        configuration.journalMode = .wal
        let pool = try DatabaseQueue(
            path: directory.file("spool.db"), configuration: configuration)
        try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 0;" + sql)
            // What a crash leaves is taken while the log is still there.
            for name in ["spool.db", "spool.db-wal"] {
                try FileManager.default.copyItem(
                    atPath: directory.file(name), toPath: directory.file("crashed-" + name))
            }
        }
        try pool.close()
        for name in ["spool.db", "spool.db-wal"] {
            try? FileManager.default.removeItem(atPath: directory.file(name))
            try FileManager.default.moveItem(
                atPath: directory.file("crashed-" + name), toPath: directory.file(name))
        }
    }

    @Test(arguments: 1...3) func everythingIsThere(fromVersion version: Int) throws {
        try make(Self.version(version))
        let spool = try SQLiteSpool(directory: directory.path)
        defer { spool.close() }
        let all = try spool.all()
        #expect(
            all.map { "\($0.id) \($0.state) \($0.destination ?? 0) \($0.attempts)" } == [
                "1.0 routing 0 0", "1.1 queued 1 0", "2.0 queued 1 3", "2.1 held 2 1",
                "3.0 purging 2 0", "1000.0 bouncing 2 9",
            ])
        #expect(
            all.flatMap(\.recipients).map(\.address) == [
                "x@example.org", "y@example.org", "b@example.com", "c@example.com",
                "d@example.net", "e@example.net", "f@example.net",
            ])
        let tried = try spool.one(id(2))
        #expect(
            tried.recipients == [
                StoredRecipient(
                    address: "c@example.com", notify: "FAILURE", originalRecipient: "rfc822;c",
                    lastReply: "450 4.2.0 no")
            ])
        #expect(tried.lastReply == "450 4.2.0 later" && tried.nextAttemptAt.milliseconds == 50)
        #expect(
            tried.message
                == MessageRecord(
                    id: MessageID(rawValue: 2), sender: "", receivedAt: UnixTime(milliseconds: 2),
                    expiresAt: UnixTime(milliseconds: 100), size: 6, eightBit: true, utf8: true,
                    leadingDots: false, ret: "HDRS", envelopeID: "id"))
        #expect(try spool.one(id(3)).purgeAt == UnixTime(milliseconds: 20))
        #expect(try spool.one(id(4096)).message.leadingDots)
        for (message, text) in [
            (1, "One.\r\n"), (2, "Two.\r\n"), (3, "Three.\r\n"), (4096, ".x\r\n"),
        ] {
            let body = try spool.body(of: MessageID(rawValue: Int64(message)))
            #expect(body == ByteBuffer(string: text))
        }
        let destinations = try spool.destinations()
        #expect(destinations.map(\.domains) == [["example.com"], ["example.net"]])
        #expect(destinations.first?.pin == 2 && destinations.first?.pausedBy == "root")
        #expect(destinations.first?.pauseReason == "why" && destinations.first?.scheduler == [3])
        #expect(try spool.action(5)?.undoUntil == UnixTime(milliseconds: 20))
        #expect(try spool.messageCount() == 4)
        #expect(try spool.reserveMessageIDs(1) == 4097..<4098)
        // What was tried before is not known; what is tried now is kept.
        #expect(try spool.attempts(of: MessageID(rawValue: 2)).isEmpty)
        let attempt = StoredAttempt(delivery: id(2), number: 4, at: noon, reply: "450 no")
        try spool.commit([.attempt(attempt)])
        #expect(try spool.attempts(of: MessageID(rawValue: 2)) == [attempt])
        // And it is a spool to work with.
        try spool.commit([.accept(message(4097)), .remove(id(3)), .route(id(1), into: [])])
        #expect(try spool.ids() == [id(1, 1), id(2), id(2, 1), id(4096), id(4097)])
    }

    /// The tables are the same whether they were made now or have come up through all versions.
    @Test(arguments: 1...3) func theSchemaIsTheSame(fromVersion version: Int) throws {
        func schema(_ path: String) throws -> [String] {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            return try queue.read { database in
                try String.fetchAll(
                    database,
                    sql: """
                        SELECT name || ': ' || sql FROM sqlite_master
                        WHERE sql NOT NULL AND name NOT LIKE 'grdb%' ORDER BY name
                        """
                ).map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
            }
        }
        try make(Self.version(version))
        try SQLiteSpool(directory: directory.path).close()
        let fresh = try TemporaryDirectory()
        try SQLiteSpool(directory: fresh.path).close()
        #expect(try schema(directory.file("spool.db")) == schema(fresh.file("spool.db")))
    }

    @Test(arguments: 1...3) func theCheckKnows(version: Int) throws {
        try make(Self.version(version))
        let check = try SpoolCheck(directory: directory.path, repairs: false)
        #expect(check.findings.isEmpty && check.deliveries == 6 && check.messages == 4)
        let new = directory.file("new")
        let salvage = try SpoolSalvage(directory: directory.path, into: new)
        #expect(salvage.losses.isEmpty && salvage.check.findings.isEmpty)
        #expect(salvage.check.deliveries == 6)
    }
}
