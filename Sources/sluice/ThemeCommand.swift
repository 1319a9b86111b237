import ArgumentParser
import Commands
import Monitor
import Settings

struct ThemeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "theme", abstract: "List the monitor's themes, or check one.",
        discussion: """
            A theme is a file NAME.toml in ~/.config/sluice/themes, or one that came with the \
            program. What is in it is described in docs/themes.md.
            """,
        subcommands: [ThemeList.self, ThemeCheck.self], defaultSubcommand: ThemeList.self)
}

struct ThemeList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the themes that are found.")

    func run() throws {
        let console = Console.standard()
        let finder = ThemeFinder.standard
        var rows: [[String]] = []
        for name in finder.names() {
            let file = finder.path(of: name) ?? "built in"
            do throws(SettingsError) {
                let theme = try finder.theme(named: name)
                let isFlawed = !theme.shortfalls().isEmpty || !theme.confusions().isEmpty
                let contrast = theme.contrast.map { "\($0):1" } ?? "-"
                rows.append([name, theme.variant.rawValue, isFlawed ? "check it" : contrast, file])
            } catch {
                rows.append([name, "-", "broken", file])
            }
        }
        let table = Table(
            columns: [
                Table.Column("THEME", priority: 4), Table.Column("GROUND", priority: 3),
                Table.Column("CONTRAST", priority: 2),
                Table.Column("FILE", priority: 1, minimum: 8),
            ], rows: rows)
        console.print(table.lines(width: console.width))
    }
}

struct ThemeCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say what is wrong with themes.",
        discussion: """
            Errors come with their file and line. Then the contrast of every text on what it is \
            drawn on is measured against what the theme promises, and whether the states of a \
            destination can be told apart, also by eyes that see no red or no green. Exit status: \
            0 nothing is wrong, 1 something is.
            """)

    @Argument(help: "Names of themes or paths of files; without any, all that are found.")
    var themes: [String] = []

    func run() throws {
        let console = Console.standard()
        let finder = ThemeFinder.standard
        var isWrong = false
        for name in themes.isEmpty ? finder.names() : themes {
            let problems: [String]
            do throws(SettingsError) {
                let theme = try finder.theme(named: name)
                let file = finder.path(of: name) ?? name
                let found =
                    theme.shortfalls().map { ($0.line, $0.description) }
                    + theme.confusions().map { ($0.line, $0.description) }
                problems = found.sorted { $0.0 < $1.0 }.map { "\(file):\($0.0): \($0.1)" }
            } catch {
                problems = error.problems.map(\.description)
            }
            isWrong = isWrong || !problems.isEmpty
            console.print(problems.isEmpty ? ["\(name): nothing is wrong"] : problems)
        }
        if isWrong { throw ExitCode(ExitStatus.refused) }
    }
}

extension ThemeFinder {
    /// Of this process and its user.
    static var standard: ThemeFinder {
        ThemeFinder(executable: executable(), environment: Console.environment)
    }
}
