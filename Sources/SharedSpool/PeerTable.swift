package import Cluster
package import PostgreSQL

/// What one node asks another, or answers.
package struct Letter: Sendable, Hashable {
    package var target: NodeID
    package var sender: NodeID
    /// The asker's, the same in the answer.
    package var number: Int64
    package var isAnswer: Bool
    package var body: String

    package init(target: NodeID, sender: NodeID, number: Int64, isAnswer: Bool, body: String) {
        self.target = target
        self.sender = sender
        self.number = number
        self.isAnswer = isAnswer
        self.body = body
    }
}

/// The letters and the figures of nodes, as one of them sees them. Nodes do not talk to each other but
/// through the database: who can reach it reaches everybody who can.
///
/// A letter is taken once, and is not there any more before it is read: what it asks for is done
/// once or never. Blocks; throws `DatabaseFailure`, and after one that `isLost` another has to be
/// opened.
package final class PeerTable {
    private let connection: Connection
    private let answer: Duration
    private let node: NodeID

    /// Connects, and makes the tables if there are none.
    package init(
        _ address: DatabaseAddress, of node: NodeID, answer: Duration
    ) throws(DatabaseFailure) {
        self.node = node
        self.answer = answer
        connection = try Connection(address)
        let milliseconds = max(1, Int(answer / .milliseconds(1)))
        _ = try connection.run(
            [
                // Nothing that is sent here outlives the server.
                Command("SET synchronous_commit = off"),
                Command("SET statement_timeout = \(milliseconds)"),
                Command("SET lock_timeout = \(milliseconds)"),
            ], within: answer)
        try prepare()
        _ = try connection.run(
            "LISTEN \(PeerSchema.letterChannel)\(node.rawValue)", within: answer)
        _ = try connection.run("SET search_path = \(ClusterSchema.name)", within: answer)
    }

    private func prepare() throws(DatabaseFailure) {
        let isThere = Command(
            """
            SELECT count(*) FROM pg_tables
            WHERE schemaname = '\(ClusterSchema.name)' AND tablename = 'figures'
            """)
        guard try connection.run([isThere], within: answer)[0][0].int(0) == 0 else { return }
        _ = try connection.run("BEGIN", within: answer)
        do throws(DatabaseFailure) {
            let lock = Command(
                """
                SELECT pg_advisory_xact_lock(\(SharedSchema.lockSpace), \(SharedSchema.migrationLock))
                """)
            _ = try connection.run([lock], within: answer)
            if try connection.run([isThere], within: answer)[0][0].int(0) == 0 {
                _ = try connection.run(PeerSchema.statements.map { Command($0) }, within: answer)
            }
            _ = try connection.run("COMMIT", within: answer)
        } catch {
            if !connection.isLost { _ = try? connection.run("ROLLBACK", within: answer) }
            throw error
        }
    }

    /// Nothing more can come of it.
    package var isLost: Bool { connection.isLost }

    // MARK: Letters

    package func send(_ letters: [Letter]) throws(DatabaseFailure) {
        guard !letters.isEmpty else { return }
        var commands: [Command] = []
        for letter in letters {
            var send = Command(
                """
                INSERT INTO letters (target, sender, number, is_answer, body)
                VALUES ($1, $2, $3, $4 <> 0, $5)
                """, name: "send_letter")
            send.bind(letter.target.rawValue)
            send.bind(letter.sender.rawValue)
            send.bind(letter.number)
            send.bind(letter.isAnswer ? 1 : 0)
            send.bind(letter.body)
            commands.append(send)
        }
        for target in Set(letters.map(\.target)) {
            commands.append(
                Command("SELECT pg_notify('\(PeerSchema.letterChannel)\(target.rawValue)', '')"))
        }
        _ = try connection.run(commands, within: answer)
    }

    /// Takes those for this node, the oldest first.
    package func collect() throws(DatabaseFailure) -> [Letter] {
        var take = Command(
            """
            WITH taken AS (DELETE FROM letters WHERE target = $1
                RETURNING id, sender, number, is_answer, body)
            SELECT sender, number, is_answer::int::bigint, body FROM taken ORDER BY id
            """, name: "take_letters")
        take.bind(node.rawValue)
        return try connection.run([take], within: answer)[0].map { row in
            Letter(
                target: node, sender: NodeID(row.int(0)), number: row.int(1),
                isAnswer: row.int(2) != 0, body: row.text(3))
        }
    }

    /// - Returns: whether nobody had taken it: then nobody ever does.
    package func takeBack(_ letter: Letter) throws(DatabaseFailure) -> Bool {
        var take = Command(
            """
            DELETE FROM letters WHERE target = $1 AND sender = $2 AND number = $3 AND NOT is_answer
            """, name: "take_letter_back")
        take.bind(letter.target.rawValue)
        take.bind(letter.sender.rawValue)
        take.bind(letter.number)
        return try connection.run([take], within: answer)[0].changed > 0
    }

    /// Waits until there may be letters, or for a while.
    ///
    /// - Parameter other: a descriptor that ends the wait when it can be read.
    package func awaitLetters(
        within time: Duration, or other: Int32
    ) throws(DatabaseFailure) -> Bool {
        try !connection.awaitNotices(for: time, or: other).isEmpty
    }

    // MARK: Figures

    /// What a node has published, and how long ago, in seconds, by the server's clock.
    package struct Figures: Sendable {
        package var ageSeconds: Double
        package var status: String
        /// nil: was not asked for.
        package var destinations: String?
    }

    /// - Parameter destinations: nil: as they were.
    package func publish(status: String, destinations: String?) throws(DatabaseFailure) {
        var publish = Command(
            destinations == nil
                ? """
                INSERT INTO figures VALUES ($1, clock_timestamp(), $2, '')
                ON CONFLICT (node) DO UPDATE SET at = excluded.at, status = excluded.status
                """
                : """
                INSERT INTO figures VALUES ($1, clock_timestamp(), $2, $3)
                ON CONFLICT (node) DO UPDATE SET at = excluded.at, status = excluded.status,
                    destinations = excluded.destinations
                """, name: destinations == nil ? "publish" : "publish_all")
        publish.bind(node.rawValue)
        publish.bind(status)
        if let destinations { publish.bind(destinations) }
        // Letters of nodes that are no more are nobody's.
        let clean = Command(
            "DELETE FROM letters WHERE sent < clock_timestamp() - interval '10 minutes'",
            name: "clean_letters")
        _ = try connection.run(destinations == nil ? [publish] : [publish, clean], within: answer)
    }

    /// Of the other nodes.
    package func figures(
        withDestinations: Bool
    ) throws(DatabaseFailure) -> [NodeID: Figures] {
        var see = Command(
            """
            SELECT node, (extract(epoch FROM clock_timestamp() - at) * 1000)::bigint, status
                \(withDestinations ? ", destinations" : "")
            FROM figures WHERE node <> $1
            """, name: withDestinations ? "see_all_figures" : "see_figures")
        see.bind(node.rawValue)
        return Dictionary(
            uniqueKeysWithValues: try connection.run([see], within: answer)[0].map { row in
                (
                    NodeID(row.int(0)),
                    Figures(
                        ageSeconds: max(0, Double(row.int(1)) / 1000), status: row.text(2),
                        destinations: withDestinations ? row.text(3) : nil)
                )
            })
    }
}
