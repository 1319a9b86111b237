import Control
import Glibc
import NIOCore
import Settings

/// Who speaks on a connection of the control socket, as the kernel says (SO_PEERCRED, unix(7)).
struct ControlPeer: Sendable {
    var uid: UInt32
    var gid: UInt32
    var pid: Int32

    /// `struct ucred` of unix(7), which the C library's headers hide from Swift.
    private struct Credentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    /// "name (uid 1000)".
    var description: String {
        Self.name(of: uid).map { "\($0) (uid \(uid))" } ?? "uid \(uid)"
    }

    static func of(_ channel: any Channel) async throws -> ControlPeer {
        guard let provider = channel as? any SocketOptionProvider else {
            throw APIError(code: "forbidden", message: "the peer's credentials are not known")
        }
        let credentials: Credentials = try await provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        return ControlPeer(uid: credentials.uid, gid: credentials.gid, pid: credentials.pid)
    }

    private static func name(of uid: UInt32) -> String? {
        var entry = passwd()
        var result: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 4096)
        guard getpwuid_r(uid, &entry, &buffer, buffer.count, &result) == 0, result != nil,
            let name = entry.pw_name
        else { return nil }
        return String(cString: name)
    }

    /// The group it runs with, and those that its user is in.
    private var groups: [UInt32] {
        guard let name = Self.name(of: uid) else { return [gid] }
        var count: Int32 = 256
        var list = [gid_t](repeating: 0, count: Int(count))
        guard getgrouplist(name, gid, &list, &count) >= 0 else { return [gid] }
        return Array(list.prefix(Int(count)))
    }

    /// nil if the peer may act; otherwise why not.
    func mayNotOperate(_ settings: ControlSettings) -> String? {
        // The daemon's own user and root could do anything to its files anyway.
        if uid == 0 || uid == geteuid() { return nil }
        if settings.operators.contains(user: uid, groups: groups) { return nil }
        return "\(description) is not among the operators of [control] in sluice.toml"
    }

    func mayRead(_ settings: ControlSettings) -> Bool {
        mayNotOperate(settings) == nil || settings.readers.contains(user: uid, groups: groups)
    }
}
