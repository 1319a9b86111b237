import ArgumentParser
import Commands
import Control
import Filter

private let selectorHelp = ArgumentHelp(
    "A filter, a destination's number, name or domain, or the id of a message or delivery.")

struct Retry: SelectorCommand {
    static let action = ActionKind.retry
    static let configuration = CommandConfiguration(
        abstract: "Makes waiting mail due now; limits still hold.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Purge: SelectorCommand {
    static let action = ActionKind.purge
    static let configuration = CommandConfiguration(
        abstract: "Deletes mail, after a time in which it can be undone.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Hold: SelectorCommand {
    static let action = ActionKind.hold
    static let configuration = CommandConfiguration(
        abstract: "Keeps mail back until it is released.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Release: SelectorCommand {
    static let action = ActionKind.release
    static let configuration = CommandConfiguration(abstract: "Ends a hold.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Bounce: SelectorCommand {
    static let action = ActionKind.bounce
    static let configuration = CommandConfiguration(
        abstract: "Gives mail up and reports it to its senders.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stops the delivery to destinations.")

    @Argument(help: selectorHelp) var selector: String

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "How long, as in 10m. Default: until resumed.", valueName: "duration"))
    var duration: String?

    @OptionGroup var options: ActionOptions

    func validate() throws {
        _ = try seconds()
    }

    func run() async throws {
        try await options.run(.pause, selector, seconds: try seconds())
    }

    private func seconds() throws -> Double? {
        guard let duration else { return nil }
        guard let seconds = Quantity.duration(duration), seconds > 0 else {
            throw ValidationError("--for takes a duration such as 90s, 10m, 1h30m or 2d")
        }
        return seconds
    }
}

struct Resume: SelectorCommand {
    static let action = ActionKind.resume
    static let configuration = CommandConfiguration(abstract: "Ends a pause.")

    @Argument(help: selectorHelp) var selector: String
    @OptionGroup var options: ActionOptions
}

struct Reassign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Moves a destination to another worker.")

    @Argument(
        help: ArgumentHelp("A destination's number, name or domain.", valueName: "destination"))
    var destination: String

    @Argument(
        help: "The worker's number, where it is pinned then; \"auto\" lets the ring decide again.")
    var worker: String

    @OptionGroup var options: ActionOptions

    func validate() throws {
        _ = try workerNumber()
    }

    func run() async throws {
        try await options.run(.reassign, destination, worker: try workerNumber())
    }

    private func workerNumber() throws -> Int? {
        if ["auto", "ring", "none"].contains(worker.lowercased()) { return nil }
        guard let number = Int(worker), number > 0 else {
            throw ValidationError("the worker is a number or \"auto\", not '\(worker)'")
        }
        return number
    }
}

struct Undo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Undoes an action; by default the latest that can be undone.")

    @Argument(help: "The id of the action, as sluice actions shows it.")
    var action: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        try await connection.connected(acts: true) { daemons in
            try await ActionRun.undo(
                action, json: json.isWanted, daemons, Console.standard())
        }
    }
}

struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the daemon read its configuration again.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.single(for: "reload").reload()
        Console.standard().print(["The new configuration is in force."])
    }
}
