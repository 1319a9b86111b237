package import Control
package import Mail

extension Table {
    package static func workers(_ rows: [WorkerRow], now: UnixTime) -> Table {
        Table(
            columns: [
                Column("WORKER", .right, priority: 100),
                Column("STATE", priority: 95),
                Column("PID", .right, priority: 80),
                Column("UP", .right, priority: 50),
                Column("RESTARTS", .right, priority: 60),
                Column("DESTINATIONS", .right, priority: 70),
                Column("PINNED", .right, priority: 30),
                Column("WEIGHT", .right, priority: 25),
                Column("SHARE", .right, priority: 45),
                Column("QUEUED", .right, priority: 90),
                Column("CONN", .right, priority: 75),
                Column("RATE", .right, priority: 85),
                Column("CPU", .right, priority: 65),
                Column("MEMORY", .right, priority: 55),
                Column("HEARTBEAT", .right, priority: 40),
            ],
            rows: rows.map { row in
                [
                    String(row.id), state(row, now), row.pid.map { String($0) } ?? "-",
                    row.startedAt.map { Format.span(from: $0, to: now) } ?? "-",
                    Format.count(row.restarts), Format.count(row.destinations),
                    Format.count(row.pinned), Format.decimal(row.weight),
                    Format.decimal(row.share * 100) + "%", Format.count(row.queued),
                    Format.count(row.connections),
                    Format.rate(row.deliveredPerSecond), Format.decimal(row.cpu * 100) + "%",
                    Format.size(row.memory),
                    row.heartbeatAt.map { Format.span(from: $0, to: now) + " ago" } ?? "-",
                ]
            }
        ).locating(rows, before: 0)
    }

    private static func state(_ row: WorkerRow, _ now: UnixTime) -> String {
        if row.drainedBy != nil, row.state == .running {
            return row.destinations > 0 ? "draining" : "drained"
        }
        guard row.state == .dead, let restart = row.restartAt else { return row.state.rawValue }
        return "dead, back in \(Format.span(from: now, to: restart))"
    }

    package static func actions(
        _ rows: [ActionRow], now: UnixTime, utcOffset: (UnixTime) -> Int
    ) -> Table {
        Table(
            columns: [
                Column("ID", .right, priority: 100),
                Column("AT", priority: 70),
                Column("ACTION", priority: 95),
                Column("STATE", priority: 80),
                Column("TARGET", priority: 85, minimum: 12),
                Column("RESULT", priority: 90, minimum: 16),
                Column("BY", priority: 60, minimum: 8),
                Column("REASON", priority: 50, minimum: 8),
            ],
            rows: rows.map { row in
                [
                    SafeText(row.id).text,
                    Format.clock(row.at, now: now, utcOffset: utcOffset(row.at)),
                    row.action.rawValue, state(row, now), SafeText(row.target).text,
                    SafeText(row.result).text, SafeText(row.by).text, SafeText(row.reason).text,
                ]
            }
        ).locating(rows, before: 1)
    }

    private static func state(_ row: ActionRow, _ now: UnixTime) -> String {
        guard row.state == .undoable, let until = row.undoUntil else { return row.state.rawValue }
        return "undoable \(Format.span(from: now, to: until))"
    }
}
