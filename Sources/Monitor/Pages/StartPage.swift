/// What the monitor shows first.
package enum StartPage: Hashable, Sendable {
    /// One that is not about one thing.
    case page(PageKind)
    case destination(id: String, name: String)
    case trace(id: String, name: String)
    case message(String)
    case view(SavedView)
}

extension Model {
    /// Before anything has been asked for: nothing is.
    mutating func begin(with start: StartPage) {
        switch start {
        case .page(let kind): if kind != page.kind { _ = show(kind) }
        case .destination(let id, let name):
            pages.push(DestinationPage(Target(id: id, name: name), nil, at: .zero))
        case .trace(let id, let name): pages.push(TracePage(Target(id: id, name: name)))
        case .message(let id): pages.push(MessagePage(id))
        case .view(let view): _ = show(view)
        }
        fetching = []
        nextFetchAt = nil
    }
}
