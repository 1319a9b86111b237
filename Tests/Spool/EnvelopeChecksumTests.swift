import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

/// A row that is not as it was written.
@Suite struct EnvelopeChecksumTests {
    let directory: TemporaryDirectory

    /// Message 1 with a destination, 2 without, each for two recipients of whom much is known.
    init() throws {
        directory = try TemporaryDirectory()
        let recipients = [
            StoredRecipient(
                address: "b@example.com", notify: "NEVER", originalRecipient: "rfc822;b@old.test"),
            StoredRecipient(address: "c@example.com", lastReply: "450 4.2.2 full"),
        ]
        try change { spool in
            try spool.commit(
                [(1, 1), (2, nil)].map { (number: Int64, destination: Int64?) in
                    var record = record(number)
                    (record.ret, record.envelopeID, record.client) = ("FULL", "e1", "app")
                    return .accept(
                        NewMessage(
                            record: record, body: .init(string: "Hi."),
                            deliveries: [
                                NewDelivery(
                                    id: id(number), destination: destination,
                                    domain: "example.com", recipients: recipients,
                                    nextAttemptAt: noon)
                            ]))
                })
        }
    }

    private func change(_ body: (SQLiteSpool) throws -> Void) throws {
        let spool = try SQLiteSpool(directory: directory.path)
        defer { spool.close() }
        try body(spool)
    }

    private func spoil(_ sql: String) throws {
        let queue = try DatabaseQueue(path: directory.file("spool.db"))
        try queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    /// Of each delivery, by its id, as a fresh look at the file has it.
    private func areAsWritten() throws -> [DeliveryID: Bool] {
        var found: [DeliveryID: Bool] = [:]
        try change { spool in
            for number in 1...2 {
                for stored in try spool.deliveries(of: MessageID(rawValue: Int64(number))) {
                    found[stored.id] = stored.isAsWritten
                }
            }
        }
        return found
    }

    @Test(arguments: [
        "sender", "recipients", "attributes", "domain", "ret", "envelope_id", "client",
    ])
    func aChangedColumn(_ column: String) throws {
        #expect(try areAsWritten() == [id(1): true, id(2): true])
        // One bit of its second character, which stands for itself in all of them.
        try spoil(
            """
            UPDATE deliveries SET \(column) = substr(\(column), 1, 1)
                || char(unicode(substr(\(column), 2, 1)) + CASE
                    unicode(substr(\(column), 2, 1)) & 1 WHEN 1 THEN -1 ELSE 1 END)
                || substr(\(column), 3)
            WHERE id = \(id(1).rawValue)
            """)
        #expect(try areAsWritten() == [id(1): false, id(2): true])
    }

    /// Whatever the daemon changes itself is as it was written then.
    @Test func whatIsWrittenAnew() throws {
        try change { spool in
            try spool.commit([
                .warned(id(1)),
                .update(
                    DeliveryUpdate(
                        id: id(1), attempts: 1, nextAttemptAt: noon, lastReply: "450 later",
                        recipients: [StoredRecipient(address: "c@example.com", lastReply: "450")])),
                .mark([id(1)], from: [.queued], to: .held, at: nil),
                .route(
                    id(2),
                    into: [
                        delivery(id(2, 1), domain: "a.test", to: ["x@a.test"]),
                        delivery(id(2), domain: "b.test", to: ["y@b.test", "z@b.test"]),
                    ]),
            ])
        }
        #expect(try areAsWritten() == [id(1): true, id(2): true, id(2, 1): true])
        try spoil("UPDATE deliveries SET recipients = replace(recipients, 'x@', 'y@')")
        #expect(try areAsWritten() == [id(1): true, id(2): true, id(2, 1): false])
    }

    /// New recipients do not make up for another sender.
    @Test func aChangeStaysOne() throws {
        try spoil("UPDATE deliveries SET sender = 'b' || substr(sender, 2) WHERE id >> 16 = 1")
        try change { spool in
            try spool.commit([
                .update(
                    DeliveryUpdate(
                        id: id(1), attempts: 1, nextAttemptAt: noon, lastReply: "",
                        recipients: [StoredRecipient(address: "c@example.com")]))
            ])
        }
        #expect(try areAsWritten()[id(1)] == false)
    }

    /// Rows of an earlier version have no checksum, and get none.
    @Test func withoutAChecksum() throws {
        try spoil("UPDATE deliveries SET flags = flags & 255, sender = 'other@sender.example'")
        try change { spool in
            try spool.commit([
                .update(
                    DeliveryUpdate(
                        id: id(1), attempts: 1, nextAttemptAt: noon, lastReply: "",
                        recipients: [StoredRecipient(address: "c@example.com")])),
                .route(id(2), into: [delivery(id(2, 1)), delivery(id(2))]),
            ])
        }
        #expect(try areAsWritten() == [id(1): true, id(2): true, id(2, 1): true])
    }
}
