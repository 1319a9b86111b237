import Control
import Glibc
import Settings

/// The file of the control socket: a stale one is removed, another daemon's is not.
enum ControlSocket {
    static func prepare(_ path: String) throws(APIError) {
        guard path.utf8.count < 108 else {
            throw APIError(
                code: "socket-path",
                message: "control_socket \(path): longer than the 107 bytes of unix(7)")
        }
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        guard info.st_mode & S_IFMT == S_IFSOCK else {
            throw APIError(
                code: "socket-path",
                message:
                    "control_socket \(path) exists and is no socket; remove it or choose another path"
            )
        }
        if answers(path) {
            throw APIError(
                code: "socket-in-use",
                message:
                    "another daemon listens on control_socket \(path); stop it or choose another path"
            )
        }
        guard unlink(path) == 0 else {
            throw APIError(
                code: "socket-path",
                message:
                    "the stale control_socket \(path) cannot be removed: \(String(cString: strerror(errno)))"
            )
        }
    }

    private static func answers(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { field in
            field.copyBytes(from: path.utf8.prefix(field.count - 1))
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Mode 0660, and the group of `[control] group`.
    static func secure(_ path: String, group: UInt32?) throws(APIError) {
        if let group, chown(path, uid_t.max, group) != 0 {
            throw APIError(
                code: "socket-path",
                message:
                    "control_socket \(path) cannot be given to group \(group): \(String(cString: strerror(errno)))"
            )
        }
        guard chmod(path, 0o660) == 0 else {
            throw APIError(
                code: "socket-path",
                message: "chmod 0660 \(path): \(String(cString: strerror(errno)))")
        }
    }
}
