package import Cluster
package import PostgreSQL

/// The cluster's tables, as one node asks them: each request is one transaction and one exchange
/// with the server.
///
/// Blocks, but never for longer than `answer` (and what a connection takes). When a request fails
/// with `DatabaseFailure`, whether it took effect, or still will, is not known: the rules are made
/// for that. After a failure that `isLost` another table has to be opened.
package final class ClusterTable {
    private let connection: Connection
    private let answer: Duration

    /// Connects, and makes the tables if there are none.
    package init(_ address: DatabaseAddress, answer: Duration) throws(DatabaseFailure) {
        connection = try Connection(address)
        self.answer = answer
        let milliseconds = max(1, answer.components.seconds * 1000)
        _ = try connection.run(
            [
                Command("SET synchronous_commit = on"),
                Command("SET default_transaction_isolation = 'read committed'"),
                Command("SET statement_timeout = \(milliseconds)"),
                Command("SET lock_timeout = \(milliseconds)"),
            ], within: answer)
        try prepare()
        _ = try connection.run("LISTEN \(ClusterSchema.channel)", within: answer)
        _ = try connection.run("SET search_path = \(ClusterSchema.name)", within: answer)
    }

    private func prepare() throws(DatabaseFailure) {
        _ = try connection.run("BEGIN", within: answer)
        do throws(DatabaseFailure) {
            _ = try connection.run(
                """
                SELECT pg_advisory_xact_lock(\(SharedSchema.lockSpace), \(SharedSchema.migrationLock))
                """, within: answer)
            let isThere = try connection.run(
                "SELECT count(*) FROM pg_namespace WHERE nspname = '\(ClusterSchema.name)'",
                within: answer)
            if isThere[0].int(0) == 0 {
                _ = try connection.run(
                    ClusterSchema.statements.map { Command($0) }, within: answer)
            }
            _ = try connection.run("COMMIT", within: answer)
        } catch {
            if !connection.isLost { _ = try? connection.run("ROLLBACK", within: answer) }
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
        name: String, home: Int64
    ) throws -> (request: Members.Request, members: Members) {
        var join = Command("SELECT * FROM join_cluster($1, $2)", name: "join_cluster")
        join.bind(name)
        join.bind(home)
        let answers = try run([join] + Self.look)
        let row = answers[0][0]
        let request = Members.Request(
            node: NodeID(row.int(0)), life: row.int(1), timeline: row.int(2))
        return (request, Self.members(answers.dropFirst(), timeline: request.timeline))
    }

    /// A sign of life; the table right after. `Membership.renewed` wants the time before this is
    /// called, `saw` the time after it has returned.
    ///
    /// - Throws: `Members.Over`, `DatabaseFailure`, as the others below.
    package func renew(_ request: Members.Request, hasSettled: Bool) throws -> Members {
        var renew = Command("SELECT renew($1, $2, $3, $4)", name: "renew")
        renew.bind(request)
        renew.bind(hasSettled ? 1 : 0)
        return Self.members(try run([renew] + Self.look).dropFirst(), timeline: request.timeline)
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

    private static let look = [
        Command("SELECT is_settling, last_life, timeline FROM cluster", name: "see_cluster"),
        Command("SELECT id, life, beat, is_live, home FROM nodes ORDER BY id", name: "see_nodes"),
    ]

    private static func members(_ answers: ArraySlice<Rows>, timeline: Int64) -> Members {
        var members = Members(timeline: timeline)
        guard let row = answers.first?.first, let nodes = answers.last else { return members }
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

    // MARK: Destinations

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
        var claim = Command("SELECT claim($1, $2, $3, $4, $5)", name: "claim")
        claim.bind(destination)
        claim.bind(seen)
        claim.bind(request)
        return try run([claim])[0][0].optionalInt(0)
    }

    package func release(
        _ destination: Int64, number: Int64, by request: Members.Request
    ) throws -> Bool {
        var release = Command("SELECT release($1, $2, $3, $4, $5)", name: "release")
        release.bind(destination)
        release.bind(number)
        release.bind(request)
        return try run([release])[0][0].int(0) != 0
    }

    // MARK: Waiting

    /// Returns when a node started, left or was declared dead, when a destination was given back,
    /// or after a while.
    ///
    /// - Returns: whether something of that kind happened.
    package func awaitChange(for time: Duration) throws(DatabaseFailure) -> Bool {
        try connection.awaitNotice(for: time)
    }

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
