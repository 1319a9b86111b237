import Foundation

/// A terminal that the test holds by its other end.
final class Pseudoterminal: Sendable {
    let master: Int32
    let slave: Int32

    init(columns: Int, rows: Int) throws {
        var ends: (master: Int32, slave: Int32) = (-1, -1)
        guard openpty(&ends.master, &ends.slave, nil, nil, nil) == 0 else {
            throw POSIXError(.ENXIO)
        }
        (master, slave) = ends
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        resize(columns: columns, rows: rows)
    }

    deinit {
        close(slave)
        close(master)
    }

    func resize(columns: Int, rows: Int) {
        var size = winsize(
            ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// What has come since the last call.
    func read() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Foundation.read(master, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    var modes: [UInt32] {
        var modes = termios()
        tcgetattr(slave, &modes)
        return [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag]
    }
}

/// Signals and ncurses belong to the process: one terminal at a time, across all test targets.
struct TerminalLock: ~Copyable {
    private let file: Int32

    init() async throws {
        let path = NSTemporaryDirectory() + "/sluice-terminal-tests-\(getpid()).lock"
        file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw POSIXError(.EACCES) }
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    deinit {
        close(file)
    }
}

extension Pseudoterminal {
    /// Reads until the text has been shown; false after three minutes without it.
    func shows(_ text: String) async -> Bool {
        var shown = ""
        let deadline = ContinuousClock.now + .seconds(600)
        while ContinuousClock.now < deadline {
            shown += read()
            if shown.contains(text) { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }
}
