import Control
import Terminal

/// The pages that lie on one another: Enter and digits put one on top, q takes it away.
struct PageStack: Sendable {
    struct Entry: Sendable {
        /// Tells answers which page they are for.
        let serial: Int
        var page: any MonitorPage
    }

    /// Never empty: the table of destinations lies at the bottom.
    private(set) var entries: [Entry]
    private var lastSerial = 0

    init() {
        entries = [Entry(serial: 0, page: DestinationsPage())]
    }

    var top: any MonitorPage {
        get { entries[entries.count - 1].page }
        set { entries[entries.count - 1].page = newValue }
    }

    var serial: Int { entries[entries.count - 1].serial }
    var isAtRoot: Bool { entries.count == 1 }

    mutating func push(_ page: any MonitorPage) {
        lastSerial += 1
        entries.append(Entry(serial: lastSerial, page: page))
    }

    mutating func pop() {
        if !isAtRoot { entries.removeLast() }
    }

    mutating func popToRoot() { entries.removeSubrange(1...) }

    /// Changes a page wherever it lies; false if it is gone.
    mutating func change(_ serial: Int, _ body: (inout any MonitorPage) -> Void) {
        guard let index = entries.firstIndex(where: { $0.serial == serial }) else { return }
        body(&entries[index].page)
    }

    mutating func changeAll(_ body: (inout any MonitorPage) -> Void) {
        for index in entries.indices { body(&entries[index].page) }
    }
}

extension Model {
    /// The page that is shown.
    var page: any MonitorPage {
        get { pages.top }
        set { pages.top = newValue }
    }

    /// The table at the bottom of the stack.
    var table: DestinationsPage {
        pages.entries[0].page as? DestinationsPage ?? DestinationsPage()
    }

    /// What rows are asked for by, on a page that has any.
    package var query: Query {
        get { page.query ?? Query() }
        set { page.query = newValue }
    }

    var tags: [Target] {
        get { page.tags }
        set { page.tags = newValue }
    }

    /// The destination that keys act on: that of the page, else of its cursor.
    var current: DestinationRow? { page.destination }

    /// What an action would be about: the tagged rows, else the one under the cursor or that the
    /// page is about.
    var targets: [Target] { tags.isEmpty ? page.target.map { [$0] } ?? [] : tags }

    /// The nodes that share the spool; empty where there is one daemon alone.
    var nodes: [NodeRow] { status?.nodes ?? [] }

    /// The pages that there are with this daemon.
    var pageKinds: [PageKind] { PageKind.allCases.filter { $0 != .nodes || !nodes.isEmpty } }

    /// Why a key shows no page now; nil if it does.
    func obstacle(to kind: PageKind) -> Label? {
        switch kind {
        case .destinations, .queue, .backoff, .ages, .workers, .events, .actions: nil
        case .nodes: nodes.isEmpty ? "this daemon is the only one that uses its spool" : nil
        case .destination, .trace:
            page.destinationTarget == nil ? "choose a destination first" : nil
        case .message: page.message == nil ? "choose a message first" : nil
        }
    }

    /// Shows the page of a key.
    mutating func show(_ kind: PageKind) -> [Effect] {
        if page.kind == kind {
            say(.hint, "\(kind.title): this is the page")
            return []
        }
        if !kind.isAboutOne { pages.popToRoot() }
        switch kind {
        case .destinations: break
        case .queue: pages.push(arranged(QueuePage()))
        case .backoff: pages.push(BackoffPage())
        case .ages: pages.push(AgesPage())
        case .workers:
            var page = WorkersPage()
            if let status { page.take(status, in: self) }
            pages.push(page)
        case .nodes:
            var page = NodesPage()
            if let status { page.take(status, in: self) }
            pages.push(page)
        case .events: pages.push(EventsPage())
        case .actions: pages.push(ActionsPage())
        case .trace:
            guard let target = page.destinationTarget else { return [] }
            pages.push(TracePage(target))
        case .destination:
            guard let target = page.destinationTarget else { return [] }
            pages.push(DestinationPage(target, current, at: receivedAt ?? moment.elapsed))
        case .message:
            guard let row = page.message else { return [] }
            pages.push(MessagePage(row.message))
        }
        return fetchNow()
    }

    /// What an action would be about that is one on destinations.
    var destinationTargets: [Target] {
        let tagged = tags.filter { $0.kind == .destination }
        if !tagged.isEmpty { return tagged }
        return tags.isEmpty ? page.destinationTarget.map { [$0] } ?? [] : []
    }

    mutating func goBack() -> [Effect] {
        pages.pop()
        return fetchNow()
    }

    mutating func open() -> [Effect] {
        guard let page = page.opened(in: self) else { return [] }
        pages.push(arranged(page))
        return fetchNow()
    }
}
