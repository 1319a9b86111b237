import Control
import Terminal

/// All about one message: its deliveries, its history, its header.
struct MessagePage: MonitorPage {
    let id: String
    /// As last seen, and when on the clock of `Moment.elapsed`.
    private(set) var detail: MessageDetail?
    private(set) var seenAt = Duration.zero
    /// The daemon said that it is not in the queue (any more).
    private(set) var isGone = false
    private(set) var scroll = 0

    init(_ id: String) {
        self.id = id
    }

    var kind: PageKind { .message }
    var crumb: Label { "message \(safe(id))" }

    func question(in model: Model) -> Question? { .message(id) }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .message(let detail) = answer else { return }
        isGone = detail == nil
        guard let detail else { return }
        self.detail = detail
        seenAt = model.moment.elapsed
    }

    mutating func move(by distance: Int, in model: Model) {
        let count = lines(in: model, glyphs: .ascii).count
        scroll = min(max(0, scroll + distance), max(0, count - model.layout.pageRows))
    }

    var message: MessageRow? { detail?.deliveries.first }
    var destinationTarget: Target? { message?.destinationTarget }
    var target: Target? { Target(.delivery, id: id, name: "message \(id)") }
}
