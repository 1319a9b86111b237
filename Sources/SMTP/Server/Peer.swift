/// The client of a server session, as far as it is known.
package struct Peer: Hashable, Sendable {
    /// Numeric, without brackets; "" if the connection has none.
    package var address: String
    package var port: Int
    /// What EHLO or HELO said: printable ASCII without spaces, otherwise anything. "" before it.
    package var helo: String
    /// The keyword for a Received field (RFC 3848, RFC 6531 §4.3): "SMTP", "ESMTP", "ESMTPS",
    /// "UTF8SMTP", "UTF8SMTPS". The last two only from DATA on.
    package var protocolName: String
    /// The name this server greeted with.
    package var localName: String

    package init(
        address: String, port: Int, helo: String = "", protocolName: String = "SMTP",
        localName: String
    ) {
        self.address = address
        self.port = port
        self.helo = helo
        self.protocolName = protocolName
        self.localName = localName
    }
}
