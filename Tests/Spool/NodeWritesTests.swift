import Cluster
import DatabaseServer
import Mail
import PostgreSQL
import SharedSpool
import Synchronization
import Testing

@testable import Spool

/// What several nodes write into one spool, and what of it is refused.
@Suite struct NodeWritesTests {
    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add() { count.withLock { $0 += 1 } }
    }

    /// Two nodes on one database; destination 1 is in the first one's district.
    private final class Rig {
        let database: DatabaseAddress
        let table: ClusterTable
        let a: Members.Request
        let b: Members.Request
        let first: PostgreSQLSpool
        let second: PostgreSQLSpool
        /// That of the second one, and how often it was called.
        let node: SpoolNode
        let calls = Counter()

        init() throws {
            database = try DatabaseServer.shared.get().createDatabase()
            table = try ClusterTable(database, answer: .seconds(30))
            a = try table.join(name: "a", home: 1).request
            b = try table.join(name: "b", home: 2).request
            let calls = calls
            node = SpoolNode(id: b.node.rawValue, life: b.life, onNews: { calls.add() })
            first = try Self.open(database, SpoolNode(id: a.node.rawValue, life: a.life))
            second = try Self.open(database, node)
            #expect(try table.claim(1, seen: 0, by: a) == 1)
        }

        static func open(
            _ database: DatabaseAddress, _ node: SpoolNode
        ) throws -> PostgreSQLSpool {
            try PostgreSQLSpool(database, options: PostgreSQLSpool.Options(node: node))
        }

        /// The second one declares the first one dead.
        func bury() throws {
            let members = try table.renew(b, hasSettled: true)
            let beat = try #require(members[a.node]?.beat)
            #expect(try table.declareDead(a.node, life: a.life, beat: beat, by: b))
        }

        func arrivals() throws -> [Int64] {
            try table.arrivals(in: District.all, limit: 100).map(\.delivery)
        }

        deinit {
            first.close()
            second.close()
            try? DatabaseServer.shared.get().drop(database)
        }
    }

    private func elsewhere(_ message: NewMessage) -> NewMessage {
        var message = message
        for index in message.deliveries.indices { message.deliveries[index].isElsewhere = true }
        return message
    }

    private func deferral(_ id: DeliveryID, _ attempts: Int) -> SpoolWrite {
        .update(
            DeliveryUpdate(
                id: id, attempts: attempts, nextAttemptAt: noon + .seconds(60),
                lastReply: "451 later", recipients: nil))
    }

    @Test func newsOfMailIsForItsOwnerAlone() throws {
        let rig = try Rig()
        try rig.first.commit([.accept(message(1))])
        #expect(try rig.arrivals() == [])
        try rig.second.commit([.accept(elsewhere(message(2)))])
        #expect(try rig.arrivals() == [id(2, 0).rawValue])
        // Until its owner has heard of it, it is in nobody's queue.
        #expect(try rig.first.deliveries(destination: 1, after: nil, limit: 10).count == 1)
        #expect(try rig.first.tallies().map(\.count) == [1])
        // Another one cannot take the news away.
        try rig.table.remove(arrivals: [id(2, 0).rawValue], by: rig.b)
        #expect(try rig.arrivals() == [id(2, 0).rawValue])
        try rig.table.remove(arrivals: [id(2, 0).rawValue], by: rig.a)
        #expect(try rig.arrivals() == [])
        #expect(try rig.first.deliveries(destination: 1, after: nil, limit: 10).count == 2)
        // What has no destination yet goes by its message.
        try rig.second.commit([.accept(elsewhere(message(3, destinations: [nil])))])
        #expect(try rig.first.unrouted().isEmpty)
        #expect(try rig.table.arrivals(in: [3], limit: 10).map(\.delivery) == [id(3, 0).rawValue])
    }

    @Test func whoBringsMailForOthersTellsThem() throws {
        let rig = try Rig()
        let node = rig.node
        try rig.second.commit([.accept(message(1, destinations: [2]))])
        #expect(!node.hasNews && rig.calls.value == 0)
        // Not with a commit that fails.
        #expect(throws: SpoolError.self) {
            try rig.second.commit([.accept(elsewhere(message(1, destinations: [2])))])
        }
        #expect(!node.hasNews)
        try rig.second.commit([.accept(elsewhere(message(2))), .accept(elsewhere(message(3)))])
        try rig.second.commit([
            .accept(message(4, destinations: [nil])),
            .route(id(4), into: elsewhere(message(4, destinations: [5])).deliveries),
        ])
        #expect(node.hasNews && rig.calls.value == 1)
        #expect(node.takeNews() == [1, 5])
        #expect(!node.hasNews && node.takeNews().isEmpty)
        // Who has the district hears of it, and nobody else.
        let owner = try ClusterTable(rig.database, answer: .seconds(30))
        try owner.listen(as: rig.a.node)
        let other = try ClusterTable(rig.database, answer: .seconds(30))
        try other.listen(as: rig.b.node)
        try rig.table.wakeOwners(of: [2, 3])
        try rig.table.wakeOwners(of: [1, 5])
        #expect(try owner.changes(within: .seconds(300), or: nil) == [.arrivals])
        #expect(try owner.changes(within: .zero, or: nil).isEmpty)
        #expect(try other.changes(within: .zero, or: nil).isEmpty)
    }

    @Test func aLifeThatIsOverRecordsWhatHappenedAndNothingElse() throws {
        let rig = try Rig()
        let before = DestinationRecord(id: 1, identity: "192.0.2.1", name: "a.test", domains: [])
        try rig.first.commit([
            .destination(before), .accept(message(1)), .accept(message(2)),
            deferral(id(2, 0), 1),
        ])
        #expect(try rig.first.deliveries(of: MessageID(rawValue: 2)).map(\.attempts) == [1])
        try rig.bury()
        var after = before
        after.pausedBy = "nobody"
        // Its session was ended: it comes back, in the same life.
        try rig.first.commit([
            .remove(id(1, 0)), deferral(id(2, 0), 7), .destination(after), .accept(message(3)),
        ])
        #expect(try rig.second.deliveries(of: MessageID(rawValue: 1)).isEmpty)
        #expect(try rig.second.deliveries(of: MessageID(rawValue: 2)).map(\.attempts) == [1])
        #expect(try rig.second.destinations([1]) == [before])
        // Mail that it has told its clients it has taken is not lost, and somebody learns of it.
        #expect(try rig.second.deliveries(of: MessageID(rawValue: 3)).count == 1)
        #expect(try rig.arrivals() == [id(3, 0).rawValue])
    }

    @Test func aDestinationIsChangedByItsOwner() throws {
        let rig = try Rig()
        let mine = DestinationRecord(id: 1, identity: "192.0.2.1", name: "a.test", domains: [])
        try rig.first.commit([.destination(mine)])
        var other = mine
        other.name = "b.test"
        let new = DestinationRecord(id: 2, identity: "192.0.2.2", name: "c.test", domains: [])
        try rig.second.commit([.destination(other), .destination(new)])
        #expect(try rig.first.destinations([1, 2]) == [mine, new])
        #expect(try rig.table.release(1, number: 1, by: rig.a))
        #expect(try rig.table.claim(1, seen: 2, by: rig.b) == 3)
        try rig.second.commit([.destination(other)])
        try rig.first.commit([.destination(mine)])
        #expect(try rig.first.destinations([1]) == [other])
    }

    private final class Flag: Sendable {
        let value = Mutex(false)
    }

    /// Another node has removed one of the last two deliveries of a message, and not committed yet.
    @Test func theLastTwoOfAMessageAtOnce() async throws {
        let rig = try Rig()
        try rig.first.commit([.accept(message(1, destinations: [1, 2]))])
        let other = try Connection(rig.database)
        func run(_ sql: String) throws { _ = try other.run(sql, within: .seconds(30)) }
        try run("BEGIN")
        try run("SET LOCAL search_path = sluice")
        try run("DELETE FROM deliveries WHERE id = \(id(1, 1).rawValue)")
        try run("SELECT FROM bodies WHERE message = 1 FOR UPDATE")
        // What it sees is that the first delivery is still there.
        try run(
            """
            DELETE FROM bodies WHERE message = 1
                AND NOT EXISTS (SELECT FROM deliveries WHERE id = \(id(1, 0).rawValue))
            """)
        let spool = rig.first
        let isDone = Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try spool.commit([.remove(id(1, 0))])
                isDone.value.withLock { $0 = true }
            }
            // It waits for the other one, or, wrongly, does not.
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            let watch = try Connection(rig.database)
            while try watch.run(waiting, within: .seconds(30))[0].int(0) == 0,
                !isDone.value.withLock({ $0 })
            {
                try await Task.sleep(for: .milliseconds(5))
            }
            try run("COMMIT")
            try await group.waitForAll()
        }
        #expect(try spool.bodies(of: [MessageID(rawValue: 1)]).texts.isEmpty)
        #expect(try rig.second.all().isEmpty)
    }
}
