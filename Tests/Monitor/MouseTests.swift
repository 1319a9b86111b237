import Control
import Foundation
import Terminal
import Testing

@testable import Monitor

/// Presses on what is drawn; where it is drawn is read off the screen.
struct MouseTests {
    private func press(
        _ text: String, _ session: inout Session, last: Bool = false
    ) throws {
        let grid = try session.screen()
        let rows = 0..<grid.size.rows
        let row = try #require(
            (last ? rows.reversed() : Array(rows)).first { grid.text(row: $0).contains(text) },
            "\(text) is not on the screen")
        let line = grid.text(row: row)
        let column = line.distance(
            from: line.startIndex, to: try #require(line.range(of: text)?.lowerBound))
        session.press(.mouse(Key.Mouse(action: .press, row: row, column: column + 1)))
    }

    @Test func theFooterActs() throws {
        var session = Session.ready(columns: 120)
        try press("F retry", &session)
        #expect(session.planned?.request.action == .retry)
        session.press(.escape)
        try press("/ filter", &session)
        guard case .filter? = session.model.overlay else {
            Issue.record("no filter")
            return
        }
        session.press(.escape)
        try press("q quit", &session)
        #expect(session.effects.contains { if case .quit = $0 { true } else { false } })
    }

    @Test func aHeadingSorts() throws {
        var session = Session.ready()
        try press("QUEUED", &session)
        #expect(session.model.query == Query(sort: "queued", descending: true))
        session.answer()
        try press("QUEUED", &session)
        #expect(session.model.query == Query(sort: "queued", descending: false))
    }

    @Test func aTabShowsItsPage() throws {
        var session = Session.ready(columns: 120, rows: 40)
        try press("3 Queue", &session)
        #expect(session.model.page.kind == .queue)
    }

    @Test func aRowIsChosenThenOpened() throws {
        var session = Session.ready()
        let name = Fixture.rows[2].name
        try press(name, &session)
        #expect(session.model.current?.id == Fixture.rows[2].id)
        try press(name, &session)
        #expect(session.model.page.kind == .destination)
    }

    @Test func noSinglePressConfirms() throws {
        var session = Session.ready(columns: 120, rows: 40)
        session.press("P")
        session.answerPlan()
        session.press(.escape, "F")
        session.answerPlan()
        session.press(.tab)
        #expect(session.preview?.focus != .confirm)
        try press("Retry now 1,240", &session)
        #expect(session.applied == nil)
        #expect(session.preview?.focus == .confirm)
        try press("Retry now 1,240", &session)
        #expect(session.applied?.plan == "p1")
    }

    @Test func cancelAndFieldsCanBePressed() throws {
        var session = Session.ready(columns: 120, rows: 40)
        session.press("F")
        session.answerPlan()
        try press("reason", &session)
        #expect(session.preview?.focus == .reason)
        try press("Cancel", &session)
        #expect(session.preview == nil)
        #expect(session.applied == nil)
    }

    @Test func whatIsCoveredCannotBePressed() throws {
        var session = Session.ready(columns: 120)
        session.press("S")
        let before = session.effects.count
        try press("F retry", &session, last: true)
        #expect(session.effects.count == before)
        #expect(session.planned == nil)
    }

    @Test func menusAndThePalette() throws {
        var session = Session.ready(columns: 120, rows: 40)
        session.press("S")
        try press("to the next attempt", &session)
        try press("to the next attempt", &session)
        #expect(session.model.query.sort == "next")
        session.answer()
        session.press(":")
        session.type("freeze")
        try press("stop the screen", &session)
        #expect(session.model.frozenAt != nil)
    }

    @Test func pressesAndWheelsAreHarmlessEverywhere() throws {
        let overlays: [[Key]] = [
            [], ["?"], ["S"], ["R"], ["/"], ["D"], [":"], [.enter], ["3"], ["v"], ["A", "P"],
        ]
        for (columns, rows) in [(1, 1), (40, 8), (80, 24)] {
            for keys in overlays {
                for row in stride(from: 0, to: rows, by: 3) {
                    for column in stride(from: 0, to: columns, by: 9) {
                        for action in [
                            Key.Mouse.Action.press, .release, .wheelUp, .wheelDown,
                        ] {
                            var session = Session.ready(columns: columns, rows: rows)
                            for key in keys { session.press(key) }
                            session.answerPlan()
                            session.press(
                                .mouse(Key.Mouse(action: action, row: row, column: column)))
                            #expect(session.applied == nil)
                        }
                    }
                }
            }
        }
    }
}
