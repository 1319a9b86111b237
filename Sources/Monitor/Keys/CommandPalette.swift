import Terminal

/// All commands by name, narrowed by what is typed.
package struct Palette: Sendable {
    package var field = TextField()
    /// Among those that match.
    package var selected = 0

    package init() {}
}

extension Model {
    /// The commands that what was typed can mean, the likeliest first. Those of a right that this
    /// operator has not are left out.
    func matches(_ palette: Palette) -> [Command] {
        let pattern = palette.field.text
        let offered = Command.all.filter { command in
            command.id != .commands && command.id != .cancel && command.isOffered(self)
                && !(command.operates && mayNotOperate != nil)
        }
        let scored = offered.enumerated().compactMap { index, command -> (Command, Int, Int)? in
            let texts = [command.id.name, command.title.text]
            if let score = texts.compactMap({ FuzzyMatch.score(pattern, in: $0) }).max() {
                return (command, score, index)
            }
            // Words of the explanation count for less than any name.
            return FuzzyMatch.score(pattern, in: command.help.text, needsWord: true)
                .map { (command, $0 - 10_000, index) }
        }
        return scored.sorted { ($1.1, $0.2) < ($0.1, $1.2) }.map(\.0)
    }

    mutating func handle(_ key: Key, _ palette: Palette) -> [Effect] {
        var palette = palette
        let matches = matches(palette)
        let last = max(0, matches.count - 1)
        switch key {
        case .escape, .control("c"):
            overlay = nil
            return []
        case .enter:
            guard matches.indices.contains(palette.selected) else { return [] }
            overlay = nil
            let effects = run(matches[palette.selected])
            standBackFromEnter()
            return effects
        case .backspace where palette.field.characters.isEmpty:
            overlay = nil
            return []
        case .down, .tab, .control("n"): palette.selected = min(last, palette.selected + 1)
        case .up, .backTab, .control("p"): palette.selected = max(0, palette.selected - 1)
        case .pageDown: palette.selected = min(last, palette.selected + 10)
        case .pageUp: palette.selected = max(0, palette.selected - 10)
        case .mouse(let mouse) where mouse.action == .press:
            guard case .choice(let index)? = zone(row: mouse.row, column: mouse.column),
                matches.indices.contains(index)
            else { return [] }
            // The second press does it.
            if index == palette.selected { return handle(.enter, palette) }
            palette.selected = index
        case .mouse(let mouse) where mouse.action == .wheelDown:
            palette.selected = min(last, palette.selected + 1)
        case .mouse(let mouse) where mouse.action == .wheelUp:
            palette.selected = max(0, palette.selected - 1)
        default:
            guard palette.field.edit(key) else { return [] }
            palette.selected = 0
        }
        overlay = .palette(palette)
        return []
    }
}

/// Whether the letters of a pattern stand in a text in this order, and how well: at the start of
/// words and side by side is better, and so is a short text.
enum FuzzyMatch {
    /// nil: they do not. An empty pattern matches everything alike.
    ///
    /// - Parameter needsWord: the pattern has to begin a word, whole.
    static func score(_ pattern: String, in text: String, needsWord: Bool = false) -> Int? {
        let letters = pattern.lowercased().filter { $0 != " " && $0 != "-" }
        guard !letters.isEmpty else { return 0 }
        let text = Array(text.lowercased())
        if needsWord {
            let words = String(text).split { $0 == " " || $0 == "-" || $0 == "," || $0 == ":" }
            return words.contains { $0.hasPrefix(letters) } ? -text.count : nil
        }
        var score = -text.count
        var position = 0
        var previous: Int?
        for letter in letters {
            guard let found = text[position...].firstIndex(of: letter) else { return nil }
            let startsWord = found == 0 || text[found - 1] == " " || text[found - 1] == "-"
            if startsWord { score += 40 }
            if let previous, previous + 1 == found { score += 20 } else { score -= found }
            previous = found
            position = found + 1
        }
        return score
    }
}
