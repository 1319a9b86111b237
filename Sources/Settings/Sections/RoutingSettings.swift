/// `[routing]`: where mail goes.
package struct RoutingSettings: Hashable, Sendable, Codable {
    /// What makes two domains one destination.
    package enum Grouping: String, Hashable, Sendable, Codable, CaseIterable {
        /// Their exchangers have the same addresses.
        case mxAddress = "mx-address"
        /// Their exchangers have the same names.
        case mxHost = "mx-host"
        /// Nothing: each domain is a destination.
        case domain
    }

    package struct Entry: Hashable, Sendable, Codable {
        package var pattern: NamePattern
        package var route: StaticRoute
    }

    package var groupBy = Grouping.mxAddress
    /// The most specific first.
    package var statics: [Entry] = []

    package init() {}

    mutating func read(_ reader: TableReader, listen: [SocketEndpoint]) {
        reader.read("group_by", .choice, into: &groupBy)
        for (key, node) in reader.entries("static") {
            readStatic(key, node, reader, listen)
        }
        statics.sort { $0.pattern.specificity > $1.pattern.specificity }
    }

    private mutating func readStatic(
        _ key: String, _ node: TOMLNode, _ reader: TableReader, _ listen: [SocketEndpoint]
    ) {
        let name = "static.\"\(key.escapedForMessage)\""
        guard let pattern = NamePattern(domain: key) else {
            reader.error(
                name, line: node.line,
                "expected a domain, \"*.\" and a domain, or \"*\" as the key")
            return
        }
        guard !statics.contains(where: { $0.pattern == pattern }) else {
            reader.error(name, line: node.line, "\(pattern) is there twice")
            return
        }
        var complaints: [ValueComplaint] = []
        guard let route = StaticRoute.kind.parse(node, &complaints) else {
            reader.error(name, line: node.line, StaticRoute.kind.mismatch(node).message)
            return
        }
        if case .address(let address, let port) = route {
            let own = listen.contains {
                $0.port == port
                    && ($0.address == address || $0.address.isUnspecified && address.isLoopback)
            }
            if own {
                reader.error(
                    name, line: node.line,
                    "\(route) is where this daemon itself listens: the mail would go in circles")
            }
        }
        statics.append(Entry(pattern: pattern, route: route))
    }
}
