import Control
import Terminal

/// The columns of a table while they are chosen; the table behind shows them at once.
package struct ColumnChooser: Sendable {
    package struct Item: Hashable, Sendable {
        package var name: String
        package var isShown: Bool
    }

    package let table: ChosenTable
    /// Those of the table from left to right, and between them those that are left out.
    package private(set) var items: [Item]
    package var selected = 0
    /// Comes back if nothing is taken.
    let before: [String]?

    init(_ table: ChosenTable, _ chosen: [String]?) {
        self.table = table
        before = chosen
        items = Self.items(table, chosen)
    }

    private static func items(_ table: ChosenTable, _ chosen: [String]?) -> [Item] {
        let shown = chosen ?? table.standard
        var items = shown.map { Item(name: $0, isShown: true) }
        // What is left out stands behind the one that it follows in the whole table.
        for (index, name) in table.columns.enumerated() where !shown.contains(name) {
            let before = table.columns[..<index].last { known in
                items.contains { $0.name == known }
            }
            let place = before.flatMap { before in items.firstIndex { $0.name == before } }
            items.insert(Item(name: name, isShown: false), at: place.map { $0 + 1 } ?? 0)
        }
        return items
    }

    var shown: [String] { items.filter(\.isShown).map(\.name) }

    /// nil where they are the standard ones.
    var choice: [String]? { shown == table.standard ? nil : shown }

    /// False: the last one stays.
    mutating func toggle() -> Bool {
        if items[selected].isShown, shown.count == 1 { return false }
        items[selected].isShown.toggle()
        return true
    }

    /// To the left or to the right in the table.
    mutating func move(by distance: Int) {
        let target = selected + distance
        guard items.indices.contains(target) else { return }
        items.swapAt(selected, target)
        selected = target
    }

    mutating func reset() {
        let name = items[selected].name
        items = Self.items(table, nil)
        selected = items.firstIndex { $0.name == name } ?? 0
    }
}

extension Model {
    mutating func openColumnChooser() {
        guard let table = page.chosenTable else { return }
        overlay = .columns(ColumnChooser(table, kept.tables[table]?.columns))
    }

    mutating func handle(_ key: Key, _ chooser: ColumnChooser) -> [Effect] {
        var chooser = chooser
        let last = chooser.items.count - 1
        switch key {
        case .enter:
            overlay = nil
            return [.keep(.columns(chooser.table, chooser.choice))]
        case .mouse(let mouse) where mouse.action == .wheelDown:
            chooser.selected = min(last, chooser.selected + 1)
        case .mouse(let mouse) where mouse.action == .wheelUp:
            chooser.selected = max(0, chooser.selected - 1)
        case .mouse(let mouse) where mouse.action == .press:
            guard case .choice(let index)? = zone(row: mouse.row, column: mouse.column),
                chooser.items.indices.contains(index)
            else { return [] }
            if index == chooser.selected { toggle(&chooser) }
            chooser.selected = index
        default:
            switch options.keymap.command(for: key)?.id {
            case .cancel?, .quit?:
                overlay = nil
                kept.make(.columns(chooser.table, chooser.before))
                return []
            case .down?: chooser.selected = chooser.selected == last ? 0 : chooser.selected + 1
            case .up?: chooser.selected = chooser.selected == 0 ? last : chooser.selected - 1
            case .first?, .pageUp?: chooser.selected = 0
            case .last?, .pageDown?: chooser.selected = last
            case .left?: chooser.move(by: -1)
            case .right?: chooser.move(by: 1)
            case .tag?: toggle(&chooser)
            case .untag?: chooser.reset()
            default: return []
            }
        }
        kept.make(.columns(chooser.table, chooser.choice))
        overlay = .columns(chooser)
        return []
    }

    private mutating func toggle(_ chooser: inout ColumnChooser) {
        if !chooser.toggle() { say(.hint, "at least one column stays") }
    }

    // MARK: The order

    /// The page with the order that was chosen for its table.
    func arranged(_ page: any MonitorPage) -> any MonitorPage {
        guard let table = page.chosenTable, let arrangement = kept.tables[table],
            var query = page.query
        else { return page }
        var page = page
        query.sort = arrangement.sort
        query.descending = arrangement.descending
        page.query = query
        return page
    }

    mutating func keepSort() -> [Effect] {
        guard let table = page.chosenTable, !table.sorts.isEmpty else { return [] }
        let change = KeptChoices.Change.sort(table, query.sort, descending: query.descending)
        kept.make(change)
        return [.keep(change)]
    }
}
