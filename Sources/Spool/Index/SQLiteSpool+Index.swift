import GRDB
import Mail

extension SQLiteSpool {
    /// Fills the index from the tables, and counts the messages. Nothing may be written meanwhile.
    static func load(_ index: DeliveryIndex?, _ database: Database) throws -> Int {
        guard let index else {
            return try Int.fetchOne(
                database, sql: "SELECT count(DISTINCT id >> 16) FROM deliveries") ?? 0
        }
        var messages = 0
        try index.load { state in
            var last: Int64?
            let row = try RawStatement(
                database,
                """
                SELECT id, destination, state, attempts, next_attempt, purge_at, received_at,
                    expires_at, size, flags, code, domain, sender, last_reply, recipients
                FROM deliveries ORDER BY id
                """)
            defer { row.reset() }
            while try row.step() {
                let id = row.int(0)
                if last != id >> 16 { messages += 1 }
                last = id >> 16
                load(row, into: &state)
            }
            let names = try RawStatement(database, "SELECT id, name FROM destinations")
            defer { names.reset() }
            while try names.step() { state.destinations.name(names.int(0), names.text(1)) }
        }
        return messages
    }

    private static func load(_ row: RawStatement, into state: inout IndexState) {
        var entry = IndexRow()
        entry.id = row.int(0)
        let number = row.int(2)
        entry.state =
            UInt8(exactly: number).flatMap(StoredState.init(rawValue:))?.rawValue
            ?? IndexRow.damaged
        entry.attempts = Int32(clamping: row.int(3))
        entry.next = row.int(4)
        entry.purgeAt = row.optionalInt(5) ?? IndexRow.never
        entry.received = row.int(6)
        entry.expires = row.int(7)
        entry.size = UInt32(clamping: row.int(8))
        entry.flags = UInt8(truncatingIfNeeded: row.int(9))
        entry.code = UInt16(clamping: row.int(10))
        row.withBlob(11) { domain in
            row.withBlob(12) { sender in
                row.withBlob(13) { reply in
                    row.withBlob(14) { recipients in
                        state.load(
                            entry, destination: row.optionalInt(1), domain: domain,
                            sender: sender, reply: reply, recipients: recipients)
                    }
                }
            }
        }
    }

    // MARK: Answers from the index

    func tallies(_ snapshot: IndexSnapshot) -> [DestinationTally] {
        var tallies = [[StoredState: DestinationTally]](
            repeating: [:], count: snapshot.destinations.ids.count)
        snapshot.forEach { row in
            guard let state = StoredState(rawValue: row.pointee.state) else {
                reportDamage(
                    "delivery \(DeliveryID(rawValue: row.pointee.id)): its state is unknown")
                return
            }
            let place = Int(row.pointee.destination)
            let received = UnixTime(milliseconds: row.pointee.received)
            tallies[place][
                state,
                default: DestinationTally(
                    destination: snapshot.destinations.ids[place], state: state, count: 0,
                    oldestAt: received)
            ].add(received)
        }
        return tallies.flatMap(\.values).sorted {
            ($0.destination ?? 0, $0.state.rawValue) < ($1.destination ?? 0, $1.state.rawValue)
        }
    }

    func census(
        _ snapshot: IndexSnapshot, ages: [Double], due: [Double], at now: UnixTime
    ) -> QueueCensus {
        var tallies = [DestinationCensus?](
            repeating: nil, count: snapshot.destinations.ids.count)
        snapshot.forEach { row in
            // What is damaged is reported by those who read it whole.
            guard let state = StoredState(rawValue: row.pointee.state) else { return }
            let place = Int(row.pointee.destination)
            if tallies[place] == nil {
                tallies[place] = DestinationCensus(
                    destination: snapshot.destinations.ids[place], ages: ages.count + 1,
                    due: due.count + 2)
            }
            tallies[place]?.add(
                state: state, nextAttemptAt: UnixTime(milliseconds: row.pointee.next),
                receivedAt: UnixTime(milliseconds: row.pointee.received),
                expiresAt: UnixTime(milliseconds: row.pointee.expires), ages: ages, due: due,
                at: now)
        }
        return QueueCensus(at: now, tallies: tallies.compactMap { $0 })
    }

    func unrouted(_ snapshot: IndexSnapshot) throws(SpoolError) -> [StoredDelivery] {
        var ids: [DeliveryID] = []
        snapshot.forEach { row in
            if row.pointee.state == StoredState.routing.rawValue {
                ids.append(DeliveryID(rawValue: row.pointee.id))
            }
        }
        return ids.isEmpty
            ? [] : try deliveries(ids).filter { $0.state == StoredState.routing }
    }
}
