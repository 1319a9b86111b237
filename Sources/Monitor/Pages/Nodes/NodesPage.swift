import Control
import Terminal

/// The nodes that share the queue: whether they live, and what each has.
struct NodesPage: ListPage {
    var list = Listing<NodeRow>()

    var kind: PageKind { .nodes }
    var crumb: Label { PageKind.nodes.title }

    /// The status has them all.
    func question(in model: Model) -> Question? { nil }

    mutating func take(_ status: Status, in model: Model) {
        list.take(status.nodes ?? [], askedBy: list.query, lines: model.layout.tableRows)
    }

    var hasMail: Bool { false }
    /// None that is tagged or gone into.
    var hasRows: Bool { false }
    var noTarget: Label { "this is about destinations and mail: a node has none to act on" }
}
