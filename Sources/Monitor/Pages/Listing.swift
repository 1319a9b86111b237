import Control

/// A row that the cursor follows by its identity.
package protocol ListedRow: Sendable {
    var rowID: String { get }
    /// What an action on it is about; nil: there is none.
    var target: Target? { get }
    /// Which of several hosts has it.
    var host: String? { get }
    /// How long ago it was so; nil: now.
    var staleSeconds: Double? { get }
}

extension ListedRow {
    package var target: Target? { nil }
    package var host: String? { nil }
    package var staleSeconds: Double? { nil }
}

extension DestinationRow: ListedRow {
    package var rowID: String { id }
    package var target: Target? { Target(id: id, name: placedName) }

    /// On several hosts there may be destinations of the same name.
    var placedName: String { host.map { "\(name) on \($0)" } ?? name }
}

extension MessageRow: ListedRow {
    package var rowID: String { id }
    package var target: Target? { Target(.delivery, id: id, name: id) }
}

extension WorkerRow: ListedRow {
    package var rowID: String {
        ([host, node].compactMap { $0 } + [String(id)]).joined(separator: "/")
    }
}

extension NodeRow: ListedRow {
    package var rowID: String { host.map { "\($0)/\(name)" } ?? name }
}

extension ActionRow: ListedRow {
    package var rowID: String { id }
}

/// The row that is pointed at: its identity, not its place.
package struct Cursor: Hashable, Sendable {
    package var id: String?
    /// Its place in the whole order when it was last seen.
    package var index = 0
    /// False until it is first moved; until then it stays at the top.
    package var isChosen = false
    /// It was chosen, and is not among the rows that the daemon sent.
    package var isLost = false
    /// The operator changed the filter or the order since the rows came.
    package var isReordered = false
}

/// A window on rows that the daemon filters, sorts and cuts, with a cursor that stays on its row
/// whatever becomes of the order.
struct Listing<Row: ListedRow>: Sendable {
    private(set) var rows: [Row] = []
    /// The place of the first of `rows` in the whole order, and how long that is.
    private(set) var offset = 0
    private(set) var total = 0
    /// False until the first rows have come.
    private(set) var isLoaded = false

    var query = Query()
    /// What `rows` were asked for by: `query` is ahead of it until the daemon has answered, and
    /// goes back to it if the daemon refuses.
    private(set) var shownQuery = Query()
    private(set) var cursor = Cursor()
    /// The first place on the screen.
    private(set) var top = 0
    var tags: [Target] = []

    func row(at index: Int) -> Row? {
        let place = index - offset
        return rows.indices.contains(place) ? rows[place] : nil
    }

    /// The row under the cursor.
    var current: Row? {
        guard let id = cursor.id, !cursor.isLost else { return nil }
        return rows.first { $0.rowID == id }
    }

    /// From a row to the cursor's, in their order; of those that are here.
    func rows(from anchor: String) -> ArraySlice<Row> {
        guard let id = cursor.id, let start = rows.firstIndex(where: { $0.rowID == anchor }),
            let end = rows.firstIndex(where: { $0.rowID == id })
        else { return [] }
        return rows[min(start, end)...max(start, end)]
    }

    // MARK: Rows

    /// What to ask for with that many lines: a screen above and one below, so that moving finds
    /// its rows there already.
    func window(lines: Int) -> RowWindow {
        let margin = max(8, lines)
        if cursor.isReordered, cursor.isChosen, let id = cursor.id {
            // Its row may be anywhere in another order.
            return RowWindow(offset: 0, limit: lines + 2 * margin, around: id)
        }
        let offset = max(0, top - margin)
        return RowWindow(offset: offset, limit: top - offset + lines + margin)
    }

    func isCovered(lines: Int) -> Bool {
        guard isLoaded else { return true }
        if query != shownQuery { return false }
        let visible = top..<min(top + lines, max(total, top))
        return visible.isEmpty
            || visible.lowerBound >= offset && visible.upperBound <= offset + rows.count
    }

    /// Rows that were asked for by `asked`; those that are no longer wanted are not shown.
    mutating func take(_ page: Page<Row>, askedBy asked: Query, lines: Int)
    where Row: Codable {
        take(page.rows, offset: page.offset, total: page.total, askedBy: asked, lines: lines)
    }

    mutating func take(
        _ rows: [Row], offset: Int = 0, total: Int? = nil, askedBy asked: Query = Query(),
        lines: Int
    ) {
        guard asked == query else { return }
        isLoaded = true
        shownQuery = query
        self.rows = rows
        self.offset = offset
        self.total = max(total ?? 0, offset + rows.count)
        followCursor(lines: lines)
    }

    mutating func queryChanged() {
        cursor.isReordered = true
        top = 0
    }

    // MARK: The cursor

    /// - Parameter isFrozen: nothing more comes: only what is here can be reached.
    mutating func move(by distance: Int, lines: Int, isFrozen: Bool) {
        guard total > 0 else { return }
        let reachable = isFrozen ? offset..<(offset + rows.count) : 0..<total
        guard !reachable.isEmpty else { return }
        // A lost row has no place to move from: the first step chooses whatever stands there now.
        let from = cursor.isLost && abs(distance) == 1 ? cursor.index - distance : cursor.index
        choose(
            min(max(reachable.lowerBound, from + distance), reachable.upperBound - 1),
            lines: lines)
    }

    mutating func choose(_ index: Int, lines: Int) {
        cursor.index = index
        cursor.isChosen = true
        cursor.isLost = false
        // Not there yet: taken when the rows come.
        cursor.id = row(at: index)?.rowID
        scrollToCursor(lines: lines)
    }

    mutating func press(line: Int, lines: Int) -> PressOutcome {
        guard (0..<lines).contains(line), let row = row(at: top + line) else { return .nothing }
        if cursor.id == row.rowID, cursor.isChosen { return .again }
        choose(top + line, lines: lines)
        return .chosen
    }

    mutating func scrollToCursor(lines: Int) {
        let visible = max(1, lines)
        if cursor.index < top { top = cursor.index }
        if cursor.index >= top + visible { top = cursor.index - visible + 1 }
        top = max(0, min(top, total - visible))
    }

    /// After new rows: finds the cursor's row, and keeps it where it is on the screen if its
    /// place allows.
    private mutating func followCursor(lines: Int) {
        guard total > 0 else {
            // What was chosen stays chosen: it may be back with the next rows.
            cursor.index = 0
            cursor.isLost = cursor.isChosen && cursor.id != nil
            top = 0
            return
        }
        if let id = cursor.id, let place = rows.firstIndex(where: { $0.rowID == id }) {
            let index = offset + place
            if cursor.isChosen || index < lines {
                // Far away in another order: into the middle of the screen.
                if cursor.isReordered, !(top..<top + lines).contains(index) {
                    top = max(0, index - lines / 2)
                }
                cursor.index = index
                cursor.isLost = false
                cursor.isReordered = false
                scrollToCursor(lines: lines)
                return
            }
        }
        if cursor.isReordered {
            // The operator asked for another filter, and the row does not match: begin at the top.
            cursor = Cursor(id: row(at: 0)?.rowID)
            top = 0
        } else if cursor.isChosen, cursor.id != nil {
            cursor.isLost = true
        } else {
            cursor.index = cursor.isChosen ? min(cursor.index, total - 1) : 0
            cursor.id = row(at: cursor.index)?.rowID
        }
        top = min(top, max(0, total - lines))
        if !cursor.isLost { scrollToCursor(lines: lines) }
    }
}

/// Which rows are asked for.
package struct RowWindow: Hashable, Codable, Sendable {
    package var offset: Int
    package var limit: Int
    /// A row that the window is to be around, wherever in the order it is.
    package var around: String?

    package init(offset: Int, limit: Int, around: String? = nil) {
        self.offset = offset
        self.limit = limit
        self.around = around
    }
}

extension AgeRow {
    var placedName: String { host.map { "\(name) on \($0)" } ?? name }
}

extension ProbeRow {
    var placedName: String { host.map { "\(name) on \($0)" } ?? name }
}

extension ExpiringRow {
    var placedName: String { host.map { "\(name) on \($0)" } ?? name }
}
