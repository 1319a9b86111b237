import Control
import Terminal
import Testing

@testable import Monitor

/// What can be done on the page of workers, and how far an action is.
struct WorkerActionTests {
    private func session(drained: Bool = false, columns: Int = 80) -> Session {
        var session = Session(columns: columns)
        session.press("7")
        session.tick()
        while case .fetch(let request)? = session.pending.first {
            session.pending.removeFirst()
            var snapshot = Fixture.snapshot(request)
            if drained { snapshot.status.workers[0].drainedBy = "ann (uid 7)" }
            session.send(.fetched(request, .success(snapshot)))
        }
        return session
    }

    @Test func aWorkerIsDrainedFromHere() throws {
        var session = session()
        #expect(try session.screen().text.contains("d drains it"))
        session.press("d")
        #expect(session.planned?.request.action == .drain)
        #expect(session.planned?.request.worker == 1)
        session.answerPlan()
        #expect(try session.screen().text.contains("Drain worker"))
        session.press(.enter)
        #expect(session.applied != nil)
    }

    @Test func aDrainEnds() throws {
        var session = session(drained: true)
        let screen = try session.screen().text
        #expect(screen.contains("draining") && screen.contains("drained by ann (uid 7)"))
        #expect(screen.contains("e ends the drain"))
        session.press("d")
        #expect(session.model.feedback?.text == "it is drained already")
        session.press("e")
        #expect(session.planned?.request.action == .undrain)
    }

    @Test func theLastThatTakesMailStays() {
        var session = session(drained: true)
        session.press("j", "d")
        #expect(session.model.feedback?.text == "no other worker takes mail")
    }

    @Test func allThatAWorkerHasIsReassigned() {
        var session = session()
        session.press("R", .enter)
        #expect(session.planned?.request.action == .reassign)
        #expect(session.planned?.request.worker == 2 || session.planned?.request.worker == nil)
        #expect(session.planned?.request.selector == Selector(filter: "worker = 1"))
    }

    @Test func withoutTheRightThereAreNoHints() throws {
        var session = Session(options: Model.Options(readOnly: true))
        session.press("7")
        session.tick()
        session.answer()
        #expect(try !session.screen().text.contains("drains it"))
        session.press("d")
        #expect(session.model.overlay == nil)
    }

    /// Hints name the keys as the operator has bound them.
    @Test func hintsNameTheKeysAsTheyAre() throws {
        let keymap = try Keymap(
            text: """
                [keys]
                drain-worker = "f5"
                add-worker = "f6"
                last = "x"
                down = "n"
                up = "m"
                cancel = "f9"
                """, file: "keys.toml")
        var session = Session.ready(options: Model.Options(keymap: keymap))
        session.press("7")
        session.answer()
        #expect(try session.screen().text.contains("F5 drains it, F6 - add or remove one"))
        session.press("8")
        session.stream(Fixture.events.map { .event($0) })
        session.press("m")
        #expect(try session.screen().text.contains("x follows again"))
        session.press("1", "n")
        let chosen = session.model.current?.id
        session.rows.removeAll { $0.id == chosen }
        session.tick(1)
        session.answer()
        #expect(try session.screen().text.contains("n or m chooses another"))
    }

    // MARK: Progress

    @Test func whatTakesLongSaysHowFarItIs() throws {
        var session = Session.ready(columns: 100)
        session.press("D")
        session.answerPlan()
        session.press(.tab, .tab, .tab)
        session.type("1240")
        session.press(.tab, .tab, .enter)
        let plan = session.applied?.plan
        #expect(plan != nil)
        #expect(!session.pending.contains { if case .fetch = $0 { true } else { false } })
        session.elapsed += .milliseconds(600)
        session.send(.tick)
        // Asked again before the interval is over.
        guard case .fetch(let request)? = session.pending.last else {
            Issue.record("nothing was asked")
            return
        }
        var snapshot = Fixture.snapshot(request)
        snapshot.status.running = [
            RunningAction(
                id: plan ?? "", action: .purge, by: "ann", since: Fixture.now, phase: .changing,
                done: 310, total: 1240)
        ]
        session.send(.fetched(request, .success(snapshot)))
        #expect(try session.screen().text.contains("37% done 310 of 1,240"))
    }

    // MARK: Content in a trace

    @Test func contentIsTracedWhereItIsAskedFor() throws {
        var session = Session.ready()
        session.press("9")
        #expect(session.model.followed?.request.subject == .trace(destination: "1"))
        session.press("b")
        #expect(
            session.model.followed?.request.subject == .trace(destination: "1", content: true))
        #expect(try session.screen().text.contains("with what messages say"))
        session.press("b")
        #expect(session.model.followed?.request.subject == .trace(destination: "1"))
        var reader = Session.ready(options: Model.Options(readOnly: true))
        reader.press("9", "b")
        #expect(reader.model.followed?.request.subject == .trace(destination: "1"))
    }
}
