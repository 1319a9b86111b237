/// One question to the DNS.
package struct Question: Hashable, Sendable {
    /// RFC 1035 §3.2.2, RFC 3596 §2.1: the number on the wire.
    package enum Kind: Int32, Sendable {
        case a = 1
        case mx = 15
        case aaaa = 28
    }

    /// Canonical, ASCII.
    package var name: String
    package var kind: Kind
}

/// What came back.
package enum Reply: Hashable, Sendable {
    /// RDATA in wire format, names not compressed; not empty.
    case records([[UInt8]], ttl: Int)
    /// The name exists, but not with this type.
    case noData
    case noSuchDomain
    /// SERVFAIL, no answer in time, …
    case failed(String)
}
