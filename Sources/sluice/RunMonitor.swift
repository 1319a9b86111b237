import Commands
package import Control
import Glibc
import Mail
package import Monitor
import Settings
import Terminal

struct MonitorOptions: Sendable {
    var theme: String?
    /// Nil for the screen, where there is a terminal.
    var mode: MonitorMode?
    var isReadOnly: Bool
    var usesMouse = true
    var interval: Duration
    /// nil: the table of destinations, with the totals.
    var page: PageKind?
    /// The destination or message that the page is about.
    var subject: String?
    var view: SavedView?
    /// Files that are written, and shown instead of a daemon.
    var record: String?
    var replay: String?
}

extension DaemonAPI {
    /// For the monitor, which follows one thing at a time.
    package func follow(
        _ subject: StreamSubject, _ receive: @escaping @Sendable (StreamItem) -> Void
    ) async throws {
        switch subject {
        case .events: try await events { receive(.event($0)) }
        case .trace(let destination, let content):
            try await trace(destination: destination, content: content) { receive(.trace($0)) }
        }
    }
}

extension ControlClient: MonitorSource {}
extension MergedHosts: MonitorSource {}

/// Shows the delivery until the user ends it; the status for the shell.
func runMonitor(_ options: MonitorOptions, _ client: any Daemons) async throws -> Int32 {
    let console = Console.standard()
    if options.page != nil || options.view != nil, options.mode != nil || !console.isInteractive {
        try await PageText(client: client, console: console, options: options).run()
        return ExitStatus.done
    }
    switch options.mode {
    case .once: Overview.print(try await Overview.read(client), console)
    case .json: try console.print(json: try await Overview.read(client))
    case .plain: try await follow(client, every: options.interval, console)
    case nil where !console.isInteractive && (options.record ?? options.replay) != nil:
        throw CommandFailure.usage("--record and --replay need a terminal")
    case nil where console.isInteractive: return try await show(client, options, console)
    case nil: Overview.print(try await Overview.read(client), console)
    }
    return ExitStatus.done
}

/// The screen. A terminal that cannot show it gets lines.
private func show(
    _ client: any Daemons, _ options: MonitorOptions, _ console: Console
) async throws -> Int32 {
    let finder = ThemeFinder.standard
    let theme = try theme(options, finder, console)
    let keymap = try Keymap.operators()
    let start = try await startPage(client, options)
    let kept = try KeptChoices.operators()
    let (recording, replay) = try files(options)
    do throws(TerminalError) {
        let ending = try await Monitor.run(
            configuration: Monitor.Configuration(
                theme: theme, themes: finder,
                keepTheme: { ChosenTheme.keep($0, environment: Console.environment) },
                kept: kept,
                keptFile: KeptFile(environment: Console.environment), start: start,
                interval: options.interval, readOnly: options.isReadOnly,
                keymap: keymap,
                terminal: environment("TERM") ?? "",
                noColor: environment("NO_COLOR")?.isEmpty == false,
                mouse: options.usesMouse, colorfgbg: environment("COLORFGBG"),
                recording: recording, replay: replay),
            source: client)
        switch ending {
        case .quit, .cancelled: return ExitStatus.done
        // As the shell reports a death by that signal.
        case .signal(let number): return 128 + number
        case .hangup: return 128 + SIGHUP
        }
    } catch {
        if replay != nil { throw CommandFailure.usage("\(error): a recording needs a screen") }
        console.warn("\(error): showing lines instead")
        try await follow(client, every: options.interval, console)
        return ExitStatus.done
    }
}

/// The page to begin with; nil: the table of destinations.
private func startPage(
    _ client: any Daemons, _ options: MonitorOptions
) async throws -> StartPage? {
    if let view = options.view { return .view(view) }
    guard let page = options.page else { return nil }
    guard let subject = options.subject else { return .page(page) }
    if page == .message {
        guard let message = try await Commands.Target.message(subject, client) else {
            throw CommandFailure.refused("there is no message '\(SafeText(subject))'")
        }
        return .message(message.detail.id)
    }
    let row = try await Commands.Target.destination(subject, client)
    return page == .trace
        ? .trace(id: row.id, name: row.name) : .destination(id: row.id, name: row.name)
}

private func files(_ options: MonitorOptions) throws -> (RecordingFile?, Recording?) {
    do throws(RecordingError) {
        let replay: Recording? =
            if let path = options.replay { try Recording(path: path) } else { nil }
        let recording: RecordingFile? =
            if let path = options.record { try RecordingFile(creating: path) } else { nil }
        return (recording, replay)
    } catch {
        throw CommandFailure.refused("\(error)")
    }
}

/// The one that was asked for, or chosen before; nil: whichever suits the terminal.
private func theme(
    _ options: MonitorOptions, _ finder: ThemeFinder, _ console: Console
) throws -> Theme? {
    if let name = options.theme {
        do throws(SettingsError) {
            return try finder.theme(named: name)
        } catch {
            throw CommandFailure.usage("\(error)")
        }
    }
    guard let name = ChosenTheme.name(environment: Console.environment) else { return nil }
    do throws(SettingsError) {
        return try finder.theme(named: name)
    } catch {
        // It was chosen once and has become unreadable since: no reason not to start.
        console.warn("\(error)")
        return nil
    }
}

private func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// Prints what changes. A daemon that goes away is said once, and waited for.
private func follow(
    _ client: any Daemons, every interval: Duration, _ console: Console
) async throws {
    var overview = Overview()
    var hasAnswered = false
    var lastProblem = ""
    while true {
        do {
            let read = try await Overview.read(client)
            console.print(overview.changes(read, utcOffset: console.utcOffset))
            hasAnswered = true
            lastProblem = ""
        } catch let error as ControlError where hasAnswered {
            if error.message != lastProblem { console.warn(error.message) }
            lastProblem = error.message
        }
        try await Task.sleep(for: interval)
    }
}
