import Control
import Terminal

/// The workers: what each has, does and costs.
struct WorkersPage: ListPage {
    var list = Listing<WorkerRow>()

    var kind: PageKind { .workers }
    var chosenTable: ChosenTable? { .workers }
    var crumb: Label { PageKind.workers.title }

    /// The status has them all.
    func question(in model: Model) -> Question? { nil }

    mutating func take(_ status: Status, in model: Model) {
        list.take(status.workers, askedBy: list.query, lines: model.layout.tableRows)
    }

    /// What it has.
    func opened(in model: Model) -> (any MonitorPage)? {
        list.current.map { DestinationsPage(filter: model.destinations(of: $0)) }
    }

    var hasMail: Bool { false }
    var noTarget: Label { "this is about destinations and mail: open the worker to see its" }
}
