import Control
import Glibc
import Logging
import Mail

/// Tells whether workers of an earlier manager still live: they inherit the descriptor, and the
/// lock (flock(2)) lasts until the last of them has ended. Two managers' workers must never deliver
/// side by side.
///
/// The file's time says until when they were seen: what a scheduler had spent by then may be missing
/// in the spool.
struct WorkerLock: Sendable {
    let descriptor: Int32
    /// When the last manager was seen alive, or its workers; the file's making, if none was.
    private(set) var lived: UnixTime
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
        var status = stat()
        fstat(descriptor, &status)
        let time = status.st_mtim
        lived = UnixTime(
            milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// That a manager lives, for the next one. A file system that does not take it takes no mail
    /// either.
    func renew(at now: UnixTime) {
        let (seconds, rest) = now.milliseconds.quotientAndRemainder(dividingBy: 1000)
        let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(rest) * 1_000_000)
        futimens(descriptor, [time, time])
    }

    /// Workers whose manager died end their transactions and go; that is waited for. One that hangs
    /// is killed: what it had not told is found in the spool, and tried again.
    mutating func awaitOldWorkers(
        logger: Logger, patience: Duration, clocks: Clocks = .system
    ) async throws {
        let step: Duration = .milliseconds(50)
        var waited: Duration = .zero
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if waited == .zero {
                logger.notice("waiting for the workers of an earlier manager to end")
            }
            guard waited < patience + .seconds(5) else {
                throw Failure(
                    description: "workers of an earlier manager still hold \(path) after "
                        + "\(patience); end them (fuser \(path) names them) and start again")
            }
            if waited >= patience { killHolders(logger) }
            try await Task.sleep(for: step)
            waited += step
        }
        if waited > .zero { lived = clocks.wall() }
    }

    /// Whoever has the file open inherited it: nobody but workers does.
    private func killHolders(_ logger: Logger) {
        guard let file = Self.target(of: "/proc/self/fd/\(descriptor)") else { return }
        for name in Self.entries(of: "/proc") {
            guard let pid = pid_t(name), pid != getpid() else { continue }
            let holds = Self.entries(of: "/proc/\(pid)/fd").contains {
                Self.target(of: "/proc/\(pid)/fd/\($0)") == file
            }
            guard holds, kill(pid, SIGKILL) == 0 else { continue }
            logger.error(
                "a worker of an earlier manager hangs; it is ended", metadata: ["pid": "\(pid)"])
        }
    }

    private static func entries(of path: String) -> [String] {
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    private static func target(of link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink(link, $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }
}
