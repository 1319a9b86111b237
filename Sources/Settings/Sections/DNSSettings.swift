/// `[dns]`
package struct DNSSettings: Hashable, Sendable, Codable {
    /// Recursive servers; empty: those of /etc/resolv.conf.
    package var servers: [SocketEndpoint] = []
    /// For one name, all tries at all servers together.
    package var timeout: Duration = .seconds(15)

    package init() {}

    mutating func read(_ reader: TableReader) {
        reader.read("servers", .list(SocketEndpoint.serverKind), into: &servers)
        reader.read(
            "timeout", .duration(.milliseconds(50)...(.seconds(300))), into: &timeout)
    }
}
