import Commands
import Control

struct MonitorOptions: Sendable {
    var socket: String
    var theme: String?
    /// Nil for the screen, where there is a terminal.
    var mode: MonitorMode?
    var isReadOnly: Bool
    var interval: Duration
}

/// Shows the delivery until the user ends it; the status for the shell.
func runMonitor(_ options: MonitorOptions) async throws -> Int32 {
    let console = Console.standard()
    let client = ControlClient(socket: options.socket)
    switch options.mode ?? (console.isInteractive ? .plain : .once) {
    case .once: Overview.print(try await Overview.read(client), console)
    case .json: try console.print(json: try await Overview.read(client))
    case .plain: try await follow(client, every: options.interval, console)
    }
    return ExitStatus.done
}

/// Prints what changes. A daemon that goes away is said once, and waited for.
private func follow(
    _ client: ControlClient, every interval: Duration, _ console: Console
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
