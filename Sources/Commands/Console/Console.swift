package import Mail

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// What a command reads from and writes to.
package struct Console: Sendable {
    package var write: @Sendable (String) -> Void
    /// For people only, beside the output.
    package var warn: @Sendable (String) -> Void
    /// Without its end; nil at the end of the input.
    package var readLine: @Sendable () -> String?
    /// Somebody can be asked.
    package var isInteractive: Bool
    /// The columns of the terminal that is written to; nil if it is none.
    package var width: Int?
    /// Whether the terminal shows more than ASCII.
    package var isUTF8: Bool
    package var now: @Sendable () -> UnixTime
    /// Seconds east of Greenwich at a time.
    package var utcOffset: @Sendable (UnixTime) -> Int

    package init(
        write: @escaping @Sendable (String) -> Void, warn: @escaping @Sendable (String) -> Void,
        readLine: @escaping @Sendable () -> String?, isInteractive: Bool, width: Int?,
        isUTF8: Bool, now: @escaping @Sendable () -> UnixTime,
        utcOffset: @escaping @Sendable (UnixTime) -> Int
    ) {
        self.write = write
        self.warn = warn
        self.readLine = readLine
        self.isInteractive = isInteractive
        self.width = width
        self.isUTF8 = isUTF8
        self.now = now
        self.utcOffset = utcOffset
    }

    /// The process's own.
    package static func standard() -> Console {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        return Console(
            write: { Self.write($0, to: STDOUT_FILENO) },
            warn: { Self.write($0 + "\n", to: STDERR_FILENO) },
            readLine: { Swift.readLine() },
            isInteractive: isatty(STDIN_FILENO) == 1 && isTerminal,
            width: isTerminal ? terminalWidth() : nil,
            isUTF8: localeIsUTF8(), now: { Self.wallClock() },
            utcOffset: { Self.localOffset($0) })
    }

    package static func wallClock() -> UnixTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UnixTime(
            milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// The value of a variable of the environment, nil if it is not set or empty.
    package static func environment(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    private static func localOffset(_ time: UnixTime) -> Int {
        var seconds = time_t(time.milliseconds / 1000)
        var parts = tm()
        return localtime_r(&seconds, &parts) == nil ? 0 : parts.tm_gmtoff
    }

    private static func terminalWidth() -> Int {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
            return Int(size.ws_col)
        }
        return environment("COLUMNS").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } ?? 80
    }

    private static func localeIsUTF8() -> Bool {
        let locale =
            environment("LC_ALL") ?? environment("LC_CTYPE") ?? environment("LANG") ?? ""
        let name = locale.lowercased()
        return name.hasSuffix("utf-8") || name.hasSuffix("utf8")
    }

    private static func write(_ text: String, to descriptor: CInt) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Self.writeSome(descriptor, $0) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                // Nobody reads any more (`sluice events | head`), or the disk is full: there is
                // nowhere left to say so.
                if descriptor == STDOUT_FILENO { exit(ExitStatus.refused) }
                return
            }
        }
    }

    private static func writeSome(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Darwin)
        Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
