import Control
import Glibc
import NIOCore

/// Where a worker whose manager died leaves its results for the next one: frames in a file of the
/// data directory, synced before anything else happens.
struct Journal {
    let path: String

    init(directory: String, worker: Int) {
        path = "\(directory)/worker-\(worker)-\(getpid()).journal"
    }

    func append(_ reports: [AttemptReport]) {
        guard !reports.isEmpty else { return }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var buffer = ByteBuffer()
        Frame.results(reports).write(to: &buffer)
        buffer.withUnsafeReadableBytes { bytes in
            var start = 0
            while start < bytes.count {
                let count = Glibc.write(
                    descriptor, bytes.baseAddress! + start, bytes.count - start)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return }
                start += count
            }
        }
        fsync(descriptor)
    }
}
