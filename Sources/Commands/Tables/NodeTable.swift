package import Control

extension Table {
    package static func nodes(_ rows: [NodeRow]) -> Table {
        Table(
            columns: [
                Column("NODE", priority: 100),
                Column("STATE", priority: 95),
                Column("WORKERS", .right, priority: 60),
                Column("HAS", .right, priority: 90),
                Column("SHARE", .right, priority: 80),
                Column("SEEN", .right, priority: 85),
                Column("LEASE", .right, priority: 50),
            ],
            rows: rows.map { row in
                [
                    row.name + (row.isSelf ? " *" : ""), row.state.rawValue,
                    Format.count(row.workers), percent(row.has), percent(row.share),
                    row.isSelf ? "-" : Format.duration(seconds: row.seenSeconds) + " ago",
                    Format.duration(seconds: row.leaseSeconds),
                ]
            }
        ).locating(rows, before: 0)
    }

    package static func moves(_ rows: [NodeMove]) -> Table {
        Table(
            columns: [
                Column("FROM", priority: 100),
                Column("TO", priority: 95),
                Column("PART", .right, priority: 90),
                Column("DESTINATIONS", .right, priority: 80),
                Column("DELIVERIES", .right, priority: 85),
            ],
            rows: rows.map { row in
                [
                    row.from ?? "nobody", row.to, percent(row.part),
                    Format.count(row.destinations), Format.count(row.deliveries),
                ]
            })
    }

    private static func percent(_ part: Double) -> String { Format.decimal(part * 100) + "%" }
}
