import Control
import Terminal

/// The cursor: it follows its row, whatever becomes of the order.
extension Model {
    mutating func move(by distance: Int) -> [Effect] {
        if case .destination(let target, let scroll)? = places.last {
            let limit = max(0, detailLineCount - 1)
            places[places.count - 1] = .destination(
                target, scroll: min(max(0, scroll + distance), limit))
            return []
        }
        guard total > 0 else { return [] }
        let reachable = frozenAt == nil ? 0..<total : offset..<(offset + rows.count)
        guard !reachable.isEmpty else { return [] }
        // A lost row has no place to move from: the first step chooses whatever stands there now.
        let from = cursor.isLost && abs(distance) == 1 ? cursor.index - distance : cursor.index
        choose(
            min(max(reachable.lowerBound, from + distance), reachable.upperBound - 1))
        return fetchIfUncovered()
    }

    private mutating func choose(_ index: Int) {
        cursor.index = index
        cursor.isChosen = true
        cursor.isLost = false
        // Not there yet: taken when the rows come.
        cursor.id = row(at: index)?.id
        scrollToCursor()
    }

    /// After new rows: finds the cursor's row, and keeps it where it is on the screen if its
    /// place allows.
    mutating func followCursor() {
        guard total > 0 else {
            // What was chosen stays chosen: it may be back with the next rows.
            cursor.index = 0
            cursor.isLost = cursor.isChosen && cursor.id != nil
            top = 0
            return
        }
        if let id = cursor.id, let place = rows.firstIndex(where: { $0.id == id }) {
            let index = offset + place
            if cursor.isChosen || index < layout.tableRows {
                cursor.index = index
                cursor.isLost = false
                cursor.isReordered = false
                scrollToCursor()
                return
            }
        }
        if cursor.isReordered {
            // The operator asked for another order and the row is not near: begin at its top.
            cursor = Cursor(id: row(at: 0)?.id)
            top = 0
        } else if cursor.isChosen, cursor.id != nil {
            cursor.isLost = true
        } else {
            cursor.index = cursor.isChosen ? min(cursor.index, total - 1) : 0
            cursor.id = row(at: cursor.index)?.id
        }
        top = min(top, max(0, total - layout.tableRows))
        if !cursor.isLost { scrollToCursor() }
    }

    mutating func scrollToCursor() {
        let visible = max(1, layout.tableRows)
        if cursor.index < top { top = cursor.index }
        if cursor.index >= top + visible { top = cursor.index - visible + 1 }
        top = max(0, min(top, total - visible))
    }

    mutating func handle(_ mouse: Key.Mouse) -> [Effect] {
        switch mouse.action {
        case .wheelUp: return move(by: -3)
        case .wheelDown: return move(by: 3)
        case .release: return []
        case .press:
            let index = top + mouse.row - layout.table.row
            guard places.isEmpty, mouse.row >= layout.table.row,
                mouse.row < layout.table.row + layout.tableRows, let row = row(at: index)
            else { return [] }
            // A second press on the same row opens it.
            if cursor.id == row.id, cursor.isChosen { return handle(Key.enter) }
            choose(index)
            return []
        }
    }
}
