import Filter
import GRDB
import Mail
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Spool

@Suite("SQLite spool: reads")
struct SQLiteSpoolReadTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func deliveriesInPieces() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit((1...10).map { .accept(message($0, destinations: [$0 % 2, 7])) })
        #expect(
            try spool.deliveries(destination: 1, after: nil, limit: 3).map(\.id)
                == [id(1), id(3), id(5)])
        #expect(
            try spool.deliveries(destination: 1, after: id(5), limit: 3).map(\.id)
                == [id(7), id(9)])
        #expect(
            try spool.deliveries(destination: nil, after: id(9, 0), limit: 2).map(\.id)
                == [id(9, 1), id(10)])
        #expect(try spool.deliveries(destination: 8, after: nil, limit: 3).isEmpty)
        #expect(try spool.deliveries(destination: nil, after: nil, limit: 0).isEmpty)
        #expect(
            try spool.deliveries([id(4), id(99), id(2, 1)]).map(\.id) == [id(4), id(2, 1)])
    }

    @Test func statesInTheOrderAskedFor() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([
            .accept(message(1)), .accept(message(2, destinations: [nil])), .accept(message(3)),
            .mark([id(3)], from: [.queued], to: .purging, at: noon),
        ])
        #expect(
            try spool.states([id(3), id(9), id(1), id(2), id(1)])
                == [.purging, nil, .queued, .routing, .queued])
        #expect(try spool.states([]).isEmpty)
    }

    @Test func countsAndTheDeliveriesOfAMessage() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        #expect(try spool.messageCount() == 0)
        #expect(try spool.actionCount() == 0)
        let action = ActionRecord(
            id: 1, kind: "purge", at: noon, by: "", reason: "", target: "", state: "done",
            undoUntil: nil, result: "", details: [])
        try spool.commit([
            .accept(message(1, destinations: [1, nil])), .accept(message(2, destinations: [nil])),
            .accept(message(3)), .action(action),
        ])
        #expect(try spool.messageCount() == 3)
        #expect(try spool.actionCount() == 1)
        #expect(
            try spool.deliveries(of: MessageID(rawValue: 1)).map(\.id) == [id(1, 0), id(1, 1)])
        #expect(try spool.deliveries(of: MessageID(rawValue: 4)).isEmpty)
        #expect(try spool.unrouted().map(\.id) == [id(1, 1), id(2)])
        // Held back before it was routed: not to be routed now.
        try spool.commit([.mark([id(2)], from: [.routing], to: .held, at: nil)])
        #expect(try spool.unrouted().map(\.id) == [id(1, 1)])
    }

    @Test func tallies() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        #expect(try spool.tallies().isEmpty)
        var old = message(3)
        old.record.receivedAt = UnixTime(milliseconds: 5)
        try spool.commit([
            .accept(message(1, destinations: [1, 2])), .accept(message(2, destinations: [nil])),
            .accept(old), .accept(message(4)),
            .mark([id(4)], from: [.queued], to: .held, at: nil),
        ])
        #expect(
            try spool.tallies() == [
                DestinationTally(destination: nil, state: .routing, count: 1, oldestAt: noon),
                DestinationTally(
                    destination: 1, state: .queued, count: 2,
                    oldestAt: UnixTime(milliseconds: 5)),
                DestinationTally(destination: 1, state: .held, count: 1, oldestAt: noon),
                DestinationTally(destination: 2, state: .queued, count: 1, oldestAt: noon),
            ])
    }

    @Test func theIndicesAreUsed() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        let held = FilterComparison(
            field: FilterField(name: "state", kind: .text, help: ""), op: .equal,
            value: .text("held"))
        let filter = try FilterSQL(DeliveryQuery(filter: .comparison(held), now: noon))
        let plans = try spool.pool.read { database in
            try [
                "SELECT * FROM deliveries WHERE destination = 1 AND id > 5 ORDER BY id",
                "SELECT id FROM deliveries" + filter.sql,
            ].map {
                try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN " + $0)
                    .map { $0["detail"] as String }.joined()
            }
        }
        #expect(plans[0].contains("deliveries_by_destination"))
        #expect(!plans[0].contains("TEMP B-TREE"))
        #expect(plans[1].contains("deliveries_set_aside"), "\(filter.sql)")
    }

    @Test func readersDoNotWaitForTheWriter() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([.accept(message(1))])
        try spool.pool.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                try database.execute(sql: "DELETE FROM deliveries")
                // In the middle of a write: the reader sees the last commit, at once.
                #expect(try spool.ids() == [id(1)])
                let query = DeliveryQuery(filter: nil, now: noon)
                #expect(try spool.page(query).total == 1)
                #expect(try spool.pageFromTable(query).total == 1)
                return .rollback
            }
        }
    }

    @Test func damagedRowsAreReportedAndLeftOut() throws {
        let reports = Mutex<[SpoolError]>([])
        var spool = try SQLiteSpool(directory: directory.path) { error in
            reports.withLock { $0.append(error) }
        }
        try spool.commit((1...6).map { .accept(message($0)) })
        try spool.pool.writeWithoutTransaction { database in
            let damage = [
                (1, "state = 99"), (2, "recipients = 'b@example.com'"),
                (3, "attributes = 'NEVER'"), (4, "attributes = 'a\tb\tc\nd\te\tf\n'"),
                (5, "recipients = CAST(x'0AFF0A' AS TEXT), attempts = -9223372036854775808"),
            ]
            for (message, change) in damage {
                try database.execute(
                    sql: "UPDATE deliveries SET \(change) WHERE id = ?",
                    arguments: [message << 16])
            }
            try database.execute(
                sql: """
                    INSERT INTO deliveries SELECT -5, destination, state, attempts, next_attempt,
                        purge_at, received_at, expires_at, size, flags, code, domain, sender,
                        recipients, attributes, ret, envelope_id, client, last_reply
                    FROM deliveries WHERE id = ?
                    """, arguments: [6 << 16])
        }
        // Bytes that are not UTF-8 are replaced.
        #expect(try spool.ids() == [id(5), id(6)])
        #expect(try spool.one(id(5)).recipients == [StoredRecipient(address: "\u{FFFD}")])
        #expect(reports.withLock { $0.count } == 4)
        #expect(reports.withLock { $0.allSatisfy { $0.code == .damaged } })
        #expect(reports.withLock { $0[0].description.contains("1.0: state 99") })
        #expect(try spool.deliveries(destination: nil, after: nil, limit: 1).map(\.id) == [id(5)])

        let query = DeliveryQuery(filter: nil, now: noon)
        let table = try spool.pageFromTable(query)
        #expect(table.rows.map(\.id) == [id(5), id(6)])
        #expect(table.total == 7)
        #expect(try spool.talliesFromTable().map(\.count) == [6])
        #expect(try spool.selectFromTable(query).count == 6)

        // The same after a start, but for recipients' attributes, which a page does not read.
        spool.close()
        spool = try SQLiteSpool(directory: directory.path)
        let page = try spool.page(query)
        #expect(page.rows.map(\.id) == [id(3), id(4), id(5), id(6)])
        #expect(page.total == 7)
        #expect(try spool.tallies().map(\.count) == [6])
        #expect(try spool.select(query).count == 6)
        #expect(try spool.figures([id(1), id(2), id(5)]).map(\.id) == [id(5)])
    }

    @Test func aPageAndItsTotalBelongToOneInstant() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([.accept(message(1))])
        let stop = Flag()
        // Every commit replaces the only message by the next one.
        let writer = BlockingThread {
            var number: Int64 = 1
            while !stop.isSet.load(ordering: .relaxed) {
                try? spool.commit([.remove(id(number)), .accept(message(number + 1))])
                number += 1
            }
        }
        for _ in 0..<200 {
            let page = try spool.page(DeliveryQuery(filter: nil, now: noon))
            #expect(page.total == 1)
            #expect(page.rows.count == 1)
        }
        stop.isSet.store(true, ordering: .relaxed)
        writer.join()
    }

    @Test func readerThreads() async throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([.accept(message(1, body: "body"))])
        let reader = SpoolReader(spool: spool, threads: 2)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask { () async throws -> Int in
                    try await reader.read { spool throws(SpoolError) in
                        try spool.deliveries([id(1)]).count
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(counts == 20)
        spool.close()
        await #expect(throws: SpoolError.self) {
            try await reader.read { spool throws(SpoolError) in
                try spool.body(of: MessageID(rawValue: 1))
            }
        }
        reader.close()
        await #expect(throws: SpoolError.self) {
            try await reader.read { _ throws(SpoolError) in 1 }
        }
    }

    @Test func readOnAnEventLoop() async throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([.accept(message(1, body: "body"))])
        let reader = SpoolReader(spool: spool, threads: 1)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let body = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
            reader.read(
                on: loop, { spool throws(SpoolError) in try spool.body(of: MessageID(rawValue: 1)) }
            ) { result in
                loop.assertInEventLoop()
                continuation.resume(with: result.mapError { $0 })
            }
        }
        #expect(body == ByteBuffer(string: "body"))
        reader.close()
    }
}

private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
}
