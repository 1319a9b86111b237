import Commands

struct DemoOptions: Sendable {
    var theme: String?
    var interval: Duration
}

/// Starts the box, and the monitor on it; the status for the shell.
func runDemo(_ options: DemoOptions) async throws -> Int32 {
    throw CommandFailure.refused("this build has no demo")
}
