import Control
import Terminal

/// All about one destination.
struct DestinationPage: MonitorPage {
    /// As last seen, and when on the clock of `Moment.elapsed`.
    private(set) var row: DestinationRow
    private(set) var seenAt: Duration
    private(set) var scroll = 0

    init(_ row: DestinationRow, at seenAt: Duration) {
        self.row = row
        self.seenAt = seenAt
    }

    var kind: PageKind { .destination }
    var crumb: Label { safe(row.name) }

    func question(in model: Model) -> Question? { .destination(row.id) }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        // Gone since: the page says so by the age of what it shows.
        guard case .destination(let row?) = answer, row.id == self.row.id else { return }
        self.row = row
        seenAt = model.moment.elapsed
    }

    mutating func move(by distance: Int, in model: Model) {
        let count = DestinationText(row: row, model: model, glyphs: .ascii).lines(
            columns: model.size.columns - 2
        ).count
        scroll = min(max(0, scroll + distance), max(0, count - model.layout.pageRows))
    }

    var destination: DestinationRow? { row }
    var target: Target? { Target(id: row.id, name: row.name) }
}
