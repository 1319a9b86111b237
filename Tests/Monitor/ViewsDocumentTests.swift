import Foundation
import Terminal
import Testing

@testable import Monitor

/// docs/views/ has a page for each view, with its screen as it is; SLUICE_RECORD_GOLDENS=1 writes the
/// screens anew.
struct ViewsDocumentTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/views")
    private static let begin = "<!-- the screen -->\n"
    private static let end = "<!-- end -->\n"

    private func screen(_ kind: PageKind) throws -> String {
        var session = Session.ready(
            columns: 100, rows: 30, nodes: kind == .nodes ? Fixture.nodes : nil)
        if kind == .message {
            session.press("3")
            session.answer()
            session.press("j", "j", "j")
        }
        if kind == .destination { session.press("j", "j") }
        session.press(.character(kind.key))
        session.answer()
        session.stream(Fixture.events.map { .event($0) })
        session.stream(Fixture.trace.map { .trace($0) })
        let lines = try session.screen().text.split(
            separator: "\n", omittingEmptySubsequences: false)
        return lines.map { line in
            let text = line.reversed().drop { $0 == " " }.reversed()
            return text.isEmpty ? "\n" : "    " + String(text) + "\n"
        }.joined()
    }

    @Test(arguments: PageKind.allCases)
    func everyViewHasAPage(kind: PageKind) throws {
        let file = Self.folder.appendingPathComponent(kind.rawValue + ".md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.range(of: Self.begin)).upperBound
        let end = try #require(text.range(of: Self.end)).lowerBound
        let wanted = "\n" + (try screen(kind))
        if ProcessInfo.processInfo.environment["SLUICE_RECORD_GOLDENS"] == "1" {
            let new = String(text[..<start]) + wanted + String(text[end...])
            try new.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        #expect(text[start..<end] == wanted)
    }
}
