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
            for value in [cell.base, cell.mark] where value != 0 {
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
                #expect(isClean, "\(what): U+\(String(value, radix: 16))")
            }
            if !grid.unicode { #expect(cell.base < 0x7F) }
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
