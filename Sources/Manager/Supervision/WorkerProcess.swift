import Glibc
import Settings

/// Starts `sluiced worker` and ends it. Nothing here waits.
enum WorkerProcess {
    /// The descriptor under which a worker finds its end of the socket pair.
    static let descriptor: Int32 = 3
    /// The lock that says that workers of this data directory still live.
    static let lockDescriptor: Int32 = 4

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Returns the pid and the manager's end of the socket pair.
    static func start(
        executable: String, number: Int, lock: Int32, log: LogSettings
    ) throws -> (pid: pid_t, socket: Int32) {
        var pair: [Int32] = [-1, -1]
        guard
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0
        else { throw Failure(description: "socketpair: \(errorText())") }
        // Out of the way of the numbers that they get in the worker: dup2 of a descriptor onto itself
        // would keep its close-on-exec flag.
        let own = [pair[1], lock].map { fcntl($0, F_DUPFD_CLOEXEC, lockDescriptor + 1) }
        close(pair[1])
        defer { for descriptor in own where descriptor >= 0 { close(descriptor) } }
        guard own.allSatisfy({ $0 >= 0 }) else {
            let failure = Failure(description: "descriptors for a worker: \(errorText())")
            close(pair[0])
            throw failure
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, own[0], descriptor)
        posix_spawn_file_actions_adddup2(&actions, own[1], lockDescriptor)
        // NIO's listening sockets are inherited otherwise: a worker that outlives its manager would
        // keep the intake's port from the next one.
        guard let open = openDescriptors() else {
            let failure = Failure(description: "/proc/self/fd: \(errorText())")
            close(pair[0])
            throw failure
        }
        for other in open where other > lockDescriptor {
            posix_spawn_file_actions_addclose(&actions, other)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: Ctrl-C at a terminal reaches the manager, which ends its workers in
        // order, and not the workers beside it.
        posix_spawnattr_setpgroup(&attributes, 0)
        var empty = sigset_t()
        sigemptyset(&empty)
        posix_spawnattr_setsigmask(&attributes, &empty)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var arguments = [
            "sluiced", "worker", "--number", String(number), "--log-format", log.format.rawValue,
        ]
        if let file = log.file { arguments += ["--log-file", file] }
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, executable, &actions, &attributes, &pointers, environ)
        guard result == 0 else {
            close(pair[0])
            throw Failure(
                description: "cannot start \(executable): \(String(cString: strerror(result)))")
        }
        return (pid, pair[0])
    }

    private static func openDescriptors() -> [Int32]? {
        guard let listing = opendir("/proc/self/fd") else { return nil }
        defer { closedir(listing) }
        var descriptors: [Int32] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name) { descriptors.append(number) }
        }
        return descriptors
    }

    /// How a process ended, in words; nil while it lives.
    static func reap(_ pid: pid_t) -> String? {
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        let signal = status & 0x7f
        if signal != 0 { return "killed by signal \(signal)" }
        let code = (status >> 8) & 0xff
        return code == 0 ? "exited" : "exited with code \(code)"
    }

    static func errorText() -> String { String(cString: strerror(errno)) }
}
