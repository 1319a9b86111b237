package import Mail
import PostgreSQL
package import Spool

extension PostgreSQLSpool {
    /// Grouped by the server into what falls into the same counters.
    package func census(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus {
        // One row stands for all deliveries that every bound puts on the same side.
        func place(_ seconds: String, _ bounds: [Double]) -> String {
            guard !bounds.isEmpty else { return "0" }
            let conditions = bounds.enumerated().map { index, bound in
                "WHEN \(seconds) <= \(bound)::float8 THEN \(2 * index + 1)"
            }
            let strict = bounds.enumerated().map { index, bound in
                "WHEN \(seconds) < \(bound)::float8 THEN \(2 * index)"
            }
            let cases = zip(strict, conditions).flatMap { [$0, $1] }
            return "CASE \(cases.joined(separator: " ")) ELSE \(2 * bounds.count) END"
        }
        var command = Command(
            """
            SELECT destination, state, max(next_attempt), min(received_at), min(expires_at),
                count(*)
            FROM deliveries
            GROUP BY destination, state,
                \(place("(($1 - received_at) / 1000.0)::float8", ages)),
                \(place("((next_attempt - $1) / 1000.0)::float8", [0] + due)),
                \(place("((expires_at - $1) / 1000.0)::float8", [3600, 86_400]))
            """)
        command.bind(now.milliseconds)
        var tallies: [Int64?: DestinationCensus] = [:]
        for row in try read("census of the queue", command) {
            // What is damaged is reported by those who read it whole.
            guard let state = UInt8(exactly: row.int(1)).flatMap(StoredState.init(rawValue:)) else {
                continue
            }
            let destination = row.optionalInt(0)
            tallies[
                destination,
                default: DestinationCensus(
                    destination: destination, ages: ages.count + 1, due: due.count + 2)
            ].add(
                state: state, nextAttemptAt: UnixTime(milliseconds: row.int(2)),
                receivedAt: UnixTime(milliseconds: row.int(3)),
                expiresAt: UnixTime(milliseconds: row.int(4)), ages: ages, due: due, at: now,
                count: UInt32(clamping: row.int(5)))
        }
        return QueueCensus(at: now, tallies: Array(tallies.values))
    }
}
