import Scheduler

/// An entry of `[[shaping]]`: other limits and retries for some destinations.
package struct ShapingRule: Hashable, Sendable, Codable {
    /// Over the destination's domains, its exchangers' names and addresses, and its identity.
    package var match: NamePattern
    package var limits = LimitKeys()
    package var retry = RetryKeys()

    init?(_ reader: TableReader, limits: Limits, retry: RetryPolicy) {
        let match = reader.read("match", Self.matchKind)
        self.limits.read(reader)
        self.retry.read(reader)
        self.limits.check(reader, base: limits)
        self.retry.check(reader, base: retry)
        if !reader.has("match") {
            reader.error(
                nil, "needs match: a domain, a host or an address, \"*\" for any characters in it")
        }
        guard let match else { return nil }
        self.match = match
        // A value that is wrong is reported as that.
        if !reader.hasOthers(than: ["match"]) {
            reader.warn(nil, "changes nothing: set concurrency, rate …")
        }
    }

    static var matchKind: ValueKind<NamePattern> {
        ValueKind(
            "a domain, a host or an address, in which \"*\" stands for any characters:"
                + " \"*.example.com\""
        ) { NamePattern(glob: $0) }
    }

    func matches(_ destination: DestinationNames) -> Bool {
        destination.all.contains { match.matches($0) }
    }
}

/// All that a destination is called, lowercase: what shaping is matched against.
package struct DestinationNames: Hashable, Sendable {
    /// Canonical, "192.0.2.10,198.51.100.7".
    package var identity: String
    package var domains: [String]
    /// Host names.
    package var exchangers: [String]

    package init(identity: String, domains: [String], exchangers: [String]) {
        self.identity = identity
        self.domains = domains
        self.exchangers = exchangers
    }

    /// The identity's single addresses too.
    var all: [String] {
        domains + exchangers + [identity] + identity.split(separator: ",").map(String.init)
    }
}
