import Control
import Mail
import Terminal

/// All about one destination.
struct DestinationText {
    let row: DestinationRow
    let model: Model
    let glyphs: Glyphs

    func lines(columns: Int) -> [Line] {
        let gauge = Gauge(glyphs: glyphs)
        let wide = min(40, max(8, columns - 44))
        var lines: [Line] = []
        func head(_ title: Label) {
            lines.append([])
            lines.append([Span(title, .strong)])
        }
        func fact(_ name: Label, _ value: Line) {
            lines.append(
                [
                    Span("  "), Span(name, .dim),
                    Span(Label(repeating: " ", count: max(1, 14 - name.columns))),
                ] + value)
        }

        head("Queue")
        fact(
            "queued",
            [
                Span(Format.exact(row.queued), .strong), Span("  ready ", .dim), number(row.ready),
                Span("  delivering ", .dim), number(row.delivering), Span("  delayed ", .dim),
                number(row.delayed), Span("  held ", .dim), number(row.held),
            ])
        if let oldest = row.oldestAt {
            fact("oldest", [Span(Format.age(model.secondsSince(oldest)))])
        }
        if let next = row.nextAttemptAt {
            fact(
                "next attempt",
                [Span(model.secondsUntil(next).map { "in \(Format.countdown($0))" } ?? "now")])
        }

        if let drain = row.drainSeconds {
            var line: Line = [Span("in about ", .dim), Span(Format.countdown(drain))]
            if let rate = row.drainPerSecond {
                line += [Span(" at ", .dim), Span("\(Format.rate(rate))/s")]
            }
            fact("drained", line)
        }

        head("Limits")
        fact(
            "connections",
            gauge.window(
                connections: row.connections, window: row.window, limit: row.limit,
                columns: min(wide, max(row.limit, row.window, row.connections, 1)))
                + [
                    Span("  \(Format.exact(row.connections))"),
                    Span(" of window ", .dim), Span(Format.exact(row.window)),
                    Span(" of limit ", .dim), Span(Format.exact(row.limit)),
                ])
        fact("tokens", tokens(gauge, wide))
        fact("breaker", breaker)
        fact("worker", worker)
        if let by = row.pausedBy { fact("paused by", [Span(safe(by), .paused)]) }

        head("Since the daemon started")
        fact(
            "attempts",
            [
                Span(Format.exact(row.attempts)), Span("  delivered ", .dim),
                Span(Format.exact(row.delivered), .good), Span("  deferred ", .dim),
                number(row.deferred, .warning), Span("  bounced ", .dim), number(row.bounced, .bad),
            ])
        fact(
            "now",
            [Span("\(Format.rate(row.deliveredPerSecond))/s ")]
                + gauge.spark(row.history, columns: min(30, wide)))

        head("Exchangers")
        lines += list(row.exchangers, columns)
        head("Domains")
        lines += list(row.domains, columns)
        lines.append([])
        lines.append([
            Span("id \(safe(row.id))  key \(Label(ascii: Self.hex(row.key).utf8))", .dim)
        ])
        return lines
    }

    private static func hex(_ key: UInt32) -> String {
        let digits = String(key, radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    private func number(_ value: Int, _ role: Role? = nil) -> Span {
        value == 0 ? Span("0", .dim) : Span(Format.exact(value), role)
    }

    /// Why it waits, and what was last heard from it.
    var reasons: [Line] {
        var lines: [Line] = []
        if row.why.kind != "nothing", !row.why.text.isEmpty {
            lines.append([Span("  why           ", .dim)] + wait(row.why))
        }
        for why in row.waits.dropFirst() {
            lines.append([Span("  also          ", .dim)] + wait(why))
        }
        if let reply = row.lastReply {
            let when: Label =
                row.lastReplyAt.map { "\(Format.age(model.secondsSince($0))) ago" } ?? ""
            lines.append([
                Span("  last reply    ", .dim), Span("\(safe(reply))  "), Span(when, .dim),
            ])
        }
        return lines
    }

    var state: Line {
        [
            Span("\(glyphs.glyph(row.state)) \(row.state.word)", row.state.role), Span("  "),
            Span(safe(row.name), .strong),
        ]
    }

    private func wait(_ why: Why) -> Line {
        var line: Line = [Span(safe(why.text))]
        if let seconds = model.secondsUntil(why.until) {
            line.append(Span("  \(Format.countdown(seconds)) left", .warning))
        }
        return line
    }

    private func tokens(_ gauge: Gauge, _ columns: Int) -> Line {
        guard let tokens = row.tokens, let burst = row.burst else {
            return [Span("no rate is set", .dim)] + learned
        }
        var line = gauge.bar(
            burst > 0 ? tokens / burst : 0, columns: columns, tokens < 1 ? .tokensLow : .tokens)
        line += [
            Span("  \(Format.exact(CellText.whole(tokens)))"), Span(" of ", .dim),
            Span(Format.exact(CellText.whole(burst))),
        ]
        if let rate = row.rate { line += [Span(" at ", .dim), Span("\(Format.rate(rate))/s")] }
        return line + learned
    }

    /// What the receiver turned out to bear.
    private var learned: Line {
        var line: Line = []
        if let rate = row.learnedRate {
            line += [Span("; learned ", .dim), Span("\(Format.rate(rate))/s")]
        }
        if let rate = row.learnedConnectionRate {
            line += [
                Span("; learned ", .dim), Span("\(Format.rate(rate))/s"),
                Span(" new connections", .dim),
            ]
        }
        return line
    }

    private var breaker: Line {
        var line: Line
        switch row.breaker {
        case .closed: line = [Span("closed", .good)]
        case .open:
            line = [Span("open", .backoff)]
            if let seconds = model.secondsUntil(row.breakerUntil) {
                line.append(Span(", next probe in \(Format.countdown(seconds))", .backoff))
            }
        case .halfOpen: line = [Span("half-open: one probe decides", .probing)]
        }
        if row.failures > 0 {
            line.append(
                Span("  \(Format.counted(row.failures, "failure", "failures")) in a row", .warning))
        }
        return line
    }

    private var worker: Line {
        guard let worker = row.worker else { return [Span("none has it now", .warning)] }
        var line: Line = [Span("\(worker)")]
        if row.pin != nil { line.append(Span("  pinned by an operator", .tag)) }
        return line
    }

    private func list(_ items: [String], _ columns: Int) -> [Line] {
        if items.isEmpty { return [[Span("  \(glyphs.dash)", .dim)]] }
        // In columns as wide as the widest.
        let labels = items.map(safe)
        let width = min(columns, (labels.map(\.columns).max() ?? 0) + 2)
        let perLine = max(1, (columns - 2) / max(1, width))
        return stride(from: 0, to: labels.count, by: perLine).map { start in
            [Span("  ")]
                + labels[start..<min(start + perLine, labels.count)].map {
                    Span("\($0)\(Label(repeating: " ", count: width - $0.columns))")
                }
        }
    }
}

extension DestinationPage {
    /// From here on there is room for two columns.
    private static let wideColumns = 132

    func draw(on painter: inout Painter) {
        painter.drawPage(lines(in: painter.model, glyphs: painter.glyphs), scroll: scroll)
    }

    func lines(in model: Model, glyphs: Glyphs) -> [Line] {
        guard let row else { return [[Span("waiting for the daemon", .dim)]] }
        let columns = model.size.columns - 2
        let isWide = columns >= Self.wideColumns
        let width = isWide ? (columns - 3) / 2 : columns
        let facts = DestinationText(row: row, model: model, glyphs: glyphs)
        var top = [facts.state] + facts.reasons
        let age = model.moment.elapsed - seenAt
        if age > .seconds(3), model.frozenAt == nil {
            top.insert(
                [
                    Span(
                        "no longer in the queue: as it was \(Format.age(age.inSeconds)) ago",
                        .warning)
                ], at: 0)
        }
        let left = facts.lines(columns: width)
        guard let detail else { return top + left }
        let activity = ActivityText(detail: detail, model: model, glyphs: glyphs, columns: width)
        if !isWide { return top + activity.graphs + left + activity.lines }
        return top + beside(activity.graphs + left, activity.lines, width)
    }

    /// Two columns of lines.
    private func beside(_ left: [Line], _ right: [Line], _ width: Int) -> [Line] {
        (0..<max(left.count, right.count)).map { index in
            let first = index < left.count ? left[index].cut(width) : []
            guard index < right.count else { return first }
            return first + [Span(Label(repeating: " ", count: width + 3 - first.columns))]
                + right[index]
        }
    }
}
