import Control
import Terminal
import Testing

@testable import Monitor

struct PreviewTests {
    @Test func nothingIsDoneWithoutAPlan() {
        var session = Session.ready()
        session.press("j", "F")
        #expect(session.planned?.request.action == .retry)
        #expect(session.planned?.request.selector.destinations == [Fixture.rows[1].id])
        // The trigger again, or anything that is no button, confirms nothing.
        session.press("F", "y", " ")
        session.answerPlan()
        session.press("F", "F", "y", " ")
        #expect(session.applied == nil)
        session.press(.enter)
        #expect(session.applied?.plan == "p1")
        #expect(session.applied?.request.count == nil)
    }

    @Test func enterBeforeThePlanIsHereCancels() {
        var session = Session.ready()
        session.press("F", .enter)
        #expect(session.preview == nil)
        session.answerPlan()
        #expect(session.preview == nil)
        #expect(session.applied == nil)
    }

    @Test func aPurgeWantsTheCount() throws {
        var session = Session.ready()
        session.press("D")
        session.answerPlan()
        #expect(session.preview?.focus == .cancel)
        session.press(.right, .enter)
        #expect(session.applied == nil)
        #expect(try session.screen().text.contains("type 1,240 to confirm"))
        session.press(.up, .up)
        #expect(session.preview?.focus == .count)
        session.type("1,24")
        session.press(.enter)
        #expect(session.preview?.focus == .cancel)
        session.press(.right, .enter)
        #expect(session.applied == nil)
        session.press(.up, .up)
        session.type("0")
        session.press(.up)
        #expect(session.preview?.focus == .reason)
        session.type("spam run")
        session.press(.enter, .enter, .right, .enter)
        #expect(session.applied?.request.count == 1240)
        #expect(session.applied?.request.reason == "spam run")
    }

    @Test func enterOnAFreshPurgeCancels() {
        var session = Session.ready()
        session.press("D")
        session.answerPlan()
        session.press(.enter)
        #expect(session.preview == nil)
        #expect(session.applied == nil)
    }

    @Test func itIsBoundToItsTargetsWhateverTheTableDoes() {
        var session = Session.ready()
        session.press("j", "F")
        let id = Fixture.rows[1].id
        session.rows.reverse()
        session.tick(1)
        session.answer()
        session.answerPlan()
        #expect(session.preview?.targets.map(\.id) == [id])
        #expect(session.preview?.plan?.request.selector.destinations == [id])
        session.press(.enter)
        #expect(session.applied?.plan == "p1")
    }

    @Test func taggedRowsAreTheTargets() {
        var session = Session.ready()
        session.press(" ", " ", "P")
        #expect(
            session.planned?.request.selector.destinations
                == Fixture.rows[..<2].map(\.id))
        session.press(.escape, "U", "P")
        #expect(session.planned?.request.selector.destinations == [Fixture.rows[2].id])
    }

    @Test func pauseAndResumeByState() throws {
        let paused = try #require(Fixture.rows.firstIndex { $0.state == .paused })
        var session = Session.ready(columns: 80, rows: 60)
        session.press("P")
        #expect(session.planned?.request.action == .pause)
        session.press(.escape)
        session.press("C")
        #expect(session.planned?.request.action == .pause)
        #expect(session.model.feedback?.text == "it is not paused")
        for _ in 0..<paused { session.press("j") }
        session.press("C")
        #expect(session.planned?.request.action == .resume)
    }

    /// In the queue a delivery's reasons tell whether its destination is paused.
    @Test func resumingFromTheQueue() throws {
        var session = Session.ready()
        session.press("3")
        session.answer()
        session.press("j")
        let resume = try #require(Command.with(.resume))
        #expect(resume.availability(session.model) == .no("it is not paused"))
        #expect(try !session.screen().text(row: 23).contains("C resume"))
        session.press("C")
        #expect(session.model.overlay == nil)
        guard var page = session.model.page as? QueuePage, var row = page.message else {
            Issue.record("no row")
            return
        }
        row.waits = [Why(kind: "paused", text: "paused by root")]
        page.list.take([row], askedBy: page.list.query, lines: 10)
        session.model.page = page
        #expect(resume.availability(session.model) == .yes)
    }

    @Test func reassignAsksForTheWorker() {
        var session = Session.ready()
        session.press("R")
        guard case .menu? = session.model.overlay else {
            Issue.record("no menu")
            return
        }
        session.press("2", .enter)
        #expect(session.planned?.request.action == .reassign)
        #expect(session.planned?.request.worker == 2)
        session.press(.escape, "R", "g", .enter)
        #expect(session.planned?.request.worker == nil)
    }

    @Test func whatWasDoneIsReportedAndCanBeUndone() throws {
        var session = Session.ready()
        session.press("P")
        session.answerPlan()
        session.press(.enter)
        let applied = try #require(session.applied)
        session.send(
            .applied(
                ticket: applied.ticket, .success(Fixture.action(.pause, undoFor: 30))))
        #expect(session.preview == nil)
        session.answer()
        let screen = try session.screen().text
        #expect(screen.contains("1,240 deliveries; 3 had left the queue."))
        #expect(screen.contains("u undoes the pause, 30s left"))
        session.tick(10)
        session.answer()
        #expect(try session.screen().text.contains("u undoes the pause, 20s left"))
        session.press("u", "u")
        let undos = session.effects.filter { if case .undo("a7") = $0 { true } else { false } }
        #expect(undos.count == 1)
        session.send(.undone(.success(Fixture.action(.pause))))
        #expect(session.model.undoable == nil)
    }

    /// `u` is about what the line says: not about a hold that was released since.
    @Test func whatCannotBeUndoneEndsTheUndoOfWhatCameBefore() throws {
        for (before, seconds, isKept) in [
            (ActionKind.hold, nil, false), (.purge, 30, true),
        ] as [(ActionKind, Double?, Bool)] {
            var session = Session.ready()
            var undoable = Fixture.action(before, undoFor: 30)
            if seconds == nil { undoable.undoUntil = nil }
            session.model.undoable = undoable
            session.press("F")
            session.answerPlan()
            session.press(.enter)
            let applied = try #require(session.applied)
            session.send(.applied(ticket: applied.ticket, .success(Fixture.action(.retry))))
            session.answer()
            #expect((session.model.undoable != nil) == isKept)
            #expect(try session.screen().text.contains("u undoes the purge") == isKept)
        }
    }

    @Test func undoEndsWithItsTime() {
        var session = Session.ready()
        session.model.undoable = Fixture.action(.purge, undoFor: 30)
        session.tick(31)
        session.answer()
        session.press("u")
        #expect(!session.effects.contains { if case .undo = $0 { true } else { false } })
        #expect(session.model.feedback?.text == "there is nothing to undo")
    }

    @Test func aRefusedPlanCanBeMadeAgain() throws {
        var session = Session.ready()
        session.press("F")
        session.answerPlan()
        session.press(.enter)
        let applied = try #require(session.applied)
        session.send(
            .applied(
                ticket: applied.ticket,
                .failure(Failure(code: "plan-changed", message: "the queue has changed"))))
        #expect(try session.screen().text.contains("the queue has changed"))
        let before = try #require(session.planned?.ticket)
        session.press(.right, .enter)
        #expect(try #require(session.planned?.ticket) > before)
    }

    @Test func anEmptyOrAgedPlanCannotBeApplied() {
        var session = Session.ready()
        session.press("F")
        session.answerPlan(deliveries: 0)
        session.press(.right, .enter)
        #expect(session.applied == nil)
        session.press(.escape, "F")
        session.answerPlan()
        session.tick(61)
        session.press(.enter)
        #expect(session.applied == nil)
    }

    @Test func aResultThatComesAfterEscapeIsStillReported() throws {
        var session = Session.ready()
        session.press("F")
        session.answerPlan()
        session.press(.enter, .escape)
        let applied = try #require(session.applied)
        #expect(session.preview == nil)
        session.send(.applied(ticket: applied.ticket, .success(Fixture.action(.retry))))
        #expect(session.model.feedback?.kind == .done)
    }

    @Test func aLatePlanOfAnotherPreviewIsIgnored() throws {
        var session = Session.ready()
        session.press("F")
        let first = try #require(session.planned)
        session.press(.escape, "j", "P")
        session.send(.planned(ticket: first.ticket, .success(Fixture.plan(first.request))))
        #expect(session.preview?.plan == nil)
    }
}
