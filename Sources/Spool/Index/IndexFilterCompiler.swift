import Filter
import Mail

/// Makes an `IndexFilter`'s tree of a filter, with what `FilterSQL` says of each comparison.
struct IndexFilterCompiler {
    let query: DeliveryQuery
    let snapshot: IndexSnapshot

    func node(_ expression: FilterExpression) -> IndexFilter.Node {
        switch expression {
        case .comparison(let comparison): node(comparison)
        case .not(let inner): .not(node(inner))
        case .and: .and(Self.chain(expression).map(node).sorted { Self.cost($0) < Self.cost($1) })
        case .or: .or(Self.chain(expression).map(node).sorted { Self.cost($0) < Self.cost($1) })
        }
    }

    /// The parts of `a and b and c`, however they are nested; likewise of `or`.
    private static func chain(_ expression: FilterExpression) -> [FilterExpression] {
        FilterSQL.chain(expression)
    }

    /// What looks at fewer bytes comes first.
    private static func cost(_ node: IndexFilter.Node) -> Int {
        switch node {
        case .none: 0
        case .range, .pooled, .states: 1
        case .identifier: 20
        case .recipient: 30
        case .not(let inner): cost(inner)
        case .and(let parts), .or(let parts): parts.reduce(0) { $0 + cost($1) }
        }
    }

    private func node(_ comparison: FilterComparison) -> IndexFilter.Node {
        var positive = comparison
        switch comparison.op {
        case .notEqual:
            positive.op = .equal
            return .not(node(positive))
        case .notContains:
            positive.op = .contains
            return .not(node(positive))
        default: break
        }
        switch comparison.field.name {
        case "id": return identifier(comparison, ofMessage: false)
        case "message": return identifier(comparison, ofMessage: true)
        case "domain": return text(comparison, .domain, snapshot.domains)
        case "sender": return text(comparison, .sender, snapshot.senders)
        case "reply": return text(comparison, .reply, snapshot.replies)
        case "recipient": return recipient(comparison)
        case "size": return number(comparison, .size)
        case "attempts": return number(comparison, .attempts)
        case "priority": return number(comparison, .priority)
        case "age": return age(comparison)
        case "next": return timeLeft(comparison, .next)
        case "expires": return timeLeft(comparison, .expires)
        case "code": return code(comparison)
        case "state": return state(comparison)
        default: return destinations(comparison)
        }
    }

    // MARK: Texts

    private func text(
        _ comparison: FilterComparison, _ pool: IndexFilter.Pool, _ texts: [String]
    ) -> IndexFilter.Node {
        guard case .text(var value) = comparison.value else { return .none }
        if comparison.field.name == "sender", value == "<>" { value = "" }
        if let test = TextTest(comparison.op, value) {
            return .pooled(pool, texts.map { test.holds($0) })
        }
        let wanted = Folding.folded(value)
        return .pooled(
            pool,
            texts.map { text in
                let order = Folding.folded(text).withUnsafeBufferPointer { text in
                    wanted.withUnsafeBufferPointer { Folding.precedes(text, $0) }
                }
                return switch comparison.op {
                case .less: order < 0
                case .lessOrEqual: order <= 0
                case .greater: order > 0
                case .greaterOrEqual: order >= 0
                case .equal, .notEqual, .contains, .notContains: false
                }
            })
    }

    private func recipient(_ comparison: FilterComparison) -> IndexFilter.Node {
        guard case .text(let value) = comparison.value,
            !value.utf8.contains(TextCoding.lineEnd), let test = TextTest(comparison.op, value)
        else { return .none }
        return .recipient(RecipientTest(test))
    }

    private func identifier(
        _ comparison: FilterComparison, ofMessage: Bool
    ) -> IndexFilter.Node {
        guard case .text(let value) = comparison.value else { return .none }
        if comparison.op == .contains || comparison.op == .equal && TextTest.hasWildcards(value) {
            return TextTest(comparison.op, value).map { .identifier($0, ofMessage: ofMessage) }
                ?? .none
        }
        if !ofMessage, let id = DeliveryID(text: value) {
            return number(comparison.op, Double.nan, exactly: id.rawValue, .id)
        }
        guard let message = MessageID(text: value) else { return .none }
        let first = DeliveryID(message: message, ordinal: 0).rawValue
        let last = DeliveryID(message: message, ordinal: .max).rawValue
        return switch comparison.op {
        case .equal: .range(.id, first, last)
        case .less: .range(.id, .min, first - 1)
        case .greaterOrEqual: .range(.id, first, .max)
        case .lessOrEqual: .range(.id, .min, last)
        case .greater: .range(.id, last + 1, .max)
        case .notEqual, .contains, .notContains: .none
        }
    }

    // MARK: Numbers

    private func number(
        _ op: FilterComparison.Operator, _ value: Double, exactly: Int64? = nil,
        _ column: IndexFilter.Column
    ) -> IndexFilter.Node {
        guard let bounds = exactly.map({ Self.bounds(op, $0) }) ?? Self.bounds(op, value) else {
            return .none
        }
        return .range(column, bounds.low, bounds.high)
    }

    private func number(
        _ comparison: FilterComparison, _ column: IndexFilter.Column
    ) -> IndexFilter.Node {
        guard case .number(let value) = comparison.value else { return .none }
        return number(comparison.op, value, column)
    }

    private typealias Bounds = (low: Int64, high: Int64)

    private static func bounds(_ op: FilterComparison.Operator, _ value: Int64) -> Bounds? {
        switch op {
        case .equal: (value, value)
        case .less: value == .min ? nil : (.min, value - 1)
        case .lessOrEqual: (.min, value)
        case .greater: value == .max ? nil : (value + 1, .max)
        case .greaterOrEqual: (value, .max)
        case .notEqual, .contains, .notContains: nil
        }
    }

    /// The whole numbers of which the comparison holds.
    private static func bounds(_ op: FilterComparison.Operator, _ value: Double) -> Bounds? {
        guard !value.isNaN else { return nil }
        // Beyond all numbers that a column can hold.
        if abs(value) >= 0x1p62 {
            switch op {
            case .less, .lessOrEqual: return value > 0 ? (.min, .max) : nil
            case .greater, .greaterOrEqual: return value < 0 ? (.min, .max) : nil
            case .equal, .notEqual, .contains, .notContains: return nil
            }
        }
        switch op {
        case .equal:
            guard value == value.rounded() else { return nil }
            return (Int64(value), Int64(value))
        case .less: return (.min, Int64(value.rounded(.up)) - 1)
        case .lessOrEqual: return (.min, Int64(value.rounded(.down)))
        case .greater: return (Int64(value.rounded(.down)) + 1, .max)
        case .greaterOrEqual: return (Int64(value.rounded(.up)), .max)
        case .notEqual, .contains, .notContains: return nil
        }
    }

    /// In milliseconds. Equality is that of whole seconds.
    private func duration(_ comparison: FilterComparison) -> Bounds? {
        let seconds: Double
        switch comparison.value {
        case .duration(let value), .number(let value): seconds = value
        case .text, .codeClass, .flag: return nil
        }
        guard comparison.op == .equal else { return Self.bounds(comparison.op, seconds * 1000) }
        let whole = seconds.rounded(.towardZero)
        guard abs(whole) < 0x1p50 else { return nil }
        let first = Int64(whole) * 1000
        return (whole > 0 ? first : first - 999, whole < 0 ? first : first + 999)
    }

    private func age(_ comparison: FilterComparison) -> IndexFilter.Node {
        guard let bounds = duration(comparison) else { return .none }
        return .range(.received, minus(bounds.high), minus(bounds.low))
    }

    /// The present less an age.
    private func minus(_ age: Int64) -> Int64 {
        if age == .max { return .min }
        if age == .min { return .max }
        return saturated(query.now.milliseconds.subtractingReportingOverflow(age), age < 0)
    }

    private func plus(_ time: Int64) -> Int64 {
        if time == .max || time == .min { return time }
        return saturated(query.now.milliseconds.addingReportingOverflow(time), time > 0)
    }

    private func saturated(
        _ result: (partialValue: Int64, overflow: Bool), _ isUp: Bool
    ) -> Int64 {
        result.overflow ? (isUp ? .max : .min) : result.partialValue
    }

    /// `max(column - now, 0)`.
    private func timeLeft(
        _ comparison: FilterComparison, _ column: IndexFilter.Column
    ) -> IndexFilter.Node {
        guard let bounds = duration(comparison), bounds.high >= 0 else { return .none }
        return .range(column, bounds.low <= 0 ? .min : plus(bounds.low), plus(bounds.high))
    }

    /// What has no code (0) compares with nothing.
    private func code(_ comparison: FilterComparison) -> IndexFilter.Node {
        var bounds: Bounds?
        switch comparison.value {
        case .number(let value): bounds = Self.bounds(comparison.op, value)
        case .codeClass(let digit) where (1...9).contains(digit):
            let first = Int64(digit * 100)
            switch comparison.op {
            case .equal: bounds = (first, first + 99)
            case .less, .greaterOrEqual: bounds = Self.bounds(comparison.op, first)
            default: bounds = Self.bounds(comparison.op, first + 99)
            }
        default: break
        }
        guard let bounds, bounds.high >= 1 else { return .none }
        return .range(.code, max(1, bounds.low), bounds.high)
    }

    // MARK: What is known elsewhere

    private func state(_ comparison: FilterComparison) -> IndexFilter.Node {
        guard case .text(let value) = comparison.value else { return .none }
        var wanted: UInt8 = 0
        for (rank, state) in FilterSQL.states.enumerated() {
            let holds =
                switch comparison.op {
                case .equal: TextMatch.glob(state, value)
                case .contains: TextMatch.contains(state, value)
                default: false
                }
            if holds { wanted |= 1 << UInt8(rank) }
        }
        guard wanted != 0 else { return .none }
        return .states(wanted: wanted, running: wanted >> 2 & 1 == 1)
    }

    private func destinations(_ comparison: FilterComparison) -> IndexFilter.Node {
        var holds = [Bool](repeating: false, count: snapshot.destinations.ids.count)
        for id in query.destinationsMatching(comparison) {
            if let number = snapshot.destinations.number(known: id) { holds[Int(number)] = true }
        }
        return .pooled(.destination, holds)
    }
}

/// A comparison with a text: equal, where `*` and `?` are wildcards, or contained.
struct TextTest {
    private enum Kind {
        case equal, prefix, suffix, contains
        case glob
    }

    private let kind: Kind
    /// With small letters. Without its `*` where that is at one end.
    private let wanted: [UInt8]

    /// nil: the operator is for other things.
    init?(_ op: FilterComparison.Operator, _ value: String) {
        let folded = Folding.folded(value)
        switch op {
        case .contains:
            kind = .contains
            wanted = folded
        case .equal:
            let stars = folded.count { $0 == UInt8(ascii: "*") }
            let isPlain = stars == 1 && !folded.contains(UInt8(ascii: "?"))
            if !Self.hasWildcards(value) {
                kind = .equal
                wanted = folded
            } else if isPlain, folded.last == UInt8(ascii: "*") {
                kind = .prefix
                wanted = folded.dropLast()
            } else if isPlain, folded.first == UInt8(ascii: "*") {
                kind = .suffix
                wanted = Array(folded.dropFirst())
            } else {
                kind = .glob
                wanted = folded
            }
        default: return nil
        }
    }

    static func hasWildcards(_ text: String) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }
    }

    var isContains: Bool { kind == .contains }

    func holds(_ text: String) -> Bool {
        Folding.folded(text).withUnsafeBufferPointer(holds)
    }

    /// - Parameter text: with small letters.
    func holds(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        wanted.withUnsafeBufferPointer { wanted in
            switch kind {
            case .equal: text.count == wanted.count && Self.starts(text, with: wanted)
            case .prefix: Self.starts(text, with: wanted)
            case .suffix:
                text.count >= wanted.count
                    && Self.starts(
                        UnsafeBufferPointer(rebasing: text.suffix(wanted.count)), with: wanted)
            case .contains: Self.contains(text, wanted)
            case .glob: TextMatch.glob(text, wanted)
            }
        }
    }

    private static func starts(
        _ text: UnsafeBufferPointer<UInt8>, with part: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        guard text.count >= part.count else { return false }
        for index in 0..<part.count where text[index] != part[index] { return false }
        return true
    }

    private static func contains(
        _ text: UnsafeBufferPointer<UInt8>, _ part: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        guard let last = part.last else { return true }
        guard text.count >= part.count else { return false }
        let offset = part.count - 1
        for start in 0...(text.count - part.count) where text[start + offset] == last {
            var length = 0
            while length < offset, text[start + length] == part[length] { length += 1 }
            if length == offset { return true }
        }
        return false
    }
}

/// Holds if it holds for one of the recipients.
struct RecipientTest {
    private let test: TextTest

    init(_ test: TextTest) { self.test = test }

    /// - Parameter text: all of them, a line each and a line end before the first, in small letters.
    func holds(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        // No text that is looked for has a line end, so that none is found across one.
        if test.isContains { return test.holds(text) }
        var start = 1
        while start < text.count {
            var end = start
            while end < text.count, text[end] != TextCoding.lineEnd { end += 1 }
            guard end < text.count else { return false }
            if test.holds(UnsafeBufferPointer(rebasing: text[start..<end])) { return true }
            start = end + 1
        }
        return false
    }
}
