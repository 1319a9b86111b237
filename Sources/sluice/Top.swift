import ArgumentParser
import Commands
import Monitor

/// How the monitor shows what it shows.
enum MonitorMode: String, EnumerableFlag {
    case once, plain, json

    static func help(for value: MonitorMode) -> ArgumentHelp? {
        switch value {
        case .once: "Print one overview and end."
        case .plain: "Print changes line by line, for screen readers and logs."
        case .json: "Print one overview as a JSON document and end."
        }
    }
}

struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The monitor (the default).")

    @OptionGroup var connection: ConnectionOptions

    @Option(help: ArgumentHelp("The theme's name.", valueName: "name"))
    var theme: String?

    @Flag(exclusivity: .exclusive)
    var mode: MonitorMode?

    @Option(
        help: ArgumentHelp(
            "The page, by name: destinations, destination, queue, message, backoff, ages, "
                + "workers, events, trace, actions or, of a cluster, nodes.", valueName: "page"))
    var page: PageKind?

    @Option(
        name: .customLong("of"),
        help: ArgumentHelp(
            "What the page is about: a destination, or the id of a message.", valueName: "what"))
    var subject: String?

    @Option(
        help: ArgumentHelp("Begin with a view that was saved.", valueName: "name"))
    var view: String?

    @Flag(help: "Offer no actions.")
    var readOnly = false

    @Flag(inversion: .prefixedNo, help: "Take presses and the wheel of the mouse.")
    var mouse = true

    @Option(help: ArgumentHelp("Seconds between updates, 0.1 to 3600.", valueName: "s"))
    var interval = 1.0

    @Option(
        help: ArgumentHelp(
            "Write what is shown into a new file, for --replay.", valueName: "file"),
        completion: .file())
    var record: String?

    @Option(
        help: ArgumentHelp(
            "Show a recording instead of a daemon: z plays and stops, [ ] step, < > change the "
                + "speed, t goes to a time.", valueName: "file"),
        completion: .file())
    var replay: String?

    func validate() throws {
        if record != nil || replay != nil, let mode {
            throw ValidationError("--\(mode.rawValue) goes neither with --record nor --replay")
        }
        if record != nil, replay != nil {
            throw ValidationError("--record and --replay do not go together")
        }
        guard (0.1...3600).contains(interval) else {
            throw ValidationError("--interval must be between 0.1 and 3600 seconds")
        }
        let page = page ?? .destinations
        guard page.isAboutOne == (subject != nil) else {
            throw ValidationError(
                page.isAboutOne
                    ? "--page \(page.rawValue) needs --of: which one?"
                    : "--of is for the pages destination, message and trace")
        }
        if view != nil, self.page != nil {
            throw ValidationError("--view and --page exclude each other")
        }
    }

    func run() async throws {
        let options = MonitorOptions(
            theme: theme, mode: mode, isReadOnly: readOnly, usesMouse: mouse,
            interval: .seconds(interval), page: page, subject: subject,
            view: try view.map { try SavedView.named($0) }, record: record, replay: replay)
        let status = try await connection.opened { try await runMonitor(options, $0) }
        if status != ExitStatus.done { throw ExitCode(status) }
    }
}

extension PageKind: ExpressibleByArgument {}
