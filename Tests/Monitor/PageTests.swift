import Control
import Mail
import Terminal
import Testing

@testable import Monitor

/// The stack of pages, and what each page does with keys and answers.
struct PageTests {
    private func questions(_ session: Session) -> [Question] {
        session.effects.compactMap { effect in
            if case .fetch(let request) = effect { request.question } else { nil }
        }
    }

    private func opened(_ digit: Key) -> Session {
        var session = Session.ready()
        session.press(digit)
        session.answer()
        return session
    }

    // MARK: The stack

    @Test func digitsSwitchAndQComesBack() {
        var session = Session.ready()
        for (digit, kind): (Key, PageKind) in [
            ("3", .queue), ("5", .backoff), ("6", .ages), ("7", .workers), ("8", .events),
            ("0", .actions),
        ] {
            session.press(digit)
            session.answer()
            #expect(session.model.page.kind == kind)
            #expect(session.model.pages.entries.count == 2, "\(kind)")
        }
        session.press("q")
        #expect(session.model.page.kind == .destinations)
        #expect(!session.effects.contains { if case .quit = $0 { true } else { false } })
    }

    @Test func everyPageSaysWhereItIs() throws {
        var session = Session.ready()
        session.press("j", .enter)
        session.answer()
        session.press(.enter)
        session.answer()
        session.press(.enter)
        session.answer()
        #expect(
            session.model.pages.entries.map(\.page.kind)
                == [.destinations, .destination, .queue, .message])
        let crumbs = try session.screen().text(row: session.model.layout.navigationRow ?? 0)
        for crumb in ["Destinations ›", "outlook.example +41 ›", "Queue ›", "message 1a0"] {
            #expect(crumbs.contains(crumb), "\(crumbs)")
        }
        session.press("q", "q", "q")
        #expect(session.model.pages.isAtRoot)
        #expect(session.model.table.list.cursor.index == 1)
    }

    @Test func aPageAboutOneThingNeedsIt() {
        var session = Session.ready()
        session.press("4")
        #expect(session.model.pages.isAtRoot)
        #expect(session.model.feedback?.text == "choose a message first")
    }

    @Test func anAnswerForAPageThatIsGoneChangesNothing() {
        var session = Session.ready()
        session.press("3")
        session.press("q")
        session.answer()
        #expect(session.model.page.kind == .destinations)
        #expect(session.model.table.list.total == Fixture.rows.count)
    }

    // MARK: Queue and message

    @Test func theQueueOfADestinationIsItsOwn() {
        var session = Session.ready()
        session.press(.enter)
        session.answer()
        session.press(.enter)
        session.answer()
        #expect(session.model.query.filter == "destination = \(Fixture.rows[0].id)")
    }

    @Test func actionsInTheQueueAreAboutDeliveriesOrTheirDestination() throws {
        var session = opened("3")
        session.press(" ", " ", "F")
        let retry = try #require(session.planned?.request)
        #expect(retry.selector.messages == [Fixture.messages[0].id, Fixture.messages[1].id])
        #expect(retry.selector.destinations.isEmpty)
        session.press(.escape, "P")
        // What is tagged are messages.
        #expect(session.preview == nil)
        session.press("U", "P")
        let pause = try #require(session.planned?.request)
        #expect(pause.selector.destinations == ["1"])
    }

    @Test func aFilterOfTheQueueKnowsItsFields() {
        var session = opened("3")
        session.press("/")
        session.type("sender = <> and size > 10k and expires < 1h")
        session.press(.enter)
        #expect(session.model.overlay == nil)
        session.answer()
        #expect(session.model.query.filter == "sender = <> and size > 10k and expires < 1h")
        session.press("/")
        session.type(" and tokens = 0")
        session.press(.enter)
        guard case .filter(let prompt)? = session.model.overlay else {
            Issue.record("a field of destinations was taken")
            return
        }
        #expect(prompt.failure != nil)
    }

    @Test func theBodyIsAskedForOnlyOnRequest() throws {
        var session = opened("3")
        session.press(.enter)
        session.answer()
        #expect(!questions(session).contains { if case .body = $0 { true } else { false } })
        session.press("b")
        #expect(questions(session).last == .body("1a0"))
        session.answer()
        session.press("G")
        #expect(try session.screen().text.contains("this is it."))
        session.press("b")
        #expect(try !session.screen().text.contains("this is it."))
    }

    @Test func aBodyThatIsRefusedIsNotAskedForAgainAndAgain() {
        var session = opened("3")
        session.press(.enter)
        session.answer()
        session.press("b")
        session.answer(with: Failure(code: "forbidden", message: "not an operator"))
        session.answer()
        let bodies = questions(session).filter { if case .body = $0 { true } else { false } }
        #expect(bodies.count == 1)
        #expect(session.model.feedback?.text == "not an operator")
    }

    @Test func theHeaderIsDecodedAndTheHistoryShown() throws {
        var session = opened("3")
        session.press("j", "j", "j", .enter)
        session.answer()
        session.press("G")
        let text = try session.screen().text
        #expect(text.contains("Bücher <news+3@shop.example>"))
        #expect(text.contains("Hallo Welt 1"))
        session.press("g")
        #expect(try session.screen().text.contains("#2"))
    }

    @Test func aMessageThatLeavesIsStillShownAsItWas() throws {
        var session = opened("3")
        session.press(.enter)
        session.answer()
        session.tick(1)
        guard case .fetch(let request)? = session.pending.popLast() else {
            Issue.record("nothing was asked")
            return
        }
        session.send(
            .fetched(
                request,
                .success(Snapshot(status: Fixture.status(), answer: .message(nil)))))
        #expect(try session.screen().text.contains("it has left the queue: as it was 1s ago"))
    }

    // MARK: Time line and ages

    @Test func aLineOfTheTimeLineOpensItsMail() {
        var session = opened("5")
        session.press("j", "j", .enter)
        #expect(session.model.query.filter == "state = delayed and next > 60s and next <= 600s")
    }

    /// The daemon names the destinations with the most mail first.
    @Test func theTimeLineGoesByTime() {
        var schedule = Fixture.schedule
        schedule.expiring.reverse()
        let rows = TimelineRow.rows(of: schedule).suffix(2)
        #expect(rows.map(\.rowID) == ["expiring 1", "expiring 2"])
    }

    @Test func aProbeOpensItsDestination() throws {
        var session = opened("5")
        let page = try #require(session.model.page as? BackoffPage)
        let place = try #require(page.list.rows.firstIndex { $0.rowID == "probe 2" })
        for _ in 0..<place { session.press("j") }
        session.press(.enter)
        #expect(questions(session).last == .destination("2"))
    }

    @Test func aCellOfTheMapOpensWhatIsThatOld() throws {
        var session = opened("6")
        session.press("l", "l", "l", .enter)
        let page = try #require(session.model.pages.entries[1].page as? AgesPage)
        // At 80 columns there is room for the seven oldest.
        #expect(page.column(in: page.buckets(columns: 80)) == 9)
        #expect(session.model.query.filter == "destination = 1 and age >= 3840s and age < 7680s")
        // The first of them has all that is younger.
        session.press("q", "h", "h", .enter)
        #expect(session.model.query.filter == "destination = 1 and age < 1920s")
        session.press("q")
        #expect(Fixture.ages.rows[0].counts.prefix(8).reduce(0, +) == 4200)
        #expect(try session.screen().text.contains("4,200 deliveries, 0s to 32m old"))
        session.press("h", "h", .enter)
        #expect(session.model.query.filter == "destination = 1")
    }

    // MARK: Streams

    @Test func eventsAreFollowedWhileThePageIsInTheStack() throws {
        var session = Session.ready()
        session.press("8")
        guard case .stream(let request?)? = session.effects.last else {
            Issue.record("not followed")
            return
        }
        #expect(request.subject == .events)
        session.stream(Fixture.events.map { .event($0) })
        session.press("k", .enter)
        #expect(session.model.followed?.request == request)
        session.press("q", "q")
        #expect(session.model.followed == nil)
        guard
            case .stream(nil)? = session.effects.last(where: {
                if case .stream = $0 { true } else { false }
            })
        else {
            Issue.record("still followed")
            return
        }
    }

    /// Where there is no room for the whole way, the end of it is what is shown.
    @Test func wherePagesLieDeepTheTopIsSeen() throws {
        var session = Session.ready()
        session.press("2")
        session.answer()
        session.press(.enter)
        session.answer()
        session.press(.enter)
        session.answer()
        let row = session.model.layout.navigationRow ?? 0
        #expect(
            try session.screen().text(row: row).hasPrefix(" Destinations › gmail.example › Queue"))
        session.model.size = Size(columns: 64, rows: 24)
        let crumb = session.model.page.crumb
        #expect(
            try session.screen().text(row: row).hasPrefix(
                " › gmail.example › Queue › \(crumb.text)"))
        session.model.size = Size(columns: 40, rows: 10)
        #expect(try session.screen().text(row: 0).contains("› \(crumb.text)"))
    }

    /// That there is more below is seen.
    @Test func aLongPageSaysWhichLinesAreThere() throws {
        var session = Session.ready()
        session.press("2")
        session.answer()
        let count = try #require(session.model.page.position(in: session.model)?.total)
        #expect(count > 17)
        #expect(try session.screen().text.contains("1–17 of \(count)"))
        session.press("G")
        #expect(try session.screen().text.contains("\(count - 16)–\(count) of \(count)"))
        session.model.size = Size(columns: 200, rows: 100)
        #expect(session.model.page.position(in: session.model) == nil)
    }

    /// Nobody must take some lines for all.
    @Test func aFilterOfEventsIsOnTheScreen() throws {
        var session = Session.ready()
        session.press("8")
        session.stream(Fixture.events.map { .event($0) })
        session.press("/")
        #expect(try session.screen().text.contains("kind = breaker or kind = worker"))
        session.type("kind = spool")
        session.press(.enter)
        let heading = try session.screen().text(row: 5)
        #expect(heading.hasPrefix(" TIME"))
        #expect(heading.hasSuffix("/ kind = spool") || heading.hasSuffix("/ kind = spool "))
        session.press(.escape)
        #expect(try !session.screen().text.contains("/ kind = spool"))
    }

    @Test func whatIsNoLongerFollowedIsNotTaken() throws {
        var session = Session.ready()
        session.press("8")
        let old = try #require(session.model.followed?.request.ticket)
        session.press("1", "9")
        session.send(.streamed(ticket: old, .items([.event(Fixture.events[0])])))
        let page = try #require(session.model.page as? TracePage)
        #expect(page.log.count == 0)
    }

    @Test func aStreamThatEndsIsAskedForAgainAfterAWhile() {
        var session = Session.ready()
        session.press("8")
        guard let first = session.model.followed?.request.ticket else {
            Issue.record("not followed")
            return
        }
        session.send(.streamed(ticket: first, .ended(nil)))
        #expect(session.model.followed == nil)
        session.tick(1)
        #expect(session.model.followed == nil)
        session.tick(1)
        #expect(session.model.followed != nil)
    }

    @Test func movingUpStopsTheLogAndGFollowsAgain() throws {
        var session = Session.ready()
        session.press("8")
        session.stream(Fixture.events.map { .event($0) })
        session.press("k", "k")
        session.stream(Fixture.events.map { .event($0) })
        #expect(try session.screen().text.contains("stopped, 42 newer"))
        session.press("G")
        #expect(try session.screen().text.contains("following"))
    }

    @Test func eventsAreFilteredHere() throws {
        var session = Session.ready()
        session.press("8")
        session.stream(Fixture.events.map { .event($0) })
        session.press("/")
        session.type("kind = bounced")
        session.press(.enter)
        let text = try session.screen().text
        #expect(text.contains("bounced"))
        #expect(!text.contains("deferred  "))
    }

    @Test func aTraceSaysWhatWasLeftOutAndIsSaved() throws {
        var session = Session.ready()
        session.press("9")
        session.stream(Fixture.trace.map { .trace($0) })
        #expect(try session.screen().text.contains("12 lines left out"))
        session.press("s")
        guard
            case .save(let file)? = session.effects.last(where: {
                if case .save = $0 { true } else { false }
            })
        else {
            Issue.record("not saved")
            return
        }
        #expect(file.name == "sluice-trace-1-030405.log")
        #expect(file.text.contains("1:7 < 220 mx1.gmail.example ESMTP\n"))
        #expect(file.text.contains("... 12 lines left out\n"))
    }

    @Test func aLogIsBounded() {
        var log = LogBuffer<Int>(limit: 10)
        for number in 0..<100 { log.append(number) }
        #expect(log.entries.count == 10)
        #expect(log.window(rows: 3) { _ in true }.lines.map(\.line) == [97, 98, 99])
        log.move(by: -1) { $0 % 2 == 0 }
        #expect(log.cursor == 96)
        log.move(by: -.max / 2) { _ in true }
        #expect(log.cursor == 90)
        // The line under the cursor has gone: the oldest that is left is shown.
        for number in 100..<200 { log.append(number) }
        log.move(by: 1) { _ in true }
        #expect(log.cursor == 191)
        log.move(by: .max / 2) { _ in true }
        #expect(log.isFollowing)
    }

    // MARK: Workers and actions

    @Test func workersAreAddedAndRemovedWithAPreview() throws {
        var session = opened("7")
        session.press("+")
        let added = try #require(session.planned?.request)
        #expect(added.action == .workers)
        #expect(added.worker == 3)
        session.press(.escape, "-")
        #expect(session.planned?.request.worker == 1)
    }

    @Test func aWorkerOpensItsDestinations() {
        var session = opened("7")
        session.press(.enter)
        #expect(session.model.page.kind == .destinations)
        #expect(session.model.query.filter == "worker = 1")
    }

    @Test func undoIsAboutTheActionUnderTheCursor() {
        var session = opened("0")
        session.press("u")
        guard
            case .undo(let id)? = session.effects.last(where: {
                if case .undo = $0 { true } else { false }
            })
        else {
            Issue.record("nothing was undone")
            return
        }
        #expect(id == "40")
    }
}
