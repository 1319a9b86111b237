import Filter
import GRDB
package import Mail

/// A filter as a condition over the table `deliveries`.
///
/// Every part of it is 0 or 1, never NULL, so that `not` means what it says. Whatever comes from
/// outside is bound; the text of the statement holds only what stands in this file. Text is
/// compared without regard to case (of ASCII letters). A comparison that makes no sense for its
/// field, such as a size with a code class, holds for nothing.
package struct FilterSQL {
    package enum Argument: Hashable {
        case integer(Int64)
        case real(Double)
        case text(String)
        /// PostgreSQL only.
        case integers([Int64])
    }

    /// Where the two engines differ. Both compare text in the order of its bytes, capital ASCII
    /// letters as small ones.
    package enum Dialect: Sendable {
        case sqlite
        /// Text columns are in the collation "C".
        case postgreSQL
    }

    package private(set) var sql = ""
    package private(set) var arguments: [Argument] = []
    private let dialect: Dialect
    private let now: UnixTime
    /// The ids of the running deliveries; nil if there are none.
    private let running: [Int64]?
    private let destinationsMatching: @Sendable (FilterComparison) -> [Int64]

    /// How deep `and`, `or` and `not` may be nested in each other (a chain of one of them is one
    /// level). SQLite's parser has a stack of 100 entries, of which a level takes up to three.
    private static let maximumDepth = 24
    /// In bytes. SQLite accepts 50,000 (SQLITE_LIMIT_LIKE_PATTERN_LENGTH); escapes may double it.
    private static let maximumPattern = 20_000

    package init(_ query: DeliveryQuery, _ dialect: Dialect = .sqlite) throws(SpoolError) {
        self.dialect = dialect
        now = query.now
        destinationsMatching = query.destinationsMatching
        let ids = query.running()
        running = ids.isEmpty ? nil : ids.map(\.rawValue)
        if let filter = query.filter {
            try Self.check(filter)
            sql = " WHERE "
            try append(filter, depth: 0)
        }
    }

    private mutating func append(
        _ expression: FilterExpression, depth: Int
    ) throws(SpoolError) {
        guard depth < Self.maximumDepth else { throw .refused("the filter is nested too deeply") }
        switch expression {
        case .comparison(let comparison): try append(comparison)
        case .not(var part):
            var negated = true
            while case .not(let inner) = part {
                part = inner
                negated.toggle()
            }
            sql += negated ? "NOT (" : "("
            try append(part, depth: depth + 1)
            sql += ")"
        case .and: try append(Self.chain(expression), joinedBy: " AND ", depth: depth)
        case .or: try append(Self.chain(expression), joinedBy: " OR ", depth: depth)
        }
    }

    private mutating func append(
        _ parts: [FilterExpression], joinedBy junction: String, depth: Int
    ) throws(SpoolError) {
        sql += "("
        for (index, part) in parts.enumerated() {
            if index > 0 { sql += junction }
            try append(part, depth: depth + 1)
        }
        sql += ")"
    }

    /// The parts of `a and b and c`, however they are nested; likewise of `or`.
    static func chain(_ expression: FilterExpression) -> [FilterExpression] {
        var parts: [FilterExpression] = []
        var rest = [expression]
        while let next = rest.popLast() {
            switch (expression, next) {
            case (.and, .and(let a, let b)), (.or, .or(let a, let b)):
                rest.append(b)
                rest.append(a)
            default: parts.append(next)
            }
        }
        return parts
    }

    /// Comparisons in a filter; SQLite's own limit is that of its expressions' depth.
    private static let maximumComparisons = 1000

    /// Refuses what `init` refuses, and what SQLite would.
    static func check(_ filter: FilterExpression) throws(SpoolError) {
        var comparisons = 0
        try check(filter, depth: 0, &comparisons)
    }

    private static func check(
        _ expression: FilterExpression, depth: Int, _ comparisons: inout Int
    ) throws(SpoolError) {
        guard depth < maximumDepth else { throw .refused("the filter is nested too deeply") }
        switch expression {
        case .comparison(let comparison):
            comparisons += 1
            guard comparisons <= maximumComparisons else {
                throw .refused(
                    "the filter is too large: it has more than \(maximumComparisons) comparisons")
            }
            try check(comparison)
        case .not(var part):
            while case .not(let inner) = part { part = inner }
            try check(part, depth: depth + 1, &comparisons)
        case .and, .or:
            for part in chain(expression) { try check(part, depth: depth + 1, &comparisons) }
        }
    }

    private static func check(_ comparison: FilterComparison) throws(SpoolError) {
        if case .text(let text) = comparison.value, text.utf8.count > maximumPattern {
            throw .refused("the filter holds a text of more than \(maximumPattern) bytes")
        }
    }

    // MARK: Comparisons

    private mutating func append(_ comparison: FilterComparison) throws(SpoolError) {
        var comparison = comparison
        switch comparison.op {
        case .notEqual:
            comparison.op = .equal
            sql += "NOT ("
        case .notContains:
            comparison.op = .contains
            sql += "NOT ("
        default: sql += "("
        }
        try Self.check(comparison)
        switch comparison.field.name {
        case "id":
            identifier(
                comparison,
                text: dialect == .sqlite
                    ? "printf('%llx.%d', id >> 16, id & 65535)"
                    : "(to_hex(id >> 16) || '.' || (id & 65535)::text)")
        case "message":
            identifier(
                comparison,
                text: dialect == .sqlite ? "printf('%llx', id >> 16)" : "to_hex(id >> 16)")
        case "domain": text(comparison, column: "domain")
        case "sender": text(comparison, column: "sender")
        case "reply": text(comparison, column: "last_reply")
        case "recipient": recipient(comparison)
        case "size": number(comparison, column: "size")
        case "attempts": number(comparison, column: "attempts")
        case "priority": number(comparison, column: DeliveryRow.priorityColumn)
        case "age":
            duration(comparison) { filter in
                filter.sql += "("
                filter.bind(.integer(filter.now.milliseconds))
                filter.sql += " - received_at)"
            }
        case "next":
            duration(comparison) { filter in
                filter.sql += "\(filter.larger)(next_attempt - "
                filter.bind(.integer(filter.now.milliseconds))
                filter.sql += ", 0)"
            }
        case "expires":
            duration(comparison) { filter in
                filter.sql += "\(filter.larger)(expires_at - "
                filter.bind(.integer(filter.now.milliseconds))
                filter.sql += ", 0)"
            }
        case "code": code(comparison)
        case "state": state(comparison)
        default: destinations(comparison)
        }
        sql += ")"
    }

    private mutating func bind(_ argument: Argument) {
        arguments.append(argument)
        sql += dialect == .sqlite ? "?" : "$\(arguments.count)"
    }

    private mutating func never() { sql += dialect == .sqlite ? "0" : "false" }

    /// The larger one of two numbers.
    private var larger: String { dialect == .sqlite ? "max" : "greatest" }

    /// `text` LIKE a pattern, whatever the case.
    private mutating func like(_ text: String, _ pattern: String) {
        switch dialect {
        case .sqlite:
            sql += "\(text) LIKE "
            bind(.text(pattern))
        case .postgreSQL:
            sql += "lower(\(text) COLLATE \"C\") LIKE lower("
            bind(.text(pattern))
            sql += " COLLATE \"C\")"
        }
        sql += " ESCAPE '\\'"
    }

    private mutating func compare(_ column: String, _ sign: String, with value: String) {
        switch dialect {
        case .sqlite:
            sql += "\(column) \(sign) "
            bind(.text(value))
            sql += " COLLATE NOCASE"
        case .postgreSQL:
            sql += "lower(\(column)) \(sign) lower("
            bind(.text(value))
            sql += " COLLATE \"C\")"
        }
    }

    /// How text is sorted.
    private func folded(_ text: String) -> String {
        dialect == .sqlite ? "\(text) COLLATE NOCASE" : "lower(\(text) COLLATE \"C\")"
    }

    private mutating func isOne(_ column: String, of ids: [Int64], negated: Bool = false) {
        switch dialect {
        case .sqlite:
            sql += "\(column) \(negated ? "NOT IN" : "IN") (SELECT value FROM json_each("
            bind(.text(Self.json(ids)))
            sql += "))"
        case .postgreSQL:
            sql += negated ? "\(column) <> ALL (" : "\(column) = ANY ("
            bind(.integers(ids))
            sql += ")"
        }
    }

    /// SQL has the same signs as the filter language; nil for `~`.
    private static func sign(_ op: FilterComparison.Operator) -> String? {
        switch op {
        case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual: op.rawValue
        case .notEqual, .contains, .notContains: nil
        }
    }

    private mutating func text(_ comparison: FilterComparison, column: String) {
        guard case .text(var value) = comparison.value else { return never() }
        if comparison.field.name == "sender", value == "<>" { value = "" }
        if comparison.op == .contains {
            like(column, "%" + Self.escaped(value) + "%")
        } else if comparison.op == .equal, Self.hasWildcards(value) {
            like(column, Self.like(value))
        } else if let sign = Self.sign(comparison.op) {
            compare(column, sign, with: value)
        } else {
            never()
        }
    }

    /// Holds if it holds for one of the recipients.
    private mutating func recipient(_ comparison: FilterComparison) {
        guard case .text(let value) = comparison.value,
            comparison.op == .equal || comparison.op == .contains,
            !value.utf8.contains(TextCoding.lineEnd)
        else { return never() }
        guard comparison.op == .equal else {
            return like("recipients", "%" + Self.escaped(value) + "%")
        }
        like("recipients", "%\n" + Self.like(value) + "\n%")
        // A wildcard of LIKE runs over the ends of lines. That does not matter to one `*` at
        // either end of the pattern; with any other the lines must be looked at one by one.
        let wildcards = value.utf8.filter { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
        let exact =
            wildcards.isEmpty
            || wildcards.elementsEqual("*".utf8) && (value.hasPrefix("*") || value.hasSuffix("*"))
        guard !exact else { return }
        switch dialect {
        case .sqlite:
            sql += " AND sluice_any_line_matches(recipients, "
            bind(.text(value))
            sql += ")"
        case .postgreSQL:
            sql += " AND EXISTS (SELECT FROM unnest(string_to_array(recipients, E'\\n')) AS line"
            sql += " WHERE line <> '' AND "
            like("line", Self.like(value))
            sql += ")"
        }
    }

    /// `id` and `message`: by their text, but a whole id through the key of the table.
    private mutating func identifier(_ comparison: FilterComparison, text: String) {
        guard case .text(let value) = comparison.value else { return never() }
        if comparison.op == .contains {
            like(text, "%" + Self.escaped(value) + "%")
        } else if comparison.op == .equal, Self.hasWildcards(value) {
            like(text, Self.like(value))
        } else if comparison.field.name == "id", let id = DeliveryID(text: value) {
            guard let sign = Self.sign(comparison.op) else { return never() }
            sql += "id \(sign) "
            bind(.integer(id.rawValue))
        } else if let message = MessageID(text: value) {
            let first = DeliveryID(message: message, ordinal: 0).rawValue
            let last = DeliveryID(message: message, ordinal: .max).rawValue
            switch comparison.op {
            case .equal:
                sql += "id BETWEEN "
                bind(.integer(first))
                sql += " AND "
                bind(.integer(last))
            case .less, .greaterOrEqual:
                sql += "id \(comparison.op.rawValue) "
                bind(.integer(first))
            case .lessOrEqual, .greater:
                sql += "id \(comparison.op.rawValue) "
                bind(.integer(last))
            case .notEqual, .contains, .notContains: never()
            }
        } else {
            never()
        }
    }

    private mutating func number(_ comparison: FilterComparison, column: String) {
        guard case .number(let value) = comparison.value, !value.isNaN,
            let sign = Self.sign(comparison.op)
        else { return never() }
        sql += "\(column) \(sign) "
        bind(.real(value))
    }

    /// `expression` is in milliseconds. Equality is that of whole seconds: nobody types
    /// milliseconds.
    private mutating func duration(
        _ comparison: FilterComparison, expression: (inout FilterSQL) -> Void
    ) {
        let seconds: Double
        switch comparison.value {
        case .duration(let value), .number(let value): seconds = value
        case .text, .codeClass, .flag: return never()
        }
        guard !seconds.isNaN, let sign = Self.sign(comparison.op) else { return never() }
        expression(&self)
        if comparison.op == .equal {
            sql += " / 1000 = "
            bind(.real(seconds.rounded(.towardZero)))
        } else {
            sql += " \(sign) "
            bind(.real(seconds * 1000))
        }
    }

    /// What has no code (0) compares with nothing.
    private mutating func code(_ comparison: FilterComparison) {
        guard let sign = Self.sign(comparison.op) else { return never() }
        switch comparison.value {
        case .number(let value) where !value.isNaN:
            sql += "code <> 0 AND code \(sign) "
            bind(.real(value))
        case .codeClass(let digit) where (1...9).contains(digit):
            let first = Int64(digit * 100)
            switch comparison.op {
            case .equal:
                sql += "code BETWEEN "
                bind(.integer(first))
                sql += " AND "
                bind(.integer(first + 99))
            case .less, .greaterOrEqual:
                sql += "code <> 0 AND code \(sign) "
                bind(.integer(first))
            default:
                sql += "code <> 0 AND code \(sign) "
                bind(.integer(first + 99))
            }
        default: never()
        }
    }

    private mutating func destinations(_ comparison: FilterComparison) {
        let ids = destinationsMatching(comparison)
        guard !ids.isEmpty else { return never() }
        // The first half keeps the second from being NULL.
        sql += "destination IS NOT NULL AND "
        isOne("destination", of: ids)
    }

    // MARK: States

    /// The states of the API, in the order of its `DeliveryState`, which is the order of sorting.
    static let states = ["routing", "ready", "delivering", "delayed", "held", "purging"]

    private mutating func state(_ comparison: FilterComparison) {
        guard case .text(let value) = comparison.value else { return never() }
        let states = Self.states.filter {
            switch comparison.op {
            case .equal: TextMatch.glob($0, value)
            case .contains: TextMatch.contains($0, value)
            default: false
            }
        }
        guard !states.isEmpty else { return never() }
        for (index, state) in states.enumerated() {
            sql += index == 0 ? "(" : " OR ("
            condition(of: state)
            sql += ")"
        }
    }

    private mutating func condition(of state: String) {
        switch state {
        case "routing": sql += "state = 0"
        case "ready":
            sql += "state = 1 AND next_attempt <= "
            bind(.integer(now.milliseconds))
        case "delayed":
            sql += "state = 1 AND next_attempt > "
            bind(.integer(now.milliseconds))
        // `state > 1` is what the index of those set aside asks for.
        case "held": sql += "state > 1 AND state = 2"
        case "purging": sql += "state > 1 AND state IN (3, 4)"
        default:
            guard let running else { return never() }
            return isOne("id", of: running)
        }
        if let running {
            sql += " AND "
            isOne("id", of: running, negated: true)
        }
    }

    // MARK: Order

    /// Adds ORDER BY for a field of the filter language; one that the spool does not know, or
    /// none, is the order of ids, which is that of arrival. Equal rows are in the order of ids.
    package mutating func order(by field: String?, descending: Bool) {
        sql += " ORDER BY "
        var descending = descending
        switch field {
        case "domain": sql += folded("domain")
        case "sender": sql += folded("sender")
        case "recipient": sql += folded("recipients")
        case "reply": sql += folded("last_reply")
        case "size": sql += "size"
        case "attempts": sql += "attempts"
        case "priority": sql += DeliveryRow.priorityColumn
        case "next": sql += "next_attempt"
        case "expires": sql += "expires_at"
        case "code": sql += "code"
        case "age":
            // The youngest came last.
            sql += "received_at"
            descending.toggle()
        case "state":
            sql += "CASE"
            for (rank, state) in Self.states.enumerated() {
                sql += " WHEN "
                condition(of: state)
                sql += " THEN \(rank)"
            }
            sql += " END"
        case "destination":
            sql += folded(
                "(SELECT name FROM destinations WHERE destinations.id = deliveries.destination)")
            // What has no destination comes first, as in SQLite.
            if dialect == .postgreSQL {
                sql += descending ? " DESC NULLS LAST, id" : " NULLS FIRST, id"
                return
            }
        default:
            sql += descending ? "id DESC" : "id"
            return
        }
        sql += descending ? " DESC, id" : ", id"
    }

    package mutating func page(limit: Int, offset: Int) {
        sql += " LIMIT "
        bind(.integer(Int64(max(0, limit))))
        sql += " OFFSET "
        bind(.integer(Int64(max(0, offset))))
    }

    /// With the order, the whole statement that says how many rows come before a delivery; no row
    /// where it does not match.
    package func placing(_ id: DeliveryID) -> FilterSQL {
        var placing = self
        // An order without a limit may be left out of what is only selected from.
        placing.page(limit: .max, offset: 0)
        placing.sql = """
            SELECT place FROM (
                SELECT id, row_number() OVER () - 1 AS place
                FROM (SELECT id FROM deliveries\(placing.sql)) AS ordered) AS places
            WHERE id =
            """ + " "
        placing.bind(.integer(id.rawValue))
        return placing
    }

    // MARK: Patterns

    private static func hasWildcards(_ text: String) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
    }

    /// A text that stands for itself in a pattern of LIKE.
    private static func escaped(_ text: String) -> String {
        var pattern = ""
        for scalar in text.unicodeScalars {
            if scalar == "%" || scalar == "_" || scalar == "\\" { pattern += "\\" }
            pattern.unicodeScalars.append(scalar)
        }
        return pattern
    }

    private static func like(_ glob: String) -> String {
        var pattern = ""
        for scalar in glob.unicodeScalars {
            switch scalar {
            case "*": pattern += "%"
            case "?": pattern += "_"
            case "%", "_", "\\":
                pattern += "\\"
                pattern.unicodeScalars.append(scalar)
            default: pattern.unicodeScalars.append(scalar)
            }
        }
        return pattern
    }

    private static func json(_ ids: [Int64]) -> String {
        var text = "["
        for (index, id) in ids.enumerated() {
            if index > 0 { text += "," }
            text += String(id)
        }
        return text + "]"
    }

    /// `sluice_any_line_matches(lines, glob)`.
    static let anyLineMatches = DatabaseFunction(
        "sluice_any_line_matches", argumentCount: 2, pure: true
    ) { values in
        guard let lines = String.fromDatabaseValue(values[0]),
            let glob = String.fromDatabaseValue(values[1])
        else { return false }
        return Substring(lines).utf8.split(separator: TextCoding.lineEnd).contains {
            TextMatch.glob(String(Substring($0)), glob)
        }
    }
}
