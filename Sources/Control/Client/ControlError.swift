import NIOCore

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The daemon could not be asked, or its answer could not be read. What the daemon itself refuses
/// is an `APIError`.
package struct ControlError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// Nobody listens on the socket, or whoever did has gone.
        case noDaemon = "no-daemon"
        case timeout
        /// What came back is not an answer of the control API.
        case `protocol`
        /// The socket's permissions keep this user out.
        case notAllowed = "not-allowed"
    }

    package var code: Code
    /// What happened, where, and what to do.
    package var message: String

    package init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Before the host, where ssh came to nothing.
    static let sshAdvice = "; does 'ssh "
}

extension ControlError {
    /// Why a connection to the socket at `path` could not be made.
    static func connecting(to path: String, _ error: any Error) -> ControlError {
        switch error {
        case let error as IOError: return connecting(to: path, code: error.errnoCode)
        case is ChannelError:
            return ControlError(
                code: .timeout,
                message: "\(path): the daemon takes no connections; look at its log, or restart it")
        case is SocketAddressError:
            return ControlError(
                code: .noDaemon,
                message: "\(path): too long for the path of a socket (107 bytes at most); "
                    + "name another one with --socket")
        default: return ControlError(code: .noDaemon, message: "\(path): \(error)")
        }
    }

    /// The same, from the number of the system's error.
    package static func connecting(to path: String, code: CInt) -> ControlError {
        switch code {
        case ENOENT:
            return ControlError(
                code: .noDaemon,
                message: "\(path): there is no such socket: is sluiced running? Start it with "
                    + "sluiced --config FILE, or name its socket with --socket")
        case ECONNREFUSED:
            return ControlError(
                code: .noDaemon,
                message: "\(path): nobody listens on this socket; a daemon that ended left it. "
                    + "Start sluiced --config FILE, which replaces it")
        case EACCES, EPERM:
            return ControlError(
                code: .notAllowed,
                message: "\(path): permission denied: \(SocketOwner.remedy(for: path))")
        case ENOTSOCK, EPROTOTYPE:
            return ControlError(
                code: .noDaemon, message: "\(path): not the control socket of a daemon")
        case EAGAIN:
            return ControlError(
                code: .timeout, message: "\(path): too many wait for the daemon; try again")
        default:
            return ControlError(
                code: .noDaemon, message: "\(path): \(String(cString: strerror(code)))")
        }
    }
}

/// Who may use a socket, as its mode says.
private enum SocketOwner {
    static func remedy(for path: String) -> String {
        var info = stat()
        guard stat(path, &info) == 0 else {
            return "the directory is closed to you; ask whoever runs the daemon, or use sudo"
        }
        guard info.st_mode & 0o060 == 0o060, let group = name(ofGroup: info.st_gid) else {
            return "only its owner may use it; use sudo"
        }
        return "it is for the group '\(group)'; join that (usermod -aG \(group) USER, then log in "
            + "again) or use sudo"
    }

    private static func name(ofGroup id: gid_t) -> String? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        // Groups with very many members need more than this; then the number is shown.
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getgrgid_r(id, &entry, &buffer, buffer.count, &found) == 0, found != nil,
            let name = entry.gr_name
        else { return String(id) }
        return String(cString: name)
    }
}
