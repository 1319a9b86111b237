import Control
import Terminal

/// Moving on the page, by keys and by mouse.
extension Model {
    mutating func move(by distance: Int) -> [Effect] {
        let model = self
        page.move(by: distance, in: model)
        return fetchIfUncovered()
    }

    mutating func handle(_ mouse: Key.Mouse) -> [Effect] {
        switch mouse.action {
        case .wheelUp: return move(by: -3)
        case .wheelDown: return move(by: 3)
        case .release: return []
        case .press:
            switch zone(row: mouse.row, column: mouse.column) {
            case .command(let id)?: return Command.with(id).map { run($0) } ?? []
            case .page(let kind)?: return show(kind)
            case .sort(let name)?: return sort(by: name)
            case .focus?, .choice?, nil: break
            }
            let model = self
            let outcome = page.press(line: mouse.row - layout.table.row, in: model)
            if range != nil {
                extendRange()
                return []
            }
            // A second press on the same row opens it.
            return outcome == .again ? Command.with(.open).map { run($0) } ?? [] : []
        }
    }
}
