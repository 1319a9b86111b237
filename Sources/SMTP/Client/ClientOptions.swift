package import NIOCore
package import NIOSSL

/// How long each step may take (RFC 5321 §4.5.3.2). A shorter `finalDot` makes duplicates.
package struct ClientTimeouts: Sendable {
    package var connect: Duration = .seconds(30)
    package var greeting: Duration = .seconds(300)
    /// EHLO, HELO, STARTTLS, RSET; RFC 5321 names none for them.
    package var hello: Duration = .seconds(300)
    package var handshake: Duration = .seconds(60)
    package var mail: Duration = .seconds(300)
    package var rcpt: Duration = .seconds(300)
    package var data: Duration = .seconds(120)
    /// For each block of a message to be taken by the network.
    package var block: Duration = .seconds(180)
    package var finalDot: Duration = .seconds(600)
    package var quit: Duration = .seconds(5)

    package init() {}
}

package enum TLSMode: Sendable, Hashable {
    case off
    /// Where offered, without checking the certificate's name (RFC 7435).
    case opportunistic
    /// The connection fails without.
    case required
}

package struct ClientOptions: Sendable {
    /// What EHLO says.
    package var helo: String
    package var tls: TLSMode
    /// nil: no TLS, whatever `tls` says; with `.required` the connection then fails.
    package var tlsContext: NIOSSLContext?
    /// For SNI: a host name, no address.
    package var serverName: String?
    package var timeouts: ClientTimeouts
    /// Where the connection comes from; nil leaves it to the system.
    package var localAddress: SocketAddress?

    package init(
        helo: String, tls: TLSMode = .off, tlsContext: NIOSSLContext? = nil,
        serverName: String? = nil, timeouts: ClientTimeouts = ClientTimeouts(),
        localAddress: SocketAddress? = nil
    ) {
        self.helo = helo
        self.tls = tls
        self.tlsContext = tlsContext
        self.serverName = serverName
        self.timeouts = timeouts
        self.localAddress = localAddress
    }
}
