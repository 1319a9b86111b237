import Control
import Foundation
import Terminal
import Testing

@testable import Monitor

/// The page of the nodes, and what else shows that there are several.
struct NodesTests {
    private func page(columns: Int = 100, down: Int = 0) -> Session {
        var session = Session.ready(columns: columns, rows: 24, nodes: Fixture.nodes)
        session.press("N")
        session.answer()
        for _ in 0..<down { session.press("j") }
        return session
    }

    @Test func oneDaemonAloneHasNoSuchPage() throws {
        var session = Session.ready(columns: 200, rows: 40)
        session.press("N")
        #expect(session.model.pages.isAtRoot)
        #expect(
            session.model.feedback?.text == "this daemon is the only one that uses its spool")
        session.press("?")
        #expect(
            !HelpText.lines(session.model, glyphs: .ascii).contains {
                $0.label.text.contains("nodes")
            })
        session.press(.escape, ":")
        session.type("nodes")
        var palette = Palette()
        palette.field.insert("nodes")
        #expect(!session.model.matches(palette).contains { $0.id == .showNodes })
        #expect(
            try !session.screen().text(row: session.model.layout.navigationRow ?? 0).contains(
                "Nodes"))
    }

    @Test func aClusterHasIt() throws {
        var session = Session.ready(columns: 200, rows: 40, nodes: Fixture.nodes)
        let row = try #require(session.model.layout.navigationRow)
        #expect(try session.screen().text(row: row).contains("N Nodes"))
        session.press(":")
        session.type("nodes")
        session.press(.enter)
        #expect(session.model.page.kind == .nodes)
        session.press("q", "N")
        #expect(session.model.page.kind == .nodes)
        #expect(session.model.pages.entries.count == 2)
    }

    @Test(arguments: [
        (0, "live", "is the one that answers here"), (1, "live", "renewed its lease 2s ago"),
        (2, "silent", "gave no sign of life for 9s"),
        (3, "draining", "5% is still to be handed over"),
        (4, "drained", "has handed over all"), (5, "gone", "take over the 3% that it had"),
    ])
    func everyStateIsSaid(place: Int, word: String, text: String) throws {
        let screen = try page(down: place).screen()
        let rows = (0..<24).map { screen.text(row: $0) }
        #expect(rows.contains { $0.contains("mta\(place + 1)") && $0.contains(word) })
        #expect(rows.contains { $0.contains(text) }, "\(rows)")
    }

    @Test func itGrowsOldByItself() throws {
        var session = page(down: 1)
        session.tick(7)
        let lines = try session.screen().text
        #expect(lines.contains("gave no sign of life for 9s"))
    }

    @Test func drainingIsForTheCommandLine() throws {
        var session = page(down: 1)
        #expect(try session.screen().text.contains("sluice node drain mta2"))
        session.press("d", "D", "+", "R", .enter)
        #expect(session.model.overlay == nil)
        #expect(session.planned == nil)
        // The last one is not to be drained.
        session.nodes = [Fixture.nodes[0]]
        session.tick(1)
        session.answer()
        session.press("k")
        #expect(try session.screen().text.contains("no other node could take over"))
    }

    @Test func aNodeThatHasComeOrGoneKeepsTheCursor() {
        var session = page(down: 1)
        session.nodes =
            [
                NodeRow(
                    name: "a", state: .live, isSelf: false, workers: 1, has: 0, share: 0.2,
                    seenSeconds: 0, leaseSeconds: 10)
            ] + Fixture.nodes
        session.tick(1)
        session.answer()
        #expect((session.model.page as? NodesPage)?.list.current?.name == "mta2")
    }

    /// What is shown of the past is what was recorded with the status.
    @Test func aRecordingHasThem() throws {
        let path = NSTemporaryDirectory() + "/sluice-nodes-\(UUID().uuidString).rec"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try RecordingFile(creating: path)
        let memory = MemoryArchive()
        for second in 0..<3 {
            var status = Fixture.status(at: Fixture.after(Double(second)))
            // The last moment is of a daemon that is alone again.
            status.nodes = second < 2 ? Array(Fixture.nodes.dropLast(second)) : nil
            let moment = try #require(RecordedMoment(Snapshot(status: status), nil))
            #expect(file.record(moment) == nil)
            memory.record(moment)
        }
        let recording = try Recording(path: path)
        for second in 0..<3 {
            let wanted = second < 2 ? Array(Fixture.nodes.dropLast(second)) : nil
            let time = PastTime.at(Fixture.after(Double(second)))
            for archive: any Archive in [recording, memory] {
                let found = try #require(archive.recall(time, nil))
                #expect(found.status.nodes == wanted)
                var session = page()
                session.press("[")
                for effect in session.pending {
                    guard case .fetch(let request) = effect, request.past != nil else { continue }
                    session.send(.fetched(request, .success(Snapshot(found))))
                }
                let screen = try session.screen().text
                #expect(screen.contains("PAST"))
                #expect(screen.contains("mta5") == (wanted != nil))
                #expect(screen.contains("mta6") == (second == 0))
                #expect(screen.contains("is the only one that uses its spool") == (wanted == nil))
            }
        }
    }

    @Test func theQueueSaysWhichNodeHasIt() throws {
        var alone = Session.ready(columns: 200, rows: 40)
        alone.press("3")
        alone.answer()
        #expect(try !alone.screen().text.contains(" NODE "))
        var session = Session.ready(columns: 200, rows: 40, nodes: Fixture.nodes)
        session.press("3")
        session.answer()
        let text = try session.screen().text
        #expect(text.contains(" NODE "))
        #expect(text.contains(" mta2 "))
        // One node has nobody to tell it from.
        session.nodes = [Fixture.nodes[0]]
        session.tick(1)
        session.answer()
        #expect(try !session.screen().text.contains(" NODE "))
    }
}
