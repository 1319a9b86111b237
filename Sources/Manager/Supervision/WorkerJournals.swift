import Control
import Glibc
import NIOCore

/// What workers whose manager died had to say: results that nobody had recorded, left as frames in
/// `worker-N-PID.journal` of the data directory.
struct WorkerJournals: Sendable {
    let directory: String

    struct Journal: Sendable {
        var path: String
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
            journals.append(Journal(path: path, reports: Self.reports(in: contents(path))))
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

    private func contents(_ path: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return buffer }
        defer { close(descriptor) }
        while true {
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 1 << 16) {
                max(0, Glibc.read(descriptor, $0.baseAddress!, $0.count))
            }
            if count == 0 { return buffer }
        }
    }

    func remove(_ journal: Journal) {
        unlink(journal.path)
    }
}
