package import Control
package import Mail

extension Table {
    /// `sluice ages`: a column for each age that there is, the youngest first.
    package static func ages(_ map: AgeMap) -> Table {
        let used = map.totals.indices.filter { map.totals[$0] > 0 }
        let shown = used.isEmpty ? [] : Array((used.first ?? 0)...(used.last ?? 0))
        let columns =
            [
                Column("DESTINATION", priority: 100, minimum: 12),
                Column("ALL", .right, priority: 99),
            ]
            + shown.map { bucket in
                // The old ones say more.
                Column(title(bucket, map.bounds), .right, priority: 10 + bucket)
            }
        func row(_ name: String, _ counts: [Int]) -> [String] {
            [name, Format.count(counts.reduce(0, +))]
                + shown.map { bucket in
                    let count = counts.indices.contains(bucket) ? counts[bucket] : 0
                    return count == 0 ? "-" : Format.count(count)
                }
        }
        return Table(
            columns: columns,
            rows: [row("all", map.totals)]
                + map.rows.map { row(named($0.name, $0.host), $0.counts) })
    }

    private static func named(_ name: String, _ host: String?) -> String {
        SafeText(name).text + (host.map { " on \(SafeText($0))" } ?? "")
    }

    private static func title(_ bucket: Int, _ bounds: [Double]) -> String {
        bucket < bounds.count ? "<" + Format.duration(seconds: bounds[bucket]) : "older"
    }

    /// `sluice schedule`: the time line, the next probes, what expires.
    package static func schedule(_ schedule: Schedule, now: UnixTime) -> Table {
        var rows = [
            [
                "now", "due", Format.count(schedule.ready.deliveries),
                Format.count(schedule.ready.destinations, "destination"),
            ]
        ]
        for due in schedule.due {
            rows.append([
                due.within.map { Format.duration(seconds: $0) } ?? "later",
                due.within == nil ? "due after that" : "due by then", Format.count(due.deliveries),
                Format.count(due.destinations, "destination"),
            ])
        }
        for (what, count) in [
            ("paused", schedule.paused.deliveries), ("held", schedule.held),
            ("routing", schedule.routing),
        ] where count > 0 {
            rows.append(["-", what, Format.count(count), ""])
        }
        rows += schedule.probes.map { probe in
            [
                Format.span(from: now, to: probe.at), "probe of \(named(probe.name, probe.host))",
                Format.count(probe.queued), SafeText(probe.lastReply ?? "").text,
            ]
        }
        rows += schedule.expiring.map { row in
            [
                Format.span(from: now, to: row.firstAt), "expires: \(named(row.name, row.host))",
                Format.count(row.inDay),
                row.inHour > 0 ? "\(Format.count(row.inHour)) within an hour" : "within a day",
            ]
        }
        return Table(
            columns: [
                Column("WHEN", .right, priority: 100), Column("WHAT", priority: 95, minimum: 16),
                Column("MAIL", .right, priority: 90),
                Column("WHERE OR WHY", priority: 80, minimum: 12),
            ],
            rows: rows)
    }
}
