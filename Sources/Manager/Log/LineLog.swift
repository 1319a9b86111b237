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
        var isClosed = false
        var totalDropped = 0

        var isIdle: Bool { pending.isEmpty && !isWriting && dropped == 0 && !mustReopen }
    }

    package let format: LogSettings.Format
    private let state = Waitable(State())
    private let capacity: Int
    private let path: String?
    private static let block = 64 << 10
    /// Nanoseconds that a line waits for others.
    private static let delay: UInt64 = 100_000_000

    /// - Parameter capacity: bytes that may wait to be written.
    package init(
        _ target: Target, format: LogSettings.Format = .text, capacity: Int = 8 << 20,
        now: @escaping @Sendable () -> UnixTime = Clocks.system.wall
    ) throws(OpenError) {
        self.format = format
        self.capacity = capacity
        let output: Output
        switch target {
        case .descriptor(let descriptor):
            path = nil
            output = Output(descriptor: descriptor)
        case .file(let file):
            path = file
            output = Output(descriptor: try Self.open(file))
        case .sharedFile(let file):
            path = nil
            output = Output(descriptor: -1, sharedPath: file)
        }
        // Ends with `close`, or with the process.
        _ = BlockingThread { [state, path] in
            Self.run(state, output, path) { event, key, value in
                Self.note(format, now(), event, key, value)
            }
        }
    }

    /// A line of the log about itself.
    private static func note(
        _ format: LogSettings.Format, _ time: UnixTime, _ event: String, _ key: String,
        _ value: String
    ) -> [UInt8] {
        var line = LogLine(format, at: time, level: "warning", event: event)
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

    /// Lines that were dropped since the start.
    package var dropped: Int { state.withLock { $0.totalDropped } }

    /// Opens the file again before the next line is written: whoever moved it away gets all that
    /// was said before. False where there is no file.
    @discardableResult
    package func reopen() -> Bool {
        guard path != nil else { return false }
        state.withLock { $0.mustReopen = true }
        state.wakeAll()
        return true
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
        var sharedPath: String?
    }

    private struct Work {
        var bytes: [UInt8]
        var dropped: Int
        var reopens: Bool
    }

    private static func run(
        _ state: Waitable<State>, _ first: Output, _ path: String?,
        note: (String, String, String) -> [UInt8]
    ) {
        var output = first
        while let work = next(state) {
            if work.reopens, let path {
                do throws(OpenError) {
                    let new = try open(path)
                    Glibc.close(output.descriptor)
                    output.descriptor = new
                } catch {
                    // Better in the old one than nowhere.
                    write(
                        note("going on in the old log", "error", "\(error)"), to: output, state)
                }
            }
            write(work.bytes, to: output, state)
            if work.dropped > 0 {
                write(
                    note("lines of the log were dropped", "lines", String(work.dropped)),
                    to: output, state)
            }
            state.withLock { $0.isWriting = false }
            state.wakeAll()
        }
        if path != nil { Glibc.close(output.descriptor) }
    }

    /// nil at the end.
    private static func next(_ state: Waitable<State>) -> Work? {
        state.wait { state in
            let isDue = state.deadline.map { $0 <= Monotonic.now } ?? false
            guard isDue || state.isUrgent || state.mustReopen || state.isClosed else {
                return .wait(until: state.deadline)
            }
            if state.isClosed, state.isIdle { return .ready(nil) }
            let work = Work(
                bytes: state.pending, dropped: state.dropped, reopens: state.mustReopen)
            state.pending = []
            state.deadline = nil
            state.isUrgent = false
            state.dropped = 0
            state.mustReopen = false
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
