package import Mail

extension SQLiteSpool {
    package func census(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus {
        guard let index = try indexInUse() else {
            return try censusOfTable(ages: ages, due: due, at: now)
        }
        return census(index.snapshot(), ages: ages, due: due, at: now)
    }

    func censusOfTable(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus {
        try readOnce("census of the queue") { database in
            // Counted here: SQLite would sort all deliveries to group them.
            var tallies: [Int64?: DestinationCensus] = [:]
            let row = try RawStatement(
                database,
                "SELECT destination, state, next_attempt, received_at, expires_at FROM deliveries")
            defer { row.reset() }
            while try row.step() {
                // What is damaged is reported by those who read it whole.
                guard let raw = UInt8(exactly: row.int(1)), let state = StoredState(rawValue: raw)
                else { continue }
                let destination = row.optionalInt(0)
                tallies[
                    destination,
                    default: DestinationCensus(
                        destination: destination, ages: ages.count + 1, due: due.count + 2)
                ].add(
                    state: state, nextAttemptAt: UnixTime(milliseconds: row.int(2)),
                    receivedAt: UnixTime(milliseconds: row.int(3)),
                    expiresAt: UnixTime(milliseconds: row.int(4)), ages: ages, due: due, at: now)
            }
            return QueueCensus(at: now, tallies: Array(tallies.values))
        }
    }
}
