import Control
import Glibc
import NIOCore

/// What workers whose manager died had to say: results that nobody had recorded, left as frames in
/// `worker-N-PID.journal` of the data directory.
struct WorkerJournals: Sendable {
    let directory: String

    struct Journal: Sendable {
        var path: String
        /// Whose it was.
        var worker: Int
        var reports: [AttemptReport]
    }

    /// A torn end is what a crash while writing leaves; what stands before it counts.
    func read() throws -> [Journal] {
        guard let listing = opendir(directory) else { return [] }
        defer { closedir(listing) }
        var journals: [Journal] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix("worker-"), name.hasSuffix(".journal") else { continue }
            let path = directory + "/" + name
            let worker = name.split(separator: "-").dropFirst().first.flatMap { Int($0) } ?? 0
            journals.append(
                Journal(
                    path: path, worker: worker, reports: Self.reports(in: try contents(path))))
        }
        return journals.sorted { $0.path < $1.path }
    }

    static func reports(in buffer: ByteBuffer) -> [AttemptReport] {
        var buffer = buffer
        var reports: [AttemptReport] = []
        while let frame = try? FrameDecoder.next(in: &buffer) {
            if case .results(let results) = frame { reports += results }
        }
        return reports
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// What cannot be read must not be taken for nothing: it would be removed, and its mail sent
    /// again.
    private func contents(_ path: String) throws(Failure) -> ByteBuffer {
        var buffer = ByteBuffer()
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        while true {
            var count = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1 << 16) {
                count = Glibc.read(descriptor, $0.baseAddress!, $0.count)
                return max(0, count)
            }
            if count == 0 { return buffer }
            if count < 0, errno != EINTR { throw failure(path) }
        }
    }

    private func failure(_ path: String) -> Failure {
        Failure(
            description: "\(path): \(WorkerProcess.errorText()); it says what workers of an "
                + "earlier manager delivered: make it readable, or move it away (what it tells "
                + "is then sent again)")
    }

    func remove(_ journal: Journal) {
        unlink(journal.path)
    }
}
