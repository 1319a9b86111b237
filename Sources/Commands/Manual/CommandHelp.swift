import FoundationEssentials

/// What a program says of its commands and options: the output of `--experimental-dump-help`.
package struct CommandHelp: Decodable, Sendable {
    package struct Command: Decodable, Sendable {
        package var commandName: String
        package var abstract: String?
        package var discussion: String?
        package var arguments: [Argument]?
        package var subcommands: [Command]?
        package var shouldDisplay: Bool?
    }

    package struct Argument: Decodable, Sendable {
        package struct Name: Decodable, Sendable {
            package var kind: String
            package var name: String

            /// `-y`, `--yes`.
            package var text: String { (kind == "long" ? "--" : "-") + name }
        }

        package var kind: String
        package var names: [Name]?
        package var valueName: String?
        package var abstract: String?
        package var defaultValue: String?
        package var isOptional: Bool
        package var isRepeating: Bool
        package var shouldDisplay: Bool?

        private var value: String { "<\(valueName ?? "value")>" }

        /// With all its names: `-n, --limit <n>`.
        package var term: String {
            if kind == "positional" { return value }
            let names = (names ?? []).map(\.text).joined(separator: ", ")
            return kind == "option" ? "\(names) \(value)" : names
        }

        /// For a synopsis: `[--limit <n>]`.
        package var usage: String {
            let dots = isRepeating ? " ..." : ""
            if kind == "positional" { return isOptional ? "[\(value)\(dots)]" : value + dots }
            let name = names?.last(where: { $0.kind == "long" })?.text ?? names?.first?.text ?? ""
            let text = kind == "option" ? "\(name) \(value)" : name
            return isOptional ? "[\(text)]" : text
        }

        package var help: String {
            guard let defaultValue, !defaultValue.isEmpty, kind != "flag" else {
                return abstract ?? ""
            }
            return "\(abstract ?? "") Default: \(defaultValue)."
        }
    }

    package var command: Command

    /// Throws what `JSONDecoder` does for a text that is none.
    package init(json: String) throws {
        self = try JSONDecoder().decode(CommandHelp.self, from: Data(json.utf8))
    }
}

extension CommandHelp.Command {
    /// Without what every command has.
    fileprivate var shownArguments: [CommandHelp.Argument] {
        (arguments ?? []).filter { argument in
            let names = (argument.names ?? []).map(\.name)
            return argument.shouldDisplay != false && !names.contains("help")
                && !names.contains("version")
        }
    }

    fileprivate var shownSubcommands: [CommandHelp.Command] {
        (subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
    }

    /// Every command below this one with its words, depth first.
    fileprivate func all(after words: [String] = []) -> [(name: String, command: Self)] {
        shownSubcommands.flatMap { command -> [(String, Self)] in
            let words = words + [command.commandName]
            return [(words.joined(separator: " "), command)] + command.all(after: words)
        }
    }
}

extension Roff {
    /// The sections that follow from a program's commands: synopsis, description, commands.
    package mutating func describe(_ help: CommandHelp, name: String) {
        let root = help.command
        let commands = root.all()
        section("SYNOPSIS")
        let usage = root.shownArguments.map(\.usage).joined(separator: " ")
        lines("\(name)\(usage.isEmpty ? "" : " " + usage)")
        if !commands.isEmpty {
            paragraphs("\(name) <command> [<argument> ...]")
        }
        section("DESCRIPTION")
        paragraphs(root.abstract ?? "")
        if let discussion = root.discussion { paragraphs(discussion) }
        options(root)
        guard !commands.isEmpty else { return }
        section("COMMANDS")
        for (words, command) in commands {
            subsection(
                ([name + " " + words] + command.shownArguments.map(\.usage)).joined(separator: " "))
            lines(command.abstract ?? "")
            if let discussion = command.discussion { paragraphs(discussion) }
            options(command)
        }
    }

    private mutating func options(_ command: CommandHelp.Command) {
        for argument in command.shownArguments where !argument.help.isEmpty {
            item(argument.term, argument.help)
        }
    }
}
