import Control
import Terminal

/// Menus.
extension Model {
    mutating func openSortMenu() {
        let choices = page.sorts.map { Menu.Choice.sort($0.name) }
        let selected = page.sorts.firstIndex { $0.name == query.sort } ?? 0
        overlay = .menu(Menu(purpose: .sort, choices: choices, selected: selected))
    }

    mutating func openWorkerMenu() {
        let subject = reassigned
        let workers = takers(of: subject)
        let choices: [Menu.Choice] = [.worker(nil)] + workers.map { .worker($0.id) }
        // Begin at one that could take it and is not in charge now.
        let now = worker?.id ?? current?.worker
        let next = workers.first {
            $0.id != now && $0.state == .running && $0.drainedBy == nil
        }
        let selected = next.flatMap { choices.firstIndex(of: .worker($0.id)) } ?? 0
        overlay = .menu(
            Menu(
                purpose: .worker(subject, workers), choices: choices, selected: selected,
                now: hasChosen ? nil : now))
    }

    /// From the page of workers: all that the worker has.
    private var reassigned: Subject {
        guard let worker else { return subject(for: .reassign) }
        return Subject(
            matching: Subject.Matching(kind: .destination, filter: destinations(of: worker)))
    }

    /// The workers that could take what is chosen: of the daemon that has it. What is on several
    /// hosts goes to the worker of that number on each.
    private func takers(of subject: Subject) -> [WorkerRow] {
        let all = status?.workers ?? []
        if let worker { return workers(host: worker.host, node: worker.node) }
        let hosts = Set(
            subject.matching == nil
                ? subject.targets.compactMap { QualifiedID($0.id).host } : self.hosts.map(\.name))
        if hosts.isEmpty {
            guard let node = current?.node, all.contains(where: { $0.node == node }) else {
                return all.first.map { first in all.filter { $0.node == first.node } } ?? []
            }
            return all.filter { $0.node == node }
        }
        guard let first = hosts.sorted().first else { return all }
        return all.filter { row in
            row.host == first
                && hosts.allSatisfy { host in all.contains { $0.host == host && $0.id == row.id } }
        }
    }

    mutating func openThemeMenu() {
        let choices = options.themes.map(Menu.Choice.theme)
        guard !choices.isEmpty else { return }
        overlay = .menu(
            Menu(
                purpose: .theme(before: theme), choices: choices,
                selected: options.themes.firstIndex(of: theme) ?? 0))
    }

    mutating func handle(_ key: Key, _ menu: Menu) -> [Effect] {
        var menu = menu
        let last = menu.choices.count - 1
        switch key {
        // Enter takes what is chosen, whatever else it is bound to.
        case .enter: return take(menu)
        case .tab: menu.selected = menu.selected == last ? 0 : menu.selected + 1
        case .backTab: menu.selected = menu.selected == 0 ? last : menu.selected - 1
        case .mouse(let mouse) where mouse.action == .wheelDown:
            menu.selected = min(last, menu.selected + 1)
        case .mouse(let mouse) where mouse.action == .wheelUp:
            menu.selected = max(0, menu.selected - 1)
        case .mouse(let mouse) where mouse.action == .press:
            guard case .choice(let index)? = zone(row: mouse.row, column: mouse.column),
                menu.choices.indices.contains(index)
            else { return [] }
            // The second press takes it.
            if index == menu.selected { return take(menu) }
            menu.selected = index
        case .character(let character) where character.wholeNumberValue != nil:
            // A worker's number chooses it.
            guard case .worker = menu.purpose, let number = character.wholeNumberValue,
                let index = menu.choices.firstIndex(of: .worker(number))
            else { return [] }
            menu.selected = index
        default:
            switch options.keymap.command(for: key)?.id {
            case .cancel?, .quit?:
                overlay = nil
                if case .theme(let before) = menu.purpose { return wear(before) }
                return []
            case .down?: menu.selected = menu.selected == last ? 0 : menu.selected + 1
            case .up?: menu.selected = menu.selected == 0 ? last : menu.selected - 1
            case .first?, .pageUp?: menu.selected = 0
            case .last?, .pageDown?: menu.selected = last
            default: return []
            }
        }
        overlay = .menu(menu)
        // A theme is seen while it is chosen.
        if case .theme(let name) = menu.choices[menu.selected] { return wear(name) }
        return []
    }

    private mutating func take(_ menu: Menu) -> [Effect] {
        overlay = nil
        let effects = choose(menu)
        standBackFromEnter()
        return effects
    }

    private mutating func wear(_ name: String) -> [Effect] {
        if theme == name { return [] }
        theme = name
        return [.theme(name)]
    }

    mutating func sort(by name: String?) -> [Effect] {
        guard let sort = page.sorts.first(where: { $0.name == name }) else { return [] }
        if name == query.sort {
            turnOrder()
        } else {
            query.sort = name
            query.descending = sort.startsDescending
        }
        return keepSort() + queryChanged()
    }

    /// The daemon's own orders have one direction, the most mail first and the oldest first: turned
    /// round they are those by mail and by id.
    mutating func turnOrder() {
        switch (query.sort, page.kind) {
        case (nil, .destinations):
            query.sort = "queued"
            query.descending = false
        case (nil, .queue):
            query.sort = "id"
            query.descending = true
        default: query.descending.toggle()
        }
    }

    private mutating func choose(_ menu: Menu) -> [Effect] {
        switch (menu.choices[menu.selected], menu.purpose) {
        case (.sort(let name), _): return sort(by: name)
        case (.worker(let worker), .worker(let subject, _)):
            return preview(.reassign, subject: subject, worker: worker)
        case (.theme(let name), _):
            return wear(name) + [.keepTheme(name)]
        case (.worker, _): return []
        }
    }
}
