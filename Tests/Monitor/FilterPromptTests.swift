import Filter
import Foundation
import Terminal
import Testing

@testable import Monitor

/// What is offered while a filter is typed.
struct FilterPromptTests {
    private func prompt(_ session: Session) -> FilterPrompt? {
        if case .filter(let prompt)? = session.model.overlay { return prompt }
        return nil
    }

    private func text(_ session: Session) -> String? { prompt(session)?.field.text }

    @Test func tabCompletesStepByStep() throws {
        var session = Session.ready()
        session.press("/")
        session.type("sta")
        session.press(.tab)
        #expect(text(session) == "state ")
        #expect(prompt(session)?.completion?.candidates.map(\.text) == ["= ", "!= "])
        session.press(.tab)
        #expect(text(session) == "state = ")
        session.press(.tab)
        #expect(text(session) == "state != ")
        session.press(.backTab)
        session.type("b")
        session.press(.tab)
        #expect(text(session) == "state = backoff ")
        session.press(.enter)
        #expect(session.model.query.filter == "state = backoff")
    }

    @Test func whatAllHaveInCommonComesFirst() {
        var session = Session.ready()
        session.press("/")
        session.type("deliv")
        session.press(.tab)
        #expect(text(session) == "deliver")
        session.press(.tab)
        #expect(text(session) == "delivering ")
        session.press(.tab)
        #expect(text(session) == "delivered ")
        session.press(.tab)
        #expect(text(session) == "delivering ")
    }

    @Test func valuesAreThoseOnTheScreen() throws {
        var session = Session.ready(rows: 40)
        session.press("/")
        session.type("domain = gma")
        #expect(prompt(session)?.completion?.candidates.first?.text == "gmail.example ")
        session.press(.tab)
        #expect(text(session) == "domain = gmail.example ")
        session.press(.escape, "3")
        session.answer()
        session.press("/")
        session.type("worker = ")
        #expect(prompt(session)?.completion?.candidates.map(\.text) == ["1 ", "2 "])
        session.press(.escape, "/")
        session.type("sender = news+1@")
        #expect(prompt(session)?.completion?.candidates.map(\.text) == ["news+1@shop.example "])
    }

    @Test func errorsAreSaidWhileOneTypesWithTheirPlace() throws {
        var session = Session.ready(columns: 100)
        session.press("/")
        session.type("state = backoff and colour = 3")
        #expect(prompt(session)?.failure?.position == 20)
        #expect(try session.screen().text.contains("at 21: unknown field 'colour'"))
        // And stays where it is when it is not taken.
        session.press(.enter)
        #expect(prompt(session)?.field.cursor == 20)
        #expect(session.model.query.filter == nil)
    }

    @Test func aPressTakesWhatIsOffered() throws {
        var session = Session.ready()
        session.press("/")
        session.type("state = b")
        let grid = try session.screen()
        let row = try #require((0..<22).last { grid.text(row: $0).contains("backoff") })
        let line = grid.text(row: row)
        let column = line.distance(
            from: line.startIndex, to: try #require(line.range(of: "backoff")?.lowerBound))
        session.press(.mouse(Key.Mouse(action: .press, row: row, column: column)))
        #expect(text(session) == "state = backoff ")
    }
}
