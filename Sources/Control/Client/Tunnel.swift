import Glibc
import NIOCore
import Synchronization

/// One connection to a daemon on another host: an `ssh` that runs `sluice proxy` there, with one
/// end of a socket pair as its standard input and output.
///
/// ssh asks nothing (BatchMode): it would ask at the terminal that the monitor paints on. Keys, an
/// agent, or a shared connection (ControlMaster) let it in.
final class Tunnel: Sendable {
    /// The program that is run as ssh, where it is not `ssh` of the PATH.
    static let variable = "SLUICE_SSH"

    /// This end of the pair, for the channel that takes it over.
    private let socket: CInt
    let pid: pid_t
    /// A channel has the socket, and its end is that of ssh.
    private let isTaken = Atomic<Bool>(false)
    /// What ssh writes to its standard error.
    private let errors: CInt
    private let words: EventLoopPromise<String>

    /// - Parameter program: run as ssh; nil: what the environment says.
    /// - Throws: `ControlError` if ssh cannot be started.
    init(
        host: String, socket path: String?, loop: any EventLoop, program: String? = nil
    ) throws(ControlError) {
        var pair: [CInt] = [-1, -1]
        var side: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw Self.failed(host, errno) }
        guard socketpair(AF_UNIX, kind, 0, &side) == 0 else {
            let code = errno
            for descriptor in pair { close(descriptor) }
            throw Self.failed(host, code)
        }
        defer {
            close(pair[1])
            close(side[1])
        }
        do {
            let named = getenv(Self.variable).map { String(cString: $0) }
            pid = try Self.start(
                program ?? named ?? "ssh", host, path, input: pair[1], errors: side[1])
        } catch {
            close(pair[0])
            close(side[0])
            throw error
        }
        socket = pair[0]
        errors = side[0]
        words = loop.makePromise(of: String.self)
        Self.living.withLock { _ = $0.insert(pid) }
    }

    private static let living = Mutex<Set<pid_t>>([])

    /// Ends every ssh that has not ended: one that hangs would outlast the program.
    static func endAll() {
        for pid in living.withLock({ $0 }) { kill(pid, SIGTERM) }
    }

    private static func start(
        _ program: String, _ host: String, _ path: String?, input: CInt, errors: CInt
    ) throws(ControlError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (from, to) in [(input, STDIN_FILENO), (input, STDOUT_FILENO), (errors, STDERR_FILENO)] {
            posix_spawn_file_actions_adddup2(&actions, from, to)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: Ctrl-C and Ctrl-Z at the terminal are the monitor's.
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // A shell there reads what follows the host.
        var remote = ["sluice", "proxy"]
        if let path { remote += ["--socket", quoted(path)] }
        let arguments = [program, "-T", "-o", "BatchMode=yes", "--", host] + remote
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, program, &actions, &attributes, &pointers, environ)
        guard result == 0 else { throw failed(program, result) }
        return pid
    }

    private static func failed(_ what: String, _ code: CInt) -> ControlError {
        ControlError(
            code: .noDaemon,
            message: "\(what): cannot start ssh: \(String(cString: strerror(code)))")
    }

    /// For a POSIX shell.
    private static func quoted(_ text: String) -> String {
        "'"
            + text.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''")
            + "'"
    }

    /// Makes a channel of the socket, which calls `taken` first thing. Where that does not come so
    /// far, nothing is left of ssh and of the descriptors.
    func open<R: Sendable>(_ channel: (CInt) async throws -> R) async throws -> R {
        do {
            return try await channel(socket)
        } catch {
            if !isTaken.load(ordering: .acquiring) { abandon() }
            throw error
        }
    }

    func taken(by channel: any Channel) {
        isTaken.store(true, ordering: .releasing)
        channel.closeFuture.whenComplete { _ in self.end() }
    }

    /// ssh has only just been started, and has nothing to say.
    private func abandon() {
        close(socket)
        kill(pid, SIGKILL)
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        Self.living.withLock { _ = $0.remove(pid) }
        words.succeed(said())
    }

    /// The last line that ssh wrote to its standard error, "" for none; known when ssh has ended.
    var lastWords: String {
        get async { (try? await words.futureResult.get()) ?? "" }
    }

    /// Sees to the end of ssh, after the channel has been closed. That ends it by itself, and it
    /// may have something to say before. Nothing waits: it is asked again and again whether it is
    /// gone, so that none stays behind as a zombie.
    private func end() { reap(round: 0) }

    private func reap(round: Int) {
        var status: CInt = 0
        guard waitpid(pid, &status, WNOHANG) == 0 else {
            Self.living.withLock { _ = $0.remove(pid) }
            words.succeed(said())
            return
        }
        if round == 20 { kill(pid, SIGTERM) }
        if round == 40 { kill(pid, SIGKILL) }
        words.futureResult.eventLoop.scheduleTask(in: .milliseconds(50)) {
            self.reap(round: round + 1)
        }
    }

    /// All of it is there: ssh has ended.
    private func said() -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(errors, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        close(errors)
        let lines = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
            .split(whereSeparator: \.isNewline)
        return lines.last.map(String.init) ?? ""
    }
}
