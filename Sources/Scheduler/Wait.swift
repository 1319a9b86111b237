/// What a destination or a delivery waits for: the most binding of all reasons, as data and as a
/// line for people.
package struct Wait: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case nothing, paused, held, breaker, probing, tokens, window, schedule, worker, routing,
            spool, purging
    }

    package var kind: Kind
    /// Without the time, which goes on; `line(at:)` adds it.
    package var text: String
    /// When this reason ends, if it is known.
    package var until: Instant?

    package init(_ kind: Kind, _ text: String, until: Instant? = nil) {
        self.kind = kind
        self.text = text
        self.until = until
    }

    /// "backing off after 421 4.7.28 …, probe in 3 min 20 s".
    package func line(at now: Instant) -> String {
        guard let until, until > now else { return text }
        let time = (until - now).brief
        return switch kind {
        case .paused, .held: "\(text), \(time) more"
        case .breaker: "\(text), probe in \(time)"
        default: "\(text), next in \(time)"
        }
    }
}
