import Control
import Terminal

/// All about one message: its deliveries, its history, its header; what it says if asked for.
struct MessagePage: MonitorPage {
    /// Lines of the body that are asked for.
    static let bodyLines = 500

    let id: String
    /// As last seen, and when on the clock of `Moment.elapsed`.
    private(set) var detail: MessageDetail?
    private(set) var seenAt = Duration.zero
    /// The daemon said that it is not in the queue (any more).
    private(set) var isGone = false
    private(set) var showsBody = false
    private(set) var body: MessageBody?
    private(set) var scroll = 0

    init(_ id: String) {
        self.id = id
    }

    var kind: PageKind { .message }
    var crumb: Label { "message \(safe(id))" }

    func question(in model: Model) -> Question? { isCovered(in: model) ? .message(id) : .body(id) }

    func isCovered(in model: Model) -> Bool { !showsBody || body != nil }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        switch answer {
        case .message(let detail):
            isGone = detail == nil
            guard let detail else { return }
            self.detail = detail
            seenAt = model.moment.elapsed
        case .body(let body):
            self.body = body
            if body == nil {
                isGone = true
                showsBody = false
            }
        default: break
        }
    }

    mutating func refused(_ question: Question) {
        if case .body = question { showsBody = false }
    }

    mutating func toggleBody() { showsBody.toggle() }

    mutating func move(by distance: Int, in model: Model) {
        let count = lines(in: model, glyphs: .ascii).count
        scroll = min(max(0, scroll + distance), max(0, count - model.layout.pageRows))
    }

    func position(in model: Model) -> ListPosition? {
        ListPosition(
            from: scroll, of: lines(in: model, glyphs: .ascii).count, rows: model.layout.pageRows)
    }

    var message: MessageRow? { detail?.deliveries.first }
    var destinationTarget: Target? { message?.destinationTarget }
    var target: Target? { Target(.delivery, id: id, name: "message \(id)") }
}
