import Control
import Mail
import Terminal
import Testing

@testable import Monitor

/// Strings from the network reach the screen as characters only.
struct HostileTests {
    private static let strings = [
        "\u{1B}[2J\u{1B}]0;owned\u{07}", "a\r\nb\u{08}\tc", "\u{202E}gnp.exe", "x\u{9B}31mred",
        "e\u{301}\u{302}\u{303}\u{304}", "👩‍👩‍👧‍👦 family", "日本語ドメイン.example",
        String(repeating: "長", count: 500), "", " ", "\u{0}\u{7F}\u{FEFF}\u{FFFE}\u{10FFFF}",
        "\u{E000}\u{2028}\u{2029}",
    ]

    private func hostile(_ text: String) -> [DestinationRow] {
        DestinationState.allCases.enumerated().map { index, state in
            var row = Fixture.row(index + 1, text, state)
            row.domains = [text, text]
            row.exchangers = [text]
            row.why = Why(kind: text, text: text, until: Fixture.after(3))
            row.lastReply = text
            row.lastReplyAt = Fixture.after(-1)
            row.pausedBy = text
            return row
        }
    }

    private func plan(_ request: PlanRequest, _ text: String) -> Plan {
        var plan = Fixture.plan(request)
        plan.effect = text
        plan.notes = [text, text]
        plan.topSenders = [NamedCount(name: text, count: 1)]
        plan.topDomains = [NamedCount(name: text, count: 1)]
        plan.samples = [
            MessageRow(
                id: text, message: text, sender: text, recipients: [text], domain: text, size: 1,
                receivedAt: Fixture.now, expiresAt: Fixture.now, state: .ready, attempts: 0,
                why: Why(kind: text, text: text))
        ]
        plan.samples[0].lastReply = text
        return plan
    }

    private func expectClean(_ grid: Grid, _ what: String) {
        for cell in grid.cells {
            for value in [cell.base, cell.mark] where value != 0 && !(0x20..<0x7F ~= value) {
                let scalar = Unicode.Scalar(value)
                let isClean =
                    scalar.map { scalar in
                        switch scalar.properties.generalCategory {
                        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate,
                            .privateUse:
                            false
                        default: true
                        }
                    } ?? false
                if !isClean { Issue.record("\(what): U+\(String(value, radix: 16))") }
            }
            if !grid.unicode, cell.base >= 0x7F { Issue.record("\(what): \(cell.base)") }
        }
    }

    @Test(arguments: strings)
    func everyField(text: String) throws {
        for (columns, rows) in [(40, 8), (80, 24), (200, 60)] {
            for unicode in [true, false] {
                for keys: [Key] in [[], ["D"], ["R"], [.enter], [" ", " ", "F"], ["/"]] {
                    var session = Session.ready(columns: columns, rows: rows)
                    session.rows = hostile(text)
                    session.tick(1)
                    session.answer()
                    for key in keys { session.press(key) }
                    session.answer()
                    if let planned = session.planned {
                        session.send(
                            .planned(
                                ticket: planned.ticket, .success(plan(planned.request, text))))
                    }
                    if keys == ["/"] { session.press(.paste(text)) }
                    expectClean(
                        try session.screen(unicode: unicode), "\(keys) \(columns)x\(rows)")
                }
                var session = Session.ready(columns: columns, rows: rows)
                var action = Fixture.action(.purge, undoFor: 30)
                action.result = text
                session.send(.applied(ticket: 99, .success(action)))
                expectClean(try session.screen(unicode: unicode), "result")
                session.send(.undone(.failure(Failure(code: text, message: text))))
                expectClean(try session.screen(unicode: unicode), "failure")
                session.tick(1)
                session.answer(with: Failure(code: nil, message: text))
                expectClean(try session.screen(unicode: unicode), "lost")
            }
        }
    }

    private func answer(to question: Question, _ text: String, _ variant: Int) throws -> Answer {
        func value<Value: Decodable>() throws -> Value {
            try HostileDecoder.value(text, variant: variant)
        }
        return switch question {
        case .destinations: .destinations(try value())
        case .destination: .destination(try value())
        case .messages: .messages(try value())
        case .message: .message(try value())
        case .body: .body(try value())
        case .ages: .ages(try value())
        case .schedule: .schedule(try value())
        case .actions: .actions(try value())
        case .log: .log([.event(try value()), .trace(try value())])
        }
    }

    /// All that is asked for is answered, every string of it hostile.
    private func answerAll(_ session: inout Session, _ text: String, _ variant: Int) throws {
        // A page that says it begins elsewhere than asked is asked for again, for ever.
        for _ in 0..<4 {
            let index = session.pending.firstIndex {
                if case .fetch = $0 { true } else { false }
            }
            guard let index else { break }
            guard case .fetch(let request) = session.pending.remove(at: index) else { return }
            var status: Status = try HostileDecoder.value(text, variant: variant)
            status.at = Fixture.now
            var snapshot = Snapshot(status: status)
            snapshot.answer = try request.question.map { try answer(to: $0, text, variant) }
            session.send(.fetched(request, .success(snapshot)))
        }
        if let planned = session.planned, session.preview?.plan == nil, session.preview != nil {
            session.send(
                .planned(
                    ticket: planned.ticket,
                    .success(try HostileDecoder.value(text, variant: variant))))
        }
        session.stream([
            .event(try HostileDecoder.value(text, variant: variant)),
            .trace(try HostileDecoder.value(text, variant: variant)),
        ])
    }

    /// Every field of every type that the API has, on every page, with what opens on it.
    /// Short, so that more than one field of a line is on the screen.
    @Test(arguments: ["\u{1B}[2J", "\r\t\u{8}\u{202E}a\u{9B}", "長e\u{301}👩‍👩‍👧"])
    func everyFieldOfTheAPI(text: String) throws {
        let opening: [[Key]] = [[], ["3", "4"], [.enter], ["9"]]
        let ways: [[Key]] =
            PageKind.allCases.filter { !$0.isAboutOne }.map { [.character($0.key)] } + opening
            + [["3", .enter, "b"], ["8", "k"], ["8", "k", .enter]]
        let sizes = [(150, 40), (40, 8), (80, 24)]
        for variant in 0..<7 {
            for (columns, rows) in [sizes[variant % 3]] {
                for way in ways {
                    for last: [Key] in variant == 0
                        ? [[], ["D"], ["R"], ["S"], ["v"]] : [[]]
                    {
                        var session = Session(columns: columns, rows: rows)
                        session.tick()
                        try answerAll(&session, text, variant)
                        for key in way + last {
                            session.press(key)
                            try answerAll(&session, text, variant)
                        }
                        expectClean(
                            try session.screen(unicode: variant % 2 == 0),
                            "\(way) \(last) \(columns)x\(rows)")
                    }
                }
            }
        }
    }

    /// The test above reaches every string: what the decoder makes has no field without one.
    @Test func theDecoderFillsEveryField() throws {
        let row: DestinationRow = try HostileDecoder.value("<here>")
        let detail: MessageDetail = try HostileDecoder.value("<here>")
        func unfilled(_ value: Any, _ path: String) -> [String] {
            let mirror = Mirror(reflecting: value)
            if mirror.displayStyle == .optional, mirror.children.isEmpty { return [path] }
            if let text = value as? String { return text == "<here>" ? [] : [path] }
            return mirror.children.flatMap { unfilled($0.value, "\(path).\($0.label ?? "")") }
        }
        #expect(unfilled(row, "row").filter { !$0.hasSuffix(".version") } == [])
        #expect(unfilled(detail, "detail") == [])
    }

    @Test func hostileNumbers() throws {
        var row = Fixture.row(1, "x.example", .waiting)
        for value in [Double.nan, .infinity, -.infinity, -1, 1e300] {
            row.tokens = value
            row.burst = value
            row.rate = value
            row.deliveredPerSecond = value
            row.queued = .max
            row.connections = .max
            row.window = .max
            row.limit = -5
            row.attempts = .min
            row.history = [.max, .min, 0]
            row.oldestAt = UnixTime(milliseconds: 0)
            row.breakerUntil = UnixTime(milliseconds: 9_000_000_000_000_000)
            row.why.until = row.breakerUntil
            for (columns, rows) in [(40, 8), (200, 60)] {
                var session = Session.ready(columns: columns, rows: rows)
                session.rows = [row]
                session.tick(1)
                session.answer()
                _ = try session.screen()
                session.press(.enter)
                session.answer()
                _ = try session.screen()
            }
        }
    }
}
