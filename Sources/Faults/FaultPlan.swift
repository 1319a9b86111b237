#if DEBUG
import Glibc
import Synchronization

/// Which point is armed in this process, from the environment of a debug build:
///
///     SLUICE_FAULT=committed:3=manager    the manager ends at its third commit of a message
///     SLUICE_FAULT_FUSE=/path             made when it fires; while it is there nothing fires
///
/// The processes to end are `manager`, `worker` (this one; at a point of the manager: its
/// workers) or `all`. They are killed with SIGKILL in this very moment: the process that
/// reached the point does nothing more, or goes on only when the others are dead.
package struct FaultPlan: Sendable {
    package enum Victims: String, CaseIterable, Sendable {
        case manager
        case worker
        case all
    }

    package static let variable = "SLUICE_FAULT"
    package static let fuseVariable = "SLUICE_FAULT_FUSE"

    package let point: FaultPoint
    /// Which time, from 1, counted in each process.
    package let turn: Int
    package let victims: Victims
    package let fuse: String
    private let count: Counter

    static let armed = FaultPlan(
        environment(variable) ?? "", fuse: environment(fuseVariable) ?? "")

    /// nil for what is no plan.
    package init?(_ text: String, fuse: String) {
        let parts = text.split(separator: "=", maxSplits: 1)
        let place = parts.first?.split(separator: ":") ?? []
        guard parts.count == 2, place.count == 2, !fuse.isEmpty,
            let point = FaultPoint(rawValue: String(place[0])), let turn = Int(place[1]),
            let victims = Victims(rawValue: String(parts[1]))
        else { return nil }
        self.point = point
        self.turn = turn
        self.victims = victims
        self.fuse = fuse
        count = Counter()
    }

    func reached(_ point: FaultPoint) {
        guard point == self.point, count.next() == turn, burnsFuse() else { return }
        strike()
    }

    /// Whether this process is the one that fires; the file says that it did.
    private func burnsFuse() -> Bool {
        let file = open(fuse, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        close(file)
        return true
    }

    private func strike() {
        let own = getpid()
        let isManager = !CommandLine.arguments.contains("worker")
        // An orphan's parent is somebody else.
        let manager = isManager ? own : Self.isSibling(getppid()) ? getppid() : nil
        let workers = manager.map(Self.children(of:)) ?? [own]
        let dead: [pid_t] =
            switch victims {
            case .manager: manager.map { [$0] } ?? []
            case .worker: isManager ? workers : [own]
            case .all: (manager.map { [$0] } ?? []) + workers
            }
        // Itself last, or it could not end the others.
        for pid in dead where pid != own { kill(pid, SIGKILL) }
        if dead.contains(own) {
            kill(own, SIGKILL)
            while true { pause() }
        }
        for pid in dead { Self.awaitDeath(pid) }
    }

    /// Whether a process runs this program.
    private static func isSibling(_ pid: pid_t) -> Bool {
        let own = program("self")
        return own != nil && own == program(String(pid))
    }

    private static func program(_ process: String) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink(
                "/proc/\(process)/exe", $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        return count > 0 ? Array(buffer.prefix(count)) : nil
    }

    /// A process that has ended is gone or a zombie (proc(5): state Z or X).
    private static func awaitDeath(_ pid: pid_t) {
        while let state = stat(pid)?.state, state != "Z", state != "X" { usleep(200) }
    }

    private static func children(of parent: pid_t) -> [pid_t] {
        guard let listing = opendir("/proc") else { return [] }
        defer { closedir(listing) }
        var children: [pid_t] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let pid = pid_t(name), let stat = stat(pid), stat.parent == parent,
                stat.state != "Z", isSibling(pid)
            else { continue }
            children.append(pid)
        }
        return children
    }

    private static func stat(_ pid: pid_t) -> (state: Substring, parent: pid_t)? {
        let file = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let length = read(file, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix(max(0, length)), as: UTF8.self)
        // The second field is the program's name in parentheses, which may contain anything.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 1, let parent = pid_t(fields[1]) else { return nil }
        return (fields[0], parent)
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}

/// How often a point was reached. A class, as an atomic cannot be copied with its plan.
private final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
#endif
