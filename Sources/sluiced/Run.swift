import ArgumentParser
import Control
import Glibc
import Logging
import Manager
import Settings
import Spool

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the daemon in the foreground.", shouldDisplay: false)

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        // A client that hangs up must not end the daemon.
        signal(SIGPIPE, SIG_IGN)
        DescriptorLimit.raise()
        // Nor a rotation of its log before it listens to that.
        signal(SIGUSR1, SIG_IGN)
        let configuration: Configuration
        do throws(SettingsError) {
            configuration = try Configuration.load(path: options.path)
        } catch {
            complain("\(error)")
            throw ExitCode(2)
        }
        let log: LineLog
        do {
            log = try LineLog(
                configuration.log.file.map { .file($0) } ?? .descriptor(STDERR_FILENO),
                format: configuration.log.format, level: configuration.log.level)
        } catch {
            complain("\(options.path): log.file: \(error)")
            throw ExitCode(2)
        }
        let logger = Logger(label: "sluiced") { _ in
            LineLogHandler(log: log, now: Clocks.system.wall)
        }
        do {
            try await Manager(
                configuration: configuration, path: options.path, log: log, logger: logger
            ).run()
        } catch {
            let text = "\(error)" + advice(on: error)
            if log.isFile {
                logger.critical("stopped", metadata: ["error": "\(text)"])
            }
            log.flush()
            complain("sluiced: \(text)")
            throw ExitCode.failure
        }
    }

    /// What to do about a spool that cannot be opened, where its error does not say so itself.
    private func advice(on error: any Error) -> String {
        guard let error = error as? SpoolError, error.code == .damaged else { return "" }
        return "; nothing was changed: see what sluiced fsck --config \(options.path) finds, or "
            + "restore a backup"
    }
}

/// To standard error, outside the log: the daemon is not running.
func complain(_ text: String) {
    fputs(text + "\n", stderr_)
}

/// The C library's `stderr` is a global variable that Swift 6 does not let through.
private nonisolated(unsafe) let stderr_ = fdopen(STDERR_FILENO, "w")
