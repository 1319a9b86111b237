import Control
import DequeModule
import Filter
import Mail
import Terminal

/// The SMTP dialogue with a destination, as it goes on.
struct TracePage: FollowingPage {
    let id: Target
    var log = LogBuffer<TraceLine>(limit: 10_000)
    /// Lines that the daemon left out because this reader was too slow.
    private(set) var dropped = 0
    var filter: FilterExpression?
    var query: Query? = Query()
    static var filterFields: FilterFields { .trace }
    /// What messages say is shown too, from when it was asked for.
    private(set) var showsContent = false

    init(_ id: Target) {
        self.id = id
    }

    var kind: PageKind { .trace }
    var crumb: Label { "Trace \(safe(id.name))" }
    var stream: StreamSubject? { .trace(destination: id.id, content: showsContent) }

    mutating func toggleContent() { showsContent.toggle() }

    mutating func take(_ item: StreamItem) {
        guard case .trace(let line) = item else { return }
        dropped += line.dropped
        log.append(line)
    }

    var destinationTarget: Target? { id }
    var target: Target? { id }

    /// All that is kept and shown, as text.
    func saved(in model: Model) -> SavedFile? {
        var text = ""
        for entry in log.entries where shows(entry.line) {
            let line = entry.line
            if line.dropped > 0 { text += "... \(line.dropped) lines left out\n" }
            let clock = Format.clock(line.at, offset: model.moment.utcOffset).text
            text +=
                "\(clock) \(line.worker):\(line.connection) \(SafeText(line.direction)) "
                + "\(SafeText(line.text))\n"
        }
        guard !text.isEmpty else { return nil }
        let clock = Format.clock(model.moment.wall, offset: model.moment.utcOffset).text
        let time = clock.filter { $0 != ":" }
        return SavedFile(name: "sluice-trace-\(id.id)-\(time).log", text: text)
    }
}

extension FilterFields {
    /// What the lines of the trace page are filtered by.
    static let trace = FilterFields(
        fields: [
            FilterField(name: "text", kind: .text, help: "the line"),
            FilterField(
                name: "direction", kind: .choice(["sent", "received", "note", "content"]),
                help: "who said it"),
            FilterField(name: "code", kind: .code, help: "of a reply"),
            FilterField(name: "connection", kind: .number, help: "the connection's number"),
            FilterField(name: "worker", kind: .number, help: "the worker"),
        ],
        bareWord: "text")
}

extension TraceLine: FollowedLine {
    /// The code that a reply begins with.
    var code: Int? {
        guard direction == "<", let code = Int(text.prefix(3)), (200...599).contains(code) else {
            return nil
        }
        return code
    }

    func value(of field: String) -> FilterFieldValue? {
        switch field {
        case "text": .text(text)
        case "direction":
            switch direction {
            case ">": .text("sent")
            case "<": .text("received")
            case Self.contentDirection: .text("content")
            default: .text("note")
            }
        case "code": code.map { .number(Double($0)) }
        case "connection": .number(Double(connection))
        case "worker": .number(Double(worker))
        default: nil
        }
    }
}
