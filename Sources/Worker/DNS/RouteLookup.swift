import Settings

/// The way from a request to its answer, without I/O: says what to ask, takes the replies.
///
/// RFC 5321 §5.1: the MX records; where there are none, the domain's own addresses. CNAMEs are
/// followed by the resolver below. A and AAAA of all exchangers are asked for at once.
package struct RouteLookup {
    package enum Step: Hashable {
        /// Ask these, and hand each reply to `receive`.
        case ask([Question])
        /// Replies are still missing.
        case wait
        case done(RouteAnswer)
    }

    /// A domain's exchangers beyond these are left out, the least preferred first: a hostile
    /// domain must not make a thousand questions out of one.
    package static let maximumExchangers = 32
    /// The same for one exchanger's addresses.
    package static let maximumAddresses = 32

    private enum State {
        case new
        case exchangers
        case addresses([Host])
        case ended
    }

    /// An exchanger whose addresses are being collected.
    private struct Host {
        var name: String
        var preference: UInt16
        var addresses: Set<IPAddress> = []
        var awaited: Set<Question.Kind> = [.a, .aaaa]
        var failure: String?
        var nameExists = false
    }

    private let request: RouteRequest
    private let port: Int
    private var state = State.new
    /// Whether the hosts come from MX records.
    private var isFromMX = false
    private var ttl = Self.longestTTL

    private static let longestTTL = 86_400
    private static let notAName = RouteAnswer.invalid("not a domain name")

    package init(_ request: RouteRequest) {
        self.request = request
        switch request {
        case .mx(_, let port, _), .addresses(_, let port): self.port = port
        }
    }

    /// Call once, first.
    package mutating func begin() -> Step {
        switch request {
        case .mx(let domain, _, _):
            if domain.hasPrefix("[") {
                guard let address = Self.addressLiteral(domain) else {
                    return end(.invalid("not an address literal"))
                }
                return end(direct(address))
            }
            guard let name = HostName.canonical(domain) else { return end(Self.notAName) }
            state = .exchangers
            return .ask([Question(name: name, kind: .mx)])
        case .addresses(let host, _):
            if let address = IPAddress(text: host) { return end(direct(address)) }
            guard let name = HostName.canonical(host) else { return end(Self.notAName) }
            return askAddresses([Host(name: name, preference: 0)])
        }
    }

    /// Takes the reply to a question asked before. After `.done` there is nothing to take.
    package mutating func receive(_ reply: Reply, to question: Question) -> Step {
        switch state {
        case .new, .ended: return .wait
        case .exchangers:
            guard question.kind == .mx else { return .wait }
            return receiveExchangers(reply, of: question.name)
        case .addresses(var hosts):
            guard let index = hosts.firstIndex(where: { $0.name == question.name }),
                hosts[index].awaited.remove(question.kind) != nil
            else { return .wait }
            receiveAddresses(reply, &hosts[index])
            state = .addresses(hosts)
            return hosts.allSatisfy(\.awaited.isEmpty) ? end(answer(from: hosts)) : .wait
        }
    }

    // MARK: MX

    private mutating func receiveExchangers(_ reply: Reply, of domain: String) -> Step {
        switch reply {
        case .noSuchDomain: return end(.noSuchDomain)
        // A failure must not pass for "no MX" (RFC 5321 §5.1).
        case .failed(let reason): return end(.temporary(reason))
        case .noData:
            // "as if it was associated with an implicit MX RR, with a preference of 0,
            // pointing to that host".
            return askAddresses([Host(name: domain, preference: 0)])
        case .records(let data, let ttl):
            shorten(ttl)
            isFromMX = true
            let records = data.compactMap(MXRecord.init(data:))
            if records.count == 1, data.count == 1, records[0].host.isEmpty {
                return end(.nullMX)
            }
            let hosts = Self.hosts(of: records)
            if hosts.isEmpty { return end(.noExchanger("its MX records name no host")) }
            let preferred = beforeOwn(hosts)
            return preferred.isEmpty ? end(.loop) : askAddresses(preferred)
        }
    }

    /// Each host once, with its best preference; best first.
    private static func hosts(of records: [MXRecord]) -> [Host] {
        var preferences: [String: UInt16] = [:]
        for record in records {
            // The root beside other records means nothing (RFC 7505 §3), and an address is not
            // a name, though some write it.
            guard !record.host.isEmpty, IPAddress(text: record.host) == nil else { continue }
            preferences[record.host] = min(
                preferences[record.host] ?? .max, record.preference)
        }
        return preferences.map { Host(name: $0.key, preference: $0.value) }
            .sorted { ($0.preference, $0.name) < ($1.preference, $1.name) }
            .prefix(maximumExchangers).map(\.self)
    }

    /// Without this host and what is not preferred to it: mail would go round in a circle
    /// (RFC 5321 §5.1).
    private func beforeOwn(_ hosts: [Host]) -> [Host] {
        guard case .mx(_, _, let name?) = request, let own = HostName.canonical(name),
            let ours = hosts.first(where: { $0.name == own })
        else { return hosts }
        return hosts.filter { $0.preference < ours.preference }
    }

    // MARK: Addresses

    private mutating func askAddresses(_ hosts: [Host]) -> Step {
        state = .addresses(hosts)
        return .ask(
            hosts.flatMap { host in
                [Question(name: host.name, kind: .a), Question(name: host.name, kind: .aaaa)]
            })
    }

    private mutating func receiveAddresses(_ reply: Reply, _ host: inout Host) {
        switch reply {
        case .noSuchDomain: break
        case .noData: host.nameExists = true
        case .failed(let reason): host.failure = reason
        case .records(let data, let ttl):
            host.nameExists = true
            shorten(ttl)
            for bytes in data {
                guard let address = IPAddress(networkBytes: bytes)?.unmapped,
                    // To connect to 0.0.0.0 or :: is to connect to this host.
                    !address.isUnspecified
                else { continue }
                host.addresses.insert(address)
            }
        }
    }

    private func answer(from hosts: [Host]) -> RouteAnswer {
        let exchangers = hosts.filter { !$0.addresses.isEmpty }.map { host in
            Exchanger(
                host: host.name, preference: host.preference,
                addresses: Self.sorted(host.addresses), port: port)
        }
        if !exchangers.isEmpty { return .exchangers(exchangers, ttl: ttl) }
        if let failed = hosts.first(where: { $0.failure != nil }), let reason = failed.failure {
            return .temporary(isFromMX ? "\(failed.name): \(reason)" : reason)
        }
        if isFromMX { return .noExchanger("none of its exchangers has an address") }
        let exists = hosts.contains(where: \.nameExists)
        return exists ? .noExchanger("it has neither MX nor address") : .noSuchDomain
    }

    private static func sorted(_ addresses: Set<IPAddress>) -> [String] {
        var four: [UInt32] = []
        var six: [UInt128] = []
        for address in addresses {
            switch address {
            case .v4(let number): four.append(number)
            case .v6(let number): six.append(number)
            }
        }
        let all = four.sorted().map(IPAddress.v4) + six.sorted().map(IPAddress.v6)
        return all.prefix(maximumAddresses).map(\.description)
    }

    // MARK: Names

    /// RFC 5321 §4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
    private static func addressLiteral(_ domain: String) -> IPAddress? {
        guard domain.hasSuffix("]") else { return nil }
        let inner = domain.dropFirst().dropLast()
        if inner.prefix(5).lowercased() == "ipv6:" {
            guard case .v6(let number) = IPAddress(text: inner.dropFirst(5)) else { return nil }
            return .v6(number)
        }
        guard case .v4(let number) = IPAddress(text: inner) else { return nil }
        return .v4(number)
    }

    private func direct(_ address: IPAddress) -> RouteAnswer {
        guard !address.isUnspecified else { return .invalid("not the address of a host") }
        let text = address.unmapped.description
        let exchanger = Exchanger(host: text, preference: 0, addresses: [text], port: port)
        return .exchangers([exchanger], ttl: Self.longestTTL)
    }

    private mutating func shorten(_ seconds: Int) {
        ttl = max(1, min(ttl, seconds))
    }

    private mutating func end(_ answer: RouteAnswer) -> Step {
        state = .ended
        return .done(answer)
    }
}
