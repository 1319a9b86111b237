package import Cluster
package import Mail
package import PostgreSQL
import Synchronization

/// The cluster's tables, as one node asks them: each request is one transaction and one exchange
/// with the server.
///
/// Blocks, but never for longer than `answer` (and what a connection takes). When a request fails
/// with `DatabaseFailure`, whether it took effect, or still will, is not known: the rules are made
/// for that. After a failure that `isLost` another table has to be opened.
package final class ClusterTable: Sendable {
    private let connection: Connection
    private let answer: Duration
    private let milliseconds = Atomic<Int64>(0)

    /// What the server's wall clock said when it last answered `join` or `renew`.
    package var time: UnixTime { UnixTime(milliseconds: milliseconds.load(ordering: .relaxed)) }

    /// Connects, and makes the tables if there are none.
    package init(_ address: DatabaseAddress, answer: Duration) throws(DatabaseFailure) {
        connection = try Connection(address)
        self.answer = answer
        let milliseconds = max(1, Int(answer / .milliseconds(1)))
        // Another node may be making the tables.
        let start = max(answer, .seconds(10))
        _ = try connection.run(
            [
                Command("SET synchronous_commit = on"),
                Command("SET default_transaction_isolation = 'read committed'"),
                Command("SET statement_timeout = \(milliseconds)"),
                Command("SET lock_timeout = \(milliseconds)"),
            ], within: start)
        try prepare(within: start)
        _ = try connection.run("LISTEN \(ClusterSchema.channel)", within: answer)
        _ = try connection.run("SET search_path = \(ClusterSchema.name)", within: answer)
    }

    private func prepare(within time: Duration) throws(DatabaseFailure) {
        let isThere = Command(
            "SELECT count(*) FROM pg_namespace WHERE nspname = '\(ClusterSchema.name)'")
        guard try connection.run([isThere], within: time)[0][0].int(0) == 0 else { return }
        _ = try connection.run("BEGIN", within: time)
        do throws(DatabaseFailure) {
            let lock = Command(
                """
                SELECT pg_advisory_xact_lock(\(SharedSchema.lockSpace), \(SharedSchema.migrationLock))
                """)
            let limit = Command("SET LOCAL lock_timeout = \(Int(time / .milliseconds(1)))")
            let rest = Command("SET LOCAL statement_timeout = \(Int(time / .milliseconds(1)))")
            _ = try connection.run([limit, rest, lock], within: time)
            if try connection.run([isThere], within: time)[0][0].int(0) == 0 {
                _ = try connection.run(
                    ClusterSchema.statements.map { Command($0) }, within: time)
            }
            _ = try connection.run("COMMIT", within: time)
        } catch {
            if !connection.isLost { _ = try? connection.run("ROLLBACK", within: time) }
            throw error
        }
    }

    // MARK: Members

    /// Starts a life.
    ///
    /// - Parameter home: a number that a node's data directory keeps and no other has.
    /// - Returns: what the node names itself with from now on, and the table right after.
    /// - Throws: `Members.NameInUse`, `DatabaseFailure`.
    package func join(
        name: String, home: Int64, weights: [Double] = [1]
    ) throws -> (request: Members.Request, members: Members) {
        var join = Command("SELECT * FROM join_cluster($1, $2, $3)", name: "join_cluster")
        join.bind(name)
        join.bind(home)
        join.bind(weights.map { "\($0)" }.joined(separator: " "))
        let answers = try run([join] + Self.look)
        let row = answers[0][0]
        let request = Members.Request(
            node: NodeID(row.int(0)), life: row.int(1), timeline: row.int(2))
        return (request, members(answers.dropFirst(), timeline: request.timeline))
    }

    /// A sign of life; the table right after. `Membership.renewed` wants the time before this is
    /// called, `saw` the time after it has returned.
    ///
    /// - Throws: `Members.Over`, `DatabaseFailure`, as the others below.
    package func renew(_ request: Members.Request, hasSettled: Bool) throws -> Members {
        var renew = Command("SELECT renew($1, $2, $3, $4)", name: "renew")
        renew.bind(request)
        renew.bind(hasSettled ? 1 : 0)
        return members(try run([renew] + Self.look).dropFirst(), timeline: request.timeline)
    }

    package func declareDead(
        _ id: NodeID, life: Int64, beat: Int64, by request: Members.Request
    ) throws -> Bool {
        var declare = Command(
            "SELECT declare_dead($1, $2, $3, $4, $5, $6)", name: "declare_dead")
        for number in [id.rawValue, life, beat] { declare.bind(number) }
        declare.bind(request)
        return try run([declare])[0][0].int(0) != 0
    }

    package func leave(_ request: Members.Request) throws {
        var leave = Command("SELECT leave($1, $2, $3)", name: "leave")
        leave.bind(request)
        _ = try run([leave])
    }

    /// What the rules do not ask for.
    package struct Node: Sendable, Hashable {
        package var name: String
        package var isDrained: Bool
        /// Of its workers, from the first one on, as in `Ring`.
        package var weights: [Double]
    }

    /// The nodes, and who has what.
    package func sight() throws -> (nodes: [NodeID: Node], tenures: [Int64: Tenure]) {
        let answers = try run([
            Command("SELECT id, name, is_drained, weights FROM nodes", name: "see_all"),
            Command("SELECT destination, owner, life, number FROM tenures", name: "see_tenures"),
        ])
        let nodes = answers[0].map { row in
            let weights = row.text(3).split(separator: " ").map { Double($0) ?? 1 }
            let node = Node(name: row.text(1), isDrained: row.int(2) != 0, weights: weights)
            return (NodeID(row.int(0)), node)
        }
        let tenures = answers[1].map { row in
            let owner = row.optionalInt(1).map { NodeID($0) }
            return (row.int(0), Tenure(owner: owner, life: row.int(2), number: row.int(3)))
        }
        return (
            Dictionary(uniqueKeysWithValues: nodes), Dictionary(uniqueKeysWithValues: tenures)
        )
    }

    /// Gives a node nothing new, so that it hands over what it has; or the other way round.
    ///
    /// - Returns: false if there is no node of that name.
    package func setDrained(_ name: String, _ isDrained: Bool) throws -> Bool {
        var set = Command("SELECT set_drained($1, $2)", name: "set_drained")
        set.bind(name)
        set.bind(isDrained ? 1 : 0)
        return try run([set])[0][0].int(0) != 0
    }

    private static let look = [
        Command(
            """
            SELECT is_settling, last_life, timeline,
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM cluster
            """, name: "see_cluster"),
        Command("SELECT id, life, beat, is_live, home FROM nodes ORDER BY id", name: "see_nodes"),
    ]

    private func members(_ answers: ArraySlice<Rows>, timeline: Int64) -> Members {
        var members = Members(timeline: timeline)
        guard let row = answers.first?.first, let nodes = answers.last else { return members }
        milliseconds.store(row.int(3), ordering: .relaxed)
        members.isSettling = row.int(0) != 0
        members.lastLife = row.int(1)
        members.settledTimeline = row.int(2)
        members.members = nodes.map { node in
            Members.Member(
                id: NodeID(node.int(0)), life: node.int(1), beat: node.int(2),
                isLive: node.int(3) != 0, home: node.int(4))
        }
        return members
    }

    // MARK: Districts

    package func tenure(of destination: Int64) throws -> Tenure {
        var see = Command(
            "SELECT owner, life, number FROM tenures WHERE destination = $1", name: "see_tenure")
        see.bind(destination)
        guard let row = try run([see])[0].first else { return Tenure() }
        return Tenure(
            owner: row.optionalInt(0).map { NodeID($0) }, life: row.int(1), number: row.int(2))
    }

    /// - Returns: the new number; nil if it was refused.
    package func claim(
        _ destination: Int64, seen: Int64, by request: Members.Request
    ) throws -> Int64? {
        try claim([(destination, seen)], by: request)[0]
    }

    /// Several in one transaction; one answer for each.
    package func claim(
        _ wanted: [(destination: Int64, seen: Int64)], by request: Members.Request
    ) throws -> [Int64?] {
        let commands = wanted.map { destination, seen in
            var claim = Command("SELECT claim($1, $2, $3, $4, $5)", name: "claim")
            claim.bind(destination)
            claim.bind(seen)
            claim.bind(request)
            return claim
        }
        return try run(commands).map { $0[0].optionalInt(0) }
    }

    package func release(
        _ destination: Int64, number: Int64, by request: Members.Request
    ) throws -> Bool {
        try release([(destination, number)], by: request)[0]
    }

    /// Several in one transaction; one answer for each.
    package func release(
        _ given: [(destination: Int64, number: Int64)], by request: Members.Request
    ) throws -> [Bool] {
        let commands = given.map { destination, number in
            var release = Command("SELECT release($1, $2, $3, $4, $5)", name: "release")
            release.bind(destination)
            release.bind(number)
            release.bind(request)
            return release
        }
        return try run(commands).map { $0[0].int(0) != 0 }
    }

    // MARK: Mail

    /// From now on it is told of claims, and of mail that others have taken in for it.
    package func listen(as node: NodeID) throws {
        _ = try run([
            Command("LISTEN \(ClusterSchema.tenureChannel)"),
            Command("LISTEN \(ClusterSchema.arrivalChannel)\(node.rawValue)"),
        ])
    }

    /// Tells those that have these districts that there is mail for them.
    ///
    /// Not with the mail: a transaction that notifies holds a lock of the whole server until it is
    /// synced, and each wakes all that listen, whatever they listen to. What is not told of is
    /// found with the next renewal.
    package func wakeOwners(of districts: Set<Int>) throws {
        var column = ArrayColumn(.int8)
        for district in districts { column.append(district) }
        _ = try run([
            Command("SELECT set_config('synchronous_commit', 'off', true)", name: "no_sync"),
            Command(
                """
                SELECT pg_notify('\(ClusterSchema.arrivalChannel)' || owner, '') FROM (
                    SELECT DISTINCT owner FROM tenures
                    WHERE destination = ANY ($1) AND owner IS NOT NULL) AS owners
                """, name: "wake_owners", column),
        ])
    }

    /// Mail that others have taken in for these districts, and where it goes, as far as that is
    /// known.
    package func arrivals(
        in districts: some Sequence<Int>, limit: Int
    ) throws -> [(delivery: Int64, destination: Int64?)] {
        var column = ArrayColumn(.int8)
        for district in districts { column.append(district) }
        var see = Command(
            """
            SELECT arrivals.delivery, mail.destination FROM arrivals
            LEFT JOIN \(SharedSchema.name).deliveries AS mail ON mail.id = arrivals.delivery
            WHERE arrivals.district = ANY ($1) ORDER BY arrivals.delivery LIMIT $2
            """)
        see.bind(column)
        see.bind(limit)
        return try run([see])[0].map { ($0.int(0), $0.optionalInt(1)) }
    }

    /// The node that has their districts knows of them.
    package func remove(arrivals: [Int64], by request: Members.Request) throws {
        var column = ArrayColumn(.int8)
        for delivery in arrivals { column.append(delivery) }
        var remove = Command(
            "SELECT remove_arrivals($1, $2, $3, $4)", name: "remove_arrivals", column)
        remove.bind(request)
        _ = try run([remove])
    }

    // MARK: Waiting

    /// Returns when a node started, left or was declared dead, when a destination was given back,
    /// or after a while.
    ///
    /// - Returns: whether something of that kind happened.
    package func awaitChange(for time: Duration) throws(DatabaseFailure) -> Bool {
        try !changes(within: time, or: nil).isEmpty
    }

    package enum Change: Sendable, Hashable {
        /// A node came or went, or gave something back.
        case nodes
        /// One has claimed something.
        case tenures
        case arrivals
    }

    /// - Parameter other: a descriptor that ends the wait when it can be read.
    package func changes(
        within time: Duration, or other: Int32?
    ) throws(DatabaseFailure) -> Set<Change> {
        let channels = try connection.awaitNotices(for: time, or: other)
        return Set(
            channels.map { channel in
                switch channel {
                case ClusterSchema.channel: .nodes
                case ClusterSchema.tenureChannel: .tenures
                default: .arrivals
                }
            })
    }

    /// Nothing more can come of it.
    package var isLost: Bool { connection.isLost }

    private func run(_ commands: [Command]) throws -> [Rows] {
        do throws(DatabaseFailure) {
            return try connection.run(commands, within: answer)
        } catch {
            switch error.sqlState {
            case ClusterSchema.over: throw Members.Over()
            case ClusterSchema.nameInUse: throw Members.NameInUse()
            default: throw error
            }
        }
    }
}

extension Command {
    fileprivate mutating func bind(_ request: Members.Request) {
        bind(request.node.rawValue)
        bind(request.life)
        bind(request.timeline)
    }
}
