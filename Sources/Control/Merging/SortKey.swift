package import Filter

/// What rows are sorted by; what a row lacks comes after all that others have.
package enum SortKey: Comparable, Sendable {
    case number(Double)
    case text(String)
    case missing

    package init(_ value: FilterFieldValue?) {
        switch value {
        case .number(let number): self = .number(number)
        case .text(let text): self = .text(text.lowercased())
        case .list(let texts): self = texts.first.map { .text($0.lowercased()) } ?? .missing
        case .flag(let flag): self = .number(flag ? 1 : 0)
        case nil: self = .missing
        }
    }

    /// The order of rows: by key, then by id; what has no key comes last, whatever the direction.
    @inlinable
    package static func precedes(
        _ a: SortKey, _ aID: Int64, _ b: SortKey, _ bID: Int64, descending: Bool
    ) -> Bool {
        if a == b { return aID < bID }
        if a == .missing || b == .missing { return b == .missing }
        return descending ? b < a : a < b
    }
}
