package import Settings
package import Terminal

/// Which key does what: the table's own keys, and what the operator's file says instead.
///
///     # ~/.config/sluice/keys.toml
///     [keys]
///     retry = "f5"
///     down = ["j", "down", "ctrl-n"]
///     bounce = []                      # no key: it is still found by name
///
/// Names are those of `Command.ID`. In what is being typed, and in the buttons of a preview, keys
/// are what they always are: text, Tab, Enter, Esc.
package struct Keymap: Sendable {
    package static let standard = Keymap(
        Dictionary(
            uniqueKeysWithValues: Command.all.map { ($0.id, $0.keys) }))

    private let keys: [Command.ID: [Key]]
    private let ids: [Key: Command.ID]

    private init(_ keys: [Command.ID: [Key]]) {
        self.keys = keys
        ids = Dictionary(
            keys.flatMap { id, keys in keys.map { ($0, id) } },
            uniquingKeysWith: { first, _ in first })
    }

    package func keys(of id: Command.ID) -> [Key] { keys[id] ?? [] }

    package func command(for key: Key) -> Command? { ids[key].flatMap(Command.with) }

    /// What is shown for a command; nil if it has no key.
    package func label(of id: Command.ID) -> Label? { keys(of: id).first.map(KeyName.label) }

    /// Every key of a command, for help.
    func allLabels(of id: Command.ID) -> Label {
        keys(of: id).reduce(into: "") { $0 += ($0.isEmpty ? "" : ", ") + KeyName.label($1) }
    }
}

extension Keymap {
    /// Throws everything that is wrong with the file, by line: an unknown command, a key that is
    /// none, one key for two commands.
    package init(text: String, file: String) throws(SettingsError) {
        var reader = KeymapReader(file: file)
        reader.read(try TOMLDocument(text: text, file: file).root)
        guard reader.problems.isEmpty else { throw SettingsError(problems: reader.problems) }
        self.init(reader.keys)
    }
}

private struct KeymapReader {
    let file: String
    var keys = Dictionary(uniqueKeysWithValues: Command.all.map { ($0.id, $0.keys) })
    var problems: [SettingsError.Problem] = []
    /// Where the file gives a command its keys.
    private var lines: [Command.ID: Int] = [:]

    init(file: String) {
        self.file = file
    }

    mutating func read(_ root: TOMLNode) {
        guard case .table(let table) = root.value else { return }
        for (key, node) in table.entries where key != "keys" {
            report(node.line, key, "unknown; known is keys")
        }
        guard let node = table["keys"] else { return }
        guard case .table(let table) = node.value else {
            report(node.line, "keys", "a table is meant, not \(node.value.kind)")
            return
        }
        for (name, node) in table.entries { read(name, node) }
        findConflicts()
    }

    private mutating func read(_ name: String, _ node: TOMLNode) {
        let path = "keys.\(name)"
        guard let id = Command.ID(name: name) else {
            let known = Command.all.map(\.id.name).joined(separator: ", ")
            report(node.line, path, "there is no such command; there are \(known)")
            return
        }
        let texts: [TOMLNode]
        switch node.value {
        case .string: texts = [node]
        case .array(let elements): texts = elements
        default:
            report(node.line, path, "a key or an array of keys is meant, not \(node.value.kind)")
            return
        }
        var given: [Key] = []
        for text in texts {
            guard case .string(let word) = text.value else {
                report(text.line, path, "a key is a string, not \(text.value.kind)")
                continue
            }
            guard let key = KeyName.key(word) else {
                report(
                    text.line, path,
                    "'\(word)' is no key: a character, ctrl- and a letter, f1 to f12, space, enter, "
                        + "esc, tab, shift-tab, backspace, insert, delete, the arrows up, down, left, "
                        + "right, pageup, pagedown, home or end")
                continue
            }
            if word.lowercased() == "ctrl-c" || word.lowercased() == "ctrl-z" {
                report(text.line, path, "the terminal makes a signal of '\(word)'")
                continue
            }
            if Command.with(id)?.opensPreview == true,
                key == .enter || key == .tab || key == .backTab
            {
                report(
                    text.line, path,
                    "'\(word)' confirms and moves in a preview: it must not open one")
                continue
            }
            if !given.contains(key) { given.append(key) }
        }
        keys[id] = given
        lines[id] = node.line
    }

    private mutating func findConflicts() {
        var owners: [Key: Command.ID] = [:]
        // What the file says comes last, so that the line that is reported is one of the file.
        let order = Command.all.map(\.id).sorted { (lines[$0] ?? 0) < (lines[$1] ?? 0) }
        for id in order {
            for key in keys[id] ?? [] {
                guard let owner = owners[key] else {
                    owners[key] = id
                    continue
                }
                let place = lines[owner].map { "line \($0)" } ?? "by default: give it another"
                report(
                    lines[id], "keys.\(id.name)",
                    "'\(KeyName.text(key))' is \(owner.name)'s already, \(place)")
            }
        }
    }

    private mutating func report(_ line: Int?, _ key: String, _ message: String) {
        problems.append(
            SettingsError.Problem(file: file, line: line, key: key, message: message))
    }
}

extension Command.ID {
    /// In files, the palette and the manual: `page-down`.
    package var name: String {
        var name = ""
        for character in rawValue {
            if character.isUppercase { name += "-" }
            name += character.lowercased()
        }
        return name
    }

    package init?(name: String) {
        guard let id = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = id
    }
}
