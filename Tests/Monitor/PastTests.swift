import Control
import Foundation
import Mail
import Terminal
import Testing

@testable import Monitor

/// The last hour, stepped through; recordings, written, read and damaged.
struct PastTests {
    // MARK: Keys

    private func past(_ keys: Key...) -> Session {
        var session = Session.ready(columns: 100)
        for key in keys {
            session.press(key)
            session.answer()
        }
        return session
    }

    @Test func theScreenSaysThatItIsThePast() throws {
        let session = past("[", "[", "[")
        #expect(session.model.past?.at == Fixture.after(-3))
        let text = try session.screen().text
        #expect(text.contains("PAST 03:04:02"))
        #expect(text.contains("the past, nothing can be done here"))
    }

    @Test func nothingCanBeDoneInThePast() {
        for command in Command.all where command.operates {
            var session = past("[")
            for key in command.keys { session.press(key) }
            #expect(session.model.overlay == nil)
            #expect(
                session.model.feedback?.text == "this is the past: nothing can be done there",
                "\(command.id)")
            #expect(session.planned == nil)
        }
    }

    @Test func forwardBeyondTheLastMomentIsNow() {
        var session = past("[", "[")
        session.press("]")
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-1))
        for _ in 0..<3 {
            session.press("]")
            session.answer()
        }
        #expect(session.model.past == nil)
        #expect(session.model.status?.at != nil)
    }

    @Test func backEndsAtTheFirstMoment() {
        var session = past()
        for _ in 0..<70 {
            session.press("[")
            session.answer()
        }
        #expect(session.model.past?.at == Fixture.after(-60))
        #expect(session.model.feedback?.text == "nothing was recorded before this")
    }

    /// Keys that come faster than answers are not lost.
    @Test func stepsAddUpWhileAnAnswerIsUnderWay() {
        var session = Session.ready()
        session.press("[", "[", "[", "[", "[")
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-5))
    }

    @Test func escapeAndQComeBackToThePageAsItWas() {
        for key in [Key.escape, "q"] {
            var session = Session.ready()
            session.press("j", "j")
            let cursor = session.model.table.list.cursor
            session.press("[")
            session.answer()
            session.press("g", key)
            session.answer()
            #expect(session.model.past == nil)
            #expect(session.model.table.list.cursor == cursor)
            #expect(!session.effects.contains { if case .quit = $0 { true } else { false } })
        }
    }

    @Test func timesAreTyped() {
        var session = past("[")
        session.press("t")
        session.type("03:03:40")
        session.press(.enter)
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-25))
        session.press("t")
        session.type("-10s")
        session.press(.enter)
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-10))
        session.press("t")
        session.type("25:99")
        session.press(.enter)
        guard case .time(let prompt)? = session.model.overlay else {
            Issue.record("it was taken")
            return
        }
        #expect(prompt.isWrong)
        #expect(session.model.time("04:00") == Fixture.after(-83_045))
    }

    @Test func playingGoesOnAndEndsNow() {
        var session = past("[", "[", "[", "[", "[", "[", "z")
        session.tick(2)
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-4))
        session.press(">")
        session.tick(1)
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-2))
        session.tick(1)
        session.answer()
        #expect(session.model.past == nil)
    }

    /// Every page shows the past or says that nothing was recorded of it.
    @Test(arguments: PageKind.allCases)
    func everyPage(kind: PageKind) throws {
        var session = Session.ready(nodes: Fixture.nodes)
        if kind == .message {
            session.press("3")
            session.answer()
        }
        session.press(.character(kind.key))
        session.answer()
        session.stream(Fixture.events.map { .event($0) })
        session.stream(Fixture.trace.map { .trace($0) })
        session.press("[")
        session.answer()
        #expect(session.model.page.kind == kind)
        #expect(session.model.past?.isMissing == false)
        #expect(try session.screen().text.contains("PAST 03:04:04"))
        for other in PageKind.allCases {
            session.press(.character(other.key))
            session.answer()
            _ = try session.screen()
        }
    }

    @Test func logsShowWhatHadHappenedByThen() throws {
        var session = Session.ready()
        session.press("8")
        session.stream(Fixture.events.map { .event($0) })
        for _ in 0..<10 {
            session.press("[")
            session.answer()
        }
        let page = try #require(session.model.page as? EventsPage)
        #expect(page.current?.at == Fixture.after(-10))
        #expect(try !session.screen().text.contains("03:03:56"))
        // Those that come meanwhile are there afterwards.
        session.stream([.event(Fixture.events[0])])
        session.press(.escape)
        let after = try #require(session.model.page as? EventsPage)
        #expect(after.log.count == Fixture.events.count + 1)
        #expect(after.log.isFollowing)
    }

    @Test func whatIsNotShownIsAskedForNowAndThen() {
        var session = Session.ready()
        for _ in 0..<60 {
            session.tick(1)
            session.answer()
            session.send(.sampled)
        }
        let samples = session.effects.compactMap { effect -> Question? in
            if case .sample(let question) = effect { question } else { nil }
        }
        #expect(samples.count == 12)
        #expect(samples.contains(.schedule(limit: 100)))
        #expect(samples.contains { if case .messages = $0 { true } else { false } })
    }

    @Test func aReplayPlaysFromItsBeginningAndStopsAtItsEnd() throws {
        var session = Session(options: Model.Options(replay: "monday.rec"))
        session.tick()
        session.answer()
        #expect(session.model.past?.at == Fixture.span.lowerBound)
        #expect(try session.screen().text.contains("REPLAY 03:03:05 2026-01-02"))
        for _ in 0..<3 { session.press(">") }
        for _ in 0..<9 {
            session.tick(1)
            session.answer()
        }
        #expect(session.model.past?.isPlaying == false)
        #expect(session.model.past?.at == Fixture.now)
        session.press("[")
        session.answer()
        #expect(session.model.past?.at == Fixture.after(-1))
        session.press(.escape)
        #expect(session.model.past != nil)
        session.press("q")
        #expect(session.effects.contains { if case .quit = $0 { true } else { false } })
    }

    // MARK: Keeping

    private static let question = Question.destinations(
        Query(), RowWindow(offset: 0, limit: 3))

    /// A status and some rows, in which the second is written.
    private func moment(_ second: Int, _ question: Question = Self.question) throws
        -> RecordedMoment
    {
        let at = Fixture.after(Double(second))
        let request = FetchRequest(ticket: 1, page: 0, question: question)
        var snapshot = Fixture.snapshot(
            request, rows: [Fixture.row(1, "one.example", .waiting)], at: at)
        snapshot.status.totals.deliveries = second
        if case .destinations(var page)? = snapshot.answer {
            page.rows[0].queued = second
            snapshot.answer = .destinations(page)
        }
        return try #require(RecordedMoment(snapshot, question))
    }

    @Test func anHourIsKeptAtFallingResolution() throws {
        let archive = MemoryArchive()
        for second in 0..<4000 { archive.record(try moment(second)) }
        #expect(archive.size < 3 << 20, "\(archive.size)")
        func at(_ second: Int) throws -> Int {
            let found = try #require(
                archive.recall(.at(Fixture.after(Double(second))), Self.question))
            guard case .destinations(let page)? = found.answer?.answer else { return -1 }
            #expect(page.rows[0].queued == found.status.totals.deliveries)
            return found.status.totals.deliveries
        }
        for second in 3880..<4000 { #expect(try at(second) == second) }
        for second in stride(from: 3450, to: 3800, by: 7) {
            #expect(try (second - 5...second).contains(at(second)))
        }
        for second in stride(from: 450, to: 3300, by: 77) {
            #expect(try (second - 20...second).contains(at(second)))
        }
        // Stepping reaches the beginning in as many steps as there are moments.
        var time = Fixture.after(3999)
        var steps = 0
        while let found = archive.recall(.step(from: time, by: -1), nil), found.status.at < time {
            time = found.status.at
            steps += 1
        }
        #expect(time < Fixture.after(460))
        #expect((300..<500).contains(steps), "\(steps)")
        let forward = try #require(archive.recall(.step(from: time, by: 3), nil))
        #expect(forward.status.at == time + .seconds(60))
    }

    @Test func aClockThatIsSetBackEndsThePast() throws {
        let archive = MemoryArchive()
        for second in 0..<100 { archive.record(try moment(second)) }
        for second in -50..<10 { archive.record(try moment(second)) }
        let found = try #require(archive.recall(.at(Fixture.after(99)), nil))
        #expect(found.status.at == Fixture.after(9))
        #expect(found.span.lowerBound == Fixture.after(-50))
    }

    /// Several questions are under way at once, and the daemon's instants may come in any order.
    @Test func answersThatOvertakeEachOtherEndNothing() throws {
        let archive = MemoryArchive()
        let other = Question.destinations(
            Query(filter: "queued > 3"), RowWindow(offset: 0, limit: 9))
        for second in 0..<60 {
            archive.record(try moment(second + 1))
            archive.record(try moment(second, other))
        }
        let found = try #require(archive.recall(.at(Fixture.now), Self.question))
        #expect(found.span == Fixture.after(1)...Fixture.after(60))
        let late = try #require(archive.recall(.at(Fixture.after(60)), other)?.answer)
        #expect(late.question == other)
    }

    @Test func whatWasNotAskedIsAnsweredByWhatIsNearest() throws {
        let archive = MemoryArchive()
        archive.record(try moment(0))
        let filtered = Question.destinations(
            Query(filter: "queued > 3"), RowWindow(offset: 0, limit: 9))
        let found = try #require(archive.recall(.at(Fixture.now), filtered))
        #expect(found.answer?.question == Self.question)
        #expect(
            archive.recall(.at(Fixture.now), .message("1a0"))?.answer == nil)
        // What is long past says nothing.
        archive.record(try moment(200, .schedule(limit: 5)))
        #expect(archive.recall(.at(Fixture.after(200)), filtered)?.answer == nil)
    }

    // MARK: Files

    private func withFile(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "/sluice-past-\(UUID().uuidString).rec"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private func write(_ path: String, seconds: Int = 300) throws {
        let file = try RecordingFile(creating: path)
        for second in 0..<seconds {
            #expect(file.record(try moment(second)) == nil)
            if second % 10 == 0 {
                #expect(file.record(.events, [.event(Fixture.events[second / 10])]) == nil)
            }
        }
    }

    @Test func aRecordingIsReadAsItWasWritten() throws {
        try withFile { path in
            try write(path)
            let recording = try Recording(path: path)
            #expect(recording.problem == nil)
            for second in [0, 1, 59, 60, 61, 150, 299, 17] {
                let found = try #require(
                    recording.recall(.at(Fixture.after(Double(second))), Self.question))
                #expect(found.status.totals.deliveries == second)
                #expect(found.span == Fixture.now...Fixture.after(299))
                guard case .destinations(let page)? = found.answer?.answer else {
                    Issue.record("no rows at \(second)")
                    continue
                }
                #expect(page.rows[0].queued == second)
            }
            let log = try #require(
                recording.recall(.at(Fixture.after(100)), .log(.events))?.answer)
            guard case .log(let items) = log.answer else { return }
            #expect(items.count == 11)
            // Small: what does not change costs next to nothing.
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            #expect(try #require(size) < 300 * 600)
            // And of its owner's only.
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
            #expect(mode as? Int == 0o600)
        }
    }

    @Test func anExistingFileIsLeftAlone() throws {
        try withFile { path in
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: RecordingError.self) { try RecordingFile(creating: path) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
        }
    }

    @Test func whatIsNoRecordingIsRefused() throws {
        try withFile { path in
            for (text, message) in [
                ("", "is not a recording"), ("hello, this is a text", "is not a recording"),
                ("SLUICERC\u{9}\0\0\0", "has version 9"),
                ("SLUICERC\u{1}\0\0\0", "holds nothing that can be shown"),
            ] {
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                let error = #expect(throws: RecordingError.self) { try Recording(path: path) }
                #expect(error?.description.contains(message) == true, "\(text)")
            }
            let error = #expect(throws: RecordingError.self) {
                try Recording(path: path + ".none")
            }
            #expect(error?.description.contains("No such file") == true)
        }
    }

    /// Cut anywhere: what came before the cut is there.
    @Test func aTruncatedFileIsShownAsFarAsItGoes() throws {
        try withFile { path in
            try write(path, seconds: 130)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            var readable = 0
            for cut in stride(from: 40, to: whole.count, by: whole.count / 97) {
                try whole.prefix(cut).write(to: URL(fileURLWithPath: path))
                guard let recording = try? Recording(path: path) else { continue }
                readable += 1
                let found = try #require(recording.recall(.at(Fixture.after(1e6)), nil))
                #expect((0..<130).contains(found.status.totals.deliveries))
                if recording.problem != nil {
                    #expect(found.problem?.contains("it ends within a record") == true)
                }
            }
            #expect(readable > 80)
        }
    }

    /// A byte that is wrong anywhere: no crash, and what lies behind the next segment is there.
    @Test func aDamagedFileIsShownWhereItIsWhole() throws {
        try withFile { path in
            try write(path, seconds: 130)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            for place in stride(from: 12, to: whole.count * 2 / 5, by: whole.count / 211) {
                var damaged = whole
                damaged[place] ^= 0x55
                try damaged.write(to: URL(fileURLWithPath: path))
                let recording = try Recording(path: path)
                #expect(
                    recording.problem?.contains("it is damaged at byte") == true, "\(place)")
                let found = try #require(
                    recording.recall(.at(Fixture.after(129)), Self.question))
                #expect(found.status.totals.deliveries == 129, "\(place)")
                for second in stride(from: 0, to: 130, by: 9) {
                    _ = recording.recall(.at(Fixture.after(Double(second))), Self.question)
                }
            }
        }
    }
}
