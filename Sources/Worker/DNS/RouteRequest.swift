package import Settings

/// Which exchangers are asked for.
package enum RouteRequest: Hashable, Sendable {
    /// A mail domain's, by MX, else by its own addresses (RFC 5321 §5.1); or an address literal,
    /// "[192.0.2.1]" or "[IPv6:2001:db8::1]".
    case mx(domain: String, port: Int = 25)
    /// A host's addresses, its MX never looked at. An address itself needs no DNS.
    case addresses(host: String, port: Int)

    package init(domain: String, route: StaticRoute?) {
        switch route {
        case nil: self = .mx(domain: domain)
        case .address(let address, let port):
            self = .addresses(host: address.description, port: port)
        case .host(let name, let port): self = .addresses(host: name, port: port)
        }
    }
}
