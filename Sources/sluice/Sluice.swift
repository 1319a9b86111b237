import ArgumentParser
import Commands
import Control
import Mail

struct Sluice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "Shows and operates the delivery of outbound mail.",
        discussion: """
            Without a subcommand it is the monitor.

            A SELECTOR is a filter such as "domain = example.com and age > 1h", or one word: a \
            destination's number, name or domain, or the id of a message.

            Exit status: 0 done, 1 refused or nothing matched, 2 usage, 3 no daemon.
            """,
        version: "sluice \(ProgramVersion.current)",
        subcommands: [
            Top.self, StatusCommand.self, Destinations.self, Messages.self, Workers.self,
            NodeCommand.self, Rebalance.self,
            Actions.self, Views.self, Ages.self, ScheduleCommand.self, Show.self, Events.self,
            Trace.self,
            Retry.self, Purge.self, Hold.self,
            Release.self, Bounce.self, Pause.self, Resume.self, Reassign.self, Undo.self,
            Reload.self, Backup.self, SpoolCommand.self, Send.self, Proxy.self, ThemeCommand.self,
            KeysCommand.self, ManualCommand.self, Simulate.self,
            Demo.self,
        ],
        defaultSubcommand: Top.self)

    /// Parses and runs; the status for the shell.
    static func run(_ arguments: [String], _ console: Console) async -> Int32 {
        if let unknown = unknownCommand(arguments) {
            let failure = CommandFailure.usage(
                "there is no command '\(unknown)'; sluice --help lists them")
            return report(failure, program: "sluice", console)
        }
        var command: any ParsableCommand
        do {
            command = try monitor(arguments) ?? parseAsRoot(arguments)
        } catch {
            return report(parsing: error, console)
        }
        do {
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return ExitStatus.done
        } catch let code as ExitCode {
            return code.rawValue
        } catch {
            switch error {
            case is CommandFailure, is ControlError, is APIError, is SubmissionRefused:
                return report(CommandFailure(error), program: "sluice", console)
            default: return report(parsing: error, console)
            }
        }
    }

    /// The monitor without a command's name, which is what is typed most and has to be there at once:
    /// the tree of all commands need not be made for it. nil where that is to be asked.
    private static func monitor(_ arguments: [String]) -> Top? {
        let asksForMore = arguments.contains {
            $0.hasPrefix("-h") || $0.hasPrefix("--h") || $0.hasPrefix("--v")
                || $0.hasPrefix("--generate") || $0.hasPrefix("--experimental")
        }
        guard arguments.first?.hasPrefix("-") ?? true, !asksForMore else { return nil }
        return try? Top.parse(arguments)
    }

    /// A first argument that is neither an option nor a command, which the parser would take for
    /// an argument of the monitor's.
    private static func unknownCommand(_ arguments: [String]) -> String? {
        guard let first = arguments.first, !first.hasPrefix("-"), first != "help" else {
            return nil
        }
        let names = configuration.subcommands.map { $0._commandName }
        return names.contains(first) ? nil : first
    }

    /// Help goes to the output, what is wrong with the arguments beside it.
    private static func report(parsing error: any Error, _ console: Console) -> Int32 {
        let text = fullMessage(for: error)
        guard exitCode(for: error) != .success else {
            if !text.isEmpty { console.write(text + "\n") }
            return ExitStatus.done
        }
        console.warn(text)
        return ExitStatus.usage
    }

    static func report(
        _ failure: CommandFailure, program: String, _ console: Console
    ) -> Int32 {
        if !failure.message.isEmpty {
            let lines = failure.message.split(separator: "\n", omittingEmptySubsequences: false)
                .map { SafeText(String($0)).text }
            console.warn("\(program): " + lines.joined(separator: "\n"))
        }
        return failure.status
    }
}
