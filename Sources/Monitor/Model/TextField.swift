package import Terminal

/// A line of text that is being edited.
package struct TextField: Hashable, Sendable {
    /// Longer input is ignored.
    package static let limit = 4096

    package private(set) var characters: [Character] = []
    /// 0…count: before which character the cursor stands.
    package private(set) var cursor = 0

    package init(_ text: String = "") {
        insert(text)
    }

    package var text: String { String(characters) }

    /// Line ends and tabs become spaces, other controls are left out: what is pasted is text.
    package mutating func insert(_ text: String) {
        for character in text {
            guard characters.count < Self.limit, let scalar = character.unicodeScalars.first
            else { return }
            let inserted: Character
            switch scalar.value {
            case 0x09, 0x0A, 0x0D: inserted = " "
            case 0..<0x20, 0x7F..<0xA0: continue
            default: inserted = character
            }
            characters.insert(inserted, at: cursor)
            cursor += 1
        }
    }

    /// Returns whether the key was one that edits. The usual ones of a shell's line are known.
    package mutating func edit(_ key: Key) -> Bool {
        switch key {
        case .character(let character): insert(String(character))
        case .paste(let text): insert(text)
        case .left, .control("b"): cursor = max(0, cursor - 1)
        case .right, .control("f"): cursor = min(characters.count, cursor + 1)
        case .home, .control("a"): cursor = 0
        case .end, .control("e"): cursor = characters.count
        case .backspace:
            if cursor > 0 {
                cursor -= 1
                characters.remove(at: cursor)
            }
        case .delete, .control("d"):
            if cursor < characters.count { characters.remove(at: cursor) }
        case .control("u"):
            characters.removeFirst(cursor)
            cursor = 0
        case .control("k"): characters.removeSubrange(cursor...)
        case .control("w"):
            var start = cursor
            while start > 0, characters[start - 1] == " " { start -= 1 }
            while start > 0, characters[start - 1] != " " { start -= 1 }
            characters.removeSubrange(start..<cursor)
            cursor = start
        default: return false
        }
        return true
    }

    /// Puts a text in the place of some characters; the cursor is behind it.
    package mutating func replace(_ range: Range<Int>, with text: String) {
        let range = range.clamped(to: 0..<characters.count)
        characters.removeSubrange(range)
        cursor = range.lowerBound
        insert(text)
    }

    package mutating func move(to position: Int) {
        cursor = min(max(0, position), characters.count)
    }
}
