#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Who runs the process.
package struct SystemUser: Sendable {
    package var login: String
    /// The first part of the GECOS field; empty if there is none.
    package var fullName: String

    package static func current() -> SystemUser {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let id = getuid()
        guard getpwuid_r(id, &entry, &buffer, buffer.count, &found) == 0, found != nil,
            let name = entry.pw_name
        else {
            return SystemUser(login: "uid\(id)", fullName: "")
        }
        let login = String(cString: name)
        let gecos = entry.pw_gecos.map { String(cString: $0) } ?? ""
        let first = gecos.split(separator: ",", omittingEmptySubsequences: false).first ?? ""
        // "&" stands for the login name with a capital.
        let capital = login.prefix(1).uppercased() + login.dropFirst()
        return SystemUser(
            login: login,
            fullName: first.split(separator: "&", omittingEmptySubsequences: false)
                .joined(separator: capital))
    }
}
