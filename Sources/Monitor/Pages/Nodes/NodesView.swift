import Control
import Terminal

/// A column of the table of nodes.
enum NodeColumn: TableColumn {
    case host, name, state, workers, has, share, seen, lease, queued, running, out, cpu, memory

    var title: Label {
        switch self {
        case .host: "HOST"
        case .name: "NODE"
        case .state: "STATE"
        case .workers: "WORKERS"
        case .has: "HAS"
        case .share: "SHARE OF RING"
        case .seen: "LAST SIGN"
        case .lease: "LEASE"
        case .queued: "QUEUED"
        case .running: "SENDING"
        case .out: "OUT/s"
        case .cpu: "CPU"
        case .memory: "MEMORY"
        }
    }

    var shortTitle: Label {
        switch self {
        case .state: ""
        case .workers: "W"
        case .share: "RING"
        case .seen: "SEEN"
        case .queued: "QUEUE"
        case .running: "SEND"
        case .memory: "MEM"
        default: title
        }
    }

    var alignment: Grid.Alignment {
        switch self {
        case .host, .name, .state, .share: .left
        default: .right
        }
    }

    static let steps: [(column: NodeColumn, width: Int)] = [
        (.name, 8), (.state, 1), (.host, 7), (.has, 4), (.seen, 4), (.queued, 6), (.share, 4),
        (.out, 6),
        (.state, 10), (.workers, 3), (.running, 5), (.cpu, 5), (.memory, 6), (.lease, 5),
        (.name, 12), (.share, 13), (.workers, 7), (.seen, 9), (.running, 7), (.name, 20),
        (.share, 24), (.name, 30),
    ]

    static let elastic: [NodeColumn] = [.share]
}

extension NodesPage {
    func draw(on painter: inout Painter) {
        let text = NodeText(model: painter.model, glyphs: painter.glyphs)
        painter.drawTable(
            list,
            NodeColumn.fitted(
                painter.grid.size.columns - 2,
                of: NodeColumn.standard.filter { !painter.placesUnknown(.host).contains($0) }),
            empty: "this daemon is the only one that uses its spool"
        ) { column, row, width in
            text.line(column, row, width: width)
        }
        painter.drawStrip(list.current.map(text.explanation) ?? [], isLost: list.cursor.isLost)
    }
}

struct NodeText {
    let model: Model
    let glyphs: Glyphs

    /// How it is, as seen by the node that was asked.
    enum Condition: Hashable {
        case live, silent, draining, drained, gone

        var word: Label {
            switch self {
            case .live: "live"
            case .silent: "silent"
            case .draining: "draining"
            case .drained: "drained"
            case .gone: "gone"
            }
        }

        var role: Role {
            switch self {
            case .live: .good
            case .silent, .draining, .drained: .warning
            case .gone: .bad
            }
        }
    }

    func condition(of row: NodeRow) -> Condition {
        switch row.state {
        case .gone: .gone
        case .draining: row.has > 0 ? .draining : .drained
        // It renews several times in a lease.
        case .live: age(row) > row.leaseSeconds * 0.75 ? .silent : .live
        }
    }

    /// Seconds since its last sign of life; the status says it as of its own time.
    private func age(_ row: NodeRow) -> Double {
        row.seenSeconds + (model.daemonAt.map { max(0, model.secondsSince($0)) } ?? 0)
    }

    private func glyph(_ condition: Condition) -> Label {
        switch condition {
        case .live: glyphs.up
        case .silent: glyphs.silent
        case .draining, .drained: glyphs.draining
        case .gone: glyphs.dead
        }
    }

    func line(_ column: NodeColumn, _ row: NodeRow, width: Int) -> Line {
        let condition = condition(of: row)
        switch column {
        case .host: return model.origin(host: row.host)
        case .name:
            return [Span(safe(row.name), .strong)] + (row.isSelf ? [Span(" *", .key)] : [])
        case .state:
            let glyph = Span(glyph(condition), condition.role)
            let role = condition == .live ? nil : condition.role
            return width < 10 ? [glyph] : [glyph, Span(" \(condition.word)", role)]
        case .workers: return [Span(Format.count(row.workers))]
        case .has:
            return [Span(Format.percent(row.has), isMoving(row) ? .warning : nil)]
        case .share: return share(row, width)
        case .seen:
            return [Span(Format.age(age(row)), condition == .silent ? .warning : .dim)]
        case .lease: return [Span(Format.age(row.leaseSeconds), .dim)]
        case .queued: return load(row, row.queued.map { Format.count($0) })
        case .running: return load(row, row.delivering.map { Format.count($0) })
        case .out: return load(row, row.deliveredPerSecond.map { Format.rate($0) })
        case .cpu: return load(row, row.cpu.map { Format.percent($0) })
        case .memory: return load(row, row.memory.map { Format.bytes($0) })
        }
    }

    /// What it last told of itself: dim where that is not of now.
    private func load(_ row: NodeRow, _ text: Label?) -> Line {
        guard row.state != .gone, let text else { return [Span(glyphs.dash, .dim)] }
        return [Span(text, row.staleSeconds == nil ? nil : .dim)]
    }

    /// Percents are what is shown of it.
    private func isMoving(_ row: NodeRow) -> Bool { abs(row.has - row.share) >= 0.01 }

    private func share(_ row: NodeRow, _ width: Int) -> Line {
        let percent = Format.percent(row.share)
        let padding = Span(Label(repeating: " ", count: max(0, 4 - percent.columns)))
        if width < 13 { return [padding, Span(percent)] }
        return [padding, Span("\(percent) ")]
            + Gauge(glyphs: glyphs).bar(row.share, columns: min(30, width - 5), .gauge)
    }

    func explanation(_ row: NodeRow) -> [Line] {
        let condition = condition(of: row)
        let age = Format.age(age(row))
        let has = Format.percent(row.has)
        var line: Line = [
            Span(glyph(condition), condition.role), Span(" node \(safe(row.name)) ", .strong),
        ]
        switch condition {
        case .live where row.isSelf: line.append(Span("is the one that answers here"))
        case .live: line.append(Span("lives: it renewed its lease \(age) ago"))
        case .silent where row.isSelf:
            line.append(
                Span(
                    "has not renewed its lease for \(age): it stops delivering when it ends",
                    .warning))
        case .silent:
            line.append(
                Span("gave no sign of life for \(age): declared dead if that goes on", .warning))
        case .draining:
            line.append(Span("is drained: \(has) is still to be handed over", .warning))
        case .drained: line.append(Span("has handed over all, and stops", .warning))
        case .gone where row.has > 0:
            line.append(Span("is gone: the others take over the \(has) that it had", .bad))
        case .gone: line.append(Span("is gone; others have what it had", .bad))
        }
        if condition == .live, isMoving(row) {
            line.append(
                Span("; it has \(has), the ring gives it \(Format.percent(row.share))", .warning))
        }
        if row.state != .gone, let stale = row.staleSeconds {
            line.append(Span("; its figures are of \(Format.age(stale)) ago", .warning))
        }
        return [line, hint(row, condition)]
    }

    /// A drain ends a daemon, and none comes back by undoing it: that is for the command line.
    private func hint(_ row: NodeRow, _ condition: Condition) -> Line {
        switch condition {
        case .live, .silent:
            let others = model.nodes.contains { $0.state == .live && $0.name != row.name }
            return others
                ? [
                    Span("sluice node drain \(safe(row.name))", .key),
                    Span(" lets it hand over what it has, and stop", .dim),
                ] : [Span("no other node could take over what it has", .dim)]
        case .draining, .drained:
            return [Span("when its daemon is started again, it takes its share", .dim)]
        case .gone: return [Span("when its daemon is started, it takes its share", .dim)]
        }
    }
}
