import Faults
package import PostgreSQL
package import Spool
import Synchronization

/// The spool in a PostgreSQL database (15 or later).
///
/// One connection writes, used serially; what `commit` has returned from is on the server's disk.
/// Reads have connections of their own and see the last commit. Connections that break are made
/// anew by the next call that needs one; while the server cannot be reached, calls fail with
/// `cannotWrite`.
package final class PostgreSQLSpool: Spool {
    package struct Options: Sendable {
        /// Connections for reading.
        package var readers: Int
        /// For how long a commit whose connection broke waits for the server to come back.
        package var patience: Duration
        /// For how long the server may take for one exchange.
        package var answer: Duration
        /// As one of several that use it; nil: as the only one.
        package var node: SpoolNode?

        package init(
            readers: Int = 4, patience: Duration = .seconds(5), answer: Duration = .seconds(60),
            node: SpoolNode? = nil
        ) {
            self.node = node
            self.readers = readers
            self.patience = patience
            self.answer = answer
        }
    }

    let place: String
    let readers: ReaderPool
    let node: SpoolNode?
    /// The number of messages, and until when it is not counted anew.
    private let counted = Mutex<(messages: Int, until: ContinuousClock.Instant)?>(nil)
    private let owner: Mutex<Owner>
    private let messages = Atomic<Int>(0)
    private let report: @Sendable (SpoolError) -> Void

    /// Connects, makes the tables or migrates them, and takes the place of the one who writes.
    ///
    /// - Parameter report: is told of rows that are damaged and were left out of an answer; called
    ///   on the reading thread.
    /// - Throws: `unusable` if the server cannot be reached or does not let this user in, `inUse`,
    ///   `tooNew`, `damaged`.
    package init(
        _ address: DatabaseAddress, options: Options = Options(),
        report: @escaping @Sendable (SpoolError) -> Void = { _ in }
    ) throws(SpoolError) {
        place = address.description
        node = options.node
        self.report = report
        let settings = Owner.Settings(
            address: address, patience: options.patience, answer: options.answer,
            node: options.node)
        readers = ReaderPool(settings, limit: max(1, options.readers))
        do {
            let first = try Owner(settings)
            messages.store(first.messages, ordering: .relaxed)
            owner = Mutex(first)
        } catch {
            var error = SpoolError(error, context: address.description)
            if error.code == .cannotWrite { error.code = .unusable }
            throw error
        }
    }

    package func close() {
        owner.withLock { $0.close() }
        readers.close()
    }

    package func commit(_ writes: [SpoolWrite]) throws(SpoolError) {
        guard !writes.isEmpty else { return }
        try write("commit") { owner in
            FaultPoint.applied.reached()
            try owner.commit(writes)
            FaultPoint.synced.reached()
        }
        node?.committed(writes)
    }

    package func reserveMessageIDs(_ count: Int) throws(SpoolError) -> Range<Int64> {
        precondition(count > 0)
        return try write("reserve message ids") { try $0.reserveMessageIDs(count) }
    }

    package func messageCount() throws(SpoolError) -> Int {
        guard node != nil else { return messages.load(ordering: .relaxed) }
        // Others bring and take them too.
        let start = ContinuousClock.now
        if let last = counted.withLock({ $0 }), start < last.until { return last.messages }
        let count = try read("count of messages", Command("SELECT count(*) FROM bodies"))
        let messages = Int(count[0].int(0))
        let end = ContinuousClock.now
        counted.withLock { $0 = (messages, end + max(Self.countLife, (end - start) * 50)) }
        return messages
    }

    /// For how long a count of the messages is not made anew, where it takes the server no longer
    /// than a fiftieth of that: it goes through all of them, and each node wants it.
    private static let countLife = Duration.seconds(5)

    package func copyForBackup() throws(SpoolError) -> SpoolCopy {
        throw SpoolError(
            code: .refused,
            cause: "this spool is in PostgreSQL: back it up with pg_dump or pg_basebackup",
            context: place)
    }

    private func write<R: Sendable>(
        _ purpose: String, _ body: (inout Owner) throws -> R
    ) throws(SpoolError) -> R {
        do {
            return try owner.withLock { owner in
                defer { messages.store(owner.messages, ordering: .relaxed) }
                return try body(&owner)
            }
        } catch {
            throw SpoolError(error, context: "\(place): \(purpose)")
        }
    }

    // MARK: Reading

    /// The answers to `commands`, which are one transaction only if they say so.
    func read(_ purpose: String, _ commands: [Command]) throws(SpoolError) -> [Rows] {
        do {
            return try readers.run(commands)
        } catch {
            throw SpoolError(error, context: "\(place): \(purpose)")
        }
    }

    func read(_ purpose: String, _ command: Command) throws(SpoolError) -> Rows {
        try read(purpose, [command])[0]
    }

    /// Decodes a row, or reports why it cannot be used.
    func decode(_ row: Row) -> StoredDelivery? {
        do throws(SpoolError) {
            return try DeliveryRow.decode(row)
        } catch {
            var error = error
            error.context = place
            report(error)
            return nil
        }
    }

    func reportDamage(_ cause: String) {
        report(SpoolError(code: .damaged, cause: cause, context: place))
    }
}

extension Row: SpoolRow {
    package func withBlob<R>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        withBytes(column, body)
    }
}
