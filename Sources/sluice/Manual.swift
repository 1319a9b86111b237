import ArgumentParser
import Commands
import Monitor
import Terminal

/// Writes the pages of the manual; for `make man`.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write a page of the manual.",
        discussion: """
            Reads what the page is made from on the standard input: for sluice.1 and sluiced.8 what \
            the program prints with --experimental-dump-help, for sluice.toml.5 the file with every \
            setting.
            """, shouldDisplay: false)

    @Argument(help: "sluice.1, sluiced.8 or sluice.toml.5.")
    var page: String

    func run() throws {
        guard let page = ManualPage(rawValue: page) else {
            let names = ManualPage.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure.usage("there is no page \(self.page); there are \(names)")
        }
        var source = ""
        while let line = readLine(strippingNewline: false) { source += line }
        let keys = Command.all.map { command in
            ManualPage.KeyRow(
                group: command.group.rawValue, name: command.id.name,
                keys: command.keys.map { KeyName.label($0).text }.joined(separator: ", "),
                help: command.help.text)
        }
        do {
            Console.standard().write(try page.text(from: source, keys: keys))
        } catch {
            throw CommandFailure.usage("the standard input is not what \(self.page) is made from")
        }
    }
}
