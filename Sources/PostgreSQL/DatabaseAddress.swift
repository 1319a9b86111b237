import CPostgreSQL
import Glibc

/// Where a database is, as a `postgresql://` URL with all that libpq understands in one: several
/// hosts, `sslmode`, `passfile`, …
/// (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING).
package struct DatabaseAddress: Hashable, Sendable, Codable, CustomStringConvertible {
    package var url: String
    /// A file whose first line is the password; read anew for every connection.
    package var passwordFile: String?

    package init(url: String, passwordFile: String? = nil) {
        self.url = url
        self.passwordFile = passwordFile
    }

    package static func isURL(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    /// nil: libpq can read it. Opens nothing.
    package static func fault(in url: String) -> String? {
        guard isURL(url) else { return "begins with neither postgresql:// nor postgres://" }
        do throws(DatabaseFailure) {
            let ports = try options(of: url)["port"] ?? ""
            // libpq itself looks at them only when it connects.
            for port in ports.split(separator: ",") {
                guard let number = Int(port), (1...65535).contains(number) else {
                    return "port \"\(port)\" is not a number from 1 to 65535"
                }
            }
            return nil
        } catch {
            return error.message
        }
    }

    /// Whether the password stands in the URL itself.
    package var holdsPassword: Bool {
        (try? Self.options(of: url))?.keys.contains("password") ?? false
    }

    /// Without user, password and options: for logs and errors.
    package var description: String {
        guard let options = try? Self.options(of: url) else { return "postgresql://?" }
        let hosts = (options["host"] ?? options["hostaddr"] ?? "").split(
            separator: ",", omittingEmptySubsequences: false)
        let ports = (options["port"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let places = hosts.enumerated().map { index, host in
            let port =
                ports.count == 1 ? ports[0] : ports.indices.contains(index) ? ports[index] : ""
            return port.isEmpty ? String(host) : "\(host):\(port)"
        }
        return "postgresql://\(places.joined(separator: ","))/\(options["dbname"] ?? "")"
    }

    /// - Throws: what keeps the password file from being used.
    package func password() throws(DatabaseFailure) -> String? {
        guard let passwordFile else { return nil }
        let file = open(passwordFile, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Self.unreadable(passwordFile) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw Self.unreadable(passwordFile) }
        guard status.st_mode & 0o077 == 0 else {
            throw DatabaseFailure(
                message: "\(passwordFile): others may read or write it; chmod 600 \(passwordFile)")
        }
        var bytes = [UInt8](repeating: 0, count: 1025)
        let count = read(file, &bytes, bytes.count)
        guard count >= 0 else { throw Self.unreadable(passwordFile) }
        let line = bytes[..<count].prefix { $0 != 0x0A && $0 != 0x0D }
        guard !line.isEmpty, line.count <= 1024, !line.contains(0) else {
            throw DatabaseFailure(
                message: "\(passwordFile): its first line is no password of 1 to 1024 bytes")
        }
        return String(decoding: line, as: UTF8.self)
    }

    private static func unreadable(_ file: String) -> DatabaseFailure {
        DatabaseFailure(message: "\(file): \(String(cString: strerror(errno)))")
    }

    /// What the URL itself says, nothing from the environment.
    private static func options(of url: String) throws(DatabaseFailure) -> [String: String] {
        var complaint: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(url, &complaint) else {
            defer { PQfreemem(complaint) }
            throw DatabaseFailure(message: DatabaseFailure.line(complaint))
        }
        defer { PQconninfoFree(parsed) }
        var options: [String: String] = [:]
        var next = parsed
        while let keyword = next.pointee.keyword {
            if let value = next.pointee.val {
                options[String(cString: keyword)] = String(cString: value)
            }
            next += 1
        }
        return options
    }
}
