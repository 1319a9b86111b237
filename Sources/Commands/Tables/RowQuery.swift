package import Filter

/// The options that say which rows a command lists, checked before the daemon is asked.
package struct RowQuery: Sendable {
    package var filter: String?
    package var sort: String?
    package var descending = false
    package var limit: Int

    /// - Parameter sort: the name of a field, with a "-" before it for the other way round.
    /// - Throws: `CommandFailure` that shows where the filter is wrong.
    package init(
        filter: String?, sort: String?, limit: Int, fields: FilterFields
    ) throws(CommandFailure) {
        self.limit = limit
        guard limit > 0 else { throw .usage("--limit must be at least 1") }
        if let filter {
            self.filter = try Self.checked(filter, fields).description
        }
        if var sort {
            if sort.hasPrefix("-") {
                descending = true
                sort.removeFirst()
            }
            guard let field = fields[sort.lowercased()] else {
                let names = fields.fields.map(\.name).joined(separator: ", ")
                throw .usage("--sort: there is no field '\(sort)'; there are \(names)")
            }
            self.sort = field.name
        }
    }

    package static func checked(
        _ filter: String, _ fields: FilterFields
    ) throws(CommandFailure) -> FilterExpression {
        do {
            return try FilterExpression.parse(filter, fields: fields)
        } catch {
            throw .usage(pointer(filter, error))
        }
    }

    /// The message, and below it the filter with a mark under the place.
    private static func pointer(_ filter: String, _ error: FilterError) -> String {
        let isOneLine = filter.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && $0.value < 0x7F
        }
        guard isOneLine, filter.count <= 200 else { return "filter: \(error)" }
        let mark = String(repeating: " ", count: error.position) + "^"
        return "filter: \(error.message)\n  \(filter)\n  \(mark)"
    }
}
