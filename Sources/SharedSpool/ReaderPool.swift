import Glibc
import PostgreSQL
import Spool

/// Connections for reading, made when they are needed and kept.
final class ReaderPool: Sendable {
    private struct State {
        var idle: [Connection] = []
        /// Idle or in use.
        var count = 0
        var isClosed = false
    }

    private let settings: Owner.Settings
    private let limit: Int
    private let state = Waitable(State())

    init(_ settings: Owner.Settings, limit: Int) {
        self.settings = settings
        self.limit = limit
    }

    func close() {
        state.withLock { state in
            state.isClosed = true
            state.count -= state.idle.count
            state.idle = []
        }
        state.wakeAll()
    }

    /// Waits for a connection if all are in use. One that broke while it was idle, as all do when
    /// the server restarts, is replaced once.
    func run(_ commands: [Command]) throws -> [Rows] {
        let kept = try take()
        var connection: Connection? = kept
        defer { give(connection) }
        if let kept {
            do {
                return try kept.run(commands, within: settings.answer)
            } catch  where !error.isLost {
                throw error
            } catch {
                connection = nil
                dropIdle()
            }
        }
        let new = try Connection(settings.address)
        try prepare(new)
        connection = new
        return try new.run(commands, within: settings.answer)
    }

    private func prepare(_ connection: Connection) throws {
        let seconds = max(1, settings.answer.components.seconds)
        _ = try connection.run(
            [
                Command("SET search_path = \(SharedSchema.name)"),
                Command("SET default_transaction_read_only = on"),
                Command("SET statement_timeout = '\(seconds)s'"),
                Command("SET idle_in_transaction_session_timeout = '\(seconds)s'"),
                Command("SET jit = off"),
                // A kept plan may be one for tables that were empty when it was made.
                Command("SET plan_cache_mode = force_custom_plan"),
            ], within: settings.answer)
    }

    /// nil: a new one is to be made.
    private func take() throws -> Connection? {
        let taken: Result<Connection?, SpoolError> = state.wait { state in
            if state.isClosed {
                return .ready(
                    .failure(
                        SpoolError(
                            code: .unusable, cause: "the spool has been closed", context: "")))
            }
            if let connection = state.idle.popLast() { return .ready(.success(connection)) }
            guard state.count < self.limit else { return .wait(until: nil) }
            state.count += 1
            return .ready(.success(nil))
        }
        return try taken.get()
    }

    private func give(_ connection: Connection?) {
        state.withLock { state in
            if let connection, !connection.isLost, !state.isClosed {
                state.idle.append(connection)
            } else {
                state.count -= 1
            }
        }
        state.wakeOne()
    }

    /// The others broke at the same time.
    private func dropIdle() {
        let dropped = state.withLock { state in
            defer { state.idle = [] }
            state.count -= state.idle.count
            return state.idle
        }
        _ = dropped
    }
}
