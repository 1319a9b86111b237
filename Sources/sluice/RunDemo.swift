import Commands
import Control
import Glibc
import Monitor
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testbed
import UnixSignals

struct DemoOptions: Sendable {
    var theme: String?
    var interval: Duration
    /// Without a terminal: how long lines are printed.
    var duration: Duration
}

/// Starts the box, and the monitor on it; the status for the shell.
func runDemo(_ options: DemoOptions) async throws -> Int32 {
    let console = Console.standard()
    guard let executable = ThemeFinder.executable(), let slash = executable.lastIndex(of: "/")
    else {
        throw CommandFailure.refused("/proc/self/exe cannot be read: sluiced is not found")
    }
    let daemon = executable[...slash] + "sluiced"
    guard access(String(daemon), X_OK) == 0 else {
        throw CommandFailure.refused("the demo needs \(daemon), which cannot be run")
    }
    if console.isInteractive {
        console.write("Starting an Internet in a box: receivers, the daemon, traffic …\n")
    }
    let demo = Testbed.Demo(group: NIOSingletons.posixEventLoopGroup)
    let status = NIOLockedValueBox(ExitStatus.done)
    do {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await demo.run(daemonPath: String(daemon)) { socket in
                    let ended = try await watch(socket, options, console)
                    status.withLockedValue { $0 = ended }
                }
            }
            group.addTask {
                // The monitor's own handlers come after these and go before them.
                for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup) {
                    demo.cancel()
                }
            }
            try await group.next()
            group.cancelAll()
        }
    } catch let error as TestbedError {
        throw CommandFailure.refused("\(error)")
    }
    return status.withLockedValue { $0 }
}

/// The monitor where there is a terminal, else lines for a bounded time.
private func watch(
    _ socket: String, _ options: DemoOptions, _ console: Console
) async throws -> Int32 {
    var monitor = MonitorOptions(
        theme: options.theme, mode: nil, isReadOnly: false, interval: options.interval)
    let client = ControlClient(socket: socket)
    if console.isInteractive { return try await runMonitor(monitor, client) }
    monitor.mode = .plain
    try await withThrowingTaskGroup(of: Void.self) { [monitor] group in
        group.addTask { _ = try await runMonitor(monitor, client) }
        group.addTask { try await Task.sleep(for: options.duration) }
        try await group.next()
        group.cancelAll()
    }
    return ExitStatus.done
}
