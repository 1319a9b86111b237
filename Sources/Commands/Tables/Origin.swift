import Control
import Mail

/// Whose a row is, where several daemons are shown as one.
protocol LocatedRow {
    var host: String? { get }
    var node: String? { get }
    var staleSeconds: Double? { get }
}

extension DestinationRow: LocatedRow {}
extension WorkerRow: LocatedRow {}
extension MessageRow: LocatedRow {}
extension ActionRow: LocatedRow {
    var staleSeconds: Double? { nil }
}
extension NodeRow: LocatedRow {
    var node: String? { nil }
}

extension Table {
    /// With the columns that say whose the rows are and how old, where any says so.
    ///
    /// - Parameters:
    ///   - rows: those of the table, in its order.
    ///   - index: before which column.
    ///   - priority: of the columns.
    func locating(_ rows: [some LocatedRow], before index: Int, priority: Int = 93) -> Table {
        var table = self
        func insert(_ title: String, _ texts: [String?]) {
            guard texts.contains(where: { $0 != nil }) else { return }
            table.columns.insert(Column(title, priority: priority, minimum: 6), at: index)
            for (place, text) in texts.enumerated() {
                table.rows[place].insert(SafeText(text ?? "").text, at: index)
            }
        }
        insert(
            "AS OF",
            rows.map { row in
                row.staleSeconds.map { Format.duration(seconds: $0) + " ago" }
            })
        insert("NODE", rows.map(\.node))
        insert("HOST", rows.map(\.host))
        return table
    }
}
