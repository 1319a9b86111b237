/// A host that takes a domain's mail.
package struct Exchanger: Hashable, Sendable, Codable {
    /// Lowercase, without the root's dot; an address's text where there is no name.
    package var host: String
    /// Lower is tried first; 0 where there is no MX.
    package var preference: UInt16
    /// Never empty; canonical text, IPv6 as in RFC 5952; IPv4 before IPv6, else sorted. The
    /// caller shuffles.
    package var addresses: [String]
    package var port: Int

    package init(host: String, preference: UInt16, addresses: [String], port: Int) {
        self.host = host
        self.preference = preference
        self.addresses = addresses
        self.port = port
    }
}

package enum RouteAnswer: Hashable, Sendable {
    /// Not empty, sorted by preference, then by name; hosts of equal preference are for the
    /// caller to shuffle. `ttl`: for how many seconds this may be kept, 1…86400.
    case exchangers([Exchanger], ttl: Int)
    /// The domain says that it takes no mail (RFC 7505).
    case nullMX
    /// The name does not exist.
    case noSuchDomain
    /// The name exists but nothing there takes mail: no MX and no address, or none of its
    /// exchangers has an address (RFC 5321 §5.1: "must be reported as an error").
    case noExchanger(String)
    /// The domain's most preferred exchanger is this host itself.
    case loop
    /// The DNS did not say; to be asked again.
    case temporary(String)
    /// No name that the DNS could be asked for.
    case invalid(String)

    package struct Failure: Hashable, Sendable {
        package var isPermanent: Bool
        /// RFC 3463.
        package var enhancedStatus: String
        package var text: String
    }

    /// What to report of it for a domain; nil if there are exchangers.
    package func failure(of domain: String) -> Failure? {
        switch self {
        case .exchangers: nil
        case .nullMX:
            // RFC 7505 §4.1.
            Failure(
                isPermanent: true, enhancedStatus: "5.1.10",
                text: "\(domain) does not accept mail (null MX)")
        case .noSuchDomain:
            Failure(
                isPermanent: true, enhancedStatus: "5.1.2",
                text: "\(domain) does not exist in the DNS")
        case .noExchanger(let reason):
            Failure(
                isPermanent: true, enhancedStatus: "5.4.4",
                text: "no host takes mail for \(domain): \(reason)")
        case .loop:
            // RFC 3463 §3.5: X.4.6 is a routing loop.
            Failure(
                isPermanent: true, enhancedStatus: "5.4.6",
                text: "mail for \(domain) loops back to this host: its best MX record names it")
        case .temporary(let reason):
            Failure(
                isPermanent: false, enhancedStatus: "4.4.3",
                text: "the DNS does not answer for \(domain): \(reason)")
        case .invalid(let reason):
            Failure(
                isPermanent: true, enhancedStatus: "5.1.2",
                text: "\(domain) cannot be looked up: \(reason)")
        }
    }
}
