package import Mail
package import Scheduler

/// Why mail waits, in one line and as data. `kind` is stable; `text` is for people.
package struct Why: Codable, Hashable, Sendable {
    /// `Scheduler.Wait.Kind` by its raw value.
    package var kind: String
    package var text: String
    /// When that condition ends, if it is known.
    package var until: UnixTime?
    /// The names and numbers in the text; nil where there are none.
    package var detail: Wait.Facts?

    package init(kind: String, text: String, until: UnixTime? = nil) {
        self.kind = kind
        self.text = text
        self.until = until
    }

    package init(
        _ kind: Wait.Kind, _ text: String, until: UnixTime? = nil, _ detail: Wait.Facts? = nil
    ) {
        self.kind = kind.rawValue
        self.text = text
        self.until = until
        self.detail = detail
    }

    /// What a scheduler says, on the wall clock.
    package init(_ wait: Wait, _ clocks: Clocks) {
        self.init(
            wait.kind, wait.text, until: wait.until.flatMap(clocks.time),
            wait.facts == Wait.Facts() ? nil : wait.facts)
    }

    /// "backing off after 421 4.7.28 …, probe in 3 min 20 s".
    package func line(at now: UnixTime) -> String {
        guard let until, until > now, let kind = Wait.Kind(rawValue: kind) else { return text }
        return "\(text), \(kind.time(until - now))"
    }

    /// Whether it keeps back also what is not due yet.
    package var isForAll: Bool { Wait.Kind(rawValue: kind)?.isForAll ?? true }
}
