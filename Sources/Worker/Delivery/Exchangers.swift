import Control
import NIOCore
import Scheduler
import Settings

/// The routes of domains as this worker knows them, until their time to live ends.
struct RouteCache {
    private var routes: [String: (answer: RouteAnswer, expires: Instant)] = [:]
    /// A worker may meet very many domains; beyond this all are asked again.
    private static let capacity = 50_000

    func route(of domain: String, at now: Instant) -> RouteAnswer? {
        guard let known = routes[domain], now < known.expires else { return nil }
        return known.answer
    }

    mutating func learn(_ answer: RouteAnswer, for domain: String, at now: Instant) {
        let life: Duration
        switch answer {
        case .exchangers(_, let ttl): life = .seconds(min(max(ttl, 10), 3600))
        case .nullMX, .noSuchDomain, .noExchanger, .loop, .invalid: life = .seconds(60)
        // Asked again with the next attempt.
        case .temporary: return
        }
        if routes.count >= Self.capacity { routes = [:] }
        routes[domain] = (answer, now + life)
    }

    mutating func forgetAll() {
        routes = [:]
    }
}

extension Candidate {
    /// More addresses than this are not tried in one attempt (Postfix: smtp_mx_address_limit).
    static let limit = 5

    /// The addresses of exchangers in the order to try: by preference, at random among equals
    /// (RFC 5321 §5.1), and one of each host before the second of any. Of equal preference those
    /// that lately gave no answer come last.
    ///
    /// - Parameter silent: those, by their text.
    static func ordered(
        _ exchangers: [Exchanger], silent: Set<String> = [],
        using random: inout some RandomNumberGenerator
    ) -> [Candidate] {
        var all: [Candidate] = []
        let preferences = Set(exchangers.map(\.preference)).sorted()
        for preference in preferences {
            let hosts = exchangers.filter { $0.preference == preference }
                .shuffled(using: &random)
            var late: [Candidate] = []
            let longest = hosts.map(\.addresses.count).max() ?? 0
            for index in 0..<longest {
                for host in hosts where index < host.addresses.count {
                    let text = host.addresses[index]
                    guard let address = try? SocketAddress(ipAddress: text, port: host.port) else {
                        continue
                    }
                    let shown = host.port == 25 ? text : "\(text):\(host.port)"
                    let candidate = Candidate(
                        host: host.host, address: address, ip: text, text: shown)
                    if silent.contains(shown) {
                        late.append(candidate)
                    } else {
                        all.append(candidate)
                    }
                }
            }
            all += late
        }
        return Array(all.prefix(limit))
    }
}

extension RouteAnswer {
    /// What the manager is told: addresses carry their port where it is not 25.
    func result(for domain: String) -> RouteResult {
        if case .exchangers(let exchangers, let ttl) = self {
            return .exchangers(exchangers.map(ExchangerRecord.init), ttl: ttl)
        }
        guard let failure = failure(of: domain) else { return .temporary("no answer") }
        return failure.isPermanent
            ? .permanent(code: failure.enhancedStatus, text: failure.text)
            : .temporary(failure.text)
    }
}

extension ExchangerRecord {
    init(_ exchanger: Exchanger) {
        self.init(
            host: exchanger.host, preference: exchanger.preference,
            addresses: exchanger.addresses.map { address in
                if exchanger.port == 25 { return address }
                return address.contains(":")
                    ? "[\(address)]:\(exchanger.port)" : "\(address):\(exchanger.port)"
            })
    }
}
