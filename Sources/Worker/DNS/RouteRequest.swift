package import Settings

/// Which exchangers are asked for.
package enum RouteRequest: Hashable, Sendable {
    /// A mail domain's, by MX, else by its own addresses (RFC 5321 §5.1); or an address literal,
    /// "[192.0.2.1]" or "[IPv6:2001:db8::1]". Where this host, `own`, is among the exchangers,
    /// only those that are preferred to it count.
    case mx(domain: String, port: Int = 25, own: String? = nil)
    /// A host's addresses, its MX never looked at. An address itself needs no DNS.
    case addresses(host: String, port: Int)

    package init(domain: String, route: StaticRoute?, own: String) {
        switch route {
        case nil: self = .mx(domain: domain, own: own)
        case .address(let address, let port):
            self = .addresses(host: address.description, port: port)
        case .host(let name, let port): self = .addresses(host: name, port: port)
        }
    }
}
