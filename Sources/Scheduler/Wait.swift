/// One thing that a destination or a delivery waits for: as data, and as a line for people.
package struct Wait: Sendable, Hashable {
    /// In the order in which they are told: what lasts longest, or hides the others, comes first.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// An operator keeps the destination back.
        case paused
        /// An operator keeps the mail back.
        case held
        /// Purged or bounced, and still to be undone.
        case purging
        /// The spool cannot record results, so nothing is sent.
        case spool
        /// The destination failed as a whole and is left alone for a time.
        case breaker
        /// One delivery decides whether it works again.
        case probing
        /// The configured rate.
        case tokens
        /// The rate that the receiver turned out to bear.
        case learnedRate = "learned-rate"
        /// The configured rate of new connections.
        case connectionRate = "connection-rate"
        /// The rate of new connections that the receiver turned out to bear.
        case learnedConnectionRate = "learned-connection-rate"
        /// As many run as may run.
        case window
        /// As many connections are open as this worker may have.
        case connections
        /// Its own time has not come.
        case schedule
        /// No worker has it now.
        case worker
        /// DNS is asked.
        case routing
        case nothing

        /// Whether it also keeps back what is not due yet; the others matter only once it is.
        package var isForAll: Bool {
            switch self {
            case .paused, .held, .purging, .spool, .breaker, .worker, .routing: true
            case .probing, .tokens, .learnedRate, .connectionRate, .learnedConnectionRate, .window,
                .connections, .schedule, .nothing:
                false
            }
        }
    }

    /// The names and numbers in the text, where the kind has them.
    package struct Facts: Sendable, Hashable, Codable {
        /// Who paused or held it, and what for; or which rule suspends it.
        package var by: String?
        package var reason: String?
        /// What the receiver said.
        package var reply: String?
        /// Failed attempts in a row at the destination, or at the delivery.
        package var attempts: Int?
        /// Per second, and the size of its bucket.
        package var rate: Double?
        package var burst: Double?
        /// Transactions that run, how many may now, and how many may ever.
        package var busy: Int?
        package var window: Int?
        package var limit: Int?
        /// Deliveries that this is about, where it is not all of them.
        package var deliveries: Int?
        package var worker: Int?

        package init() {}
    }

    package var kind: Kind
    /// Without the time, which goes on; `line(at:)` adds it.
    package var text: String
    /// When this reason ends, if it is known.
    package var until: Instant?
    package var facts: Facts

    package init(_ kind: Kind, _ text: String, until: Instant? = nil, _ facts: Facts = Facts()) {
        self.kind = kind
        self.text = text
        self.until = until
        self.facts = facts
    }

    /// "backing off after 421 4.7.28 …, probe in 3 min 20 s".
    package func line(at now: Instant) -> String {
        guard let until, until > now else { return text }
        return "\(text), \(kind.time(until - now))"
    }
}

extension Wait.Kind {
    /// How long it lasts still, in words: "probe in 3 min 20 s".
    package func time(_ rest: Duration) -> String {
        let time = rest.brief
        return switch self {
        case .paused, .held: "\(time) more"
        case .purging: "\(time) left"
        case .breaker: "probe in \(time)"
        case .tokens, .learnedRate, .connectionRate, .learnedConnectionRate: "next in \(time)"
        default: "in \(time)"
        }
    }
}
