import Control
import Terminal

/// A page that is a table of rows under a heading.
protocol ListPage: MonitorPage {
    associatedtype Row: ListedRow
    var list: Listing<Row> { get set }
}

extension ListPage {
    func isCovered(in model: Model) -> Bool { list.isCovered(lines: model.layout.tableRows) }

    mutating func resize(in model: Model) { list.scrollToCursor(lines: model.layout.tableRows) }

    mutating func move(by distance: Int, in model: Model) {
        list.move(
            by: distance, lines: model.layout.tableRows,
            isFrozen: model.frozenAt != nil || model.past != nil)
    }

    mutating func press(line: Int, in model: Model) -> PressOutcome {
        list.press(line: line, lines: model.layout.tableRows)
    }

    mutating func queryChanged() { list.queryChanged() }

    var hasRows: Bool { true }

    var cursorID: String? { list.current?.rowID }

    func targets(from anchor: String) -> [Target] { list.rows(from: anchor).compactMap(\.target) }

    var tags: [Target] {
        get { list.tags }
        set { list.tags = newValue }
    }

    func position(in model: Model) -> ListPosition? {
        guard list.isLoaded else { return nil }
        let last = min(list.top + model.layout.tableRows, list.total)
        return ListPosition(shown: list.top..<max(list.top, last), total: list.total)
    }

    var noTarget: Label {
        list.cursor.isLost
            ? "the row that was chosen has moved away: choose one" : "there is no row here"
    }
}
