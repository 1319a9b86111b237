import Control
import Foundation
import Settings
import Terminal
import Testing

@testable import Monitor

/// What an operator chose and finds again: columns, orders, views, and their file.
struct KeptChoicesTests {
    private let text = """
        [destinations]
        columns = ["state", "name", "why"]
        sort = "-queued"

        [[view]]
        name = "stuck \\"mail\\""
        rows = "messages"
        filter = "age > 1h and code = 4xx"
        sort = "-age"
        """

    @Test func itReadsWhatItWrites() throws {
        var choices = try KeptChoices(text: text, file: "monitor.toml")
        #expect(choices.tables[.destinations]?.columns == ["state", "name", "why"])
        #expect(choices.tables[.destinations]?.sort == "queued")
        #expect(choices.tables[.destinations]?.descending == true)
        #expect(choices.views.map(\.name) == ["stuck \"mail\""])
        choices.make(.sort(.queue, nil, descending: true))
        choices.make(.columns(.workers, ["state", "number"]))
        choices.make(
            .keep(SavedView(name: "a\n\\\u{7F}ü", rows: .destinations, filter: "paused")))
        #expect(try KeptChoices(text: choices.text, file: "x") == choices)
    }

    @Test(arguments: [
        ("[destinations]\ncolumns = [\"state\",\n\"colour\"]", 3, "there is no column 'colour'"),
        ("[destinations]\ncolumns = [\"why\", \"why\"]", 2, "twice"),
        ("[destinations]\ncolumns = []", 2, "at least one"),
        ("[queue]\nsort = \"colour\"", 2, "cannot be sorted by 'colour'"),
        ("[workers]\nsort = \"cpu\"", 2, "known is columns"),
        ("\n[tables]\n", 2, "unknown"),
        (
            "[[view]]\nname = \"x\"\nrows = \"mail\"\nfilter = \"paused\"", 3,
            "destinations or messages"
        ),
        (
            "[[view]]\nname = \"x\"\nrows = \"destinations\"\nfilter = \"state = bakoff\"", 4,
            "did you mean 'backoff'"
        ),
        ("[[view]]\nrows = \"messages\"\nfilter = \"held\"", 1, "needs a name"),
        ("[[view]]\nname = 3", 2, "a string is meant"),
        ("[view]\nname = \"x\"", 1, "two brackets"),
    ])
    func whatIsWrongIsSaidWithItsLine(text: String, line: Int, message: String) {
        let error = #expect(throws: SettingsError.self) {
            try KeptChoices(text: text, file: "monitor.toml")
        }
        let problem = error?.problems.first
        #expect(problem?.line == line)
        #expect(problem?.message.contains(message) == true, "\(problem?.message ?? "")")
    }

    @Test func aChangeIsMadeToTheFileAsItIsThen() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // Two monitors, each of which keeps something.
        let (one, other) = (
            KeptFile(path: folder + "/a/m.toml"), KeptFile(path: folder + "/a/m.toml")
        )
        #expect(try one.read() == KeptChoices())
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try one.make(.keep(SavedView(name: "x", rows: .messages, filter: "state = held")))
        try other.make(.columns(.queue, ["state", "age"]))
        let both = try one.read()
        #expect(both.views.count == 1)
        #expect(both.tables[.queue]?.columns == ["state", "age"])
        // One that somebody broke is left as it is.
        try "[[view]\n".write(toFile: one.path, atomically: true, encoding: .utf8)
        #expect(throws: SettingsError.self) { try one.make(.drop(view: "x")) }
        #expect(try String(contentsOfFile: one.path, encoding: .utf8) == "[[view]\n")
    }

    // MARK: Columns

    private var kept: (inout Session) -> [KeptChoices.Change] {
        { session in
            session.effects.compactMap { if case .keep(let change) = $0 { change } else { nil } }
        }
    }

    @Test func columnsAreChosenAndSeenAtOnce() throws {
        var session = Session.ready(columns: 120, rows: 40)
        session.press("c")
        #expect(try session.screen().text.contains("[x] queued"))
        #expect(try session.screen().text.contains("QUEUED"))
        // After whose it is comes the queue's length: off, and another on.
        session.press("j", "j", "j", "j", " ")
        #expect(try !session.screen().text(row: 6).contains("QUEUED"))
        session.press("j", " ")
        #expect(try session.screen().text(row: 6).contains("READY"))
        // To the left, over what is off and over the name.
        session.press("h", "h", "h", "h", "h", .enter)
        #expect(session.model.overlay == nil)
        let chosen = try #require(session.model.kept.tables[.destinations]?.columns)
        #expect(Array(chosen.prefix(3)) == ["ready", "state", "name"])
        #expect(kept(&session) == [.columns(.destinations, chosen)])
        let heading = try session.screen().text(row: 6)
        let (ready, name) = (heading.range(of: "READY"), heading.range(of: "DESTINATION"))
        #expect(try #require(ready).lowerBound < #require(name).lowerBound)
    }

    @Test func escapeBringsTheColumnsBack() throws {
        var session = Session.ready()
        let before = try session.screen().text
        session.press("c", "j", "j", " ", .escape)
        #expect(try session.screen().text == before)
        #expect(kept(&session) == [])
        session.press("c", " ", "U", .enter)
        #expect(kept(&session) == [.columns(.destinations, nil)])
    }

    @Test func theLastColumnStays() {
        var kept = KeptChoices()
        kept.make(.columns(.destinations, ["why"]))
        var session = Session.ready(options: Model.Options(kept: kept))
        session.press("c")
        guard case .columns(let chooser)? = session.model.overlay else {
            Issue.record("no chooser")
            return
        }
        let place = chooser.items.firstIndex { $0.name == "why" } ?? 0
        for _ in 0..<place { session.press("j") }
        session.press(" ", .enter)
        #expect(session.model.kept.tables[.destinations]?.columns == ["why"])
    }

    /// Every choice of columns fits every width; what is asked most stays longest.
    @Test func chosenColumnsFit() {
        for names in [ChosenTable.destinations.columns, ["reply", "name"], ["bounced"]] {
            let columns = names.compactMap(Column.init)
            for width in 1...250 {
                let fitted = Column.fitted(width, of: columns)
                #expect(!fitted.isEmpty)
                #expect(fitted.reduce(-1) { $0 + $1.width + 1 } <= max(width, 1))
            }
        }
        let narrow = Column.fitted(40, of: Column.allCases).map(\.column)
        #expect(narrow.contains(.name) && narrow.contains(.queued) && !narrow.contains(.exchanger))
    }

    @Test func everyColumnHasItsName() {
        for table in ChosenTable.allCases {
            #expect(Set(table.columns).count == table.columns.count)
            #expect(Set(table.standard).isSubset(of: Set(table.columns)))
        }
        // What a heading sorts by, the page sorts by.
        let destinations = Set(DestinationsPage.sorts.compactMap(\.name))
        #expect(Set(Column.allCases.compactMap(\.sort)).isSubset(of: destinations))
        #expect(Column.allCases.allSatisfy { $0.sort != nil || [.host, .node].contains($0) })
        let queue = Set(QueuePage.sorts.compactMap(\.name))
        #expect(Set(QueueColumn.allCases.compactMap(\.sort)).isSubset(of: queue))
        for column in Column.allCases { #expect(Column.steps.contains { $0.column == column }) }
        for column in QueueColumn.allCases {
            #expect(QueueColumn.steps.contains { $0.column == column })
        }
    }

    // MARK: The order

    @Test func theOrderIsKeptAndThereAtTheNextStart() {
        var session = Session.ready()
        session.press("S", "j", .enter)
        session.answer()
        #expect(kept(&session) == [.sort(.destinations, "queued", descending: true)])
        session.press("I")
        #expect(kept(&session).last == .sort(.destinations, "queued", descending: false))

        let again = Session(options: Model.Options(kept: session.model.kept))
        #expect(again.model.query == Query(sort: "queued", descending: false))
        var queue = session
        queue.press("3")
        #expect(queue.model.query == Query())
        queue.press("S", "j", .enter, "1", "3")
        #expect(queue.model.query.sort == "age")
    }

    // MARK: Views

    @Test func aViewIsSavedShownAndDeleted() throws {
        var session = Session.ready()
        session.press("V", "s")
        #expect(session.model.feedback?.text == "there is no filter to save")
        session.press(.escape, "3", "/")
        session.type("age > 1h")
        session.press(.enter, "V", "s")
        session.type("old")
        session.press(.enter)
        let view = SavedView(name: "old", rows: .messages, filter: "age > 1h")
        #expect(kept(&session).last == .keep(view))
        session.press("1", "V")
        #expect(try session.screen().text.contains("old"))
        session.press("1")
        session.answer()
        #expect(session.model.page.kind == .queue)
        #expect(session.model.query.filter == "age > 1h")
        #expect(try session.screen().text.contains("old: age > 1h"))
        session.press("V", "0")
        #expect(session.model.query.filter == nil)
        // Deleted the second time.
        session.press("V", "j", .delete)
        #expect(try session.screen().text.contains("once more deletes old"))
        #expect(session.model.kept.views.count == 1)
        session.press(.delete)
        #expect(session.model.kept.views.isEmpty)
        #expect(kept(&session).last == .drop(view: "old"))
    }

    @Test func anotherKeyTakesTheDeletionBack() {
        var kept = KeptChoices()
        kept.make(.keep(SavedView(name: "x", rows: .destinations, filter: "paused")))
        kept.make(.keep(SavedView(name: "y", rows: .destinations, filter: "backoff")))
        var session = Session.ready(options: Model.Options(kept: kept))
        session.press("V", "j", .delete, "j", "k", .delete)
        #expect(session.model.kept.views.count == 2)
        session.press(.escape, "V", .backspace, .backspace)
        #expect(session.model.kept.views.count == 2)
    }

    @Test func theMonitorBeginsWithAPageOrAView() {
        var session = Session()
        session.model.begin(
            with: .view(
                SavedView(
                    name: "x", rows: .messages, filter: "held", sort: "size", descending: true)))
        session.tick()
        session.answer()
        #expect(session.model.page.kind == .queue)
        #expect(session.model.query == Query(filter: "held", sort: "size", descending: true))
        for kind in PageKind.allCases where !kind.isAboutOne {
            var session = Session()
            session.model.begin(with: .page(kind))
            session.tick()
            session.answer()
            #expect(session.model.page.kind == kind)
        }
        var message = Session()
        message.model.begin(with: .message("1a3"))
        message.tick()
        message.answer()
        #expect(message.model.page.message?.message == "1a3")
    }
}
