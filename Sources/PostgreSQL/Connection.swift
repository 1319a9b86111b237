import CPostgreSQL
import Glibc

/// A session with a PostgreSQL server, through libpq in pipeline mode
/// (https://www.postgresql.org/docs/15/libpq-pipeline-mode.html): a list of commands goes out
/// whole, and costs one round trip.
///
/// Blocks, but never for longer than the given time. Unchecked: one thread at a time uses it.
package final class Connection: @unchecked Sendable {
    private let handle: OpaquePointer
    /// Names of the statements that the server has prepared.
    private var prepared: Set<String> = []
    /// Nothing more can come of it.
    package private(set) var isLost = false

    /// Tries every host of the address for as long as its `connect_timeout` says, 5 s if it does
    /// not, and takes the first one that accepts writes unless it asks for another.
    package init(_ address: DatabaseAddress) throws(DatabaseFailure) {
        // What comes before `dbname` are defaults, what comes after it wins over the URL.
        var parameters: [(String, String)] = [
            ("connect_timeout", "5"), ("target_session_attrs", "read-write"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("fallback_application_name", "sluiced"),
            ("dbname", address.url), ("client_encoding", "UTF8"),
        ]
        if let password = try address.password() { parameters.append(("password", password)) }
        let names = parameters.map { strdup($0.0) }
        let values = parameters.map { strdup($0.1) }
        defer { for text in names + values { free(text) } }
        let connection = (names.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer {
            names in
            (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
                PQconnectdbParams(names.baseAddress, values.baseAddress, 1)
            }
        }
        guard let connection else { throw .lost("out of memory") }
        guard PQstatus(connection) == CONNECTION_OK else {
            defer { PQfinish(connection) }
            throw .lost(DatabaseFailure.line(PQerrorMessage(connection)))
        }
        handle = connection
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        guard PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else {
            throw .lost(DatabaseFailure.line(PQerrorMessage(connection)))
        }
    }

    deinit { PQfinish(handle) }

    /// The process of the server that serves this session.
    package var backend: Int64 { Int64(PQbackendPID(handle)) }

    /// 15.0.4 is 150004.
    package var serverVersion: Int { Int(PQserverVersion(handle)) }

    package func run(_ sql: String, within time: Duration) throws(DatabaseFailure) -> Rows {
        try run([Command(sql)], within: time)[0]
    }

    /// Runs commands in their order; the first that fails ends it, and what it was in, if it
    /// was in a transaction, is rolled back.
    package func run(_ commands: [Command], within time: Duration) throws(DatabaseFailure) -> [Rows]
    {
        guard !isLost else { throw .lost("the connection is lost") }
        do throws(DatabaseFailure) {
            return try exchange(commands, within: time)
        } catch {
            if error.isLost { isLost = true }
            throw error
        }
    }

    private func exchange(
        _ commands: [Command], within time: Duration
    ) throws(DatabaseFailure) -> [Rows] {
        // What each expected result is the answer to; nil: to the preparation of a statement.
        var expected: [(name: String?, isAnswer: Bool)] = []
        var sent: Set<String> = []
        for command in commands {
            if let name = command.name, !prepared.contains(name), sent.insert(name).inserted {
                try send(prepare: command, as: name)
                expected.append((name, false))
            }
            try send(command)
            expected.append((nil, true))
        }
        guard PQpipelineSync(handle) == 1 else { throw connectionFailure() }

        let deadline = ContinuousClock.now + time
        var answers: [Rows] = []
        var failure: DatabaseFailure?
        for item in expected {
            let result = try result(until: deadline)
            guard let result else { throw .lost("the server sent less than it was asked for") }
            // The end of the results of this command.
            while let more = try self.result(until: deadline) { PQclear(more) }
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
                if let name = item.name { prepared.insert(name) }
                if item.isAnswer { answers.append(Rows(result)) } else { PQclear(result) }
            case PGRES_PIPELINE_ABORTED: PQclear(result)
            default:
                if failure == nil { failure = statementFailure(result) }
                PQclear(result)
            }
        }
        let end = try result(until: deadline)
        defer { PQclear(end) }
        guard PQresultStatus(end) == PGRES_PIPELINE_SYNC else { throw connectionFailure() }
        guard let failure else { return answers }
        if PQstatus(handle) == CONNECTION_BAD || failure.isLost {
            throw .lost(failure.message)
        }
        if PQtransactionStatus(handle) != PQTRANS_IDLE, commands.first?.sql != "ROLLBACK" {
            _ = try exchange([Command("ROLLBACK")], within: time)
        }
        throw failure
    }

    private func send(prepare command: Command, as name: String) throws(DatabaseFailure) {
        let sent = command.types.withUnsafeBufferPointer {
            PQsendPrepare(handle, name, command.sql, Int32($0.count), $0.baseAddress)
        }
        guard sent == 1 else { throw connectionFailure() }
    }

    private func send(_ command: Command) throws(DatabaseFailure) {
        let lengths = command.spans.map { Int32($0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: lengths.count)
        let sent = command.bytes.withUnsafeBytes { bytes in
            let base = bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
            let values = command.spans.map { span in span.map { base + $0.lowerBound } }
            if let name = command.name {
                return PQsendQueryPrepared(
                    handle, name, Int32(values.count), values, lengths, formats, 1)
            }
            return PQsendQueryParams(
                handle, command.sql, Int32(values.count), command.types, values, lengths, formats,
                1)
        }
        guard sent == 1 else { throw connectionFailure() }
    }

    /// The next result, nil at the end of those of one command.
    private func result(
        until deadline: ContinuousClock.Instant
    ) throws(DatabaseFailure) -> OpaquePointer? {
        while true {
            let flushed = PQflush(handle)
            guard flushed >= 0 else { throw connectionFailure() }
            guard PQisBusy(handle) != 0 else { return PQgetResult(handle) }
            let left = (deadline - ContinuousClock.now) / Duration.milliseconds(1)
            guard left > 0 else { throw .lost("the server does not answer") }
            var descriptor = pollfd(
                fd: PQsocket(handle), events: Int16(POLLIN | (flushed > 0 ? POLLOUT : 0)),
                revents: 0)
            guard poll(&descriptor, 1, Int32(min(left + 1, 60_000))) >= 0 || errno == EINTR else {
                throw .lost(String(cString: strerror(errno)))
            }
            guard PQconsumeInput(handle) == 1 else { throw connectionFailure() }
        }
    }

    // MARK: Notices

    /// Waits for a notification of a channel that this session listens to, and takes all that have
    /// come.
    ///
    /// - Parameter other: a descriptor that ends the wait when it can be read.
    /// - Returns: the channels; none if the time is over or the descriptor can be read.
    package func awaitNotices(
        for time: Duration, or other: Int32? = nil
    ) throws(DatabaseFailure) -> Set<String> {
        guard !isLost else { throw .lost("the connection is lost") }
        let deadline = ContinuousClock.now + time
        while true {
            var channels: Set<String> = []
            while let notice = PQnotifies(handle) {
                channels.insert(String(cString: notice.pointee.relname))
                PQfreemem(notice)
            }
            if !channels.isEmpty { return channels }
            let left = (deadline - ContinuousClock.now) / Duration.milliseconds(1)
            guard left > 0 else { return [] }
            var descriptors = [pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)]
            if let other {
                descriptors.append(pollfd(fd: other, events: Int16(POLLIN), revents: 0))
            }
            let count = poll(
                &descriptors, nfds_t(descriptors.count), Int32(min(left + 1, 60_000)))
            guard count >= 0 || errno == EINTR, PQconsumeInput(handle) == 1 else {
                isLost = true
                throw connectionFailure()
            }
            if count > 0, other != nil, descriptors[1].revents != 0 { return [] }
        }
    }

    private func connectionFailure() -> DatabaseFailure {
        .lost(DatabaseFailure.line(PQerrorMessage(handle)))
    }

    private func statementFailure(_ result: OpaquePointer) -> DatabaseFailure {
        func field(_ code: Character) -> String? {
            PQresultErrorField(result, Int32(code.asciiValue!)).map { String(cString: $0) }
        }
        // PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_DETAIL.
        guard let state = field("C") else {
            return .lost(DatabaseFailure.line(PQresultErrorMessage(result)))
        }
        let message = [field("M"), field("D")].compactMap { $0 }.joined(separator: ": ")
        // Classes 08 (connection exception) and 57P (ended by an administrator, shutting down):
        // the session is over, or about to be.
        let isLost = state.hasPrefix("08") || state.hasPrefix("57P")
        return DatabaseFailure(
            isLost: isLost, sqlState: state,
            message: message.split(whereSeparator: \.isNewline).joined(separator: " "))
    }
}
