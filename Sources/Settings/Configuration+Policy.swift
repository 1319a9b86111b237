package import Scheduler

extension Configuration {
    /// The limits and retries of a destination: those of the most specific `[[shaping]]` entry
    /// that matches any of its names, over `[limits]` and `[retry]`.
    package func policy(for destination: DestinationNames) -> DestinationPolicy {
        var limits = limits.applied(to: Limits())
        var retry = retry.applied(to: RetryPolicy())
        if let rule = shapingRule(for: destination) {
            limits = rule.limits.applied(to: limits)
            retry = rule.retry.applied(to: retry)
        }
        return DestinationPolicy(limits: limits, retry: retry)
    }

    /// The entry that decides; nil where none matches.
    package func shapingRule(for destination: DestinationNames) -> ShapingRule? {
        shaping.first { $0.matches(destination) }
    }

    /// The most specific `[routing] static` entry for a domain; nil: DNS decides. Takes the
    /// domain in any case.
    package func route(for domain: String) -> StaticRoute? {
        guard !routing.statics.isEmpty else { return nil }
        let name = HostName.canonical(domain) ?? domain.lowercased()
        return routing.statics.first { $0.pattern.matches(name) }?.route
    }
}
