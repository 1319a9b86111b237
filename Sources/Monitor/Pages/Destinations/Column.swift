import Control
import Mail
import Terminal

/// A column of the table of destinations.
enum Column: String, TableColumn {
    case state, name, queued, ready, delayed, held, connections, tokens, retry, tries
    case oldest = "age"
    case worker, host, node
    case rate = "out"
    case delivered, deferred, bounced, exchanger, why, reply

    static let standard: [Column] = [
        .state, .name, .host, .node, .queued, .connections, .tokens, .retry, .tries, .oldest,
        .worker, .rate, .why,
    ]

    var title: Label {
        switch self {
        case .state: "STATE"
        case .name: "DESTINATION"
        case .queued: "QUEUED"
        case .ready: "READY"
        case .delayed: "DELAYED"
        case .held: "HELD"
        case .connections: "CONN/WIN"
        case .tokens: "TOKENS"
        case .retry: "RETRY"
        case .tries: "TRY/FAIL"
        case .oldest: "AGE"
        case .worker: "W"
        case .host: "HOST"
        case .node: "NODE"
        case .rate: "OUT/S"
        case .delivered: "DELIVERED"
        case .deferred: "DEFERRED"
        case .bounced: "BOUNCED"
        case .exchanger: "EXCHANGER"
        case .why: "WHY IT WAITS"
        case .reply: "LAST REPLY"
        }
    }

    var help: Label {
        switch self {
        case .state: "what it is doing"
        case .name: "its name"
        case .queued: "deliveries in the spool"
        case .ready: "deliveries that are due"
        case .delayed: "deliveries due later"
        case .held: "deliveries on hold"
        case .connections: "connections open, and how many may be"
        case .tokens: "left in its rate bucket"
        case .retry: "time to what comes next"
        case .tries: "attempts, and failures since it last worked"
        case .oldest: "of the oldest mail"
        case .worker: "the worker in charge of it"
        case .host: "the host that has it, where there are several"
        case .node: "the node that has it, where there are several"
        case .rate: "deliveries per second"
        case .delivered: "recipients since the daemon started"
        case .deferred: "recipients since the daemon started"
        case .bounced: "recipients since the daemon started"
        case .exchanger: "the first of its mail exchangers"
        case .why: "why its mail waits"
        case .reply: "the last reply"
        }
    }

    /// Where the whole title does not fit.
    var shortTitle: Label {
        switch self {
        case .state: ""
        case .connections: "CONN"
        case .tokens: "TOK"
        case .rate: "OUT"
        case .delayed: "DELAY"
        case .delivered: "SENT"
        case .deferred: "DEFER"
        case .bounced: "BOUNC"
        default: title
        }
    }

    /// The field that sorts by it.
    var sort: String? {
        switch self {
        case .state: "state"
        case .name: "name"
        case .queued: "queued"
        case .connections: "connections"
        case .tokens: "tokens"
        case .retry: "next"
        case .tries: "failures"
        case .oldest: "age"
        case .worker: "worker"
        case .host, .node: nil
        case .ready, .delayed, .held, .delivered, .deferred, .bounced, .exchanger, .why, .reply,
            .rate:
            rawValue
        }
    }

    var alignment: Grid.Alignment {
        switch self {
        case .queued, .ready, .delayed, .held, .retry, .oldest, .worker, .tries, .delivered,
            .deferred, .bounced:
            .right
        default: .left
        }
    }

    /// Over the number, which has four columns before its picture.
    func indent(_ width: Int) -> Int {
        self == .rate && width < title.columns ? max(0, 4 - shortTitle.columns) : 0
    }

    static let steps: [(column: Column, width: Int)] = [
        (.name, 12), (.state, 1), (.queued, 6), (.host, 7), (.node, 6), (.retry, 5),
        (.connections, 5), (.oldest, 4),
        (.rate, 4), (.state, 12), (.host, 10), (.connections, 11), (.tokens, 4), (.name, 16),
        (.worker, 1), (.ready, 6), (.delayed, 6), (.held, 6), (.delivered, 6), (.deferred, 6),
        (.bounced, 6), (.reply, 16), (.exchanger, 16), (.name, 18), (.tokens, 10),
        (.why, 18), (.name, 22), (.host, 14), (.node, 12),
        (.why, 32), (.tries, 8), (.delayed, 7), (.delivered, 9),
        (.deferred, 8), (.bounced, 7), (.reply, 40), (.exchanger, 30), (.why, 50), (.rate, 15),
        (.name, 26), (.connections, 16),
        (.tokens, 13), (.why, 60), (.name, 30), (.rate, 35), (.worker, 2), (.oldest, 5),
    ]

    static let elastic: [Column] = [.why, .reply, .exchanger, .name]
}

/// What a cell of the table says, as wide as it may be.
struct CellText {
    let model: Model
    let glyphs: Glyphs

    func line(_ column: Column, _ row: DestinationRow, width: Int) -> Line {
        switch column {
        case .state:
            let glyph = Span(glyphs.glyph(row.state), row.state.role)
            if width < 12 { return [glyph] }
            return [glyph, Span(" \(row.state.word)", row.state.wordRole)]
        case .name: return name(row)
        case .queued: return [number(row.queued, row.state == .idle ? .dim : nil)]
        case .ready: return [number(row.ready, nil)]
        case .delayed: return [number(row.delayed, nil)]
        case .held: return [number(row.held, .warning)]
        case .delivered: return [number(row.delivered, nil)]
        case .deferred: return [number(row.deferred, nil)]
        case .bounced: return [number(row.bounced, nil)]
        case .exchanger: return row.exchangers.first.map { [Span(safe($0))] } ?? none
        case .reply: return row.lastReply.map { [Span(safe($0))] } ?? none
        case .connections: return connections(row, width)
        case .tokens: return tokens(row, width)
        case .retry: return retry(row)
        case .tries:
            return [
                number(row.attempts, nil), Span("/", .dim), number(row.failures, .warning),
            ]
        case .oldest:
            return row.oldestAt.map { [Span(Format.age(model.secondsSince($0)))] } ?? none
        case .host: return model.origin(host: row.host, stale: row.staleSeconds)
        case .node:
            guard let node = row.node else { return none }
            guard row.host == nil, let seconds = row.staleSeconds else { return [Span(safe(node))] }
            return [Span("\(safe(node)) \(Format.age(seconds))", .warning)]
        case .worker:
            guard let worker = row.worker else { return none }
            return [Span(Label(worker), row.pin == nil ? nil : .tag)]
        case .rate: return rate(row, width)
        case .why: return [Span(why(row))]
        }
    }

    private var none: Line { [Span(glyphs.dash, .dim)] }

    private func number(_ value: Int, _ role: Role?) -> Span {
        value == 0 ? Span("0", .dim) : Span(Format.count(value), role)
    }

    private func name(_ row: DestinationRow) -> Line {
        [Span(safe(row.name), row.state == .idle ? .dim : nil)]
    }

    private func connections(_ row: DestinationRow, _ width: Int) -> Line {
        let idle = row.connections == 0
        let text: Line = [
            Span(Format.count(row.connections), idle ? .dim : nil),
            Span("/\(Format.count(row.window))", idle ? .dim : nil),
        ]
        let columns = width - max(5, text.columns) - 1
        if columns < 3 { return text }
        // Where nothing goes on there is nothing to look at.
        if row.state == .idle { return [Span(Label(repeating: " ", count: columns + 1))] + text }
        return Gauge(glyphs: glyphs).window(
            connections: row.connections, window: row.window, limit: row.limit,
            columns: columns) + [Span(" ")] + text
    }

    private func tokens(_ row: DestinationRow, _ width: Int) -> Line {
        guard let tokens = row.tokens, let burst = row.burst else {
            // Below the numbers of the others.
            let columns = min(width, width < 10 ? width : 7) - glyphs.dash.columns
            return [Span(Label(repeating: " ", count: columns))] + none
        }
        let role: Role = tokens < 1 ? .tokensLow : .tokens
        let left = Format.count(Self.whole(tokens))
        if width < 10 {
            return [
                Span(Label(repeating: " ", count: width - left.columns)),
                Span(left, tokens < 1 ? .tokensLow : nil),
            ]
        }
        if row.state == .idle { return [Span("      \(left)", .dim)] }
        let text: Line =
            width < 13
            ? [Span(left, tokens < 1 ? .tokensLow : nil)]
            : [
                Span(left, tokens < 1 ? .tokensLow : nil),
                Span("/\(Format.count(Self.whole(burst)))", .dim),
            ]
        return Gauge(glyphs: glyphs).bar(
            burst > 0 ? tokens / burst : 0, columns: 5, role) + [Span(" ")] + text
    }

    /// Tokens are spent whole.
    static func whole(_ tokens: Double) -> Int {
        tokens.isFinite ? Int(min(max(tokens, 0), 1e15)) : 0
    }

    /// The next thing that time brings: the end of a pause or of the backoff, of what it waits
    /// for, or the next delivery due.
    func retryAt(_ row: DestinationRow) -> UnixTime? {
        switch row.state {
        case .paused: row.pausedUntil
        case .backoff: row.breakerUntil
        case .probing, .delivering, .idle: nil
        case .waiting: row.why.until
        case .scheduled: row.nextAttemptAt
        }
    }

    private func retry(_ row: DestinationRow) -> Line {
        guard let at = retryAt(row) else {
            return row.state == .probing ? [Span("now", .probing)] : none
        }
        let role: Role? = row.state == .scheduled ? nil : row.state.role
        guard let seconds = model.secondsUntil(at) else { return [Span("now", role)] }
        return [Span(Format.countdown(seconds), role)]
    }

    private func rate(_ row: DestinationRow, _ width: Int) -> Line {
        let number = Format.rate(row.deliveredPerSecond)
        let padded: Line = [
            Span(Label(repeating: " ", count: 4 - number.columns)),
            Span(number, number == "0" ? .dim : nil),
        ]
        if width < 8 || row.history.allSatisfy({ $0 <= 0 }) { return padded }
        return padded + [Span(" ")]
            + Gauge(glyphs: glyphs).spark(row.history, columns: min(30, width - 5))
    }

    /// Why it waits, with the last reply where that says more.
    func why(_ row: DestinationRow) -> Label {
        let why = row.why.kind == "nothing" ? "" : row.why.text
        guard let reply = row.lastReply, !reply.isEmpty, !why.contains(reply) else {
            return safe(why)
        }
        // Neither does a success explain anything, nor a reply that is long past.
        if reply.hasPrefix("2") || (why.isEmpty && row.failures == 0) { return safe(why) }
        return why.isEmpty ? safe(reply) : "\(safe(why)) \(glyphs.dash) \(safe(reply))"
    }
}
