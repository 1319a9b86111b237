import Control
import Terminal

/// All about one destination.
struct DestinationPage: MonitorPage {
    let id: Target
    /// As last seen, and when on the clock of `Moment.elapsed`.
    private(set) var row: DestinationRow?
    private(set) var detail: DestinationDetail?
    private(set) var seenAt: Duration
    private(set) var scroll = 0

    init(_ id: Target, _ row: DestinationRow?, at seenAt: Duration) {
        self.id = id
        self.row = row?.id == id.id ? row : nil
        self.seenAt = seenAt
    }

    var kind: PageKind { .destination }
    var crumb: Label { safe(row?.name ?? id.name) }

    func question(in model: Model) -> Question? { .destination(id.id) }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        // Gone since: the page says so by the age of what it shows.
        guard case .destination(let detail?) = answer, detail.row.id == id.id else { return }
        self.detail = detail
        row = detail.row
        seenAt = model.moment.elapsed
    }

    mutating func move(by distance: Int, in model: Model) {
        let count = lines(in: model, glyphs: .ascii).count
        scroll = min(max(0, scroll + distance), max(0, count - model.layout.pageRows))
    }

    func position(in model: Model) -> ListPosition? {
        ListPosition(
            from: scroll, of: lines(in: model, glyphs: .ascii).count, rows: model.layout.pageRows)
    }

    func opened(in model: Model) -> (any MonitorPage)? {
        QueuePage(filter: "destination = \(id.id)")
    }

    var destination: DestinationRow? { row }
    var destinationTarget: Target? { id }
    var target: Target? { id }
}
