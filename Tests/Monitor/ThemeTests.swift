import Control
import Foundation
import Settings
import Terminal
import Testing

@testable import Monitor

struct ThemeTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("themes").path

    private var finder: ThemeFinder { ThemeFinder(folders: [Self.folder]) }

    @Test func shippedThemesAreWhole() throws {
        let names = finder.names()
        #expect(
            names == [
                "catppuccin", "colour-blind", "dark", "dracula", "gruvbox", "high-contrast",
                "light",
                "mono", "nord", "solarized-dark", "solarized-light", "terminal",
            ])
        for name in names {
            let theme = try finder.theme(named: name)
            #expect(theme.name == name)
            #expect(theme.shortfalls().map(\.description) == [], "\(name)")
        }
        #expect(try finder.theme(named: "high-contrast").contrast == 7)
    }

    /// To every pair of eyes, and beside the glyph and the word that each state has as well.
    @Test func statesAreToldApart() throws {
        for name in finder.names() {
            let theme = try finder.theme(named: name)
            #expect(theme.confusions().map(\.description) == [], "\(name)")
        }
        let alike = Theme.defaultText.replacingOccurrences(
            of: "waiting = { fg = \"yellow\"", with: "waiting = { fg = \"orange\"")
        let confusions = try Theme(text: alike, file: "x").confusions()
        #expect(confusions.count == Vision.allCases.count)
        #expect(
            confusions.first?.description
                == "roles.waiting: looks like probing: 0.000 apart, 0.04 is the least")
        for glyphs in [Glyphs.unicode, .ascii] {
            let shown = DestinationState.allCases.map { glyphs.glyph($0).text }
            #expect(Set(shown).count == shown.count)
        }
    }

    /// Red and green of one lightness are one colour to a dichromat, blue and yellow are not.
    @Test func deficienciesAreSimulated() throws {
        let red = try #require(RGB(hex: "#d75f5f"))
        let green = try #require(RGB(hex: "#87875f"))
        let blue = try #require(RGB(hex: "#5f87ff"))
        #expect(red.difference(from: green, to: .normal) > 0.1)
        #expect(red.difference(from: green, to: .protanopia) < 0.06)
        for vision in Vision.allCases {
            #expect(blue.difference(from: green, to: vision) > 0.1)
            #expect(blue.difference(from: blue, to: vision) == 0)
        }
    }

    @Test func everyRoleResolvesAtEveryDepth() throws {
        for name in finder.names() {
            let theme = try finder.theme(named: name)
            for depth in ColorDepth.allCases {
                #expect(theme.roles(depth) == Set(Role.allCases), "\(name) \(depth)")
            }
        }
    }

    @Test func contrastIsMeasured() throws {
        let text = Theme.defaultText.replacingOccurrences(
            of: "muted = \"#9e9e9e\"", with: "muted = \"#3a3a3a\"")
        let shortfalls = try Theme(text: text, file: "x").shortfalls()
        let dim = try #require(shortfalls.first { $0.role == .dim && $0.ground == .text })
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[dim.line - 1].hasPrefix("dim = "))
        #expect(dim.description.hasPrefix("roles.dim: its contrast on text is 1."))
        #expect(dim.description.hasSuffix(":1, not 4.5:1"))
    }

    @Test func theDefaultIsTheFile() throws {
        let file = try String(contentsOfFile: Self.folder + "/dark.toml", encoding: .utf8)
        #expect(file == Theme.defaultText)
        #expect(try ThemeFinder(folders: []).theme(named: nil).name == "dark")
        #expect(try ThemeFinder(folders: []).theme(named: "dark").name == "dark")
    }

    @Test func colourlessDepthsHaveNoColours() throws {
        for name in finder.names() {
            let theme = try finder.theme(named: name)
            for role in Role.allCases {
                let mono = theme.ink(role, .mono)
                #expect(mono.foreground == nil && mono.background == nil, "\(name) \(role)")
                for color in [
                    theme.ink(role, .ansi16).foreground, theme.ink(role, .ansi16).background,
                ] {
                    #expect((color?.index ?? 0) < 16, "\(name) \(role)")
                }
            }
            // What has the focus is seen without colours.
            #expect(!theme.ink(.selection, .mono).attributes.isEmpty)
            #expect(!theme.ink(.buttonFocused, .mono).attributes.isEmpty)
        }
    }

    @Test func errorsHaveTheirLines() throws {
        let wrong: [(from: String, to: String, message: String)] = [
            ("[palette]", "[palete]", "unknown"),
            ("variant = \"dark\"", "variant = \"dusk\"", "'dusk' is not one of"),
            ("contrast = 4.5", "contrast = \"much\"", "a number is meant"),
            ("ink = \"#d0d0d0\"", "ink = \"#d0d0\"", "is no colour"),
            ("\ndim = {", "\ndimm = {", "unknown"),
            ("strong = { fg", "strong = { colour", "unknown"),
            ("good = { fg = \"green\"", "good = { fg = \"grene\"", "neither in the palette"),
            ("tag = { fg = \"accent\", attrs = [\"bold\"]", "tag = { attrs = [\"blod\"]", "'blod'"),
            ("bad = { fg = \"red\", ansi16 = \"bold red\"", "bad = { fg = \"red\"", "missing"),
            (
                "waiting = { fg = \"yellow\", ansi16 = \"yellow\", mono = \"\"",
                "waiting = { fg = \"yellow\", ansi16 = \"yellow\", mono = \"yellow\"", "'yellow'"
            ),
        ]
        for (from, to, message) in wrong {
            let text = Theme.defaultText.replacingOccurrences(of: from, with: to)
            try #require(text != Theme.defaultText, "\(from) is not in the theme")
            let line = text.prefix(
                upTo: try #require(text.range(of: to.trimmingCharacters(in: .newlines))).lowerBound
            )
            .split(separator: "\n", omittingEmptySubsequences: false).count
            do {
                _ = try Theme(text: text, file: "x.toml")
                Issue.record("accepted: \(to)")
            } catch {
                #expect(
                    error.problems.contains { $0.line == line && $0.message.contains(message) },
                    "\(to) at \(line): \(error)")
            }
        }
    }

    /// Whoever begins a theme is told in one line what is still to come.
    @Test func whatIsMissingIsOneError() throws {
        let text = """
            [meta]
            name = "new"
            variant = "dark"
            [roles]
            text = { fg = "#d0d0d0", ansi16 = "", mono = "" }
            nosuch = {}
            """
        do {
            _ = try Theme(text: text, file: "x.toml")
            Issue.record("accepted")
        } catch {
            #expect(error.problems.map(\.line) == [4, 6])
            #expect(error.problems[0].message.hasPrefix("a theme gives every role; missing: bar, "))
        }
    }

    @Test func aThemeThatIsNotThereIsNamed() {
        #expect(throws: SettingsError.self) { try finder.theme(named: "nope") }
        #expect(throws: SettingsError.self) { try finder.theme(named: "/nowhere/x.toml") }
        do {
            _ = try finder.theme(named: "nope")
        } catch {
            #expect(error.description.contains("high-contrast"))
        }
    }

    @Test func foldersAreSearchedInOrder() {
        let finder = ThemeFinder(executable: "/opt/sluice/.build/debug/sluice") { name in
            name == "HOME" ? "/home/alice" : nil
        }
        #expect(
            finder.folders == [
                "/home/alice/.config/sluice/themes", "/opt/sluice/.build/debug/themes",
                "/opt/sluice/.build/themes", "/opt/sluice/themes", "/opt/themes",
                "/usr/local/share/sluice/themes", "/usr/share/sluice/themes",
            ])
    }

    @Test func quantisesPerceptually() {
        #expect(RGB(hex: "#121212")?.quantised == 233)
        #expect(RGB(hex: "#ff8787")?.quantised == 210)
        #expect(RGB(hex: "#fe8889")?.quantised == 210)
        #expect(RGB(hex: "#000000")?.quantised == 16)
        #expect(RGB(hex: "#12121") == nil)
        #expect(RGB(hex: "#12g212") == nil)
        #expect(RGB(hex: "121212") == nil)
        #expect(abs((RGB(hex: "#000000")!).contrast(with: RGB(hex: "#ffffff")!) - 21) < 0.01)
    }
}
