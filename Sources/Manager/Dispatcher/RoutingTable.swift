import Mail
import Scheduler
import Settings

/// Which destination a domain belongs to: sticky while that destination has mail, asked again
/// when the answer is older than its time to live.
struct RoutingTable {
    struct Route {
        var destination: Int64
        /// When the answer of DNS ends; a route made without DNS never ends.
        var expires: Instant
    }

    /// RFC 2308 §5 caps negative answers at hours; positive ones are kept between these bounds so
    /// that a TTL of 0 does not mean a question per message.
    static let shortestLife: Duration = .seconds(60)
    static let longestLife: Duration = .seconds(3600)

    /// Several nodes give numbers, and have to give the same.
    var isShared = false
    private var routes: [String: Route] = [:]
    private var identities: [String: Int64] = [:]
    private var nextID: Int64 = 1

    /// The destination of a domain, if an answer still holds. `sticky` says of a destination
    /// whether its mail keeps the domain where it is.
    func destination(of domain: String, at now: Instant, sticky: (Int64) -> Bool) -> Int64? {
        guard let route = routes[domain] else { return nil }
        return now < route.expires || sticky(route.destination) ? route.destination : nil
    }

    func destination(identity: String) -> Int64? { identities[identity] }

    /// The number that every node gives an identity: 61 bits of its FNV-1a hash, mixed. Of ten
    /// million two are alike once in 46,000 times; they would share their limits.
    static func sharedNumber(_ identity: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in identity.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        // Above all that one node alone has given.
        return Int64(SplitMix64.mix(hash) & (1 << 61 - 1) | 1 << 61)
    }

    /// The id for an identity: the known one, or a new one.
    mutating func number(identity: String) -> Int64 {
        if let known = identities[identity] { return known }
        guard !isShared else {
            let id = Self.sharedNumber(identity)
            identities[identity] = id
            return id
        }
        defer { nextID += 1 }
        identities[identity] = nextID
        return nextID
    }

    mutating func restore(identity: String, id: Int64, domains: [String]) {
        identities[identity] = id
        nextID = max(nextID, id + 1)
        // Expired, but sticky while there is mail.
        for domain in domains {
            routes[domain] = Route(destination: id, expires: Instant(nanoseconds: .min))
        }
    }

    mutating func learn(domain: String, destination: Int64, ttl: Duration?, at now: Instant) {
        let life = ttl.map { min(max($0, Self.shortestLife), Self.longestLife) }
        routes[domain] = Route(
            destination: destination, expires: life.map { now + $0 } ?? .distantFuture)
    }

    mutating func forget(destination: Int64, identity: String) {
        identities[identity] = nil
        routes = routes.filter { $0.value.destination != destination }
    }

    mutating func forgetAnswers() {
        for domain in routes.keys {
            routes[domain]?.expires = Instant(nanoseconds: .min)
        }
    }
}
