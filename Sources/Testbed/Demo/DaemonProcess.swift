import Glibc
package import NIOCore
import Synchronization

/// A daemon as a child process, in a process group of its own: a Ctrl-C at the terminal does not
/// reach it, and at the end nothing of it is left.
package final class DaemonProcess: Sendable {
    package let pid: Int32
    private let eventLoop: any EventLoop
    private let ended = Mutex<Ending?>(nil)

    package enum Ending: Hashable, Sendable, CustomStringConvertible {
        case exit(CInt)
        case signal(CInt)

        package var description: String {
            switch self {
            case .exit(let status): "exit status \(status)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    /// Starts it with /dev/null as its input and `log` for what it prints. Throws
    /// `TestbedError.system` if there is no such program.
    ///
    /// - Parameter environment: In addition to that of this process.
    package init(
        path: String, arguments: [String], log: String, environment: [String: String] = [:],
        eventLoop: any EventLoop
    ) throws {
        self.eventLoop = eventLoop
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // The receivers' sockets are not the daemon's to inherit, and NIO does not mark those that
        // listen as close-on-exec. Closing what is closed already does no harm here.
        for descriptor in entries(of: "/proc/self/fd").compactMap(CInt.init) where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let words = ([path] + arguments).map { strdup($0) }
        let added = environment.map { strdup("\($0)=\($1)") }
        defer { (words + added).forEach { free($0) } }
        var inherited: [UnsafeMutablePointer<CChar>?] = []
        while let variable = environ[inherited.count] { inherited.append(variable) }
        var pid: pid_t = 0
        let code = posix_spawn(
            &pid, path, &actions, &attributes, words + [nil], added + inherited + [nil])
        guard code == 0 else { throw TestbedError.system(path, code) }
        self.pid = pid
    }

    /// How it ended, or nil while it runs.
    package var ending: Ending? {
        ended.withLock { ended in
            if ended == nil {
                var status: CInt = 0
                if waitpid(pid, &status, WNOHANG) == pid {
                    let signal = status & 0x7f
                    ended = signal == 0 ? .exit((status >> 8) & 0xff) : .signal(signal)
                }
            }
            return ended
        }
    }

    /// Ends it: SIGTERM, and SIGKILL to its whole group if it takes longer than `grace`. Returns
    /// when it is gone. Works in a cancelled task too.
    package func terminate(grace: Duration) async {
        signal(SIGTERM)
        let isOver = await waits(upTo: grace)
        // The group outlives its leader as long as a worker of it runs.
        kill(-pid, SIGKILL)
        if !isOver { _ = await waits(upTo: .seconds(5)) }
    }

    /// Sends it a signal unless it has been reaped: its pid could be another process's by then.
    private func signal(_ number: CInt) {
        ended.withLock { ended in
            if ended == nil { _ = kill(pid, number) }
        }
    }

    private func waits(upTo time: Duration) async -> Bool {
        let deadline = ContinuousClock.now + time
        while ending == nil {
            guard ContinuousClock.now < deadline else { return false }
            await eventLoop.pause(.milliseconds(20))
        }
        return true
    }
}

extension EventLoop {
    /// Sleeps, also in a cancelled task, where `Task.sleep` does not.
    func pause(_ time: Duration) async {
        // Fails only when the event loop is shut down; then there is nothing to wait for.
        try? await scheduleTask(in: TimeAmount(time)) {}.futureResult.get()
    }
}

/// Whether something accepts connections on a Unix-domain socket.
func accepts(socket path: String) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
        }
    }
}
