package import PostgreSQL

/// `[spool]`: where accepted mail lies, if not in `data_dir`.
package struct SpoolSettings: Hashable, Sendable, Codable {
    /// nil: SQLite, in `data_dir`.
    package var url: String?
    /// Absolute; nil: libpq's own ways (the URL, `.pgpass`, a certificate).
    package var passwordFile: String?

    package init() {}

    private static var urlKind: ValueKind<String> {
        ValueKind("the URL of a PostgreSQL database") { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            if let fault = DatabaseAddress.fault(in: text) {
                complaints.append(
                    ValueComplaint(
                        message: "\(fault.escapedForMessage); for example"
                            + " \"postgresql://sluice@db1.example.net/sluice\""))
            }
            return text
        }
    }

    mutating func read(_ reader: TableReader, directory: String) {
        reader.read("url", Self.urlKind, into: &url)
        reader.read(
            "password_file", ValueKind<String>.path(relativeTo: directory), into: &passwordFile)
        let address = url.map { DatabaseAddress(url: $0) }
        if passwordFile != nil, !reader.has("url") {
            reader.error("password_file", "has no use without url")
        }
        if address?.holdsPassword == true {
            if passwordFile != nil {
                reader.error("password_file", "url has a password too; take it out there")
            } else {
                reader.warn(
                    "url",
                    "holds a password: who can read this file can read the mail; put it into a"
                        + " file of its own and name that in password_file")
            }
        }
    }

    /// nil: SQLite.
    package var address: DatabaseAddress? {
        url.map { DatabaseAddress(url: $0, passwordFile: passwordFile) }
    }
}
