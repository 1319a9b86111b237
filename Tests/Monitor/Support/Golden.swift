import Foundation
import Terminal
import Testing

/// Screens as text beside the tests. With SLUICE_RECORD_GOLDENS=1 they are written anew, to be
/// read before they are committed.
enum Golden {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Goldens")

    static func check(
        _ grid: Grid, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try check(text(of: grid), name, sourceLocation: sourceLocation)
    }

    static func check(
        _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let file = folder.appendingPathComponent(name + ".txt")
        if ProcessInfo.processInfo.environment["SLUICE_RECORD_GOLDENS"] == "1" {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            return
        }
        let expected = try String(decoding: Data(contentsOf: file), as: UTF8.self)
        if text == expected { return }
        let lines = zip(
            text.split(separator: "\n", omittingEmptySubsequences: false),
            expected.split(separator: "\n", omittingEmptySubsequences: false))
        let first = lines.enumerated().first { $0.element.0 != $0.element.1 }
        Issue.record(
            """
            \(name) differs at line \((first?.offset ?? -1) + 1)
            is:        \(first?.element.0 ?? "shorter or longer")
            should be: \(first?.element.1 ?? "")
            """, sourceLocation: sourceLocation)
    }

    /// The characters, then how they look: a letter for each style and how many columns it runs.
    private static func text(of grid: Grid) -> String {
        var letters: [Style: String] = [:]
        var legend: [String] = []
        var rows: [String] = []
        for row in 0..<grid.size.rows {
            var runs: [(letter: String, count: Int)] = []
            for column in 0..<grid.size.columns {
                let style = grid[row, column].style
                if letters[style] == nil {
                    letters[style] = "\(letters.count)"
                    legend.append("\(letters.count - 1) \(describe(style))")
                }
                let letter = letters[style] ?? ""
                if runs.last?.letter == letter {
                    runs[runs.count - 1].count += 1
                } else {
                    runs.append((letter, 1))
                }
            }
            rows.append(runs.map { "\($0.letter)x\($0.count)" }.joined(separator: " "))
        }
        let rule = String(repeating: "=", count: grid.size.columns) + "\n"
        var text = grid.text + rule
        if let cursor = grid.cursor { text += "cursor \(cursor.row) \(cursor.column)\n" }
        // Rows that look alike follow one another.
        var previous: (row: String, count: Int)?
        for row in rows + [""] {
            if let seen = previous, seen.row == row {
                previous = (row, seen.count + 1)
                continue
            }
            if let seen = previous { text += "\(seen.count): \(seen.row)\n" }
            previous = (row, 1)
        }
        return text + rule + legend.joined(separator: "\n") + "\n"
    }

    private static func describe(_ style: Style) -> String {
        let names: [(Attributes, String)] = [
            (.bold, "bold"), (.dim, "dim"), (.italic, "italic"), (.underline, "underline"),
            (.reverse, "reverse"),
        ]
        let attributes = names.filter { style.attributes.contains($0.0) }.map(\.1)
        return ([color(style.foreground), "on", color(style.background)] + attributes)
            .joined(separator: " ")
    }

    private static func color(_ color: Color) -> String {
        color == .terminal ? "default" : "\(color.index)"
    }
}
