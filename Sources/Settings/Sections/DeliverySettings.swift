/// `[delivery]`: the connections that go out. The defaults are RFC 5321 §4.5.3.2's.
package struct DeliverySettings: Hashable, Sendable, Codable {
    package var connectTimeout: Duration = .seconds(30)
    /// For the greeting (§4.5.3.2.1).
    package var greetingTimeout: Duration = .seconds(300)
    /// For the replies to EHLO, STARTTLS, MAIL and RCPT (§4.5.3.2.2, §4.5.3.2.3).
    package var commandTimeout: Duration = .seconds(300)
    /// For the reply to DATA (§4.5.3.2.4).
    package var dataTimeout: Duration = .seconds(120)
    /// For each piece of the message to leave (§4.5.3.2.5).
    package var blockTimeout: Duration = .seconds(180)
    /// For the reply to the final dot (§4.5.3.2.6); a shorter one makes duplicates.
    package var dotTimeout: Duration = .seconds(600)
    /// How long a connection without work is kept.
    package var idleTime: Duration = .seconds(2)
    /// How long a connection is used: by time, as a limit by count would collect the
    /// connections at the slowest exchanger.
    package var connectionLifetime: Duration = .seconds(300)
    /// Connections of one worker at a time; nil: as many as its descriptors allow.
    package var maxConnections: Int?
    /// The addresses that connections come from, at most one of each family.
    package var localAddresses: [IPAddress] = []

    package init() {}

    package func localAddress(for remote: IPAddress) -> IPAddress? {
        localAddresses.first {
            switch ($0, remote) {
            case (.v4, .v4), (.v6, .v6): true
            default: false
            }
        }
    }

    mutating func read(_ reader: TableReader) {
        let range = Duration.milliseconds(10)...(.seconds(3600))
        reader.read("connect_timeout", .duration(range), into: &connectTimeout)
        reader.read("greeting_timeout", .duration(range), into: &greetingTimeout)
        reader.read("command_timeout", .duration(range), into: &commandTimeout)
        reader.read("data_timeout", .duration(range), into: &dataTimeout)
        reader.read("block_timeout", .duration(range), into: &blockTimeout)
        reader.read("dot_timeout", .duration(range), into: &dotTimeout)
        reader.read("idle_time", .duration(.zero...(.seconds(300))), into: &idleTime)
        reader.read("connection_lifetime", .duration(range), into: &connectionLifetime)
        reader.read("max_connections", .integer(1...1_000_000), into: &maxConnections)
        reader.read(
            "local_addresses", .list(Self.addressKind), into: &localAddresses)
        let fours = localAddresses.count { if case .v4 = $0 { true } else { false } }
        if fours > 1 || localAddresses.count - fours > 1 {
            reader.error("local_addresses", "more than one address of a family; keep one")
        }
    }

    private static var addressKind: ValueKind<IPAddress> {
        ValueKind("an IP address of this host") { IPAddress(text: $0) }
    }
}
