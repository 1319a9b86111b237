import Control
import Filter
import Terminal
import Testing

@testable import Monitor

/// What actions are about: tagged rows, a range, all that match; and for how long.
struct ChoosingTests {
    // MARK: A range

    @Test func aRangeIsTaggedFromWhereItBegan() throws {
        var session = Session.ready()
        session.press("j", "v", "j", "j")
        #expect(session.model.tags.map(\.id) == Fixture.rows[1...3].map(\.id))
        #expect(try session.screen().text.contains("3 tagged, to here"))
        // Back over the beginning, and beyond it.
        session.press("k", "k", "k")
        #expect(session.model.tags.map(\.id) == Fixture.rows[0...1].map(\.id))
        session.press("j", "j", "v")
        #expect(session.model.range == nil)
        #expect(session.model.tags.map(\.id) == Fixture.rows[1...2].map(\.id))
        session.press("F")
        #expect(session.planned?.request.selector.destinations == Fixture.rows[1...2].map(\.id))
    }

    @Test func theScreenStandsStillMeanwhile() {
        var session = Session.ready()
        session.press("j", "v")
        session.rows.reverse()
        session.tick(1)
        session.answer()
        session.press("j")
        #expect(session.model.tags.map(\.id) == Fixture.rows[1...2].map(\.id))
        session.press("v")
        #expect(session.model.frozenAt == nil)
        session.answer()
        #expect(session.model.table.list.rows.first?.id == Fixture.rows.last?.id)
    }

    @Test func escapeForgetsTheRangeAlone() {
        var session = Session.ready()
        session.press(" ", "v", "j", .escape)
        #expect(session.model.tags.map(\.id) == [Fixture.rows[0].id])
        #expect(session.model.range == nil)
        #expect(session.model.frozenAt == nil)
        // Frozen before, frozen after.
        session.press("z", "v", "j", "v")
        #expect(session.model.frozenAt != nil)
    }

    @Test func anActionEndsTheRangeAndIsAboutIt() {
        var session = Session.ready()
        session.press("v", "j", "P")
        #expect(session.model.range == nil)
        #expect(session.planned?.request.selector.destinations == Fixture.rows[0...1].map(\.id))
    }

    // MARK: All that match

    @Test func allThatMatchIsAskedByTheFilter() throws {
        var session = Session.ready()
        session.press("/")
        session.type("state = backoff")
        session.press(.enter)
        session.answer()
        session.press("A")
        #expect(try session.screen().text.contains("all 100 that match"))
        session.press("F")
        #expect(session.planned?.request.selector == Selector(destinationFilter: "state = backoff"))
        #expect(try session.screen().text.contains("all destinations that match state = backoff"))
        session.press(.escape, "P")
        #expect(session.planned?.request.selector == Selector(filter: "state = backoff"))
        session.press(.escape, "R", .enter)
        #expect(session.planned?.request.selector == Selector(filter: "state = backoff"))
    }

    @Test func withoutAFilterItIsAllOfThem() throws {
        var session = Session.ready()
        session.press("A", "D")
        let text = try #require(session.planned?.request.selector.destinationFilter)
        #expect(throws: Never.self) {
            try FilterExpression.parse(text, fields: .destinations)
        }
        session.press(.escape, "3")
        session.answer()
        session.press("A", "D")
        let filter = try #require(session.planned?.request.selector.filter)
        #expect(throws: Never.self) { try FilterExpression.parse(filter, fields: .messages) }
        // Messages cannot be paused.
        let asked = session.effects.count
        session.press(.escape, "P")
        #expect(session.effects.count == asked)
        #expect(
            session.model.feedback?.text
                == "what is chosen are messages: this is for destinations")
    }

    @Test func itIsForgottenWithWhatItWasAbout() {
        for keys: [Key] in [["U"], [.escape], [" "], ["v"], ["3"]] {
            var session = Session.ready()
            session.press("A")
            #expect(session.model.matching != nil)
            for key in keys { session.press(key) }
            #expect(session.model.matching == nil, "\(keys)")
        }
        var session = Session.ready()
        session.press("A", "/")
        session.type("held")
        session.press(.enter)
        #expect(session.model.matching == nil)
    }

    // MARK: Pausing for a time

    @Test func aTimeIsAskedForAnew() throws {
        var session = Session.ready()
        session.press("P")
        session.answerPlan()
        #expect(session.planned?.request.seconds == nil)
        session.press(.tab)
        #expect(session.preview?.focus == .time)
        session.type("1h 30m")
        #expect(try session.screen().text.contains("Enter asks about that time"))
        session.press(.enter)
        #expect(session.planned?.request.seconds == 5400)
        #expect(session.preview?.plan == nil)
        session.answerPlan()
        session.press(.tab, .tab, .enter)
        #expect(session.applied?.plan == "p1")
    }

    @Test func aTimeThatIsNoneActsOnNothing() throws {
        for text in ["soon", "-1h", "0", "400d"] {
            var session = Session.ready()
            session.press("P")
            session.answerPlan()
            session.press(.tab)
            session.type(text)
            let asked = session.effects.count
            session.press(.enter, .tab, .tab, .enter)
            #expect(session.preview?.focus == .confirm, "\(text)")
            #expect(session.effects.count == asked, "\(text)")
            #expect(try session.screen().text.contains("how long?"), "\(text)")
        }
        var other = Session.ready()
        other.press("F")
        #expect(other.preview?.focuses.contains(.time) == false)
    }

    @Test func aTimeTypedBeforeTheCountIsNotLost() {
        var session = Session.ready()
        session.press("P", .tab, .tab)
        #expect(session.preview?.focus == .time)
        session.type("10m")
        session.press(.enter)
        let plans = { (session: Session) in
            session.effects.count { if case .plan = $0 { true } else { false } }
        }
        #expect(plans(session) == 1)
        session.answerPlan()
        #expect(plans(session) == 2)
        #expect(session.planned?.request.seconds == 600)
    }

    // MARK: Waiting

    @Test func whatTakesLongIsSeenToGoOn() throws {
        var session = Session.ready()
        session.press("F")
        #expect(session.model.isWaiting)
        #expect(try !session.screen().text.contains("2s"))
        session.elapsed += .seconds(2)
        session.send(.tick)
        #expect(try session.screen().text.contains("2s"))
        session.answerPlan()
        #expect(!session.model.isWaiting)
    }

    @Test func theBlockMovesToAndFro() {
        let gauge = Gauge(glyphs: .ascii)
        let shown = (0...12).map { gauge.moving(Double($0) / 8, columns: 8, .gauge).label.text }
        #expect(shown.allSatisfy { $0.count == 8 })
        #expect(shown[0] == "##......")
        #expect(shown[3] == "...##...")
        #expect(shown[6] == "......##")
        #expect(shown[7] == ".....##.")
        #expect(shown[12] == shown[0])
        for columns in [-1, 0, 1, 2, 3] {
            for seconds in [0, 0.3, Double.nan, .infinity, -5] {
                #expect(
                    gauge.moving(seconds, columns: columns, .gauge).columns == max(0, columns))
            }
        }
    }
}
