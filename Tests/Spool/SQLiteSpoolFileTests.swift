import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

@Suite("SQLite spool: the file")
struct SQLiteSpoolFileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ options: SQLiteSpool.Options = .init()) throws -> SQLiteSpool {
        try SQLiteSpool(directory: directory.path, options: options)
    }

    /// What a crash leaves: the files as they are now, without the memory of this process.
    private func crashed() throws -> TemporaryDirectory {
        let copy = try TemporaryDirectory()
        for name in ["spool.db", "spool.db-wal"] {
            try FileManager.default.copyItem(atPath: directory.file(name), toPath: copy.file(name))
        }
        return copy
    }

    @Test func everyCommitIsSynced() throws {
        let spool = try open()
        let settings = try spool.pool.writeWithoutTransaction { database in
            try ["synchronous", "journal_mode", "secure_delete", "page_size", "foreign_keys"].map {
                try String.fetchOne(database, sql: "PRAGMA \($0)")
            }
        }
        #expect(settings == ["2", "wal", "0", "4096", "0"])
    }

    @Test func everythingSurvivesAReopening() throws {
        var spool = try open()
        try spool.commit([.accept(message(1, destinations: [1, nil], body: "text"))])
        let before = try spool.all()
        spool.close()
        spool.close()
        expectError(.unusable, mentions: "closed") { _ = try spool.ids() }
        expectError(.unusable, mentions: "closed") { try spool.commit([.remove(id(1))]) }
        expectError(.unusable, mentions: "closed") { _ = try spool.reserveMessageIDs(1) }

        spool = try open()
        #expect(try spool.all() == before)
        #expect(try spool.body(of: MessageID(rawValue: 1)) == ByteBuffer(string: "text"))
    }

    @Test func whatWasCommittedSurvivesACrash() throws {
        let spool = try open()
        for number in 1...20 { try spool.commit([.accept(message(Int64(number)))]) }
        let copy = try crashed()
        let survivor = try SQLiteSpool(directory: copy.path)
        #expect(try survivor.all() == spool.all())
        #expect(try survivor.body(of: MessageID(rawValue: 20)) != nil)
    }

    @Test func aTornLogLosesOnlyWhatWasNotCommitted() throws {
        let spool = try open()
        try spool.commit([.accept(message(1))])
        let wal = directory.file("spool.db-wal")
        let whole = try #require(
            try FileManager.default.attributesOfItem(atPath: wal)[.size] as? Int)
        try spool.commit([.accept(message(2))])
        let copy = try crashed()
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: copy.file("spool.db-wal")))
        try file.truncate(atOffset: UInt64(whole + 5000))
        try file.close()
        let survivor = try SQLiteSpool(directory: copy.path)
        #expect(try survivor.ids() == [id(1)])
        try survivor.commit([.accept(message(2))])
        #expect(try survivor.ids() == [id(1), id(2)])
    }

    @Test func messageIDsAreNeverUsedAgain() throws {
        var spool = try open()
        #expect(try spool.reserveMessageIDs(10) == 1..<11)
        #expect(try spool.reserveMessageIDs(1) == 11..<12)
        try spool.commit([.accept(message(11))])
        try spool.commit([.remove(id(11))])
        spool.close()
        spool = try open()
        #expect(try spool.reserveMessageIDs(5) == 12..<17)

        let copy = try crashed()
        let survivor = try SQLiteSpool(directory: copy.path)
        #expect(try survivor.reserveMessageIDs(5) == 17..<22)
    }

    @Test func theMarkOfMessageIDsIsAboveWhatIsThere() throws {
        var spool = try open()
        try spool.commit([.accept(message(500))])
        spool.close()
        spool = try open()
        #expect(try spool.reserveMessageIDs(1) == 501..<502)
        try spool.pool.writeWithoutTransaction {
            try $0.execute(sql: "UPDATE meta SET value = ?", arguments: [1 << 47 - 3])
        }
        expectError(.refused) { _ = try spool.reserveMessageIDs(5) }
        try spool.pool.writeWithoutTransaction { try $0.execute(sql: "DELETE FROM meta") }
        expectError(.damaged) { _ = try spool.reserveMessageIDs(5) }
    }

    @Test func afterAFullDiskTheSpoolIsUsableAgain() throws {
        let spool = try open(SQLiteSpool.Options(maximumBytes: 400_000))
        let large = String(repeating: "x", count: 20_000)
        var number: Int64 = 0
        do {
            while number < 1000 {
                try spool.commit([.accept(message(number + 1, body: large))])
                number += 1
            }
            Issue.record("it never became full")
        } catch {
            #expect(error.code == .cannotWrite)
            #expect(error.cause.contains("full"))
            #expect(error.cause.contains("13"))
        }
        #expect(number > 5)
        // What needs no further page is still written.
        try spool.commit([.probe])
        #expect(try spool.ids() == (1...number).map { id($0) })
        #expect(try spool.body(of: MessageID(rawValue: number + 1)) == nil)
        // All or nothing also when the last write of a batch is the one that does not fit.
        expectError(.cannotWrite) {
            try spool.commit([.remove(id(1)), .accept(message(number + 1, body: large + large))])
        }
        #expect(try spool.ids() == (1...number).map { id($0) })

        try spool.commit([.remove(id(1)), .remove(id(2))])
        try spool.commit([.accept(message(number + 1, body: large))])
        #expect(try spool.body(of: MessageID(rawValue: number + 1)) == ByteBuffer(string: large))
    }

    /// What people only look at does not keep what has to be known from being written.
    @Test func onAFullDiskAttemptsAreLeftOut() throws {
        let spool = try open(SQLiteSpool.Options(maximumBytes: 400_000))
        func update(_ attempts: Int) -> SpoolWrite {
            .update(
                DeliveryUpdate(
                    id: id(1), attempts: attempts, nextAttemptAt: noon, lastReply: "450",
                    recipients: nil))
        }
        try spool.commit([.accept(message(1)), update(1)])
        let body = String(repeating: "x", count: 1000)
        var number: Int64 = 1
        while (try? spool.commit([.accept(message(number + 1, body: body))])) != nil {
            number += 1
            try #require(number < 1000)
        }
        let reply = String(repeating: "x", count: 3000)
        for attempts in 2...20 {
            try spool.commit([
                update(attempts),
                .attempt(
                    StoredAttempt(delivery: id(1), number: attempts, at: noon, reply: reply)),
            ])
            #expect(try spool.one(id(1)).attempts == attempts)
        }
        #expect(try spool.attempts(of: MessageID(rawValue: 1)).count < 19)
    }

    @Test func roomForMail() throws {
        var spool = try open(SQLiteSpool.Options(maximumBytes: 400_000, reservedBytes: 0))
        let before = try spool.availableBytes()
        #expect((200_000...400_000).contains(before))
        try spool.commit([.accept(message(1, body: String(repeating: "x", count: 100_000)))])
        let after = try spool.availableBytes()
        #expect((before - 110_000...before - 90_000).contains(after))
        try spool.commit([.remove(id(1))])
        #expect(try spool.availableBytes() > before - 20_000)
        spool.close()

        spool = try open(SQLiteSpool.Options(reservedBytes: .max))
        #expect(try spool.availableBytes() == 0)
        // What is here can still be recorded.
        try spool.commit([.accept(message(2)), .remove(id(2))])
    }

    @Test func aSecondDaemonIsRefused() throws {
        let spool = try open()
        expectError(.inUse, mentions: "pid \(getpid())", directory.file("spool.lock")) {
            _ = try open()
        }
        try spool.commit([.accept(message(1))])
        spool.close()
        #expect(try open().ids() == [id(1)])
    }

    @Test func aFailedOpeningLeavesNoLock() throws {
        let file = directory.file("spool.db")
        try Data("not a database, but longer than its header has to be.".utf8).write(
            to: URL(fileURLWithPath: file))
        expectError(.damaged, mentions: file, "backup") { _ = try open() }
        try FileManager.default.removeItem(atPath: file)
        #expect(try open().ids().isEmpty)
    }

    @Test func anEmptyFileBecomesASpool() throws {
        try Data().write(to: URL(fileURLWithPath: directory.file("spool.db")))
        #expect(try open().ids().isEmpty)
    }

    @Test func filesAreForTheOwnerOnly() throws {
        let spool = try open()
        try spool.commit([.accept(message(1))])
        for name in ["spool.db", "spool.db-wal", "spool.db-shm", "spool.lock"] {
            let mode = try FileManager.default.attributesOfItem(atPath: directory.file(name))[
                .posixPermissions]
            #expect(mode as? Int == 0o600, "\(name)")
        }
    }

    @Test func aDatabaseOfSomethingElseIsNotTouched() throws {
        let file = directory.file("spool.db")
        let other = try DatabaseQueue(path: file)
        try other.write { try $0.execute(sql: "CREATE TABLE songs (id INTEGER PRIMARY KEY)") }
        try other.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: file))
        expectError(.damaged, mentions: file, "something else") { _ = try open() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)
    }

    @Test func aNewerSchemaIsNotTouched() throws {
        let file = directory.file("spool.db")
        var spool = try open()
        try spool.commit([.accept(message(1))])
        try spool.pool.writeWithoutTransaction {
            try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('999')")
        }
        spool.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: file))
        expectError(.tooNew, mentions: file, "newer version") { _ = try open() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == before)

        let database = try DatabaseQueue(path: file)
        try database.write {
            try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = '999'")
        }
        try database.close()
        spool = try open()
        #expect(try spool.ids() == [id(1)])
    }

    @Test func unusableDirectories() throws {
        let missing = directory.file("missing")
        expectError(.unusable, mentions: missing, "No such file", "create it") {
            _ = try SQLiteSpool(directory: missing)
        }
        let file = directory.file("file")
        try Data().write(to: URL(fileURLWithPath: file))
        expectError(.unusable, mentions: file, "Not a directory", "set data_dir") {
            _ = try SQLiteSpool(directory: file)
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
    func aDirectoryThatMayNotBeWritten() throws {
        chmod(directory.path, 0o500)
        defer { chmod(directory.path, 0o700) }
        expectError(.unusable, mentions: directory.path, "Permission denied") { _ = try open() }
    }

    @Test func aDamagedPageIsAnErrorAndNotACrash() throws {
        var spool = try open()
        try spool.commit((1...200).map { .accept(message($0)) })
        spool.close()
        let url = URL(fileURLWithPath: directory.file("spool.db"))
        var bytes = try Data(contentsOf: url)
        // Everything behind the first page, which holds the schema.
        for offset in 4096..<bytes.count { bytes[offset] = UInt8(truncatingIfNeeded: offset &* 7) }
        try bytes.write(to: url)
        do {
            spool = try open()
            _ = try spool.ids()
            Issue.record("the damage was not noticed")
        } catch let error as SpoolError {
            #expect(error.code == .damaged, "\(error)")
        }
    }
}
