import Foundation
import Terminal
import Testing

@testable import Monitor

/// docs/keys.md has the table of commands as it is; SLUICE_RECORD_GOLDENS=1 writes it anew.
struct KeysDocumentTests {
    private static let file = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/keys.md")
    private static let begin = "<!-- from the table of commands -->\n"
    private static let end = "<!-- end -->\n"

    private var table: String {
        var text = ""
        for group in Command.Group.allCases {
            text += "\n### \(group.rawValue)\n\n| key | name | |\n|---|---|---|\n"
            for command in Command.all where command.group == group {
                let keys = command.keys.map { "`\(KeyName.label($0).text)`" }.joined(separator: " ")
                text += "| \(keys) | `\(command.id.name)` | \(command.help.text) |\n"
            }
        }
        return text + "\n"
    }

    @Test func itHasEveryCommand() throws {
        let text = try String(contentsOf: Self.file, encoding: .utf8)
        let start = try #require(text.range(of: Self.begin)).upperBound
        let end = try #require(text.range(of: Self.end)).lowerBound
        if ProcessInfo.processInfo.environment["SLUICE_RECORD_GOLDENS"] == "1" {
            let new = text[..<start] + table + text[end...]
            try String(new).write(to: Self.file, atomically: true, encoding: .utf8)
            return
        }
        #expect(text[start..<end] == table)
    }
}
