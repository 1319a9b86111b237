/// A parsed filter: what the API, the command line and the monitor select by.
package indirect enum FilterExpression: Hashable, Sendable {
    case comparison(FilterComparison)
    case not(FilterExpression)
    case and(FilterExpression, FilterExpression)
    case or(FilterExpression, FilterExpression)
}

package struct FilterComparison: Hashable, Sendable {
    package enum Operator: String, Hashable, Sendable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        /// Contains, without regard to case.
        case contains = "~"
        case notContains = "!~"
    }

    package enum Value: Hashable, Sendable {
        /// May contain `*` and `?` as wildcards with `=` and `!=`.
        case text(String)
        case number(Double)
        /// Seconds, for ages and times to go.
        case duration(Double)
        /// `4xx` is `codeClass(4)`: any code from 400 to 499.
        case codeClass(Int)
        case flag(Bool)
    }

    package var field: FilterField
    package var op: Operator
    package var value: Value

    package init(field: FilterField, op: Operator, value: Value) {
        self.field = field
        self.op = op
        self.value = value
    }
}
