import Glibc
import Mail
import PostgreSQL
import Spool

/// The one who may write: a session that holds an advisory lock, and an epoch that every
/// transaction shows.
///
/// The lock keeps a second daemon from starting while the first one is there. The epoch, which
/// every start raises, keeps a daemon whose session was lost from writing after another has
/// started: the claim at the head of each of its transactions fails.
///
/// When a connection breaks during a commit, nobody knows whether the commit took effect. Commits
/// are numbered, and the number is part of them: once the old session is over (the lock is free),
/// the number in the database tells. A commit that did not take effect is made again, for as long
/// as `patience` lasts; then it fails, and what it may have brought in is settled with the next
/// connection.
struct Owner {
    struct Settings {
        var address: DatabaseAddress
        /// For how long a commit whose connection broke waits for the server, and a start for
        /// the lock.
        var patience: Duration
        /// For one exchange with the server.
        var answer: Duration
        /// nil: the only one that writes.
        var node: SpoolNode?
    }

    /// A commit that failed as far as its caller knows, and may have taken effect.
    private struct Undecided {
        var number: Int64
        var accepted: [(id: MessageID, hasSender: Bool)]
        var copies: [DeliveryID]
    }

    /// Who is the only one to write holds it alone, nodes of a cluster share it.
    private static let lock: Int32 = 1

    private var name: String { settings.node.map { "node \($0.id)" } ?? "sluiced" }

    /// The lock that this one holds alone.
    private var ownLock: Int64 {
        settings.node.map { Int64(ClusterSchema.writerLock) + $0.id } ?? Int64(Self.lock)
    }

    private let settings: Settings
    private var connection: Connection?
    /// Of the last session.
    private var backend: Int64 = 0
    /// 0: never held.
    private var epoch: Int64 = 0
    private var number: Int64 = 0
    private var undecided: Undecided?
    /// Copies that routing made in an undecided commit that took effect.
    private var present: Set<DeliveryID> = []
    /// Messages in the spool.
    private(set) var messages = 0
    private var isClosed = false

    init(_ settings: Settings) throws {
        self.settings = settings
        try connect()
    }

    mutating func close() {
        isClosed = true
        connection = nil
    }

    // MARK: Writing

    mutating func commit(_ writes: [SpoolWrite]) throws {
        // What became of the last commit decides what this one has to do.
        if undecided != nil, connection == nil, !isClosed { try connect() }
        let batch = try WriteBatch(writes, present: present, node: settings.node?.id)
        let answers = try transact(
            batch.commands.map(\.command), undecided: (batch.accepted, batch.copies))
        // nil: it took effect, and the messages were counted since.
        guard let answers else { return }
        for (answer, effect) in zip(answers, batch.commands.map(\.effect)) {
            switch effect {
            case .none: break
            case .messagesAdded: messages += answer.changed
            case .messagesRemoved: messages -= answer.changed
            }
        }
    }

    mutating func reserveMessageIDs(_ count: Int) throws -> Range<Int64> {
        var command = Command(
            """
            UPDATE meta SET value = value + $1 WHERE key = 'next_message' AND value > 0
                AND value < (1::bigint << 47) - $1
            RETURNING value
            """)
        command.bind(count)
        while true {
            // Ids that an undecided one reserved are not used by anybody.
            guard let answers = try transact([command], undecided: ([], [])) else { continue }
            guard let end = answers[0].first?.int(0) else {
                throw SpoolError.damaged(
                    "the mark of the message ids is missing or out of range")
            }
            return end - Int64(count)..<end
        }
    }

    /// The answers to `commands`; nil if they took effect, but the answers were lost.
    private mutating func transact(
        _ commands: [Command],
        undecided: (accepted: [(id: MessageID, hasSender: Bool)], copies: [DeliveryID])
    ) throws -> [Rows]? {
        guard !isClosed else {
            throw SpoolError(
                code: .unusable, cause: "the spool has been closed", context: "")
        }
        // Where there was no connection before, the caller is told at once that there is none.
        let deadline = ContinuousClock.now + (connection == nil ? .zero : settings.patience)
        // Sent, and not known to have failed.
        var open: Undecided?
        while true {
            do {
                if connection == nil {
                    try connect()
                    if let open, number >= open.number { return nil }
                    open = nil
                }
                let head = head(number + 1)
                let answers = try connection!.run(
                    head + commands + [Command("COMMIT", name: "commit")],
                    within: settings.answer)
                number += 1
                return Array(answers.dropFirst(head.count).dropLast())
            } catch {
                let isLost = (error as? DatabaseFailure)?.isLost ?? false
                if isLost, connection != nil {
                    open = Undecided(
                        number: number + 1, accepted: undecided.accepted,
                        copies: undecided.copies)
                    connection = nil
                }
                guard isLost, ContinuousClock.now < deadline else {
                    if let open { self.undecided = open }
                    throw error
                }
                usleep(100_000)
            }
        }
    }

    /// What begins a transaction.
    private func head(_ number: Int64) -> [Command] {
        var claim = Command("SELECT claim($1, $2, $3)", name: "claim")
        claim.bind(name)
        claim.bind(epoch)
        claim.bind(number)
        let head = [Command("BEGIN", name: "begin"), claim]
        guard let node = settings.node else { return head }
        var begin = Command(
            "SELECT \(ClusterSchema.name).begin_write($1, $2)", name: "begin_write")
        begin.bind(node.id)
        begin.bind(node.life)
        return head + [begin]
    }

    // MARK: Connecting

    private mutating func connect() throws {
        let new = try Connection(settings.address)
        guard new.serverVersion >= 150_000 else {
            throw SharedSpoolFault.version(new.serverVersion)
        }
        try prepare(new)
        if epoch == 0 {
            let encoding = try new.run("SHOW server_encoding", within: settings.answer)
            guard encoding.first?.text(0) == "UTF8" else {
                throw SharedSpoolFault.encoding(encoding.first?.text(0) ?? "unknown")
            }
            try acquireLock(new)
            try SharedSchema.migrate(new, within: settings.answer)
            try begin(new)
        } else {
            try acquireLock(new)
            try resume(new)
        }
        try settle(new)
        let count = try new.run("SELECT count(*) FROM bodies", within: settings.answer)
        messages = Int(count[0].int(0))
        backend = new.backend
        connection = new
    }

    private func prepare(_ connection: Connection) throws {
        let seconds = max(1, settings.answer.components.seconds)
        _ = try connection.run(
            [
                Command("SET search_path = \(SharedSchema.name)"),
                // 250 is said for what is on the server's disk (or its standby's, if it says so).
                Command(
                    """
                    SELECT set_config('synchronous_commit', CASE
                        current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                        ELSE current_setting('synchronous_commit') END, false)
                    """),
                Command("SET statement_timeout = '\(seconds)s'"),
                Command("SET idle_in_transaction_session_timeout = '\(seconds)s'"),
                // Plans are kept, and the tables may have been empty when they were made.
                Command("SET enable_seqscan = off"), Command("SET jit = off"),
                // A session whose host is gone gives up its lock.
                Command("SET tcp_keepalives_idle = 10"), Command("SET tcp_keepalives_interval = 5"),
                Command("SET tcp_keepalives_count = 3"), Command("SET tcp_user_timeout = 20000"),
            ], within: settings.answer)
    }

    /// Waits a while: the session of a daemon that has just died may be at its end.
    private func acquireLock(_ connection: Connection) throws {
        let deadline = ContinuousClock.now + settings.patience
        let space = SharedSchema.lockSpace
        var isAmongOthers = settings.node == nil
        while true {
            if !isAmongOthers {
                let answer = try connection.run(
                    "SELECT pg_try_advisory_lock_shared(\(space), \(Self.lock))",
                    within: settings.answer)
                isAmongOthers = answer[0].int(0) != 0
            }
            if isAmongOthers {
                let answer = try connection.run(
                    "SELECT pg_try_advisory_lock(\(space), \(ownLock))", within: settings.answer)
                if answer[0].int(0) != 0 { return }
            }
            guard ContinuousClock.now < deadline else {
                throw SharedSpoolFault.inUse(holder(connection))
            }
            // Our own last session, which the server has not yet found to be over.
            if backend != 0 {
                var end = Command(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
                        AND classid = \(SharedSchema.lockSpace) AND objid = \(ownLock)
                        AND granted AND pid = $1 AND EXISTS (
                            SELECT FROM owners WHERE name = $2 AND epoch = $3)
                    """)
                end.bind(backend)
                end.bind(name)
                end.bind(epoch)
                _ = try connection.run([end], within: settings.answer)
            }
            usleep(50_000)
        }
    }

    private func holder(_ connection: Connection) -> String {
        var ask = Command("SELECT holder FROM owners WHERE name = $1")
        // What keeps a node out is most often one that is no node.
        ask.bind(settings.node == nil ? name : "sluiced")
        let rows = try? connection.run([ask], within: settings.answer)
        return rows?[0].first?.text(0) ?? "another sluiced"
    }

    /// Takes the place of whoever had it, and reads where the counters stand.
    private mutating func begin(_ connection: Connection) throws {
        var take = Command(
            """
            INSERT INTO owners (name, epoch, batch, holder, since) VALUES ($1, 1, 0, $2, now())
            ON CONFLICT (name) DO UPDATE SET epoch = owners.epoch + 1, holder = excluded.holder,
                since = excluded.since
            RETURNING epoch, batch
            """)
        take.bind(name)
        take.bind(Self.ownName)
        let taken = try connection.run([take], within: settings.answer)[0]
        epoch = taken[0].int(0)
        number = taken[0].int(1)
        // As with SQLite: the mark is above every id in use, unless somebody mixed two spools.
        _ = try connection.run(
            """
            UPDATE meta SET value = greatest(value,
                coalesce((SELECT max(id) >> 16 FROM deliveries), 0) + 1,
                coalesce((SELECT max(message) FROM bodies), 0) + 1)
            WHERE key = 'next_message'
            """, within: settings.answer)
    }

    /// Goes on with an epoch that is still the last one.
    private mutating func resume(_ connection: Connection) throws {
        var ask = Command("SELECT epoch, batch FROM owners WHERE name = $1")
        ask.bind(name)
        let found = try connection.run([ask], within: settings.answer)[0]
        guard let row = found.first, row.int(0) == epoch else {
            throw SpoolError(
                code: .inUse,
                cause: "\(holder(connection)) has taken over this spool; stop one of the two",
                context: "")
        }
        number = row.int(1)
    }

    /// What became of a commit whose failure has been reported. Where it took effect after all,
    /// the clients of its messages have been told to try again: those messages go. (Not reports
    /// to senders, which have no sender: those are made again, and twice is better than never.)
    private mutating func settle(_ connection: Connection) throws {
        guard let undecided else { return }
        if number >= undecided.number {
            var ghosts = ArrayColumn(.int8)
            for message in undecided.accepted where message.hasSender {
                ghosts.append(message.id.rawValue)
            }
            if ghosts.count > 0 {
                _ = try connection.run(
                    head(number + 1) + [
                        Command("DELETE FROM bodies WHERE message = ANY ($1)", ghosts),
                        Command(
                            """
                            DELETE FROM deliveries USING unnest($1) AS ghost (message)
                            WHERE id BETWEEN message << 16 AND message << 16 | 65535
                            """, ghosts),
                        Command("COMMIT"),
                    ], within: settings.answer)
                number += 1
            }
            present.formUnion(undecided.copies)
        }
        self.undecided = nil
    }

    private static var ownName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        _ = gethostname(&buffer, buffer.count - 1)
        let host = String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return "the process with pid \(getpid()) on \(host)"
    }
}
