import Control
import Glibc
package import Mail
package import Settings
import Spool
import Synchronization

/// Where all lines of a process go: standard error or a file. Lines are gathered and written in
/// blocks by a thread of their own, so that whoever has something to say never waits for a disk
/// or for a reader: what does not fit into the buffer any more is dropped and counted, and the log
/// says how many were.
package final class LineLog: Sendable {
    package enum Target: Sendable {
        case descriptor(Int32)
        case file(String)
        /// A file that another process rotates: opened for every block.
        case sharedFile(String)
    }

    /// A file that cannot be opened.
    package struct OpenError: Error, CustomStringConvertible {
        package var description: String
    }

    private struct State {
        var pending: [UInt8] = []
        /// When they have to be written (`Monotonic.now`).
        var deadline: UInt64?
        var isUrgent = false
        var dropped = 0
        /// Lines that are with the thread.
        var isWriting = false
        var mustReopen = false
        /// Where lines go from a place in `pending` on.
        var change: Change?
        var isClosed = false
        var totalDropped = 0
        /// The file that is written, if it is one that this process rotates.
        var path: String?

        var isIdle: Bool {
            pending.isEmpty && !isWriting && dropped == 0 && !mustReopen && change == nil
        }
    }

    private struct Change {
        var output: Output
        var offset: Int
    }

    /// How lines are made; read with each of them.
    private struct Manner {
        var format: LogSettings.Format
        var level: LogSettings.Level
    }

    private let manner: Mutex<Manner>
    private let state: Waitable<State>
    private let capacity: Int
    private let now: @Sendable () -> UnixTime
    private static let block = 64 << 10
    /// Nanoseconds that a line waits for others.
    private static let delay: UInt64 = 100_000_000

    /// - Parameter capacity: bytes that may wait to be written.
    package init(
        _ target: Target, format: LogSettings.Format = .text, level: LogSettings.Level = .info,
        capacity: Int = 8 << 20, now: @escaping @Sendable () -> UnixTime = Clocks.system.wall
    ) throws(OpenError) {
        manner = Mutex(Manner(format: format, level: level))
        self.capacity = capacity
        self.now = now
        let output = try Output(target)
        var state = State()
        state.path = output.path
        self.state = Waitable(state)
        // Ends with `close`, or with the process.
        _ = BlockingThread { self.write(to: output) }
    }

    package var format: LogSettings.Format { manner.withLock { $0.format } }

    /// What is below it is not written.
    package var level: LogSettings.Level { manner.withLock { $0.level } }

    /// Writes otherwise and elsewhere from the next line on; what was said before goes to where it
    /// went then.
    ///
    /// - Throws: `OpenError` where the new file cannot be opened; then nothing changes.
    package func change(
        to target: Target, format: LogSettings.Format, level: LogSettings.Level
    ) throws(OpenError) {
        let output = try Output(target)
        let forgotten = state.withLock { state in
            defer {
                state.change = Change(
                    output: output, offset: state.change?.offset ?? state.pending.count)
                state.path = output.path
            }
            return state.change
        }
        forgotten?.output.close()
        manner.withLock { $0 = Manner(format: format, level: level) }
        state.wakeAll()
    }

    /// The same as in a file that this process and others write, or to a descriptor.
    ///
    /// - Throws: as `change(to:format:level:)`.
    package func change(to settings: LogSettings, isShared: Bool = false) throws(OpenError) {
        try change(
            to: settings.file.map { isShared ? .sharedFile($0) : .file($0) }
                ?? .descriptor(STDERR_FILENO),
            format: settings.format, level: settings.level)
    }

    /// A line of the log about itself.
    private func note(_ event: String, _ key: String, _ value: String) -> [UInt8] {
        var line = LogLine(format, at: now(), level: "warning", event: event)
        line.add(key, value)
        line.end()
        return line.bytes
    }

    package func append(_ line: LogLine, now: Bool = false) {
        append(line.bytes, now: now)
    }

    /// A whole line with its end.
    package func append(_ line: [UInt8], now: Bool = false) {
        let wakes = state.withLock { state in
            guard state.pending.count + line.count <= capacity else {
                state.dropped += 1
                state.totalDropped += 1
                return false
            }
            let wasWaiting = state.deadline != nil || state.isUrgent
            state.pending.append(contentsOf: line)
            if now || state.pending.count >= Self.block {
                defer { state.isUrgent = true }
                return !state.isUrgent
            }
            if !wasWaiting { state.deadline = Monotonic.now + Self.delay }
            return !wasWaiting
        }
        if wakes { state.wakeAll() }
    }

    package var isFile: Bool { state.withLock { $0.path != nil } }

    /// Lines that were dropped since the start.
    package var dropped: Int { state.withLock { $0.totalDropped } }

    /// Opens the file again before the next line is written: whoever moved it away gets all that
    /// was said before. False where there is no file.
    @discardableResult
    package func reopen() -> Bool {
        let isFile = state.withLock { state in
            state.mustReopen = state.path != nil
            return state.mustReopen
        }
        if isFile { state.wakeAll() }
        return isFile
    }

    /// Waits until everything is written, but not longer than that.
    package func flush(within limit: Duration = .seconds(2)) {
        state.withLock { $0.isUrgent = true }
        state.wakeAll()
        let end = Monotonic.now + UInt64(limit / .nanoseconds(1))
        state.wait { state in
            state.isIdle || Monotonic.now >= end ? .ready(()) : .wait(until: end)
        }
    }

    /// Writes what is there and ends the thread.
    package func close() {
        flush()
        state.withLock { $0.isClosed = true }
        state.wakeAll()
    }

    private static func open(_ path: String) throws(OpenError) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else {
            throw OpenError(
                description: "the log \(path) cannot be opened: \(String(cString: strerror(errno)))"
            )
        }
        return descriptor
    }

    // MARK: On the thread

    private struct Output {
        var descriptor: Int32
        /// Of a file that is this process's to close.
        var path: String?
        var sharedPath: String?

        init(_ target: Target) throws(OpenError) {
            switch target {
            case .descriptor(let descriptor):
                self.descriptor = descriptor
            case .file(let file):
                path = file
                descriptor = try LineLog.open(file)
            case .sharedFile(let file):
                descriptor = -1
                sharedPath = file
            }
        }

        func close() {
            if path != nil { Glibc.close(descriptor) }
        }
    }

    private struct Work {
        var bytes: [UInt8]
        var dropped: Int
        var reopens: Bool
        var change: Change?
    }

    private func write(to first: Output) {
        var output = first
        while var work = Self.next(state) {
            if work.reopens, let path = output.path {
                do throws(OpenError) {
                    let new = try Self.open(path)
                    output.close()
                    output.descriptor = new
                } catch {
                    // Better in the old one than nowhere.
                    Self.write(
                        note("going on in the old log", "error", "\(error)"), to: output, state)
                }
            }
            if let change = work.change {
                Self.write(Array(work.bytes[..<change.offset]), to: output, state)
                work.bytes.removeFirst(change.offset)
                output.close()
                output = change.output
            }
            Self.write(work.bytes, to: output, state)
            if work.dropped > 0 {
                Self.write(
                    note("lines of the log were dropped", "lines", String(work.dropped)),
                    to: output, state)
            }
            state.withLock { $0.isWriting = false }
            state.wakeAll()
        }
        output.close()
    }

    /// nil at the end.
    private static func next(_ state: Waitable<State>) -> Work? {
        state.wait { state in
            let isDue = state.deadline.map { $0 <= Monotonic.now } ?? false
            let hasOrders = state.mustReopen || state.change != nil || state.isClosed
            guard isDue || state.isUrgent || hasOrders else {
                return .wait(until: state.deadline)
            }
            if state.isClosed, state.isIdle { return .ready(nil) }
            let work = Work(
                bytes: state.pending, dropped: state.dropped, reopens: state.mustReopen,
                change: state.change)
            state.pending = []
            state.deadline = nil
            state.isUrgent = false
            state.dropped = 0
            state.mustReopen = false
            state.change = nil
            state.isWriting = true
            return .ready(work)
        }
    }

    private static func write(_ bytes: [UInt8], to output: Output, _ state: Waitable<State>) {
        guard !bytes.isEmpty else { return }
        var descriptor = output.descriptor
        if let path = output.sharedPath {
            guard let opened = try? open(path) else { return }
            descriptor = opened
        }
        defer { if output.sharedPath != nil { Glibc.close(descriptor) } }
        var start = 0
        while start < bytes.count {
            let written = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + start, $0.count - start)
            }
            if written > 0 {
                start += written
                continue
            }
            switch errno {
            case EINTR:
                continue
            case EAGAIN:
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wanted, 1, 1000)
            case ENOSPC, EDQUOT, EIO:
                // The disk may have room again; meanwhile lines gather, and are dropped at last.
                let ended = pause(state)
                if ended { return }
            default:
                // A reader that went away must not stop the mail.
                return
            }
        }
    }

    /// A second, or until somebody waits for the end. True then.
    private static func pause(_ state: Waitable<State>) -> Bool {
        let end = Monotonic.now + 1_000_000_000
        return state.wait { state in
            if state.isClosed { return .ready(true) }
            return Monotonic.now >= end ? .ready(false) : .wait(until: end)
        }
    }
}
