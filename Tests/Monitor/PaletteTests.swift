import Control
import Terminal
import Testing

@testable import Monitor

struct PaletteTests {
    private func first(_ text: String, _ session: Session = .ready(nodes: Fixture.nodes)) -> Command
        .ID?
    {
        var palette = Palette()
        palette.field.insert(text)
        return session.model.matches(palette).first?.id
    }

    @Test func everyCommandIsFoundByItsName() {
        for command in Command.all where command.id != .commands && command.id != .cancel {
            #expect(first(command.id.name) == command.id, "\(command.id.name)")
        }
    }

    @Test func itIsFuzzy() {
        #expect(first("ret") == .retry)
        #expect(first("rsg") == .reassign)
        #expect(first("pgd") == .pageDown)
        #expect(first("PURGE") == .purge)
        #expect(first("delete") == .purge)
        #expect(first("zzz") == nil)
    }

    @Test func enterDoesIt() {
        var session = Session.ready()
        session.press(":")
        session.type("retr")
        session.press(.enter)
        #expect(session.planned?.request.action == .retry)
        // The same Enter again finds the safe button.
        session.answerPlan()
        session.press(.enter)
        #expect(session.applied == nil)
        #expect(session.preview == nil)
    }

    @Test func whatCannotBeDoneSaysWhy() throws {
        var session = Session.ready()
        session.press(":")
        session.type("undo")
        #expect(try session.screen().text.contains("not now: there is nothing to undo"))
        session.press(.enter)
        #expect(session.model.overlay == nil)
        #expect(session.model.feedback?.text == "there is nothing to undo")
    }

    @Test func withoutTheRightNoActionIsOffered() throws {
        var session = Session.ready(options: Model.Options(readOnly: true))
        session.press(":")
        let offered = session.model.matches(Palette())
        #expect(!offered.contains { $0.operates })
        #expect(offered.contains { $0.id == .sort })
    }

    @Test func keysMoveAndClose() {
        var session = Session.ready()
        session.press(":", .down, .down, .up)
        guard case .palette(let palette)? = session.model.overlay else {
            Issue.record("no palette")
            return
        }
        #expect(palette.selected == 1)
        // Letters are text here, and so is what is pasted.
        session.press("q", .paste("uit\n"))
        #expect(session.model.overlay != nil)
        session.press(.escape)
        #expect(session.model.overlay == nil)
        session.press(":", .backspace)
        #expect(session.model.overlay == nil)
    }

    @Test func itIsDrawnAtEverySize() throws {
        for columns in [1, 2, 5, 20, 40, 80, 200] {
            for rows in [1, 2, 3, 5, 8, 24, 60] {
                var session = Session.ready(columns: columns, rows: rows)
                session.press(":")
                session.type("re")
                _ = try session.screen()
            }
        }
    }
}
