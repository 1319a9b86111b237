package import Control
import Mail
import Terminal

/// The monitor as text: aligned, without escape codes, for pipes, logs and screen readers.
package enum PlainText {
    /// Totals, workers and the table, once.
    ///
    /// - Parameters:
    ///   - width: columns to fit into; nil: as long as they are.
    ///   - unicode: false replaces what is not ASCII by `?`.
    package static func once(
        _ status: Status, _ page: Page<DestinationRow>, width: Int? = nil, unicode: Bool = true
    ) -> String {
        let text = Renderer(status, page, width: width, unicode: unicode)
        return text.header + text.workers + "\n" + text.table
    }

    /// The same as a record of a log that only grows: the time first, then the totals on one
    /// line, then the rows that are not idle, one self-contained line each.
    package static func record(
        _ status: Status, _ page: Page<DestinationRow>, utcOffset: Int = 0, unicode: Bool = true
    ) -> String {
        let text = Renderer(status, page, width: nil, unicode: unicode)
        return text.record(utcOffset: utcOffset)
    }
}

private struct Renderer {
    let status: Status
    let page: Page<DestinationRow>
    let width: Int?
    let unicode: Bool
    let cells: CellText

    init(_ status: Status, _ page: Page<DestinationRow>, width: Int?, unicode: Bool) {
        self.status = status
        self.page = page
        self.width = width
        self.unicode = unicode
        // Nothing moves here: the daemon's time is that of the answer.
        var model = Model(
            options: Model.Options(), size: Size(columns: 80, rows: 24),
            moment: Moment(elapsed: .zero, wall: page.at))
        model.daemonAt = page.at
        model.receivedAt = .zero
        cells = CellText(model: model, glyphs: .ascii)
    }

    private func finish(_ label: Label) -> String {
        var text = ""
        var columns = 0
        for character in label.text {
            let isShown = unicode || character.isASCII
            let drawn: Character = isShown ? character : "?"
            let needed = isShown ? Label.columns(of: character) : 1
            if let width, columns + needed > width { break }
            columns += needed
            text.append(drawn)
        }
        while text.last == " " { text.removeLast() }
        return text + "\n"
    }

    // MARK: Totals

    private var totals: Label {
        let totals = status.totals
        var label: Label =
            "queued \(totals.deliveries) delivering \(totals.delivering) ready \(totals.ready)"
        label += " delayed \(totals.delayed) held \(totals.held) backoff \(totals.backoff)"
        return label + " paused \(totals.paused)"
    }

    private var rates: Label {
        let rates = status.rates
        var label: Label =
            "in \(Format.rate(rates.accepted))/s out \(Format.rate(rates.delivered))/s"
        label += " deferred \(Format.rate(rates.deferred))/s"
        return label + " bounced \(Format.rate(rates.bounced))/s"
    }

    var header: String {
        let up = (status.at - status.startedAt).inSeconds
        var text = finish(
            "\(safe(status.hostname))  pid \(status.pid)  up \(Format.uptime(up))")
        if let error = status.spoolError {
            text += finish("the spool cannot record: \(safe(error))")
        }
        return text + finish(totals) + finish(rates)
    }

    var workers: String {
        status.workers.map { finish(worker($0)) }.joined()
    }

    private func worker(_ worker: WorkerRow) -> Label {
        var label: Label = "worker \(worker.id) \(worker.state.word)"
        if let pid = worker.pid { label += " pid \(pid)" }
        label += " destinations \(worker.destinations) connections \(worker.connections)"
        label += " out \(Format.rate(worker.deliveredPerSecond))/s"
        label += " cpu \(Format.percent(worker.cpu)) memory \(Format.bytes(worker.memory))"
        return label + " restarts \(worker.restarts)"
    }

    // MARK: The table

    private static let titles: [Label] = [
        "STATE", "DESTINATION", "QUEUED", "CONN", "WINDOW", "LIMIT", "TOKENS", "RETRY",
        "ATTEMPTS", "FAILURES", "AGE", "WORKER", "OUT/S", "WHY",
    ]

    private func fields(_ row: DestinationRow) -> [Label] {
        let model = cells.model
        var tokens: Label = "-"
        if let left = row.tokens, let burst = row.burst {
            tokens = "\(CellText.whole(left))/\(CellText.whole(burst))"
        }
        let retry: Label =
            cells.retryAt(row).map { at in
                model.secondsUntil(at).map(Format.countdown) ?? "now"
            } ?? "-"
        return [
            row.state.word, safe(row.name), Label(row.queued), Label(row.connections),
            Label(row.window), Label(row.limit), tokens, retry, Label(row.attempts),
            Label(row.failures),
            row.oldestAt.map { Format.age(model.secondsSince($0)) } ?? "-",
            (row.worker.map { "\($0)" } ?? "-") + (row.pin == nil ? "" : "*"),
            Format.rate(row.deliveredPerSecond), cells.why(row),
        ]
    }

    var table: String {
        let rows = [Self.titles] + page.rows.map(fields)
        let widths = Self.titles.indices.map { index in
            rows.map { $0[index].columns }.max() ?? 0
        }
        let last = Self.titles.count - 1
        let kept = self.kept(widths)
        var text = ""
        for row in rows {
            var line: Label = ""
            for (index, field) in row.enumerated() where kept.contains(index) {
                let blanks = Label(repeating: " ", count: widths[index] - field.columns)
                switch index {
                case 0, 1: line += field + blanks + "  "
                case last: line += field
                default: line += blanks + field + "  "
                }
            }
            text += finish(line)
        }
        if page.rows.count < page.total {
            text += finish("\(page.rows.count) of \(page.total) destinations")
        }
        return text
    }

    /// Columns that are left where not all fit: what is most easily done without goes first, so
    /// that the reason keeps some room.
    private func kept(_ widths: [Int]) -> Set<Int> {
        var kept = Set(widths.indices)
        guard let width else { return kept }
        let names = ["LIMIT", "ATTEMPTS", "WORKER", "FAILURES", "WINDOW", "OUT/S", "TOKENS", "AGE"]
        for name in names {
            let others = kept.subtracting([widths.count - 1]).reduce(0) { $0 + widths[$1] + 2 }
            if others + 24 <= width { break }
            if let index = Self.titles.firstIndex(where: { $0.text == name }) {
                kept.remove(index)
            }
        }
        return kept
    }

    func record(utcOffset: Int) -> String {
        var text = finish(
            "\(Format.clock(status.at, offset: utcOffset)) \(totals) \(rates)")
        if let error = status.spoolError {
            text += finish("  the spool cannot record: \(safe(error))")
        }
        for worker in status.workers where worker.state != .running {
            text += finish("  \(self.worker(worker))")
        }
        for row in page.rows where row.state != .idle {
            let fields = self.fields(row)
            var line: Label = "  \(fields[0]) \(fields[1])"
            for index in 2..<(fields.count - 1) where fields[index] != "-" {
                line += " \(Self.names[index]) \(fields[index])"
            }
            let why = fields[fields.count - 1]
            text += finish(why.isEmpty ? line : line + ": " + why)
        }
        return text
    }

    private static let names: [Label] = [
        "", "", "queued", "connections", "window", "limit", "tokens", "retry", "attempts",
        "failures", "age", "worker", "out/s",
    ]
}
