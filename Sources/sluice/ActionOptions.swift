import ArgumentParser
import Commands
import Control

/// What all commands that act have in common.
struct ActionOptions: ParsableArguments {
    @Flag(help: "Only show what it would touch.")
    var dryRun = false

    @Flag(name: .shortAndLong, help: "Do it without asking.")
    var yes = false

    @Option(help: ArgumentHelp("Why, for the audit log.", valueName: "text"))
    var reason = ""

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if dryRun, yes { throw ValidationError("--dry-run and --yes exclude each other") }
    }

    func run(
        _ request: PlanRequest, target: String, _ daemons: any Daemons
    ) async throws {
        try await ActionRun(isDryRun: dryRun, isAgreed: yes, json: json.isWanted)
            .run(request, target: target, daemons, Console.standard())
    }

    /// Finds out what a selector means, then plans, asks and acts.
    func run(
        _ action: ActionKind, _ selector: String, worker: Int? = nil, seconds: Double? = nil
    ) async throws {
        try await connection.connected(acts: true) { daemons in
            let target = try await Target.resolve(selector, for: action, daemons)
            let request = PlanRequest(
                action: action, selector: target.selector, reason: reason, worker: worker,
                seconds: seconds)
            try await run(request, target: target.description, daemons)
        }
    }
}

/// A command on whatever a selector names.
protocol SelectorCommand: AsyncParsableCommand {
    static var action: ActionKind { get }
    var selector: String { get }
    var options: ActionOptions { get }
}

extension SelectorCommand {
    func run() async throws { try await options.run(Self.action, selector) }
}
