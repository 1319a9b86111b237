import Control
import Mail
import Terminal

/// A column of the table of workers.
enum WorkerColumn: String, TableColumn {
    case id = "number"
    case host, node
    case state, pid, uptime, restarts, heartbeat, destinations, share, queued, connections
    case rate = "out"
    case cpu, memory

    var title: Label {
        switch self {
        case .id: "W"
        case .host: "HOST"
        case .node: "NODE"
        case .state: "STATE"
        case .pid: "PID"
        case .uptime: "UPTIME"
        case .restarts: "RESTARTS"
        case .heartbeat: "HEARTBEAT"
        case .destinations: "DESTINATIONS"
        case .share: "SHARE OF RING"
        case .queued: "QUEUED"
        case .connections: "CONN"
        case .rate: "OUT/S"
        case .cpu: "CPU"
        case .memory: "MEMORY"
        }
    }

    var help: Label {
        switch self {
        case .id: "its number"
        case .host: "whose it is, where there are several"
        case .node: "whose it is, where there are several"
        case .state: "whether it delivers"
        case .pid: "of its process"
        case .uptime: "since its process started"
        case .restarts: "how often it had to be started again"
        case .heartbeat: "since it last said that it lives"
        case .destinations: "that it has"
        case .share: "what part of the ring it has"
        case .queued: "deliveries that it has"
        case .connections: "open now"
        case .rate: "deliveries per second"
        case .cpu: "of one core"
        case .memory: "that its process holds"
        }
    }

    var shortTitle: Label {
        switch self {
        case .state: ""
        case .uptime: "UP"
        case .restarts: "RST"
        case .heartbeat: "BEAT"
        case .destinations: "DEST"
        case .share: "RING"
        default: title
        }
    }

    var alignment: Grid.Alignment {
        switch self {
        case .id, .host, .node, .state, .share: .left
        default: .right
        }
    }

    static let steps: [(column: WorkerColumn, width: Int)] = [
        (.id, 2), (.host, 7), (.node, 6), (.state, 1), (.connections, 4), (.rate, 5), (.cpu, 4),
        (.queued, 6),
        (.state, 10), (.memory, 6), (.destinations, 6), (.pid, 7), (.heartbeat, 4), (.restarts, 3),
        (.share, 4), (.uptime, 4), (.uptime, 11), (.memory, 7), (.state, 11), (.heartbeat, 9),
        (.restarts, 8), (.destinations, 12),
        (.host, 14), (.node, 12), (.share, 13), (.pid, 8), (.share, 24), (.cpu, 5),
    ]

    static let elastic: [WorkerColumn] = [.share]
}

extension WorkersPage {
    func draw(on painter: inout Painter) {
        let text = WorkerText(model: painter.model, glyphs: painter.glyphs)
        painter.drawTable(
            list,
            painter.columns(
                WorkerColumn.self, of: .workers, without: painter.placesUnknown(.host, .node)),
            empty: "there are no workers"
        ) { column, row, width in
            text.line(column, row, width: width)
        }
        painter.drawStrip(list.current.map(text.explanation) ?? [], isLost: list.cursor.isLost)
    }
}

struct WorkerText {
    let model: Model
    let glyphs: Glyphs

    func line(_ column: WorkerColumn, _ row: WorkerRow, width: Int) -> Line {
        let isUp = row.pid != nil
        switch column {
        case .id: return [Span("\(row.id)", .strong)]
        case .host: return model.origin(host: row.host, stale: row.staleSeconds)
        case .node:
            guard let node = row.node else { return none }
            guard row.host == nil, let seconds = row.staleSeconds else { return [Span(safe(node))] }
            return [Span("\(safe(node)) \(Format.age(seconds))", .warning)]
        case .state:
            let glyph = Span(glyphs.glyph(row.state), row.state.role)
            let role = row.state == .running ? nil : row.state.role
            if row.drainedBy != nil, row.state == .running {
                let glyph = Span(glyphs.draining, .warning)
                let word: Label = row.destinations > 0 ? "draining" : "drained"
                return width < 10 ? [glyph] : [glyph, Span(" \(word)", .warning)]
            }
            return width < 10 ? [glyph] : [glyph, Span(" \(row.state.word)", role)]
        case .pid: return row.pid.map { [Span("\($0)", .dim)] } ?? none
        case .uptime:
            guard isUp, let since = row.startedAt else { return none }
            let seconds = model.secondsSince(since)
            return [Span(width < 8 ? Format.age(seconds) : Format.uptime(seconds))]
        case .restarts:
            return [row.restarts == 0 ? Span("0", .dim) : Span("\(row.restarts)", .warning)]
        case .heartbeat:
            guard isUp, let at = row.heartbeatAt else { return none }
            let age = model.secondsSince(at)
            return [Span(Format.age(age), row.state == .silent ? .warning : .dim)]
        case .destinations: return [number(row.destinations)]
        case .share: return share(row, width)
        case .queued: return [number(row.queued)]
        case .connections: return [number(row.connections)]
        case .rate:
            let rate = Format.rate(row.deliveredPerSecond)
            return [Span(rate, rate == "0" ? .dim : nil)]
        case .cpu: return isUp ? [Span(Format.percent(row.cpu))] : none
        case .memory: return isUp ? [Span(Format.bytes(row.memory))] : none
        }
    }

    private var none: Line { [Span(glyphs.dash, .dim)] }

    private func number(_ value: Int) -> Span {
        value == 0 ? Span("0", .dim) : Span(Format.count(value))
    }

    private func share(_ row: WorkerRow, _ width: Int) -> Line {
        let share = row.share
        let percent = Format.percent(share)
        let padding = Span(Label(repeating: " ", count: 4 - percent.columns))
        if width < 13 { return [padding, Span(percent)] }
        return [padding, Span("\(percent) ")]
            + Gauge(glyphs: glyphs).bar(share, columns: min(30, width - 5), .gauge)
    }

    /// What can be done about it here, by the keys that do it.
    private var hints: Line {
        guard model.mayNotOperate == nil else { return [] }
        let isDrained = model.worker?.drainedBy != nil
        let hints: [(ids: [Command.ID], text: Label)] = [
            ([.open], "its destinations"), ([.reassign], "moves them"),
            isDrained ? ([.undrainWorker], "ends the drain") : ([.drainWorker], "drains it"),
            ([.addWorker, .removeWorker], "add or remove one"),
        ]
        var line: Line = []
        for (ids, text) in hints {
            let keys = ids.compactMap { model.options.keymap.label(of: $0) }
            guard let first = keys.first else { continue }
            let label = keys.dropFirst().reduce(into: first) { $0 += " " + $1 }
            line += [Span(line.isEmpty ? "" : ", "), Span(label, .key), Span(" \(text)", .dim)]
        }
        return line
    }

    func explanation(_ row: WorkerRow) -> [Line] {
        var first: Line = [
            Span(glyphs.glyph(row.state), row.state.role),
            Span(" \(model.name(of: row)) ", .strong),
        ]
        if model.isLost(host: row.host), let host = row.host {
            first.append(Span("is as it was: \(safe(host)) is not reached", .warning))
            return [first]
        }
        switch row.state {
        case .running where row.drainedBy != nil:
            first.append(
                Span(
                    "drained by \(safe(row.drainedBy ?? "")): gets nothing new"
                        + (row.destinations > 0
                            ? ", \(Format.counted(row.destinations, "destination", "destinations")) "
                                + "still to be handed over" : ""),
                    .warning))
        case .running: first.append(Span("delivers"))
        case .starting: first.append(Span("is starting", .warning))
        case .silent:
            let age = row.heartbeatAt.map { Format.age(model.secondsSince($0)) } ?? "a while"
            first.append(
                Span("has said nothing for \(age): it is ended if that goes on", .warning))
        case .draining:
            first.append(Span("ends its transactions and takes nothing new", .warning))
        case .dead:
            first.append(Span("is dead", .bad))
            if let seconds = model.secondsUntil(row.restartAt) {
                first.append(Span(", started again in \(Format.countdown(seconds))", .bad))
            }
        }
        return [
            first,
            hints,
        ]
    }
}
