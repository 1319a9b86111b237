import ArgumentParser
import Commands
import Monitor
import Settings
import Terminal

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "List the monitor's keys, as they are with your file.",
        discussion: """
            Other keys are given in ~/.config/sluice/keys.toml; see docs/keys.md. What is wrong \
            with the file is said with its line. Exit status: 0 nothing is, 2 something is.
            """)

    @Option(help: ArgumentHelp("Instead of your own file.", valueName: "path"))
    var file: String?

    func run() throws {
        let console = Console.standard()
        let keymap = try Keymap.operators(file)
        console.print(
            Table(
                columns: [
                    Table.Column("COMMAND", priority: 3), Table.Column("KEYS", priority: 2),
                    Table.Column("WHAT IT DOES", priority: 1, minimum: 12),
                ],
                rows: Command.all.map { command in
                    let keys = keymap.keys(of: command.id).map(KeyName.text)
                    return [
                        command.id.name, keys.isEmpty ? "-" : keys.joined(separator: " "),
                        command.help.text,
                    ]
                }))
    }
}

extension Keymap {
    /// The keys of whoever runs this.
    static func operators(_ path: String? = nil) throws -> Keymap {
        do throws(SettingsError) {
            if let path { return try load(path: path) }
            return try load(environment: Console.environment)
        } catch {
            throw CommandFailure.usage("\(error)")
        }
    }
}
