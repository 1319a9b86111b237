import Glibc
import Synchronization

@testable import Testbed

/// A terminal with nobody at it: a pseudo-terminal (pty(7)) whose screen is emulated, and one program
/// that has it as its controlling terminal.
final class PseudoTerminal: Sendable {
    private let master: Int32
    /// Kept open, so that the terminal and its attributes outlast the program.
    private let slave: Int32
    private let name: String
    private let state: Mutex<State>

    /// TIOCSPTLCK and TIOCGPTN of ioctl_tty(2).
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430

    private struct State {
        var pid: pid_t?
        var status: Int32?
        var text = ""
        let screen: ScreenEmulator
    }

    init(rows: Int, columns: Int) throws {
        state = Mutex(State(screen: ScreenEmulator(rows: rows, columns: columns)))
        // posix_openpt(3), unlockpt(3) and ptsname(3) by hand: Swift does not see the C library's.
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
        guard master >= 0 else { throw TestbedError.system("/dev/ptmx", errno) }
        var locked: Int32 = 0
        var number: UInt32 = 0
        guard ioctl(master, Self.setLock, &locked) == 0, ioctl(master, Self.getNumber, &number) == 0
        else { throw TestbedError.system("/dev/ptmx", errno) }
        name = "/dev/pts/\(number)"
        slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0 else { throw TestbedError.system(name, errno) }
        resize(rows: rows, columns: columns)
    }

    deinit {
        if let pid = state.withLock({ $0.status == nil ? $0.pid : nil }) {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        close(slave)
        close(master)
    }

    func resize(rows: Int, columns: Int) {
        state.withLock { $0.screen.resize(rows: rows, columns: columns) }
        var size = winsize(
            ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// Input, output, control and local modes, and the control characters.
    var attributes: [UInt32] {
        var attributes = termios()
        tcgetattr(slave, &attributes)
        let characters = withUnsafeBytes(of: attributes.c_cc) { $0.map(UInt32.init) }
        return [attributes.c_iflag, attributes.c_oflag, attributes.c_cflag, attributes.c_lflag]
            + characters
    }

    func start(_ path: String, _ arguments: [String], environment: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The first terminal that a session's leader opens becomes its controlling one.
        posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        for descriptor in entries(of: "/proc/self/fd").compactMap(CInt.init) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var spawn = posix_spawnattr_t()
        posix_spawnattr_init(&spawn)
        defer { posix_spawnattr_destroy(&spawn) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&spawn, &none)
        posix_spawnattr_setsigdefault(&spawn, &all)
        posix_spawnattr_setflags(
            &spawn, Int16(0x80 | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = ([path] + arguments).map { strdup($0) }
        let variables = environment.map { strdup($0) }
        defer { (words + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, &spawn, words + [nil], variables + [nil])
        guard code == 0 else { throw TestbedError.system(path, code) }
        state.withLock { $0.pid = pid }
    }

    var pid: pid_t { state.withLock { $0.pid ?? 0 } }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// All that was written to the terminal so far.
    var text: String {
        state.withLock { state in
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = read(master, &buffer, buffer.count)
                guard count > 0 else { return state.text }
                state.text += String(decoding: buffer.prefix(count), as: UTF8.self)
                let answer = state.screen.feed(buffer.prefix(count))
                _ = write(master, answer, answer.count)
            }
        }
    }

    /// What the terminal shows now, line by line.
    var screen: String {
        _ = text
        return state.withLock { $0.screen.lines.joined(separator: "\n") }
    }

    /// Waits until a text is on the screen, within a line.
    func awaitScreen(_ wanted: String) async throws {
        try await awaitScreen("the screen has \(wanted.debugDescription)") {
            $0.contains(wanted)
        }
    }

    /// Waits until a text is no longer on the screen.
    func awaitScreen(without unwanted: String) async throws {
        try await awaitScreen("the screen is without \(unwanted.debugDescription)") {
            !$0.contains(unwanted)
        }
    }

    private func awaitScreen(_ what: String, _ condition: (String) -> Bool) async throws {
        do {
            try await waitUntil(what) { condition(screen) }
        } catch {
            throw Overdue(description: "\(error); it shows\n\(screen)")
        }
    }

    /// Waits for the program's end; its exit status, or minus the signal that ended it.
    func end() async throws -> Int32 {
        try await eventually("the program at the terminal ends") {
            // A terminal that nobody reads from would block it.
            _ = text
            return state.withLock { state in
                var status: Int32 = 0
                if state.status == nil, let pid = state.pid, waitpid(pid, &status, WNOHANG) == pid {
                    let signal = status & 0x7f
                    state.status = signal == 0 ? (status >> 8) & 0xff : -signal
                }
                return state.status
            }
        }
    }
}
