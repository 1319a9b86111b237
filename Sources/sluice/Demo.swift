import ArgumentParser
import Commands

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "An Internet in a box: daemon, traffic, misbehaving receivers, monitor.")

    @Option(help: ArgumentHelp("The theme's name.", valueName: "name"))
    var theme: String?

    @Option(help: ArgumentHelp("Seconds between updates, 0.1 to 3600.", valueName: "s"))
    var interval = 1.0

    @Option(
        help: ArgumentHelp("Without a terminal: seconds until it ends.", valueName: "s"))
    var duration = 20.0

    func validate() throws {
        guard (1...3600).contains(duration) else {
            throw ValidationError("--duration must be between 1 and 3600 seconds")
        }
        guard (0.1...3600).contains(interval) else {
            throw ValidationError("--interval must be between 0.1 and 3600 seconds")
        }
    }

    func run() async throws {
        let status = try await runDemo(
            DemoOptions(
                theme: theme, interval: .seconds(interval),
                duration: .seconds(duration)))
        if status != ExitStatus.done { throw ExitCode(status) }
    }
}
