package import Control
package import Mail

extension Table {
    /// - Parameter now: the instant of the rows, for ages and times to go.
    package static func destinations(_ rows: [DestinationRow], now: UnixTime) -> Table {
        Table(
            columns: [
                Column("ID", .right, priority: 40),
                Column("STATE", priority: 90),
                Column("DESTINATION", priority: 100, minimum: 14),
                Column("QUEUED", .right, priority: 95),
                Column("CONN", .right, priority: 80),
                Column("TOKENS", .right, priority: 70),
                Column("NEXT", .right, priority: 85),
                Column("OLDEST", .right, priority: 65),
                Column("DRAINS", .right, priority: 50),
                Column("WORKER", .right, priority: 60),
                Column("RATE", .right, priority: 55),
                Column("TRIES", .right, priority: 30),
                Column("WHY", priority: 88, minimum: 24),
                Column("LAST REPLY", priority: 20, minimum: 12),
            ],
            rows: rows.map { row in
                [
                    SafeText(row.id).text, row.state.rawValue, SafeText(row.name).text,
                    Format.count(row.queued), "\(row.connections)/\(row.window)", tokens(row),
                    next(row, now), row.oldestAt.map { Format.span(from: $0, to: now) } ?? "",
                    row.drainSeconds.map { $0 < 1 ? "<1s" : Format.duration(seconds: $0) } ?? "",
                    worker(row),
                    row.deliveredPerSecond > 0 ? Format.rate(row.deliveredPerSecond) : "",
                    row.attempts > 0 ? Format.count(row.attempts) : "", SafeText(row.why.text).text,
                    SafeText(row.lastReply ?? "").text,
                ]
            }
        ).locating(rows, before: 2)
    }

    private static func tokens(_ row: DestinationRow) -> String {
        guard let tokens = row.tokens else { return "" }
        // A token that is not whole yet cannot be used.
        let whole = Format.decimal(tokens.rounded(.down))
        return row.burst.map { "\(whole)/\(Format.decimal($0))" } ?? whole
    }

    private static func next(_ row: DestinationRow, _ now: UnixTime) -> String {
        let until = row.state == .backoff ? row.breakerUntil ?? row.why.until : row.why.until
        guard let time = until ?? (row.ready == 0 ? row.nextAttemptAt : nil) else { return "" }
        return Format.span(from: now, to: time)
    }

    /// A pinned destination is marked.
    private static func worker(_ row: DestinationRow) -> String {
        (row.worker.map { String($0) } ?? "-") + (row.pin == nil ? "" : "*")
    }
}
