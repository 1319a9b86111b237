/// A value of a TOML document and the line that it stands on.
package struct TOMLNode: Sendable, Hashable {
    /// Counted from 1: the line of the key (of a table: of its header, or of the first key that
    /// mentions it; of an array's element: of the element).
    package let line: Int
    package let value: TOMLValue

    package init(line: Int, value: TOMLValue) {
        self.line = line
        self.value = value
    }
}

package enum TOMLValue: Sendable, Hashable {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    /// A date, a time, or both, as TOML writes it.
    case date(String)
    case array([TOMLNode])
    case table(TOMLTable)

    /// What people call it: "a string", "an integer".
    package var kind: String {
        switch self {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a number with a fraction"
        case .boolean: "true or false"
        case .date: "a date"
        case .array: "an array"
        case .table: "a table"
        }
    }
}

/// Keys and values in the order of the document.
package struct TOMLTable: Sendable, Hashable {
    package let entries: [(key: String, node: TOMLNode)]

    package init(_ entries: [(key: String, node: TOMLNode)]) {
        self.entries = entries
    }

    package var keys: [String] { entries.map(\.key) }

    package subscript(key: String) -> TOMLNode? {
        entries.first { $0.key == key }?.node
    }

    package static func == (a: TOMLTable, b: TOMLTable) -> Bool {
        a.entries.elementsEqual(b.entries) { $0.key == $1.key && $0.node == $1.node }
    }

    package func hash(into hasher: inout Hasher) {
        for (key, node) in entries {
            hasher.combine(key)
            hasher.combine(node)
        }
    }
}
