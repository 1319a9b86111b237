import CTerminal
import Glibc

/// A real terminal, on which grids are shown and from which keys come.
///
/// It belongs to the thread that opened it. There is one at a time in a process: signals and the
/// terminal itself are the process's. `close()` gives everything back as it was; so does a crash,
/// `exit()` and every signal that can be caught, which all arrive as events.
package final class Terminal {
    package enum Event: Hashable, Sendable {
        case key(Key)
        case resize(Size)
        /// `Waker.wake()` was called.
        case wake
        /// SIGINT, SIGTERM, SIGHUP or SIGQUIT: the program is to end.
        case terminate(signal: Int32)
        /// SIGTSTP: `stop()` is expected.
        case stop
        /// The terminal is gone.
        case hangup
    }

    package let capabilities: Capabilities
    /// What it said of its ground when it was asked; nil: it was not, or nothing is known.
    package let ground: TerminalGround?
    package private(set) var size: Size
    package let waker: Waker

    private let input: Int32
    private let signals: Int32
    private var decoder = KeyDecoder()
    private var lastInput = ContinuousClock.now
    private var shown: Grid?
    private var pairs: [ColorPair: Int32] = [:]
    private var isOpen = true
    /// Keys that came while the terminal was asked.
    private var early: [Key] = []

    private struct ColorPair: Hashable {
        var foreground: Color
        var background: Color
    }

    /// - Parameters:
    ///   - name: the value of TERM.
    ///   - depth: instead of what the terminal can and NO_COLOR asks for.
    ///   - unicode: instead of what the locale says.
    ///   - asksGround: whether to find out if its ground is light, which may take
    ///     `TerminalGround.patience`.
    ///   - colorfgbg: the variable of the environment, for where it does not answer.
    ///   - waker: what other threads use to end `wait`.
    package init(
        name: String, input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO,
        depth: ColorDepth? = nil, unicode: Bool? = nil, noColor: Bool = false, mouse: Bool = true,
        asksGround: Bool = false, colorfgbg: String? = nil, waker: Waker
    ) throws(TerminalError) {
        guard isatty(input) == 1, isatty(output) == 1 else { throw .notATerminal }
        guard !name.isEmpty else { throw .unknown("") }
        let utf8 = ct_locale_is_utf8() == 1
        let depth =
            depth
            ?? ColorDepth(
                terminalColors: Int(ct_terminfo_colors(name, output)), noColor: noColor)
        // Before the screen, so that no moment is without them.
        signals = ct_signals_begin()
        guard signals >= 0 else { throw .failed }
        let asked =
            asksGround && depth != .mono
            ? TerminalGround.ask(name: name, input: input, output: output, colorfgbg: colorfgbg)
            : (ground: nil, typed: [])
        let result = ct_open(name, input, output, depth == .mono ? 0 : 1, mouse ? 1 : 0)
        guard result == CT_OK else {
            ct_signals_end()
            switch Int(result) {
            case Int(CT_NOT_A_TERMINAL): throw .notATerminal
            case Int(CT_UNKNOWN): throw .unknown(name)
            case Int(CT_NOT_CAPABLE): throw .notCapable(name)
            default: throw .failed
            }
        }
        self.input = input
        self.waker = waker
        ground = asked.ground
        capabilities = Capabilities(depth: depth, unicode: unicode ?? utf8)
        size = Self.readSize()
        early = decoder.feed(asked.typed)
    }

    deinit {
        close()
    }

    package func close() {
        guard isOpen else { return }
        isOpen = false
        ct_close()
        ct_signals_end()
    }

    // MARK: Output

    /// Shows a grid of the terminal's size. Only what differs from the last one is sent, nothing
    /// at all if nothing does.
    package func present(_ grid: Grid) {
        guard isOpen, grid != shown else { return }
        let before = shown?.size == grid.size ? shown : nil
        for row in 0..<grid.size.rows {
            for column in 0..<grid.size.columns {
                let cell = grid[row, column]
                if cell.isRightHalf { continue }
                let wide = column + 1 < grid.size.columns && grid[row, column + 1].isRightHalf
                if let before, before[row, column] == cell,
                    !wide || before[row, column + 1] == grid[row, column + 1]
                {
                    continue
                }
                ct_put(
                    Int32(row), Int32(column), cell.base, cell.mark, wide ? 2 : 1,
                    UInt32(cell.style.attributes.rawValue), pair(cell.style))
            }
        }
        if let cursor = grid.cursor {
            ct_cursor(Int32(cursor.row), Int32(cursor.column))
        } else {
            ct_cursor(-1, 0)
        }
        ct_flush()
        shown = grid
    }

    /// Draws everything anew at the next `present`, after something else wrote to the terminal.
    package func repaint() {
        shown = nil
        ct_repaint()
    }

    /// Gives the terminal back, stops the process, and takes the terminal again when continued.
    package func stop() {
        ct_stop()
        shown = nil
    }

    private func pair(_ style: Style) -> Int32 {
        if capabilities.depth == .mono { return 0 }
        let colors = ColorPair(foreground: style.foreground, background: style.background)
        if colors.foreground == .terminal, colors.background == .terminal { return 0 }
        if let known = pairs[colors] { return known }
        let made = ct_pair(
            Int32(pairs.count + 1), Int32(colors.foreground.index),
            Int32(colors.background.index))
        pairs[colors] = made
        return made
    }

    // MARK: Input

    /// Waits until something happens, at most until `deadline`, and returns all that has.
    package func wait(until deadline: ContinuousClock.Instant) -> [Event] {
        if !early.isEmpty {
            let events = Self.events(of: early)
            early.removeAll()
            if !events.isEmpty { return events }
        }
        var polled = [
            pollfd(fd: input, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            pollfd(fd: waker.reading, events: Int16(POLLIN), revents: 0),
        ]
        let now = ContinuousClock.now
        var until = deadline
        let expiry = decoder.delay.map { lastInput + .milliseconds($0) }
        if let expiry, expiry < until { until = expiry }
        let ready = poll(&polled, nfds_t(polled.count), Self.milliseconds(until - now))

        var events: [Event] = []
        guard ready > 0 else {
            if let expiry, ContinuousClock.now >= expiry {
                events = Self.events(of: decoder.expire())
                lastInput = .now
            }
            return events
        }
        if polled[1].revents != 0 { readSignals(&events) }
        if polled[0].revents & Int16(POLLIN) != 0 {
            readKeys(&events)
        } else if polled[0].revents != 0 {
            events.append(.hangup)
        }
        if polled[2].revents != 0 {
            waker.drain()
            events.append(.wake)
        }
        return events
    }

    /// For poll(2): rounded up, so that nobody wakes just before the time.
    private static func milliseconds(_ duration: Duration) -> Int32 {
        let (seconds, attoseconds) = duration.components
        if seconds < 0 || attoseconds < 0 { return 0 }
        if seconds >= 3600 { return 3_600_000 }
        return Int32(seconds) * 1000
            + Int32((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    private func readKeys(_ events: inout [Event]) {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            // To its end: keys that arrived together are handled together.
            repeat {
                let count = read(input, buffer.baseAddress, buffer.count)
                if count < 0, errno == EINTR || errno == EAGAIN { return }
                guard count > 0 else {
                    events.append(.hangup)
                    return
                }
                events += Self.events(of: decoder.feed(buffer[..<count]))
                lastInput = .now
            } while hasInput()
        }
    }

    /// The keys that send signals do so here, where they are known to be typed: the terminal would
    /// send them for a pasted one too. They come back as events.
    private static func events(of keys: [Key]) -> [Event] {
        keys.compactMap { key in
            switch key {
            case .control("c"): ct_signal_job(SIGINT)
            case .control("\\"): ct_signal_job(SIGQUIT)
            case .control("z"): ct_signal_job(SIGTSTP)
            default: return .key(key)
            }
            return nil
        }
    }

    private func hasInput() -> Bool {
        var polled = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) == 1 && polled.revents & Int16(POLLIN) != 0
    }

    private func readSignals(_ events: inout [Event]) {
        var numbers: [UInt8] = []
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            while true {
                let count = read(signals, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                numbers += buffer[..<count]
            }
        }
        ct_signals_taken()
        for number in numbers.map(Int32.init) {
            switch number {
            case SIGWINCH: resize(&events)
            case SIGTSTP: events.append(.stop)
            case SIGCONT:
                // Stopped by SIGSTOP, of which nobody was told: the shell has had the terminal.
                ct_resume()
                shown = nil
                resize(&events)
            default: events.append(.terminate(signal: number))
            }
        }
    }

    private func resize(_ events: inout [Event]) {
        size = Self.readSize()
        ct_resize(Int32(size.columns), Int32(size.rows))
        shown = nil
        events.append(.resize(size))
    }

    private static func readSize() -> Size {
        var columns: Int32 = 0
        var rows: Int32 = 0
        ct_size(&columns, &rows)
        return Size(columns: Int(columns), rows: Int(rows))
    }
}
