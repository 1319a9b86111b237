import Control
import Terminal

/// Saved filters: one is shown, the present one saved, one deleted.
package struct ViewMenu: Sendable {
    /// 0 is no filter; the views follow.
    package var selected = 0
    /// The name while it is typed.
    package var name: TextField?
    /// Asked for once: the second time it is deleted.
    package var deletes: String?

    package init() {}
}

extension Model {
    mutating func openViewMenu() {
        var menu = ViewMenu()
        menu.selected = currentView.flatMap { kept.views.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
        overlay = .views(menu)
    }

    /// The one whose filter the page has now.
    var currentView: SavedView? {
        guard let rows = page.viewRows, let filter = query.filter else { return nil }
        return kept.views.first { $0.rows == rows && $0.filter == filter }
    }

    /// Why the present filter cannot be saved; nil if it can.
    var noViewToSave: Label? {
        if page.viewRows == nil { return "filters of destinations and of the queue can be saved" }
        return query.filter == nil ? "there is no filter to save" : nil
    }

    mutating func handle(_ key: Key, _ menu: ViewMenu) -> [Effect] {
        if let name = menu.name { return handle(key, menu, name) }
        var menu = menu
        let last = kept.views.count
        let deletes = menu.deletes
        menu.deletes = nil
        switch key {
        case .enter: return choose(menu.selected)
        case .delete, .backspace:
            guard menu.selected > 0 else { break }
            let name = kept.views[menu.selected - 1].name
            guard deletes == name else {
                menu.deletes = name
                break
            }
            kept.make(.drop(view: name))
            menu.selected = min(menu.selected, kept.views.count)
            say(.done, "view \(safe(name)) deleted")
            overlay = .views(menu)
            return [.keep(.drop(view: name))]
        case .character(let character) where character.wholeNumberValue != nil:
            guard let number = character.wholeNumberValue, number <= last else { return [] }
            return choose(number)
        case .tab: menu.selected = menu.selected == last ? 0 : menu.selected + 1
        case .backTab: menu.selected = menu.selected == 0 ? last : menu.selected - 1
        case .mouse(let mouse) where mouse.action == .press:
            guard case .choice(let index)? = zone(row: mouse.row, column: mouse.column),
                (0...last).contains(index)
            else { return [] }
            if index == menu.selected { return choose(index) }
            menu.selected = index
        default:
            switch options.keymap.command(for: key)?.id {
            case .cancel?, .quit?, .views?:
                overlay = nil
                return []
            case .down?: menu.selected = menu.selected == last ? 0 : menu.selected + 1
            case .up?: menu.selected = menu.selected == 0 ? last : menu.selected - 1
            case .first?, .pageUp?: menu.selected = 0
            case .last?, .pageDown?: menu.selected = last
            case .save?:
                if let reason = noViewToSave {
                    say(.hint, reason)
                } else {
                    menu.name = TextField(currentView?.name ?? "")
                }
            default: break
            }
        }
        overlay = .views(menu)
        return []
    }

    /// While its name is typed.
    private mutating func handle(_ key: Key, _ menu: ViewMenu, _ name: TextField) -> [Effect] {
        var menu = menu
        var name = name
        switch key {
        case .escape, .control("c"): menu.name = nil
        case .enter:
            guard let rows = page.viewRows, let filter = query.filter,
                name.characters.contains(where: { $0 != " " })
            else { return [] }
            let view = SavedView(
                name: name.text, rows: rows, filter: filter, sort: query.sort,
                descending: query.descending)
            kept.make(.keep(view))
            overlay = nil
            say(.done, "saved as view \(safe(view.name))")
            return [.keep(.keep(view))]
        default:
            guard name.edit(key) else { return [] }
            menu.name = name
        }
        overlay = .views(menu)
        return []
    }

    /// Shows the rows of a view; 0 takes the filter of the page away.
    private mutating func choose(_ number: Int) -> [Effect] {
        overlay = nil
        guard number > 0 else {
            guard query.filter != nil else { return [] }
            query.filter = nil
            return queryChanged()
        }
        return show(kept.views[number - 1])
    }

    /// Shows a view on the page that it is about.
    package mutating func show(_ view: SavedView) -> [Effect] {
        let kind: PageKind = view.rows == .destinations ? .destinations : .queue
        let effects = page.kind == kind ? [] : show(kind)
        query.filter = view.filter
        if let sort = view.sort {
            query.sort = sort
            query.descending = view.descending
        }
        return effects + queryChanged()
    }
}
