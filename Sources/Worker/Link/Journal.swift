import Control
import Faults
import Glibc
import NIOCore

/// Where a worker whose manager died leaves its results for the next one: frames in a file of the
/// data directory, synced before anything else happens.
struct Journal {
    let path: String

    init(directory: String, worker: Int) {
        path = "\(directory)/worker-\(worker)-\(getpid()).journal"
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// All of it is on disk, or, when it throws, none of it is in the file.
    func append(_ reports: [AttemptReport]) throws(Failure) {
        guard !reports.isEmpty else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        FaultPoint.journalOpened.reached()
        let before = lseek(descriptor, 0, SEEK_END)
        var buffer = ByteBuffer()
        Frame.results(reports).write(to: &buffer)
        let isWritten = buffer.withUnsafeReadableBytes { bytes in
            var start = 0
            while start < bytes.count {
                let count = Glibc.write(
                    descriptor, bytes.baseAddress! + start, bytes.count - start)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                start += count
            }
            return fsync(descriptor) == 0
        }
        guard isWritten else {
            let failure = failure()
            // Half a frame would hide what is appended to it.
            ftruncate(descriptor, before)
            throw failure
        }
        FaultPoint.journalSynced.reached()
    }

    private func failure() -> Failure {
        Failure(description: "\(path): \(String(cString: strerror(errno)))")
    }
}
