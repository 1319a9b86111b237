import Control
import Mail
import Terminal

extension Painter {
    mutating func drawHeader() {
        guard layout.headerRows > 0 else { return }
        drawBar()
        guard let status = model.status else { return }
        let width = grid.size.columns - 2
        if layout.headerRows == 2 {
            put(
                totals(status, width: width, extra: [rate("out", status.rates.delivered)]),
                row: 1, column: 1, width: width)
        }
        guard layout.headerRows == 4 else { return }
        put(totals(status, width: width), row: 1, column: 1, width: width)
        put(rates(status, width: width), row: 2, column: 1, width: width)
        put(workers(status, width: width), row: 3, column: 1, width: width)
    }

    // MARK: The bar

    private mutating func drawBar() {
        let width = grid.size.columns
        fill(line(0), .bar)
        var right = link
        if width >= 56 {
            if model.recording != nil {
                right = [Span("\(glyphs.live) rec  ", .bad)] + right
            }
            right += [
                Span("  "), Span(Format.clock(model.moment.wall, offset: model.moment.utcOffset)),
            ]
        }
        let start = max(1, width - 1 - right.columns)
        put(right, row: 0, column: start, width: width - start)

        let room = max(0, start - 3)
        // Where there is no line for it, the way back is what one needs to see.
        let isDeep = layout.navigationRow == nil && !model.pages.isAtRoot
        let bar =
            isDeep
            ? crumbs(room: room)
            : (layout.headerRows == 1 ? digest : identity).fitted(room)
        put(bar, row: 0, column: 1, width: room)
    }

    /// Where this is.
    private var identity: [Line] {
        var parts: [Line] = [[Span("sluice", .title)]]
        if model.showsHosts {
            parts.append([Span("\(model.hosts.count) hosts", .strong)])
            parts += lostHosts
            // Those that there are; the lost ones stand there already.
            let names = model.hosts.filter(\.reached).map { safe(shortName($0.name)) }
            if let first = names.first {
                parts.append([Span(names.dropFirst().reduce(first) { $0 + ", " + $1 }, .dim)])
            }
        } else if let status = model.status {
            if model.nodes.count > 1 {
                let live = model.nodes.count { $0.state != .gone }
                parts.append([Span(Format.counted(live, "node", "nodes"), .strong)])
                parts += lostNodes
            }
            let up = (model.daemonNow - status.startedAt).inSeconds
            parts.append([Span(safe(status.hostname), .strong)])
            parts.append([Span("up \(Format.uptime(up))", .dim)])
            parts.append([Span("pid \(status.pid)", .dim)])
        }
        return parts
    }

    private func shortName(_ host: String) -> String {
        HostNames.short(host, among: model.hosts.map(\.name))
    }

    /// "mx2 not reached, 12s old".
    private var lostHosts: [Line] {
        model.lostHosts.map { host in
            let age = host.staleSeconds.map { Format.age($0) }
            return [
                Span("\(glyphs.lost) \(safe(shortName(host.name))) not reached", .bad),
                Span(age.map { ", \($0) old" } ?? "", .bad),
            ]
        }
    }

    /// "node c not reached, 12s old".
    private var lostNodes: [Line] {
        model.lostNodes.map { node in
            let age = node.staleSeconds.map { Format.age($0) }
            return [
                Span("\(glyphs.lost) node \(safe(node.name)) not reached", .bad),
                Span(age.map { ", \($0) old" } ?? "", .bad),
            ]
        }
    }

    /// Where there is one line for all: what there is to do says more than where.
    private var digest: [Line] {
        guard let status = model.status else { return [[Span("sluice", .title)]] }
        var parts: [Line] = [
            [Span("queued ", .dim), Span(Format.count(status.totals.deliveries), .strong)],
            [Span("out ", .dim), Span("\(Format.rate(status.rates.delivered))/s")],
        ]
        if status.totals.backoff > 0 {
            parts.append([Span("\(glyphs.backoff)\(status.totals.backoff)", .bad)])
        }
        if model.showsHosts {
            return parts + lostHosts + [[Span("\(model.hosts.count) hosts", .strong)]]
        }
        return parts + lostNodes + [[Span(safe(status.hostname), .strong)]]
    }

    /// How fresh the numbers are.
    private var link: Line {
        if let past = model.past { return pastMark(past) }
        let age = model.age.map { Format.age($0.inSeconds) }
        let wide = grid.size.columns >= 70
        switch model.link {
        case .lost(_, let attempts, let retryAt, _):
            let retry = Format.countdown(max(0, (retryAt - model.moment.elapsed).inSeconds))
            let trying: Label =
                model.fetching.isEmpty
                ? "try \(attempts + 1) in \(retry)" : "trying, \(attempts + 1)"
            let what: Label = model.isSilent ? "no answer" : "no daemon"
            guard let age else {
                return [
                    Span("\(glyphs.lost) \(what)", .bad), Span(wide ? ", \(trying)" : "", .bad),
                ]
            }
            return wide
                ? [Span("\(glyphs.lost) \(what), data \(age) old, \(trying)", .bad)]
                : [Span("\(glyphs.lost) data \(age) old", .bad)]
        case .connecting: return [Span("\(glyphs.starting) connecting", .warning)]
        case .live: break
        }
        if let frozenAt = model.frozenAt {
            let since = Format.age((model.moment.elapsed - frozenAt).inSeconds)
            return [Span("\(glyphs.frozen) frozen for \(since)", .warning)]
        }
        if model.isStale, let age {
            return [Span("\(glyphs.silent) no answer, data \(age) old", .warning)]
        }
        let mode: Label = model.mayNotOperate == nil ? "live" : "live, read only"
        return [Span(glyphs.live, .good), Span(" \(grid.size.columns >= 50 ? mode : "live")")]
    }

    // MARK: Totals and rates

    private struct Figure {
        var name: Label
        var value: Int
        var digits: Int
        /// Where there are any.
        var role: Role
    }

    private func totals(_ status: Status, width: Int, extra: [Line] = []) -> Line {
        let totals = status.totals
        var figures = [
            Figure(name: "queued", value: totals.deliveries, digits: 6, role: .strong),
            Figure(name: "delivering", value: totals.delivering, digits: 3, role: .delivering),
            Figure(name: "delayed", value: totals.delayed, digits: 6, role: .text),
            Figure(name: "held", value: totals.held, digits: 2, role: .warning),
            Figure(name: "backoff", value: totals.backoff, digits: 2, role: .backoff),
            Figure(name: "paused", value: totals.paused, digits: 2, role: .paused),
            Figure(name: "connections", value: totals.connections, digits: 4, role: .text),
            Figure(name: "routing", value: totals.routing, digits: 3, role: .text),
            Figure(name: "purging", value: totals.purging, digits: 3, role: .warning),
        ]
        func line(_ figure: Figure) -> Line {
            let value = Format.count(figure.value)
            return [
                Span("\(figure.name) ", .dim), Span(value, figure.value == 0 ? .dim : figure.role),
                Span(Label(repeating: " ", count: figure.digits - value.columns)),
            ]
        }
        func needed() -> Int {
            (extra + figures.map(line)).reduce(-2) { $0 + $1.columns + 2 }
        }
        // What is nought goes first, from the end; then whatever is left.
        while needed() > width + 2, let index = figures.lastIndex(where: { $0.value == 0 }),
            index > 0
        {
            figures.remove(at: index)
        }
        let lines = figures.map(line)
        return (Array(lines.prefix(1)) + extra + lines.dropFirst()).fitted(width + 2)
    }

    private func rate(_ name: Label, _ value: Double, _ role: Role = .text) -> Line {
        let number = Format.rate(value)
        return [
            Span("\(name) ", .dim), Span("\(number)/s", number == "0" ? .dim : role),
            Span(Label(repeating: " ", count: 4 - number.columns)),
        ]
    }

    private func rates(_ status: Status, width: Int) -> Line {
        let rates = status.rates
        let left =
            rate("in", rates.accepted) + [Span("  ")]
            + rate("out", rates.delivered, .strong)
        let right =
            rate("deferred", rates.deferred, .warning) + [Span("  ")]
            + rate("bounced", rates.bounced, .bad)
        let room = width - left.columns - right.columns - 3
        var line = left
        if room >= 8 { line += [Span(" ")] + gauge.spark(rates.history, columns: min(60, room)) }
        return line + [Span("  ")] + right
    }

    // MARK: Workers

    private func workers(_ status: Status, width: Int) -> Line {
        let head: Line = [
            Span(status.workers.count == 1 ? "worker  " : "workers ", .dim)
        ]
        let room = width - head.columns
        for detail in WorkerDetail.allCases {
            let parts = status.workers.map { worker($0, detail) }
            if parts.reduce(-3, { $0 + $1.columns + 3 }) <= room {
                return head + parts.fitted(room, gap: 3)
            }
        }
        // Too many even so: those in trouble first.
        let sorted =
            status.workers.filter { $0.state != .running }
            + status.workers.filter { $0.state == .running }
        return head + sorted.map { worker($0, .least) }.fitted(room, gap: 1)
    }

    /// Whose it is, where there are several.
    private func place(_ worker: WorkerRow) -> Label {
        let name = worker.host.map(shortName) ?? worker.node
        return name.map { "\(safe($0)):" } ?? ""
    }

    private enum WorkerDetail: CaseIterable { case all, more, some, least }

    private func worker(_ worker: WorkerRow, _ detail: WorkerDetail) -> Line {
        var line: Line = [
            Span("\(place(worker))\(worker.id) ", .strong),
            Span(glyphs.glyph(worker.state), worker.state.role),
        ]
        if model.isLost(host: worker.host) { return [Span(line[0].label, .dim), Span("?", .dim)] }
        if detail == .least { return line }
        if worker.state == .dead {
            line.append(Span(" dead", .bad))
            if let seconds = model.secondsUntil(worker.restartAt) {
                line.append(Span(", again in \(Format.countdown(seconds))", .bad))
            }
            return line
        }
        if worker.state != .running {
            line.append(Span(" \(worker.state.word)", worker.state.role))
        }
        if let pid = worker.pid, detail != .some {
            line.append(Span(" \(detail == .all ? "pid " : "")\(pid)", .dim))
        }
        line.append(
            Span(" \(Format.count(worker.connections))\(detail == .some ? "c" : " conn")"))
        line.append(Span(" \(Format.rate(worker.deliveredPerSecond))/s"))
        if detail == .all {
            line.append(Span(" \(Format.percent(worker.cpu)) cpu", .dim))
            line.append(Span(" \(Format.bytes(worker.memory))", .dim))
        }
        if worker.restarts > 0, detail != .some {
            line.append(
                Span(" \(worker.restarts) restart\(worker.restarts == 1 ? "" : "s")", .warning))
        }
        return line
    }
}
