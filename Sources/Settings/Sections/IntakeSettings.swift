import Mail

/// `[intake]`: mail that comes in.
package struct IntakeSettings: Hashable, Sendable, Codable {
    package var listen = [SocketEndpoint(address: .v4(0x7F00_0001), port: 2525)]
    /// The clients that may relay; everybody else is refused.
    package var allow = [
        CIDRBlock(address: .v4(0x7F00_0000), prefixLength: 8),
        CIDRBlock(address: .v6(1), prefixLength: 128),
    ].compactMap { $0 }
    /// Bytes.
    package var maxMessageSize = 50 << 20
    /// A message's. RFC 5321 §4.5.3.1.8 asks for at least 100.
    package var maxRecipients = 1000
    package var maxConnections = 500
    /// From one address; nil: only `maxConnections` holds.
    package var maxConnectionsPerClient: Int?
    /// RFC 5321 §4.5.3.2.7 asks for at least five minutes.
    package var idleTimeout: Duration = .seconds(300)
    package var certificate: Certificate?
    /// Of mail that says nothing else, `MailPriority.levels`.
    package var priority = 0
    /// The first of these that a message has says its priority.
    package var priorityHeaders: [PriorityHeader] = [.sluice, .precedence]
    package var listeners: [IntakeListener] = []

    /// Everything that is listened on.
    package var endpoints: [SocketEndpoint] { listen + listeners.map(\.listen) }

    static var priorityKind: ValueKind<Int> {
        let words = MailPriority.names.map { "\"\($0.name)\"" }.joined(separator: ", ")
        let levels = MailPriority.levels
        return ValueKind(
            "a priority from \(levels.lowerBound) to \(levels.upperBound), or \(words)"
        ) {
            node, complaints in
            switch node.value {
            case .integer(let number): return levels.contains(number) ? number : nil
            case .string(let text):
                if let named = MailPriority.names.first(where: { $0.name == text.lowercased() }) {
                    return named.level
                }
                if let near = Suggestion.nearest(
                    to: text, among: MailPriority.names.map(\.name))
                {
                    complaints.append(
                        ValueComplaint(
                            message: "no priority is called \"\(text.escapedForMessage)\"; did"
                                + " you mean \"\(near)\"?"))
                }
                return nil
            default: return nil
            }
        }
    }

    /// PEM files for STARTTLS.
    package struct Certificate: Hashable, Sendable, Codable {
        package var chain: String
        package var key: String
    }

    package init() {}

    mutating func read(_ reader: TableReader, directory: String) {
        reader.read("listen", .list(SocketEndpoint.listenKind), into: &listen)
        for entry in reader.tables("listener") {
            guard let listener = IntakeListener(entry) else { continue }
            if listener.listen.port != 0, endpoints.contains(listener.listen) {
                entry.error("listen", "\(listener.listen) is listened on already")
            }
            listeners.append(listener)
        }
        if endpoints.isEmpty {
            reader.error("listen", "no address to listen on; remove the key for 127.0.0.1:2525")
        }
        reader.read("priority", Self.priorityKind, into: &priority)
        reader.read("priority_headers", .list(.choice), into: &priorityHeaders)
        reader.read("allow", .list(CIDRBlock.kind), into: &allow)
        if let open = allow.first(where: { $0.prefixLength == 0 }) {
            reader.warn(
                "allow",
                "\(open) lets the whole Internet relay; name the networks that may")
        }
        reader.read("max_message_size", .size(1 << 10...2 << 30), into: &maxMessageSize)
        reader.read("max_recipients", .integer(1...50_000), into: &maxRecipients)
        reader.read("max_connections", .integer(1...100_000), into: &maxConnections)
        reader.read(
            "max_connections_per_client", .integer(1...100_000), into: &maxConnectionsPerClient)
        if let maxConnectionsPerClient, maxConnectionsPerClient > maxConnections {
            reader.error(
                "max_connections_per_client", "above max_connections (\(maxConnections))")
        }
        reader.read(
            "idle_timeout", .duration(.milliseconds(100)...(.seconds(86400))), into: &idleTimeout)

        let path = ValueKind<String>.path(relativeTo: directory)
        let chain = reader.read("tls_certificate", path)
        let key = reader.read("tls_key", path)
        if let chain, let key {
            certificate = Certificate(chain: chain, key: key)
        } else if reader.has("tls_certificate") != reader.has("tls_key") {
            let (there, missing) =
                chain != nil ? ("tls_certificate", "tls_key") : ("tls_key", "tls_certificate")
            reader.error(there, "needs \(missing) beside it")
        }
    }
}
