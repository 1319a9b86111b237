import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

@Suite struct SpoolCheckTests {
    let directory: TemporaryDirectory

    /// Three messages of two deliveries each, for a destination that is there; one was tried.
    init() throws {
        directory = try TemporaryDirectory()
        let spool = try SQLiteSpool(directory: directory.path)
        _ = try spool.reserveMessageIDs(3)
        let destination = DestinationRecord(
            id: 1, identity: "192.0.2.1", name: "example.com", domains: ["example.com"])
        try spool.commit(
            [.destination(destination)]
                + (1...3).map { .accept(message($0, destinations: [1, 1], body: "Hi there.\r\n")) }
                + [
                    .update(
                        DeliveryUpdate(
                            id: id(3), attempts: 1, nextAttemptAt: noon, lastReply: "450 no",
                            recipients: nil)),
                    .attempt(StoredAttempt(delivery: id(3), number: 1, at: noon, reply: "450 no")),
                ])
        spool.close()
    }

    private func spoil(_ sql: String) throws {
        let queue = try DatabaseQueue(path: directory.file("spool.db"))
        try queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    private func check(repairs: Bool = false) throws -> SpoolCheck {
        try SpoolCheck(directory: directory.path, repairs: repairs)
    }

    @Test func aGoodSpool() throws {
        let check = try check()
        #expect(check.isGood && check.findings.isEmpty)
        #expect(check.messages == 3 && check.deliveries == 6 && check.destinations == 1)
    }

    @Test(arguments: [
        (
            "DELETE FROM deliveries WHERE id >> 16 = 2",
            "1 messages without a delivery"
        ),
        (
            "UPDATE deliveries SET destination = 7 WHERE id >> 16 = 1",
            "2 deliveries for destinations that are not there"
        ),
        (
            "UPDATE deliveries SET state = 3, purge_at = 5 WHERE id >> 16 = 1",
            "2 deliveries marked by an action that is not there"
        ),
        ("UPDATE meta SET value = 2 WHERE key = 'next_message'", "below an id in use"),
        ("UPDATE meta SET value = -1 WHERE key = 'next_message'", "out of range"),
        ("DELETE FROM meta", "message ids is missing"),
        (
            "INSERT INTO attempts VALUES (9 << 16, 1, 0, 5, 1, NULL, '', '', '450 no', '')",
            "1 attempts at deliveries that are not there"
        ),
    ])
    func whatCanBeRepaired(damage: String, text: String) throws {
        try spoil(damage)
        let found = try check()
        #expect(!found.isGood)
        #expect(found.findings.count == 1 && found.findings[0].text.contains(text))

        let repaired = try check(repairs: true)
        #expect(repaired.isGood && repaired.findings.count == 1)
        let after = try check()
        #expect(after.findings.isEmpty)

        // And the daemon's side of it: what was lost its way is routed again, not lost.
        let spool = try SQLiteSpool(directory: directory.path)
        let left = try spool.all()
        #expect(left.count == (damage.contains("FROM deliveries") ? 4 : 6))
        #expect(left.allSatisfy { $0.destination == 1 || $0.state == .routing })
        #expect(left.allSatisfy { $0.state != .purging })
        #expect(try spool.reserveMessageIDs(1).lowerBound > 3)
        spool.close()
    }

    /// Whose delivery is gone can still be read: it becomes a file.
    @Test func aTextWithoutADelivery() throws {
        try spoil("DELETE FROM deliveries WHERE id >> 16 = 2")
        let found = try check()
        #expect(found.findings.map(\.text).first?.contains("(2)") == true)
        let kept = directory.file("recovered/2.eml")
        #expect(!FileManager.default.fileExists(atPath: kept))
        #expect(try check(repairs: true).isGood)
        #expect(try String(contentsOfFile: kept, encoding: .utf8) == "Hi there.\r\n")
        let mode = try FileManager.default.attributesOfItem(atPath: kept)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let after = try check()
        #expect(after.findings.isEmpty && after.messages == 2)
    }

    /// A repair that cannot keep a text does not remove it.
    @Test func aTextThatCannotBeKept() throws {
        try spoil("DELETE FROM deliveries WHERE id >> 16 = 2")
        try Data().write(to: URL(fileURLWithPath: directory.file("recovered")))
        expectError(.unusable, mentions: "recovered") { _ = try check(repairs: true) }
        try FileManager.default.removeItem(atPath: directory.file("recovered"))
        #expect(try check().findings.count == 1)
    }

    /// Without being asked it changes nothing, whatever it finds.
    @Test func lookingChangesNothing() throws {
        try spoil("DELETE FROM meta; UPDATE deliveries SET destination = 7, state = 3")
        let file = URL(fileURLWithPath: directory.file("spool.db"))
        let before = try Data(contentsOf: file)
        #expect(try !check().isGood)
        #expect(try Data(contentsOf: file) == before)
    }

    @Test func withoutASpool() throws {
        let empty = try TemporaryDirectory()
        expectError(.unusable, mentions: "spool.db", "no spool") {
            _ = try SpoolCheck(directory: empty.path, repairs: true)
        }
        #expect(!FileManager.default.fileExists(atPath: empty.file("spool.db")))
    }

    @Test(arguments: [
        ("DELETE FROM bodies WHERE message = 2", "2.0: its message's text is missing"),
        ("UPDATE bodies SET data = x'00' WHERE message = 2", "2.1: its message has 1 bytes"),
        ("UPDATE deliveries SET state = 99 WHERE id >> 16 = 2", "state 99 is unknown"),
        ("UPDATE deliveries SET recipients = 'x' WHERE id >> 16 = 2", "2.0: its recipients"),
        ("UPDATE deliveries SET recipients = char(10) WHERE id >> 16 = 2", "no recipients"),
        (
            "UPDATE deliveries SET recipients = char(10) || 'b@' || char(10) WHERE id >> 16 = 2",
            "'b@' is no address"
        ),
        ("UPDATE deliveries SET sender = 'a b' WHERE id >> 16 = 2", "its sender 'a b'"),
        ("UPDATE deliveries SET attempts = -1 WHERE id >> 16 = 2", "-1 attempts"),
        (
            "UPDATE deliveries SET sender = 'b' || substr(sender, 2) WHERE id >> 16 = 2",
            "2.0: its envelope has changed"
        ),
        (
            "UPDATE bodies SET data = CAST('HI THERE.' || x'0D0A' AS BLOB) WHERE message < 3",
            "message 2: its text has changed"
        ),
    ])
    func whatCannot(damage: String, text: String) throws {
        try spoil(damage)
        let before = try check().findings
        #expect(before.count == 2)
        #expect(before.contains { $0.text.contains(text) })
        let repaired = try check(repairs: true)
        #expect(!repaired.isGood && repaired.findings == before)
        #expect(repaired.deliveries == 6)
    }

    /// An index that lacks a row is made anew from its table.
    @Test func aWrongIndex() throws {
        try spoil(
            """
            PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = 'CREATE INDEX deliveries_by_destination ON deliveries (size)'
                WHERE name = 'deliveries_by_destination';
            """)
        #expect(try !check().isGood)
        let repaired = try check(repairs: true)
        #expect(repaired.isGood && !repaired.findings.isEmpty)
        #expect(try check().findings.isEmpty)
    }

    @Test func aTornFile() throws {
        let file = try FileHandle(
            forUpdating: URL(fileURLWithPath: directory.file("spool.db")))
        try file.seek(toOffset: UInt64(SQLiteSpool.pageSize * 2))
        try file.write(contentsOf: Data(repeating: 0x5A, count: SQLiteSpool.pageSize))
        try file.close()
        let check = try check()
        #expect(!check.isGood)
        #expect(check.findings.contains { $0.text.contains("restore a backup") })
    }

    /// What a repair cannot mend it does not touch.
    @Test func aTornFileStaysAsItIs() throws {
        let path = directory.file("spool.db")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes.removeLast(100)
        try bytes.write(to: URL(fileURLWithPath: path))
        expectDamage()
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    }

    /// A check with repairs finds damage, or cannot even open the file.
    private func expectDamage() {
        do {
            let check = try check(repairs: true)
            #expect(!check.isGood)
            #expect(check.findings.contains { $0.text.contains("--salvage") })
        } catch let error as SpoolError {
            #expect(error.code == .damaged)
        } catch {
            Issue.record(error)
        }
    }

    @Test(arguments: [
        ("INDEX", "deliveries_by_destination"), ("TRIGGER", "attempts_end"), ("TABLE", "attempts"),
    ])
    func whatIsMadeAnew(type: String, name: String) throws {
        try spoil("DROP \(type) \(name)")
        let found = try check()
        #expect(!found.isGood)
        let missing = "the \(type.lowercased()) \(name) is missing"
        #expect(found.findings.map(\.text).first?.contains(missing) == true)
        #expect(try check(repairs: true).isGood)
        #expect(try check().findings.isEmpty)
    }

    @Test func aMissingTable() throws {
        try spoil("DROP TABLE bodies")
        for repairs in [false, true] {
            let found = try check(repairs: repairs)
            #expect(!found.isGood)
            #expect(found.findings.map(\.text) == ["the table bodies is missing: restore a backup"])
        }
    }

    @Test func withoutItsMarks() throws {
        try spoil("DROP TABLE meta")
        #expect(try !check().isGood)
        let repaired = try check(repairs: true)
        #expect(repaired.isGood && repaired.findings.count == 2)
        #expect(try check().findings.isEmpty)
    }

    /// A start would make an empty spool of it, and mail would be gone without a word.
    @Test func anEmptyFile() throws {
        try Data().write(to: URL(fileURLWithPath: directory.file("spool.db")))
        for repairs in [false, true] {
            expectError(.damaged, mentions: "is empty", "backup") {
                _ = try check(repairs: repairs)
            }
        }
    }

    @Test func aSpoolInUse() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        defer { spool.close() }
        expectError(.inUse, mentions: "\(getpid())") { _ = try check() }
    }
}

@Suite struct SpoolBackupTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func aCopyOfALiveSpoolIsWhole() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        defer { spool.close() }
        let attempt = StoredAttempt(delivery: id(1), number: 1, at: noon, reply: "450 no")
        try spool.commit([
            .accept(message(1, destinations: [nil, nil])),
            .update(
                DeliveryUpdate(
                    id: id(1), attempts: 1, nextAttemptAt: noon, lastReply: "450 no",
                    recipients: nil)),
            .attempt(attempt),
        ])
        let before = try spool.all()
        var copy: SpoolCopy? = try spool.copyForBackup()
        let path = try #require(copy?.path)
        try spool.commit([.remove(id(1)), .accept(message(2))])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect(mode as? Int == 0o600)

        let restored = try TemporaryDirectory()
        try FileManager.default.copyItem(atPath: path, toPath: restored.file("spool.db"))
        let second = try SQLiteSpool(directory: restored.path)
        #expect(try second.all() == before)
        #expect(try second.attempts(of: MessageID(rawValue: 1)) == [attempt])
        #expect(try second.body(of: MessageID(rawValue: 1)) == ByteBuffer(string: "Hi there.\r\n"))
        second.close()
        #expect(try SpoolCheck(directory: restored.path, repairs: false).findings.isEmpty)

        copy = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func copiesThatACrashLeftGo() throws {
        let left = directory.file("backup-abcdef")
        try Data([1]).write(to: URL(fileURLWithPath: left))
        try SQLiteSpool(directory: directory.path).close()
        #expect(!FileManager.default.fileExists(atPath: left))
    }
}
