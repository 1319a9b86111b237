import Control
import Terminal

/// What operators did, the latest first.
struct ActionsPage: ListPage {
    var list = Listing<ActionRow>()

    var kind: PageKind { .actions }
    var crumb: Label { PageKind.actions.title }

    func question(in model: Model) -> Question? {
        .actions(list.window(lines: model.layout.tableRows))
    }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .actions(let page) = answer else { return }
        list.take(page, askedBy: list.query, lines: model.layout.tableRows)
    }

    /// The one under the cursor, as long as it can be undone.
    func undoable(in model: Model) -> ActionRow? {
        guard let row = list.current, row.state == .undoable,
            row.undoUntil == nil || model.secondsUntil(row.undoUntil) != nil
        else { return nil }
        return row
    }

    var hasRows: Bool { false }
    var hasMail: Bool { false }
    var noTarget: Label { "what was done cannot be acted on, only undone" }
}
