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
        var lines = MessageText(detail: detail, model: model, glyphs: glyphs).lines
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
            let count = delivery.recipients.count
            for recipient in detail.recipients.dropFirst(place).prefix(count) {
                lines.append(self.recipient(recipient))
            }
            place += count
        }
        lines += [[], [Span("Header", .strong)]]
        for line in detail.header.split(whereSeparator: \.isNewline) { lines.append(header(line)) }
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
            lines.append([Span("  ")] + fact("last", [Span(safe(reply))]))
        }
        return lines
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

    /// A field's name stands out; continued lines do not have one.
    private func header(_ line: Substring) -> Line {
        guard let first = line.first, first != " ", first != "\t",
            let colon = line.firstIndex(of: ":")
        else { return [Span("  \(safe(String(line)))")] }
        return [
            Span("  \(safe(String(line[...colon])))", .dim),
            Span(safe(String(line[line.index(after: colon)...]))),
        ]
    }
}
