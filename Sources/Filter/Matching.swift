/// What a row has in a field.
package enum FilterFieldValue: Hashable, Sendable {
    case text(String)
    /// Several at once, as the domains of a destination: it equals and contains what any of them
    /// does.
    case list([String])
    /// Numbers, sizes in bytes, durations in seconds, SMTP codes.
    case number(Double)
    case flag(Bool)
}

extension FilterExpression {
    /// Whether a row matches; `lookup` says what the row has in a field, nil if nothing.
    ///
    /// What is missing equals nothing and compares with nothing: only `!=` and `!~` hold for it.
    package func matches(_ lookup: (FilterField) -> FilterFieldValue?) -> Bool {
        switch self {
        case .comparison(let comparison): comparison.matches(lookup(comparison.field))
        case .not(let inner): !inner.matches(lookup)
        case .and(let a, let b): a.matches(lookup) && b.matches(lookup)
        case .or(let a, let b): a.matches(lookup) || b.matches(lookup)
        }
    }
}

extension FilterComparison {
    package func matches(_ found: FilterFieldValue?) -> Bool {
        switch op {
        case .notEqual: !holds(.equal, found)
        case .notContains: !holds(.contains, found)
        case .equal, .contains, .less, .lessOrEqual, .greater, .greaterOrEqual: holds(op, found)
        }
    }

    private func holds(_ op: Operator, _ found: FilterFieldValue?) -> Bool {
        switch (found, value) {
        case (.text(let text), .text(let wanted)): Self.holds(op, text, wanted)
        case (.list(let texts), .text(let wanted)):
            texts.contains { Self.holds(op, $0, wanted) }
        case (.number(let number), .number(let wanted)),
            (.number(let number), .duration(let wanted)):
            Self.holds(op, number, wanted)
        case (.number(let number), .codeClass(let digit)):
            op == .equal && number >= Double(digit * 100) && number < Double(digit * 100 + 100)
        case (.flag(let flag), .flag(let wanted)): op == .equal && flag == wanted
        default: false
        }
    }

    private static func holds(_ op: Operator, _ text: String, _ wanted: String) -> Bool {
        switch op {
        case .equal: TextMatch.glob(text, wanted)
        case .contains: TextMatch.contains(text, wanted)
        default: false
        }
    }

    private static func holds(_ op: Operator, _ number: Double, _ wanted: Double) -> Bool {
        switch op {
        case .equal: number == wanted
        case .less: number < wanted
        case .lessOrEqual: number <= wanted
        case .greater: number > wanted
        case .greaterOrEqual: number >= wanted
        default: false
        }
    }
}
