import Control
import Mail
import Terminal
import Testing

@testable import Monitor

struct UpdateTests {
    private let lost = Failure(code: nil, message: "nobody listens")

    // MARK: Data

    @Test func asksAtOnceAndThenEveryInterval() {
        var session = Session(options: Model.Options(interval: .seconds(2)))
        session.tick()
        #expect(session.pending.count == 1)
        // One is under way: no other.
        session.tick(2)
        #expect(session.pending.count == 1)
        session.answer()
        session.tick(1)
        #expect(session.pending.count == 1)
        session.answer()
        session.tick(1)
        #expect(session.pending.isEmpty)
        session.tick(1)
        #expect(session.pending.count == 1)
    }

    @Test func countdownsGoOnBetweenAnswers() {
        var session = Session.ready()
        let before = session.model.secondsUntil(Fixture.after(60))
        session.elapsed += .seconds(10)
        session.send(.tick)
        #expect(before == 60)
        #expect(session.model.secondsUntil(Fixture.after(60)) == 50)
    }

    @Test func aLostDaemonStopsTheClockAndIsTriedAgain() {
        var session = Session.ready()
        session.tick(1)
        session.answer(with: lost)
        guard case .lost(_, 1, _, "nobody listens") = session.model.link else {
            Issue.record("\(session.model.link)")
            return
        }
        #expect(session.model.isStale)
        let frozen = session.model.secondsUntil(Fixture.after(60))
        session.tick(1)
        session.answer(with: lost)
        session.tick(1)
        session.answer(with: lost)
        guard case .lost(_, 3, _, _) = session.model.link else {
            Issue.record("\(session.model.link)")
            return
        }
        #expect(session.model.secondsUntil(Fixture.after(60)) == frozen)
        // Attempts come less often now.
        session.tick(1)
        #expect(session.pending.isEmpty)
        session.tick(1)
        session.answer()
        #expect(session.model.link == .live)
        #expect(!session.model.isStale)
    }

    @Test func aSlowDaemonIsStaleAndKeysGoOn() throws {
        var session = Session.ready()
        session.tick(1)
        session.tick(4)
        #expect(session.model.isStale)
        #expect(try session.screen().text.contains("no answer, data 5s old"))
        session.press("j")
        #expect(session.model.table.list.cursor.index == 1)
    }

    @Test func anOlderAnswerIsNotShown() {
        var session = Session.ready()
        session.press("I")
        session.press("I")
        let requests = session.pending.compactMap { effect -> FetchRequest? in
            if case .fetch(let request) = effect { return request }
            return nil
        }
        #expect(requests.count == 2)
        session.send(.fetched(requests[1], .success(Fixture.snapshot(requests[1]))))
        let late = Fixture.snapshot(requests[0], rows: [Fixture.row(1, "late.example", .idle)])
        session.send(.fetched(requests[0], .success(late)))
        #expect(session.model.table.list.total == Fixture.rows.count)
    }

    // MARK: Cursor

    @Test func theCursorFollowsItsRow() {
        var session = Session.ready()
        session.press("j", "j", "j")
        let id = session.model.table.list.cursor.id
        #expect(id == Fixture.rows[3].id)
        session.rows.swapAt(3, 9)
        session.tick(1)
        session.answer()
        #expect(session.model.table.list.cursor.id == id)
        #expect(session.model.table.list.cursor.index == 9)
        #expect(session.model.current?.id == id)
    }

    @Test func theScreenFollowsTheCursor() {
        var session = Session.ready()
        session.press("j")
        session.rows.swapAt(1, 25)
        session.tick(1)
        session.answer()
        #expect(session.model.table.list.cursor.index == 25)
        let visible =
            session.model.table.list
            .top..<(session.model.table.list.top + session.model.layout.tableRows)
        #expect(visible.contains(25))
    }

    @Test func aRowThatLeavesIsNotReplacedByAnother() throws {
        var session = Session.ready()
        session.press("j", "j")
        session.rows.remove(at: 2)
        session.tick(1)
        session.answer()
        #expect(session.model.table.list.cursor.isLost)
        #expect(session.model.targets.isEmpty)
        session.press("D")
        #expect(session.preview == nil)
        #expect(try session.screen().text.contains("moved away"))
        // The next step takes whatever stands there now.
        session.press("j")
        #expect(session.model.current?.id == session.rows[2].id)
    }

    @Test func untouchedItStaysAtTheTop() {
        var session = Session.ready()
        session.rows.reverse()
        session.tick(1)
        session.answer()
        #expect(session.model.table.list.cursor.index == 0)
        #expect(session.model.table.list.cursor.id == session.rows[0].id)
        #expect(session.model.table.list.top == 0)
    }

    @Test func movingBeyondWhatIsThereFetchesIt() {
        var session = Session.ready()
        session.press("G")
        #expect(session.model.table.list.cursor.index == 99)
        #expect(session.model.current == nil)
        session.answer()
        #expect(session.model.current?.id == Fixture.rows[99].id)
        session.press("g")
        session.answer()
        #expect(session.model.current?.id == Fixture.rows[0].id)
    }

    /// A daemon that answers with other places than those it was asked for, or not at all, is asked
    /// again when it is time, not at once.
    @Test func anAnswerThatCoversNothingIsNotAskedForAgainAtOnce() throws {
        var session = Session.ready()
        session.press("G")
        let effects = session.pending
        guard case .fetch(let request)? = effects.first else {
            Issue.record("no request")
            return
        }
        let elsewhere = Page(
            at: Fixture.now, total: Fixture.rows.count, offset: 0,
            rows: Array(Fixture.rows.prefix(3)))
        session.send(
            .fetched(
                request,
                .success(Snapshot(status: Fixture.status(), answer: .destinations(elsewhere)))))
        #expect(session.model.fetching.isEmpty)
        session.tick(1)
        #expect(session.model.fetching.count == 1)
        session.answer(with: Failure(code: nil, message: "gone"))
        #expect(session.model.fetching.isEmpty)
    }

    @Test func onlyAWindowOfRowsIsAskedFor() {
        let session = Session.ready()
        guard case .fetch(let request)? = session.effects.first else {
            Issue.record("no request")
            return
        }
        let lines = session.model.layout.tableRows
        #expect(request.question == .destinations(Query(), RowWindow(offset: 0, limit: 2 * lines)))
    }

    /// However far away its row is in another order, the cursor is on it, and the screen there.
    @Test func theCursorStaysOnItsRowInAnotherOrder() throws {
        var session = Session.ready()
        session.press("j", "j")
        let chosen = Fixture.rows[2]
        session.press("I")
        guard case .fetch(let request)? = session.pending.last,
            case .destinations(let query, let window)? = request.question
        else {
            Issue.record("no request")
            return
        }
        #expect(query.sort == "queued")
        #expect(window.around == chosen.id)
        session.rows = Fixture.rows.reversed()
        session.answer()
        #expect(session.model.current?.id == chosen.id)
        let list = session.model.table.list
        #expect(list.cursor.index == Fixture.rows.count - 3)
        #expect(try session.screen().text.contains(chosen.name))
        // From then on it is where it is.
        session.tick(1)
        guard case .fetch(let next)? = session.pending.last,
            case .destinations(_, let window)? = next.question
        else {
            Issue.record("no request")
            return
        }
        #expect(window.around == nil)
        #expect(window.offset + window.limit > list.cursor.index)
        // What does not match any more is let go of.
        session.answer()
        session.press("I")
        session.rows = Array(Fixture.rows.dropFirst(50))
        session.answer()
        #expect(session.model.current?.id == Fixture.rows[50].id)
    }

    @Test func theMouseChoosesThenOpens() {
        var session = Session.ready()
        let row = session.model.layout.table.row + 4
        session.press(.mouse(Key.Mouse(action: .press, row: row, column: 10)))
        #expect(session.model.current?.id == Fixture.rows[4].id)
        session.press(.mouse(Key.Mouse(action: .press, row: row, column: 10)))
        #expect(session.model.page.kind == .destination)
        session.press("q")
        session.press(.mouse(Key.Mouse(action: .wheelDown, row: row, column: 10)))
        #expect(session.model.table.list.cursor.index == 7)
    }

    // MARK: Freeze, filter, sort

    @Test func frozenNothingChangesUntilItGoesOn() {
        var session = Session.ready()
        session.press("z")
        session.tick(5)
        #expect(session.pending.isEmpty)
        #expect(session.model.secondsUntil(Fixture.after(60)) == 60)
        session.press("z")
        session.answer()
        #expect(session.model.secondsUntil(Fixture.after(60)) == 55)
        #expect(session.model.frozenAt == nil)
    }

    @Test func aFilterIsCheckedWhileTypedAndSent() {
        var session = Session.ready()
        session.press("/")
        session.type("state = bakoff")
        guard case .filter(let prompt)? = session.model.overlay else {
            Issue.record("no prompt")
            return
        }
        #expect(prompt.failure?.position == 8)
        session.press(.enter)
        #expect(session.model.query.filter == nil)
        session.press(.end, .control("u"))
        session.type("state = backoff")
        session.press(.enter)
        #expect(session.model.overlay == nil)
        guard case .fetch(let request)? = session.pending.last else {
            Issue.record("no request")
            return
        }
        guard case .destinations(let query, _)? = request.question else {
            Issue.record("another question")
            return
        }
        #expect(query.filter == "state = backoff")
        session.answer()
        // Esc clears it again.
        session.press(.escape)
        #expect(session.model.query.filter == nil)
    }

    @Test func aFilterThatTheDaemonRefusesComesBackToBeMended() {
        var session = Session.ready()
        session.press("/")
        session.type("queued > 3")
        session.press(.enter)
        session.answer(
            with: Failure(code: "bad-filter", message: "no such field", position: 2))
        guard case .filter(let prompt)? = session.model.overlay else {
            Issue.record("no prompt")
            return
        }
        #expect(prompt.field.text == "queued > 3")
        #expect(prompt.field.cursor == 2)
        #expect(prompt.failure?.message == "no such field")
        #expect(session.model.query.filter == nil)
        #expect(session.model.link == .live)
    }

    @Test func sortingAsksTheDaemonAndInvertingAgain() {
        var session = Session.ready()
        session.press("S", "j", .enter)
        #expect(session.model.query == Query(sort: "queued", descending: true))
        session.answer()
        #expect(session.model.page.shownQuery == session.model.query)
        session.press("I")
        #expect(session.model.query.descending == false)
    }

    /// The daemon's own orders have one direction: they have no name to put a "-" before.
    @Test func theOrderOfTheDaemonIsTurnedRoundToo() {
        var session = Session.ready()
        #expect(session.model.query.sort == nil)
        session.press("I")
        #expect(session.model.query == Query(sort: "queued", descending: false))
        session.press("3", "I")
        #expect(session.model.query == Query(sort: "id", descending: true))
        session.press("I")
        #expect(session.model.query == Query(sort: "id", descending: false))
    }

    @Test func aHintGoesWithTheNextKeyThatDoesSomething() {
        var session = Session.ready()
        session.press("l")
        #expect(session.model.feedback?.kind == .hint)
        session.press("j")
        #expect(session.model.feedback == nil)
        session.press("l", "3")
        #expect(session.model.feedback == nil)
        // What was done stays.
        session.model.say(.done, "3 held")
        session.press("j", "1")
        #expect(session.model.feedback?.kind == .done)
    }

    /// Also where it is narrow, all of what each key does can be read.
    @Test(arguments: [40, 80, 200]) func theHelpIsWhole(_ columns: Int) {
        var session = Session.ready(columns: columns, rows: 24, nodes: Fixture.nodes)
        func scroll() -> Int? {
            if case .help(let scroll)? = session.model.overlay { scroll } else { nil }
        }
        session.press("?")
        let lines = HelpText.lines(session.model, glyphs: .ascii)
        let text = lines.map { $0.map(\.label.text).joined() }.joined(separator: " ")
        let words = text.split(separator: " ").joined(separator: " ")
        for command in Command.all { #expect(words.contains(command.help.text), "\(command.id)") }
        // From the end the way back begins at once.
        session.press("G", "j")
        #expect(scroll() == lines.count - 22)
        session.press("k")
        #expect(scroll() == lines.count - 23)
    }

    @Test func allSortsAreFieldsOfTheFilterLanguage() {
        for name in DestinationsPage.sorts.compactMap(\.name) {
            #expect(Model.isField(name), "\(name)")
        }
        for column in Column.allCases {
            guard let sort = column.sort else { continue }
            #expect(DestinationsPage.sorts.contains { $0.name == sort }, "\(sort)")
        }
    }

    // MARK: Keys

    @Test func pastedTextNeverActs() {
        var session = Session.ready()
        session.press(.paste("D\rq"))
        #expect(session.model.overlay == nil)
        #expect(session.pending.isEmpty)
        session.press("/", .paste("state =\nidle"))
        guard case .filter(let prompt)? = session.model.overlay else {
            Issue.record("no prompt")
            return
        }
        #expect(prompt.field.text == "state = idle")
    }

    @Test func qGoesBackAndEscapeNeverQuits() {
        var session = Session.ready()
        session.press(.enter)
        #expect(session.model.page.kind == .destination)
        session.press("q")
        #expect(session.model.pages.isAtRoot)
        session.press(.escape, .escape, .escape)
        #expect(!session.effects.contains { if case .quit = $0 { true } else { false } })
        session.press("q")
        guard case .quit? = session.effects.last else {
            Issue.record("did not quit")
            return
        }
    }

    @Test func thePageOfADestinationSaysWhenItIsOld() throws {
        var session = Session.ready()
        session.press("j", .enter)
        session.answer()
        let id = try #require(session.model.current?.id)
        #expect(
            session.effects.contains {
                if case .fetch(let request) = $0 {
                    request.question == .destination(id)
                } else {
                    false
                }
            })
        session.rows.removeAll { $0.id == id }
        for _ in 0..<6 {
            session.tick(1)
            session.answer()
        }
        #expect(try session.screen().text.contains("as it was 6s ago"))
    }
}

extension Model {
    static func isField(_ name: String) -> Bool {
        var model = Model(
            options: Options(), size: Size(columns: 80, rows: 24), moment: Fixture.moment())
        let prompt = FilterPrompt(field: TextField("\(name) = 1"))
        _ = model.handle(.enter, prompt)
        guard case .filter(let refused)? = model.overlay else { return true }
        // Another kind of value is meant; an unknown field would be refused at its name.
        return refused.failure?.position != 0
    }
}
