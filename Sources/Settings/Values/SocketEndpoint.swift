/// An IP address and a port: something to listen on, or a DNS server.
package struct SocketEndpoint: Hashable, Sendable, Codable, CustomStringConvertible {
    package var address: IPAddress
    /// 0…65535; 0 lets the system choose.
    package var port: Int

    package init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }

    /// "127.0.0.1:2525", "[::1]:2525", "localhost:2525" (as 127.0.0.1). The port may be left
    /// out where there is a default one; then an IPv6 address needs no brackets.
    package init?(text: String, defaultPort: Int? = nil) {
        if let defaultPort, let address = IPAddress(text: text) {
            self.init(address: address, port: defaultPort)
            return
        }
        guard let parts = HostAndPort(text: text), let port = parts.port ?? defaultPort else {
            return nil
        }
        if parts.host == "localhost" && !parts.isBracketed {
            self.init(address: .v4(0x7F00_0001), port: port)
        } else if let address = IPAddress(text: parts.host) {
            self.init(address: address, port: port)
        } else {
            return nil
        }
    }

    package var description: String {
        if case .v6 = address { return "[\(address)]:\(port)" }
        return "\(address):\(port)"
    }

    static var listenKind: ValueKind<SocketEndpoint> {
        let expected =
            "an IP address and a port such as \"127.0.0.1:2525\" or \"[::1]:2525\" (or"
            + " \"localhost:2525\"; \"0.0.0.0:25\" for every IPv4 address)"
        return ValueKind(expected) { text in SocketEndpoint(text: text) }
    }

    static var serverKind: ValueKind<SocketEndpoint> {
        let expected =
            "an IP address, with a port where it is not 53, such as \"9.9.9.9\" or"
            + " \"[::1]:5353\""
        return ValueKind(expected) { text in
            guard let endpoint = SocketEndpoint(text: text, defaultPort: 53), endpoint.port > 0
            else { return nil }
            return endpoint
        }
    }
}

/// "host", "host:port", "[host]", "[host]:port": only the syntax.
struct HostAndPort {
    let host: String
    let port: Int?
    let isBracketed: Bool

    init?(text: String) {
        let portText: Substring?
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            portText = rest.isEmpty ? nil : rest.dropFirst()
            isBracketed = true
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return nil }
            host = String(parts[0])
            portText = parts.count == 2 ? parts[1] : nil
            isBracketed = false
        }
        guard !host.isEmpty else { return nil }
        if let portText {
            guard portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(portText), (0...65535).contains(number)
            else { return nil }
            port = number
        } else {
            port = nil
        }
    }
}
