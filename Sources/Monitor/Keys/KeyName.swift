package import Terminal

/// How keys are written: on the screen, and in the operator's file.
package enum KeyName {
    private static let named: [(key: Key, file: String, screen: Label)] = [
        (" ", "space", "Space"), (.enter, "enter", "Enter"), (.escape, "esc", "Esc"),
        (.tab, "tab", "Tab"), (.backTab, "shift-tab", "S-Tab"),
        (.backspace, "backspace", "Bksp"), (.delete, "delete", "Del"),
        (.insert, "insert", "Ins"), (.up, "up", "Up"), (.down, "down", "Down"),
        (.left, "left", "Left"), (.right, "right", "Right"), (.pageUp, "pageup", "PgUp"),
        (.pageDown, "pagedown", "PgDn"), (.home, "home", "Home"), (.end, "end", "End"),
    ]

    /// For the screen: `F`, `Space`, `PgDn`, `^F`, `F5`.
    package static func label(_ key: Key) -> Label {
        if let name = named.first(where: { $0.key == key }) { return name.screen }
        switch key {
        case .character(let character): return safe(String(character))
        case .control(let character): return "^\(safe(character.uppercased()))"
        case .function(let number): return "F\(number)"
        default: return ""
        }
    }

    /// As a file writes it: `F`, `space`, `pagedown`, `ctrl-f`, `f5`.
    package static func text(_ key: Key) -> String {
        if let name = named.first(where: { $0.key == key }) { return name.file }
        switch key {
        case .character(let character): return String(character)
        case .control(let character): return "ctrl-\(character)"
        case .function(let number): return "f\(number)"
        default: return ""
        }
    }

    /// The key that a file's text names; nil if there is none.
    package static func key(_ text: String) -> Key? {
        if text.count == 1, let character = text.first {
            return character == " " || !isControl(character) ? .character(character) : nil
        }
        let word = text.lowercased()
        if let name = named.first(where: { $0.file == word }) { return name.key }
        if word == "escape" { return .escape }
        if word.hasPrefix("ctrl-"), word.count == 6, let letter = word.last,
            letter.isASCII, letter.isLetter
        {
            // These arrive as other keys.
            return "hijm".contains(letter) ? nil : .control(letter)
        }
        if word.first == "f", let number = Int(word.dropFirst()), (1...12).contains(number) {
            return .function(number)
        }
        return nil
    }

    private static func isControl(_ character: Character) -> Bool {
        character.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}
