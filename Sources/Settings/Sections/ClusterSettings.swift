/// `[cluster]`: this daemon as one of several nodes that share a spool in PostgreSQL.
package struct ClusterSettings: Hashable, Sendable, Codable {
    /// nil: the only one.
    package var node: String?
    /// For how long a node counts as alive after a sign of life. What it had is taken over within
    /// two of these.
    package var lease: Duration = .seconds(10)

    package init() {}

    private static let leases = Duration.seconds(1)...(.seconds(600))
    private static let longestName = 63

    private static var nameKind: ValueKind<String> {
        ValueKind("a name of letters, digits, \"-\", \"_\" and \".\"") { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            let isName = text.utf8.allSatisfy { byte in
                byte < 0x80 && Character(UnicodeScalar(byte)).isLetter
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || "-_.".utf8.contains(byte)
            }
            if !isName || text.isEmpty || text.utf8.count > longestName {
                complaints.append(
                    ValueComplaint(
                        message: "has 1 to \(longestName) letters, digits, \"-\", \"_\" and \".\";"
                            + " for example \"mta1\""))
            }
            return text
        }
    }

    mutating func read(_ reader: TableReader, spool: SpoolSettings) {
        reader.read("node", Self.nameKind, into: &node)
        reader.read("lease", .duration(Self.leases), into: &lease)
        if reader.has("lease"), !reader.has("node") {
            reader.warn("lease", "has no use without node, the name of this node")
        }
        if reader.has("node"), spool.url == nil {
            reader.error(
                "node",
                "several nodes need a spool that they share: set url in [spool] to a PostgreSQL"
                    + " database")
        }
    }
}
