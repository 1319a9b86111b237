import Control
import Mail
import Terminal

extension MessagePage {
    func draw(on painter: inout Painter) {
        painter.drawPage(lines(in: painter.model, glyphs: painter.glyphs), scroll: scroll)
    }

    func lines(in model: Model, glyphs: Glyphs) -> [Line] {
        guard let detail else {
            return [
                isGone
                    ? [Span("message \(safe(id)) is not in the queue (any more)", .warning)]
                    : [Span("waiting for the daemon", .dim)]
            ]
        }
        let text = MessageText(detail: detail, model: model, glyphs: glyphs)
        var lines = text.lines
        if showsBody { lines += text.body(body) }
        if isGone {
            let age = Format.age((model.moment.elapsed - seenAt).inSeconds)
            lines.insert(
                [Span("it has left the queue: as it was \(age) ago", .warning)], at: 0)
        }
        return lines
    }
}

/// All about one message, in words.
struct MessageText {
    let detail: MessageDetail
    let model: Model
    let glyphs: Glyphs

    var lines: [Line] {
        var lines: [Line] = []
        lines.append(fact("from", [sender]))
        lines.append(fact("accepted", accepted))
        lines.append(fact("expires", expires))
        var place = 0
        for delivery in detail.deliveries {
            lines.append([])
            lines += self.delivery(delivery)
            lines += history(of: delivery)
            let count = delivery.recipients.count
            for recipient in detail.recipients.dropFirst(place).prefix(count) {
                lines.append(self.recipient(recipient))
            }
            place += count
        }
        lines += [[], [Span("Header", .strong)]]
        for field in fields { lines += header(field) }
        return lines
    }

    func body(_ body: MessageBody?) -> [Line] {
        var lines: [Line] = [[], [Span("Body", .strong)]]
        guard let body else { return lines + [[Span("  waiting for the daemon", .dim)]] }
        lines += body.lines.map { [Span("  \(safe($0))")] }
        if body.bytesLeft > 0 {
            lines.append([Span("  and \(Format.bytes(body.bytesLeft)) more", .dim)])
        }
        return lines
    }

    private func fact(_ name: Label, _ value: Line) -> Line {
        [Span(name, .dim), Span(Label(repeating: " ", count: max(1, 10 - name.columns)))] + value
    }

    private var sender: Span {
        detail.sender.isEmpty
            ? Span("<> (a bounce or another notification)", .dim) : Span(safe(detail.sender))
    }

    private var accepted: Line {
        [
            Span("\(Format.age(model.secondsSince(detail.receivedAt))) ago"),
            Span(
                " at \(Format.clock(detail.receivedAt, offset: model.moment.utcOffset)) from ",
                .dim),
            Span(safe(detail.client)), Span("  "), Span(Format.bytes(detail.size), .strong),
        ]
    }

    private var expires: Line {
        guard let seconds = model.secondsUntil(detail.expiresAt) else {
            return [Span("its time is over", .warning)]
        }
        return [
            Span("in \(Format.countdown(seconds))"),
            Span(", then who is left is bounced to the sender", .dim),
        ]
    }

    private func delivery(_ row: MessageRow) -> [Line] {
        var lines: [Line] = [
            [
                Span("\(glyphs.glyph(row.state)) \(row.state.word)", row.state.role),
                Span("  delivery \(safe(row.id)) to ", .dim),
                Span(safe(row.destinationName ?? row.domain), .strong),
                Span(
                    "  \(Format.counted(row.attempts, "attempt", "attempts")) so far", .dim),
            ]
        ]
        if !row.why.text.isEmpty {
            lines.append([Span("  ")] + fact("now", [Span(safe(row.why.text))]))
        }
        for why in row.waits.dropFirst() {
            var line: Line = [Span(safe(why.text))]
            if let seconds = model.secondsUntil(why.until) {
                line.append(Span("  \(Format.countdown(seconds)) left", .warning))
            }
            lines.append([Span("  ")] + fact("also", line))
        }
        if let worker = row.worker {
            lines.append([Span("  ")] + fact("worker", [Span("\(worker)")]))
        }
        lines.append([Span("  ")] + fact("next", next(row)))
        if let reply = row.lastReply {
            let rule = row.lastRule.map { Span("  rule \(safe($0))", .dim) }
            lines.append(
                [Span("  ")] + fact("last", [Span(safe(reply))] + (rule.map { [$0] } ?? [])))
        }
        return lines
    }

    /// What was tried and what came of it.
    private func history(of row: MessageRow) -> [Line] {
        detail.attemptLines(of: row).map { line in
            let attempt: AttemptRow
            let number: Label
            switch line {
            case .gap(let count):
                return [
                    Span(
                        "    \(Format.counted(count, "more attempt", "more attempts")), "
                            + "of which nothing is kept", .dim)
                ]
            case .attempt(let tried, let isCounted):
                attempt = tried
                number = isCounted ? "#\(tried.number)" : glyphs.dash
            }
            let age: Label = "\(Format.age(model.secondsSince(attempt.at))) ago"
            let time: Label = "\(Format.rate(attempt.seconds)) s"
            return [
                Span("    \(number)", .strong), pad(number, 5), Span(age, .dim), pad(age, 10),
                Span(time, attempt.seconds > 30 ? .warning : .dim), pad(time, 7),
                Span(safe(attempt.reply)),
                Span("  \(safe(attempt.remote ?? ""))", .dim),
                Span(attempt.tls.map { "  \(safe($0))" } ?? "", .dim),
                Span(attempt.worker.map { "  worker \($0)" } ?? "", .dim),
            ]
        }
    }

    private func pad(_ label: Label, _ width: Int) -> Span {
        Span(Label(repeating: " ", count: max(1, width - label.columns)))
    }

    private func next(_ row: MessageRow) -> Line {
        switch row.state {
        case .routing: return [Span("it is routed when DNS has answered")]
        case .ready: return [Span("it is tried when what it waits for allows")]
        case .delivering: return [Span("a transaction is running", .delivering)]
        case .held: return [Span("nothing until it is released", .paused)]
        case .purging:
            guard let seconds = model.secondsUntil(row.purgeAt) else {
                return [Span("it is destroyed now", .bad)]
            }
            return [Span("destroyed in \(Format.countdown(seconds)) unless undone", .bad)]
        case .delayed:
            guard let seconds = model.secondsUntil(row.nextAttemptAt) else {
                return [Span("it is tried now")]
            }
            return [Span("tried again in \(Format.countdown(seconds))")]
        }
    }

    private func recipient(_ row: RecipientRow) -> Line {
        var line: Line = [
            Span("  \(glyphs.bullet) ", .dim), Span(safe(row.address)),
            Span("  \(safe(row.state))", row.state == "queued" ? .dim : .warning),
        ]
        if let reply = row.lastReply { line.append(Span("  \(safe(reply))", .dim)) }
        return line
    }

    /// The fields, each in one line (RFC 5322 §2.2.3).
    private var fields: [String] {
        var fields: [String] = []
        for line in detail.header.split(whereSeparator: \.isNewline) {
            // The daemon shows a tab as a picture of one.
            if let first = line.first, " \t\u{2409}".contains(first), !fields.isEmpty {
                let rest = line.drop { " \t\u{2409}".contains($0) }
                fields[fields.count - 1] += " " + rest
            } else {
                fields.append(String(line))
            }
        }
        return fields
    }

    /// A field's name stands out; its text is decoded and broken where it is long.
    private func header(_ field: String) -> [Line] {
        guard let colon = field.firstIndex(of: ":") else { return [[Span("  \(safe(field))")]] }
        let name = safe(String(field[...colon]))
        let text = safe(EncodedWord.decoded(String(field[field.index(after: colon)...])))
        let width = max(20, model.size.columns - 6 - name.columns)
        let lines = text.wrapped(width, limit: 12)
        guard let first = lines.first else { return [[Span("  \(name)", .dim)]] }
        return [[Span("  \(name) ", .dim), Span(first)]]
            + lines.dropFirst().map { [Span("    "), Span($0)] }
    }
}
