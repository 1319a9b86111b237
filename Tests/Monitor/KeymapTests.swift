import Control
import Settings
import Terminal
import Testing

@testable import Monitor

struct KeymapTests {
    private func problems(_ text: String) -> [String] {
        do {
            _ = try Keymap(text: text, file: "keys.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func aFileGivesCommandsOtherKeys() throws {
        let keymap = try Keymap(
            text: """
                [keys]
                retry = "f5"
                down = ["n", "down", "ctrl-n"]
                purge = []
                page-down = "space"
                tag = "f6"
                """, file: "keys.toml")
        #expect(keymap.keys(of: .retry) == [.function(5)])
        #expect(keymap.command(for: "F") == nil)
        #expect(keymap.command(for: .control("n"))?.id == .down)
        #expect(keymap.command(for: " ")?.id == .pageDown)
        #expect(keymap.keys(of: .purge) == [])
        #expect(keymap.label(of: .purge) == nil)
        #expect(keymap.label(of: .retry) == "F5")
        // What the file does not name stays.
        #expect(keymap.command(for: "k")?.id == .up)
    }

    @Test func everythingThatIsWrongHasItsLine() {
        let found = problems(
            """
            [keys]
            retry = "D"
            retri = "x"
            hold = 5
            release = ["shift-meta-q"]
            bounce = "enter"
            quit = "ctrl-c"
            up = "w"
            first = "w"
            [more]
            """)
        let expected = [
            "keys.toml:2: keys.retry: 'D' is purge's already, by default: give it another",
            "keys.toml:3: keys.retri: there is no such command; there are",
            "keys.toml:4: keys.hold: a key or an array of keys is meant, not an integer",
            "keys.toml:5: keys.release: 'shift-meta-q' is no key",
            "keys.toml:6: keys.bounce: 'enter' confirms and moves in a preview",
            "keys.toml:7: keys.quit: the terminal makes a signal of 'ctrl-c'",
            "keys.toml:9: keys.first: 'w' is up's already, line 8",
            "keys.toml:10: more: unknown; known is keys",
        ]
        #expect(found.count == expected.count, "\(found)")
        for text in expected { #expect(found.contains { $0.hasPrefix(text) }, "\(text)") }
    }

    @Test func swappingTwoKeysIsNoConflict() {
        #expect(problems("[keys]\nretry = \"D\"\npurge = \"F\"\n") == [])
        #expect(problems("") == [])
        #expect(problems("[keys]\n") == [])
        #expect(problems("keys = 3")[0].hasPrefix("keys.toml:1: keys: a table is meant"))
    }

    @Test func everyKeyIsWrittenAsItIsRead() {
        for command in Command.all {
            for key in command.keys {
                #expect(KeyName.key(KeyName.text(key)) == key, "\(KeyName.text(key))")
                #expect(!KeyName.label(key).isEmpty)
            }
            #expect(Command.ID(name: command.id.name) == command.id)
        }
        for text in ["", "ctrl-", "ctrl-1", "ctrl-m", "f0", "f13", "\u{1B}", "nokey"] {
            #expect(KeyName.key(text) == nil, "\(text)")
        }
    }

    @Test func theOperatorsKeysAreTheOnesThatWorkAndAreShown() throws {
        let keymap = try Keymap(
            text: "[keys]\nretry = \"f5\"\nhelp = \"y\"\nquit = \"x\"\nundo = \"ctrl-u\"\n",
            file: "k")
        var session = Session.ready(columns: 100, options: Model.Options(keymap: keymap))
        let footer = try session.screen().text(row: 23)
        #expect(footer.contains("F5 retry"))
        #expect(footer.contains("x quit"))
        session.press("F")
        #expect(session.model.overlay == nil)
        session.press(.function(5))
        #expect(session.planned?.request.action == .retry)
        session.press(.escape, "y")
        #expect(try session.screen().text.contains("F5          retry now"))
        session.press("x")
        #expect(session.model.overlay == nil)
        session.model.undoable = Fixture.action(.purge, undoFor: 30)
        #expect(try session.screen().text.contains("^U undoes the purge, 30s left"))
        session.press("x")
        #expect(session.effects.contains { if case .quit = $0 { true } else { false } })
    }

    /// A key that the table does not have does nothing, on any page.
    @Test func noKeyIsHandledOutsideOfTheTable() {
        let bound = Set(Command.all.flatMap(\.keys))
        let printable = (0x20...0x7E).compactMap { Unicode.Scalar($0) }
            .map { Key.character(Character($0)) }
        let controls = "abcdefghijklmnopqrstuvwxyz".map { Key.control($0) }
        let others: [Key] = [
            .enter, .escape, .tab, .backTab, .backspace, .delete, .insert, .up, .down, .left,
            .right, .pageUp, .pageDown, .home, .end, .character("é"), .paste("q"),
        ]
        let keys = printable + controls + others + (1...12).map(Key.function)
        for key in keys where !bound.contains(key) {
            for kind in PageKind.allCases {
                var session = Session.ready(nodes: Fixture.nodes)
                session.press(.character(kind.key))
                session.answer()
                let before = "\(session.model)"
                let asked = session.effects.count
                session.press(key)
                #expect("\(session.model)" == before, "\(key) on \(kind)")
                #expect(session.effects.count == asked, "\(key) on \(kind)")
            }
        }
    }
}
