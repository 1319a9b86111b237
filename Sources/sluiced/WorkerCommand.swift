import ArgumentParser
import Control
import Logging
import Manager
import Worker

/// What the manager starts; of no use by hand, as it needs the manager's socket pair.
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "A worker process, started by the manager.",
        shouldDisplay: false)

    @Option var number: Int

    func run() async throws {
        let log = LineLog()
        let logger = Logger(label: "worker \(number)") { _ in
            var handler = LineLogHandler(log: log, level: .notice, now: Clocks.system.wall)
            handler.metadata["worker"] = "\(number)"
            return handler
        }
        try await WorkerProgram.run(number: number, logger: logger)
        log.flush()
    }
}
