import DatabaseServer
import Foundation
import Glibc
import Mail
import NIOCore
import PostgreSQL
import Synchronization
import Testing

@testable import SharedSpool
@testable import Spool

@Suite("PostgreSQL spool")
struct PostgreSQLSpoolTests {
    private let server: DatabaseServer
    private let address: DatabaseAddress
    private let impatient = PostgreSQLSpool.Options(patience: .milliseconds(200))
    /// However slow the machine is.
    private let patient = PostgreSQLSpool.Options(patience: .seconds(600), answer: .seconds(600))

    init() throws {
        server = try DatabaseServer.shared.get()
        address = try server.createDatabase()
    }

    private func open() throws -> PostgreSQLSpool {
        try PostgreSQLSpool(address, options: patient)
    }

    // MARK: Batches

    @Test func aBatchIsOneTransactionOfFewStatements() throws {
        let spool = try open()
        let accepted = (1...500).map { SpoolWrite.accept(message($0, destinations: [nil])) }
        let routed = (1...500).map {
            SpoolWrite.route(id($0), into: [delivery(id($0), destination: 1)])
        }
        let settled = (1...250).map { SpoolWrite.remove(id($0)) }
        let failed = (251...500).map {
            SpoolWrite.update(
                DeliveryUpdate(
                    id: id($0), attempts: 1, nextAttemptAt: noon, lastReply: "450 x",
                    recipients: nil))
        }
        // As they come: mixed.
        let writes =
            zip(accepted, routed).flatMap { [$0, $1] } + zip(settled, failed).flatMap { [$0, $1] }
        #expect(try WriteBatch(writes).commands.count <= 6)
        let before = try batches()
        try spool.commit(writes)
        #expect(try batches() == before + 1)
        #expect(try spool.messageCount() == 250)
        #expect(try spool.all().map(\.attempts) == Array(repeating: 1, count: 250))
    }

    private func batches() throws -> Int64 {
        try server.execute("SELECT batch FROM sluice.owners", in: address)[0].int(0)
    }

    @Test func largeBodiesGoInSeveralStatements() throws {
        let spool = try open()
        let body = String(repeating: "x", count: 3_000_000)
        try spool.commit((1...5).map { .accept(message($0, body: body)) })
        #expect(try spool.messageCount() == 5)
        let bodies = try spool.bodies(of: (1...6).map { MessageID(rawValue: $0) })
        #expect(bodies.texts.count == 5 && bodies.damage.isEmpty)
        #expect(bodies.texts.values.allSatisfy { $0.readableBytes == 3_000_000 })
    }

    @Test func textThatPostgreSQLHasNoRoomForIsReplaced() throws {
        let spool = try open()
        var mail = message(1)
        mail.record.client = "a\0b"
        mail.deliveries[0].recipients = [StoredRecipient(address: "x\0y@z", lastReply: "4\t\n\0")]
        try spool.commit([.accept(mail)])
        #expect(try spool.one(id(1)).message.client == "a\u{FFFD}b")
        #expect(try spool.one(id(1)).recipients == mail.deliveries[0].recipients)
    }

    @Test func theIndicesAreUsed() throws {
        let spool = try open()
        try spool.commit((1...3000).map { .accept(message($0, destinations: [$0 % 100])) })
        try spool.commit([.mark([id(7)], from: [.queued], to: .held, at: nil)])
        try server.execute("ANALYZE sluice.deliveries", in: address)
        let plans = try [
            "destination = 1 AND id > 65536 ORDER BY id LIMIT 100", "state > 1 AND state = 2",
        ].map { condition in
            try server.execute(
                "EXPLAIN SELECT id FROM sluice.deliveries WHERE \(condition)", in: address
            ).map { $0.text(0) }.joined(separator: "\n")
        }
        #expect(plans[0].contains("deliveries_by_destination"), "\(plans[0])")
        #expect(plans[1].contains("deliveries_set_aside"), "\(plans[1])")
    }

    // MARK: Who may write

    @Test func afterATakeOverTheFormerOwnerWritesNothing() throws {
        let first = try PostgreSQLSpool(address, options: impatient)
        try first.commit([.accept(message(1))])
        try server.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """, in: address)
        let second = try open()
        try second.commit([.accept(message(2))])
        expectError(.inUse, mentions: "pid") { try first.commit([.accept(message(3))]) }
        second.close()
        // The lock is free again, and still it is not the first one's.
        expectError(.inUse, mentions: "taken over") { try first.commit([.accept(message(3))]) }
        #expect(try open().ids() == [id(1), id(2)])
    }

    @Test func anOldEpochIsRefusedInEveryTransaction() throws {
        let spool = try open()
        try spool.commit([.accept(message(1))])
        try server.execute("UPDATE sluice.owners SET epoch = epoch + 1", in: address)
        expectError(.inUse, mentions: "taken over") { try spool.commit([.accept(message(2))]) }
        expectError(.inUse) { _ = try spool.reserveMessageIDs(1) }
        #expect(try spool.ids() == [id(1)])
    }

    /// The server has not noticed that the session is over.
    @Test func aSessionThatLingersIsEnded() throws {
        let proxy = try CuttingProxy(to: address)
        let spool = try PostgreSQLSpool(proxy.address, options: patient)
        try spool.commit([.accept(message(1))])
        proxy.cut(keepingServer: true)
        try spool.commit([.accept(message(2))])
        #expect(try spool.ids() == [id(1), id(2)])
        proxy.close()
    }

    // MARK: Broken connections

    @Test(arguments: [CuttingProxy.Moment.before, .after])
    func aConnectionThatBreaksDuringACommit(_ moment: CuttingProxy.Moment) throws {
        let proxy = try CuttingProxy(to: address)
        let spool = try PostgreSQLSpool(proxy.address, options: patient)
        try spool.commit([.accept(message(1))])
        for number in 2...5 as ClosedRange<Int64> {
            proxy.arm(moment)
            try spool.commit([.accept(message(number)), .remove(id(number - 1))])
            #expect(!proxy.isArmed)
        }
        #expect(try spool.ids() == [id(5)])
        #expect(try spool.messageCount() == 1)
        proxy.close()
    }

    /// It took effect, but its failure has been told: its messages' clients will come again.
    @Test func aCommitWhoseFateIsKnownTooLate() throws {
        let proxy = try CuttingProxy(to: address)
        let spool = try PostgreSQLSpool(proxy.address, options: impatient)
        try spool.commit([.accept(message(1, destinations: [nil]))])
        var report = message(3)
        report.record.sender = ""
        let route = SpoolWrite.route(
            id(1), into: [delivery(id(1, 0), destination: 4), delivery(id(1, 1), destination: 5)])
        proxy.arm(.after, thenRefuse: true)
        expectError(.cannotWrite) {
            try spool.commit([.accept(message(2)), .accept(report), route])
        }
        expectError(.cannotWrite) { try spool.commit([.probe]) }
        #expect(
            try server.execute("SELECT count(*) FROM sluice.bodies", in: address)[0].int(0) == 3)
        proxy.accept()
        // What was to be recorded is recorded again, and fits.
        try spool.commit([route, .probe])
        #expect(try spool.ids() == [id(1), id(1, 1), id(3)])
        #expect(try spool.all().map(\.destination) == [4, 5, 1])
        #expect(try spool.messageCount() == 2)
        #expect(try spool.body(of: MessageID(rawValue: 2)) == nil)
        proxy.close()
    }

    @Test func aServerThatRestarts() throws {
        let server = try DatabaseServer()
        defer { server.end() }
        let spool = try PostgreSQLSpool(try server.createDatabase(), options: patient)
        try spool.commit([.accept(message(1))])
        #expect(try spool.ids() == [id(1)])
        try server.restart(.immediate)
        try spool.commit([.accept(message(2))])
        #expect(try spool.ids() == [id(1), id(2)])
        #expect(try spool.messageCount() == 2)
    }

    @Test func aServerThatIsGone() throws {
        let server = try DatabaseServer()
        defer { server.end() }
        let spool = try PostgreSQLSpool(try server.createDatabase(), options: impatient)
        try spool.commit([.accept(message(1))])
        try server.stop(.fast)
        expectError(.cannotWrite, mentions: "postgresql://") {
            try spool.commit([.accept(message(3))])
        }
        expectError(.cannotWrite) { _ = try spool.ids() }
        expectError(.cannotWrite) { _ = try spool.reserveMessageIDs(1) }
        try server.start()
        try spool.commit([.accept(message(4))])
        #expect(try spool.ids() == [id(1), id(4)])
    }

    @Test func aFailOverToAStandby() throws {
        let primary = try DatabaseServer()
        defer { primary.end() }
        let name = try #require(
            try primary.createDatabase().description.split(separator: "/").last)
        let standby = try DatabaseServer(standbyOf: primary)
        defer { standby.end() }
        try primary.awaitStandby()
        let spool = try PostgreSQLSpool(
            primary.address(of: String(name), or: standby),
            options: patient)
        try spool.commit((1...5).map { .accept(message($0)) })
        let reserved = try spool.reserveMessageIDs(10)
        try primary.stop(.immediate)
        try standby.promote()
        try spool.commit([.accept(message(6)), .remove(id(1))])
        #expect(try spool.ids() == (2...6).map { id($0) })
        #expect(try spool.messageCount() == 5)
        #expect(try spool.reserveMessageIDs(1).lowerBound >= reserved.upperBound)
    }

    // MARK: Opening

    @Test func aNewerSchemaIsNotTouched() throws {
        var spool = try open()
        try spool.commit([.accept(message(1))])
        spool.close()
        try server.execute("UPDATE sluice.meta SET value = 99 WHERE key = 'schema'", in: address)
        expectError(.tooNew, mentions: "99", "newer") { _ = try open() }
        #expect(
            try server.execute("SELECT value FROM sluice.meta WHERE key = 'schema'", in: address)[0]
                .int(0) == 99)
        try server.execute(
            "UPDATE sluice.meta SET value = \(SharedSchema.version) WHERE key = 'schema'",
            in: address)
        spool = try open()
        #expect(try spool.ids() == [id(1)])
    }

    /// A schema as an earlier version left it.
    @Test(arguments: 1..<Int(SharedSchema.version)) func anEarlierSchemaComesUp(
        version: Int
    ) throws {
        for statement in SharedSchema.steps.prefix(version).joined() {
            try server.execute(statement, in: address)
        }
        try server.execute(
            """
            INSERT INTO sluice.deliveries (
                id, destination, next_attempt, received_at, expires_at, size, attempts, flags, state,
                domain, sender, recipients, attributes, ret, envelope_id, client, last_reply)
            VALUES (\(id(1).rawValue), 1, 5, 1, 100, 11, 2, 0, 1, 'example.com', 'a@b',
                E'\\nb@example.com\\n', '', '', '', '', '450 no')
            """, in: address)
        try server.execute(
            "UPDATE sluice.meta SET value = \(version) WHERE key = 'schema'", in: address)
        let spool = try open()
        let stored = try spool.one(id(1))
        #expect(stored.attempts == 2 && stored.lastReply == "450 no" && stored.lastRule == "")
        #expect(stored.recipients.map(\.address) == ["b@example.com"])
        #expect(try spool.attempts(of: MessageID(rawValue: 1)).isEmpty)
        let attempt = StoredAttempt(delivery: id(1), number: 3, at: noon, reply: "450 no")
        try spool.commit([.attempt(attempt)])
        #expect(try spool.attempts(of: MessageID(rawValue: 1)) == [attempt])
    }

    @Test func aSchemaOfSomethingElseIsNotTouched() throws {
        try server.execute("CREATE SCHEMA sluice", in: address)
        try server.execute("CREATE TABLE sluice.gates (id INT)", in: address)
        expectError(.damaged, mentions: "not a spool") { _ = try open() }
        let tables = try server.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'sluice'", in: address)
        #expect(tables[0].int(0) == 1)
    }

    @Test func whatCannotBeUsed() throws {
        expectError(.unusable, mentions: "/nowhere/at/all") {
            _ = try PostgreSQLSpool(
                DatabaseAddress(url: "postgresql://sluice@/x?host=/nowhere/at/all"))
        }
        expectError(.unusable, mentions: "does not exist") {
            _ = try PostgreSQLSpool(server.address(of: "missing"))
        }
        try server.execute(
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        expectError(.unusable, mentions: "LATIN1", "--encoding=UTF8") {
            _ = try PostgreSQLSpool(server.address(of: "latin"))
        }
        try server.drop(server.address(of: "latin"))
    }

    @Test func thePasswordComesFromAFile() throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("password")
        var locked = try server.createDatabase(owner: DatabaseServer.lockedUser)
        expectError(.unusable, mentions: "no password") { _ = try PostgreSQLSpool(locked) }
        try Data("open sesame\nsecond line".utf8).write(to: URL(fileURLWithPath: file))
        locked.passwordFile = file
        chmod(file, 0o644)
        expectError(.unusable, mentions: "chmod 600") { _ = try PostgreSQLSpool(locked) }
        chmod(file, 0o600)
        try PostgreSQLSpool(locked).commit([.accept(message(1))])
        try Data("wrong\n".utf8).write(to: URL(fileURLWithPath: file))
        expectError(.unusable, mentions: "authentication failed") {
            _ = try PostgreSQLSpool(locked)
        }
    }

    // MARK: Damage

    @Test func damagedRowsAreReportedAndLeftOut() throws {
        let reports = Mutex<[SpoolError]>([])
        let spool = try PostgreSQLSpool(address) { error in
            reports.withLock { $0.append(error) }
        }
        try spool.commit((1...5).map { .accept(message($0)) })
        let damage = [
            (1, "state = 99"), (2, "recipients = 'b@example.com'"), (3, "attributes = 'NEVER'"),
        ]
        for (message, change) in damage {
            try server.execute(
                "UPDATE sluice.deliveries SET \(change) WHERE id = \(message << 16)", in: address)
        }
        try server.execute(
            "UPDATE sluice.bodies SET data = 'something else' WHERE message = 4", in: address)
        #expect(try spool.ids() == [id(4), id(5)])
        #expect(reports.withLock { $0.map(\.code) } == [.damaged, .damaged, .damaged])
        // Fewer than the limit means the end.
        #expect(try spool.deliveries(destination: 1, after: nil, limit: 1).map(\.id) == [id(4)])
        let page = try spool.page(DeliveryQuery(filter: nil, now: noon))
        #expect(page.rows.map(\.id) == [id(4), id(5)] && page.total == 5)
        #expect(try spool.tallies().map(\.count) == [4])
        expectError(.damaged, mentions: "message 4") {
            _ = try spool.body(of: MessageID(rawValue: 4))
        }
        let bodies = try spool.bodies(of: [MessageID(rawValue: 4), MessageID(rawValue: 5)])
        #expect(Array(bodies.texts.keys) == [MessageID(rawValue: 5)])
        #expect(Array(bodies.damage.keys) == [MessageID(rawValue: 4)])
    }

    @Test func addressesHideWhatIsSecret() {
        let address = DatabaseAddress(
            url: "postgresql://me:secret@db1:5433,db2/mail?sslmode=verify-full&application_name=x")
        #expect(address.description == "postgresql://db1:5433,db2/mail")
        #expect(address.holdsPassword)
        #expect(DatabaseAddress.fault(in: address.url) == nil)
        #expect(
            DatabaseAddress.fault(in: "postgresql://db/x?colour=red")?.contains("colour") == true)
        #expect(DatabaseAddress.fault(in: "mysql://db/x") != nil)
        #expect(DatabaseAddress.fault(in: "postgresql://db:port:x/y") != nil)
    }
}
