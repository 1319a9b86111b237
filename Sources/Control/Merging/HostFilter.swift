package import Filter

extension FilterField {
    /// Where there are several hosts.
    package static let host = FilterField(
        name: "host", kind: .text, help: "the host that has it, as --ssh names it")
}

extension FilterFields {
    /// The same with the host.
    package var withHost: FilterFields {
        FilterFields(fields: fields + [.host], bareWord: bareWord)
    }
}

/// What of a filter over several hosts is left for one of them.
package enum HostFilter: Hashable, Sendable {
    /// Nothing there matches: it need not be asked.
    case nothing
    case everything
    case part(FilterExpression)

    /// Comparisons with `host` are decided here, and those with ids that name one: `message =
    /// mx1/1a2b` is `message = 1a2b` on mx1, and false elsewhere.
    ///
    /// - Parameter hosts: the names of all hosts.
    package init(_ filter: FilterExpression, for host: String, among hosts: [String]) {
        switch filter {
        case .comparison(let comparison):
            self = HostFilter.decided(comparison, host, hosts)
        case .not(let inner):
            switch HostFilter(inner, for: host, among: hosts) {
            case .nothing: self = .everything
            case .everything: self = .nothing
            case .part(let left): self = .part(.not(left))
            }
        case .and(let a, let b):
            let sides = (
                HostFilter(a, for: host, among: hosts), HostFilter(b, for: host, among: hosts)
            )
            switch sides {
            case (.nothing, _), (_, .nothing): self = .nothing
            case (.everything, let other), (let other, .everything): self = other
            case (.part(let a), .part(let b)): self = .part(.and(a, b))
            }
        case .or(let a, let b):
            let sides = (
                HostFilter(a, for: host, among: hosts), HostFilter(b, for: host, among: hosts)
            )
            switch sides {
            case (.everything, _), (_, .everything): self = .everything
            case (.nothing, let other), (let other, .nothing): self = other
            case (.part(let a), .part(let b)): self = .part(.or(a, b))
            }
        }
    }

    private static func decided(
        _ comparison: FilterComparison, _ host: String, _ hosts: [String]
    ) -> HostFilter {
        if comparison.field == .host {
            return comparison.matches(.text(host)) ? .everything : .nothing
        }
        guard ["id", "message", "destination"].contains(comparison.field.name),
            case .text(let text) = comparison.value,
            let named = QualifiedID(text).host, hosts.contains(named)
        else { return .part(.comparison(comparison)) }
        guard named == host else {
            let isNegative = comparison.op == .notEqual || comparison.op == .notContains
            return isNegative ? .everything : .nothing
        }
        var own = comparison
        own.value = .text(QualifiedID(text).id)
        return .part(.comparison(own))
    }

    /// As the daemon reads it; nil for everything.
    package var text: String? {
        if case .part(let filter) = self { return filter.description }
        return nil
    }
}
