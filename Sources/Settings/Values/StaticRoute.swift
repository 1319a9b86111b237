/// Where mail goes instead of to the domain's own exchangers. Never looked up as MX.
package enum StaticRoute: Hashable, Sendable, Codable, CustomStringConvertible {
    case address(IPAddress, port: Int)
    /// The host's A and AAAA records.
    case host(String, port: Int)

    /// "192.0.2.1:2526", "[2001:db8::1]:25", "relay.example.net", "relay.example.net:587",
    /// "[relay.example.net]:587". Brackets and none mean the same: a host, not a domain with
    /// exchangers. The port is 25 where there is none.
    package init?(text: String) {
        guard let parts = HostAndPort(text: text), parts.port != 0 else { return nil }
        let port = parts.port ?? 25
        if let address = IPAddress(text: parts.host) {
            self = .address(address, port: port)
        } else if let name = HostName.canonical(parts.host), name.contains(where: \.isLetter) {
            self = .host(name, port: port)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .address(let address, let port):
            SocketEndpoint(address: address, port: port).description
        case .host(let name, let port): "[\(name)]:\(port)"
        }
    }

    static var kind: ValueKind<StaticRoute> {
        let expected =
            "a host or an address, with a port where it is not 25, such as"
            + " \"[smarthost.example.net]:587\", \"127.0.0.1:2526\" or \"[::1]:2526\""
        return ValueKind(expected) { text in StaticRoute(text: text) }
    }
}
