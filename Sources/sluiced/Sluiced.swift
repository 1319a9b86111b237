import ArgumentParser
import Control

/// `sluiced`: the daemon. Without a subcommand it is the manager, which starts itself again as
/// `sluiced worker` for each of its workers.
@main
struct Sluiced: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluiced",
        abstract: "Delivers outbound mail that an operator can see and steer.",
        discussion: """
            Runs in the foreground and logs to standard error. SIGTERM ends it in order: intake \
            first, running transactions finish, results are recorded. SIGHUP reads the \
            configuration again.
            """,
        version: "sluiced \(ProgramVersion.current)",
        subcommands: [Run.self, Check.self, Classify.self, Fsck.self, WorkerCommand.self],
        defaultSubcommand: Run.self)
}

/// Where the configuration is.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: [.customLong("config"), .customShort("c")], help: "The configuration file.")
    var path = "/etc/sluice/sluice.toml"
}
