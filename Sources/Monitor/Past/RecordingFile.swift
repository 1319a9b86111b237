import Control
import Glibc
import Mail
import Synchronization

/// Why a recording cannot be written or read: what happened, where, what to do.
package struct RecordingError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

enum RecordingFormat {
    /// `SLUICERC`, then the version and two bytes of nought.
    static let magic = Array("SLUICERC".utf8)
    static let version: UInt16 = 1
    static let headSize = 12
    /// Seconds in a segment: what one has to read to find a moment.
    static let segmentSeconds = 60.0
}

/// Writes what the monitor is told into a new file, record by record: a crash takes the last at
/// most.
package final class RecordingFile: Sendable {
    package let path: String
    private let descriptor: Int32
    private let state = Mutex(State())

    private struct State {
        var writer = SegmentWriter()
        var start: UnixTime?
        var last: UnixTime?
        var failure: String?
    }

    /// An existing file is left alone.
    package init(creating path: String) throws(RecordingError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0o600)
        guard descriptor >= 0 else {
            throw RecordingError(
                errno == EEXIST
                    ? "\(path) exists: a recording is written into a new file, choose another name"
                    : "\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
        let version = RecordingFormat.version
        let head =
            RecordingFormat.magic + [UInt8(version & 0xFF), UInt8(version >> 8), 0, 0]
        if let failure = write(head) {
            close(descriptor)
            throw RecordingError(failure)
        }
    }

    deinit {
        close(descriptor)
    }

    /// What went wrong, the first time that something does; nothing is written from then on.
    func record(_ moment: RecordedMoment) -> String? {
        state.withLock { state in
            guard state.failure == nil else { return nil }
            var bytes: [UInt8] = []
            // A clock that was set back begins anew, at the time that it had: the file goes on.
            let at = max(moment.at, state.last ?? moment.at)
            if state.start.map({ at.seconds - $0.seconds >= RecordingFormat.segmentSeconds })
                ?? true
            {
                state.start = at
                bytes += state.writer.segment(at: at)
            }
            bytes += state.writer.text(RecordKey.status, moment.status, at: at)
            if let (key, text) = moment.answer { bytes += state.writer.text(key, text, at: at) }
            state.last = at
            state.failure = write(bytes)
            return state.failure
        }
    }

    func record(_ subject: StreamSubject, _ items: [StreamItem]) -> String? {
        state.withLock { state in
            // Before the first answer there is nothing that it could be shown with.
            guard state.failure == nil, let at = state.last else { return nil }
            state.failure = write(state.writer.lines(subject, items, at: at))
            return state.failure
        }
    }

    private func write(_ bytes: [UInt8]) -> String? {
        var left = bytes[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                return "\(path): \(String(cString: strerror(errno))): the recording ends here"
            }
            left = left.dropFirst(count)
        }
        return nil
    }
}
