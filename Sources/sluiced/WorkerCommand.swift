import ArgumentParser
import Control
import Glibc
import Logging
import Manager
import Settings
import Worker

/// What the manager starts; of no use by hand, as it needs the manager's socket pair.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "A worker process, started by the manager.",
        shouldDisplay: false)

    @Option var number: Int
    @Option var logFormat: String
    @Option var logFile: String?

    func run() async throws {
        // The manager rotates the file; lines of ours are rare.
        let log = try LineLog(
            logFile.map { .sharedFile($0) } ?? .descriptor(STDERR_FILENO),
            format: LogSettings.Format(rawValue: logFormat) ?? .text)
        let logger = Logger(label: "worker \(number)") { _ in
            var handler = LineLogHandler(log: log, level: .notice, now: Clocks.system.wall)
            handler.metadata["worker"] = "\(number)"
            return handler
        }
        try await WorkerProgram.run(number: number, logger: logger) { settings in
            // A file that cannot be opened keeps the old one; the manager has said so.
            try? log.change(to: settings, isShared: true)
        }
        log.flush()
    }
}
