package import Control
package import Mail

/// The monitor without a screen: `--once`, `--json` and `--plain`.
package struct Overview {
    /// How many destinations a page shows.
    package static let rows = 50

    private var shown: [String: String] = [:]
    private var summary = ""
    private var isFirst = true

    package init() {}

    /// The busiest destinations first.
    package static func read(_ api: some ControlAPI) async throws -> OverviewDocument {
        let status = try await api.status()
        let page = try await api.destinations(
            filter: nil, sort: "queued", descending: true, limit: rows, offset: 0)
        return OverviewDocument(status: status, destinations: page)
    }

    package static func print(_ overview: OverviewDocument, _ console: Console) {
        console.print(StatusText.lines(overview.status), indent: StatusText.indent)
        let page = overview.destinations
        if page.rows.isEmpty { return }
        console.print([""])
        console.print(Table.destinations(page.rows, now: page.at))
        let left = page.total - page.rows.count
        if left > 0 {
            console.print(["and \(Format.count(left)) more"])
        }
    }

    /// Append-only text, for screen readers and logs: the totals, and a line for each destination
    /// whose state or reason has changed; nothing where nothing has.
    package mutating func changes(
        _ overview: OverviewDocument, utcOffset: (UnixTime) -> Int
    ) -> [String] {
        let at = overview.status.at
        let clock = Format.clock(at, now: at, utcOffset: utcOffset(at))
        var lines = [String]()
        let summary = StatusText.summary(overview.status)
        if summary != self.summary { lines.append("\(clock) \(summary)") }
        self.summary = summary
        var seen: [String: String] = [:]
        for row in overview.destinations.rows {
            // The kind of the reason, not its text: that counts seconds.
            let state = "\(row.state.rawValue) \(row.why.kind) \(row.worker ?? 0)"
            seen[row.id] = state
            if shown[row.id] != state, !isFirst || row.state != .idle {
                lines.append("\(clock) \(Self.sentence(row, at: at))")
            }
        }
        isFirst = false
        shown = seen
        return lines
    }

    private static func sentence(_ row: DestinationRow, at now: UnixTime) -> String {
        (row.host.map { "\(SafeText($0)) " } ?? "")
            + "\(SafeText(row.name)): \(row.state.rawValue)"
            + (row.why.text.isEmpty ? "" : " (\(SafeText(row.why.line(at: now))))")
            + ", \(Format.count(row.queued)) queued"
            + (row.worker.map { ", worker \($0)" } ?? ", no worker")
            + (row.lastReply.map { ", last reply: \(SafeText($0))" } ?? "")
    }
}
