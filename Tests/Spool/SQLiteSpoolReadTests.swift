import Filter
import GRDB
import Mail
import Synchronization
import Testing

@testable import Spool

@Suite("SQLite spool: reads")
struct SQLiteSpoolReadTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

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
                        recipients, attributes, ret, envelope_id, client, last_reply, last_rule
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
}
