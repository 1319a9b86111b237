import Glibc
import Logging

/// Tells whether workers of an earlier manager still live: they inherit the descriptor, and the
/// lock (flock(2)) lasts until the last of them has ended. Two managers' workers must never deliver
/// side by side.
struct WorkerLock: Sendable {
    let descriptor: Int32
    private let path: String

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    init(directory: String) throws {
        path = directory + "/workers.lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(description: "\(path): \(WorkerProcess.errorText())")
        }
    }

    /// Workers whose manager died end their transactions and go; that is waited for.
    func awaitOldWorkers(logger: Logger, patience: Duration) async throws {
        let step: Duration = .milliseconds(50)
        var waited: Duration = .zero
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if waited == .zero {
                logger.notice("waiting for the workers of an earlier manager to end")
            }
            guard waited < patience else {
                throw Failure(
                    description: "workers of an earlier manager still hold \(path) after "
                        + "\(patience); end them (fuser \(path) names them) and start again")
            }
            try await Task.sleep(for: step)
            waited += step
        }
    }
}
