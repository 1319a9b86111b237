import Filter
import Mail

@testable import Spool

/// The filter language over rows in memory, written to be obviously right: what `FilterSQL` is
/// compared with.
struct NaiveFilter {
    var now: UnixTime
    var running: Set<DeliveryID>

    func holds(_ filter: FilterExpression, _ row: StoredDelivery) -> Bool {
        switch filter {
        case .not(let part): !holds(part, row)
        case .and(let a, let b): holds(a, row) && holds(b, row)
        case .or(let a, let b): holds(a, row) || holds(b, row)
        case .comparison(let comparison):
            switch comparison.op {
            case .notEqual: !positive(comparison, as: .equal, row)
            case .notContains: !positive(comparison, as: .contains, row)
            default: positive(comparison, as: comparison.op, row)
            }
        }
    }

    private func positive(
        _ comparison: FilterComparison, as op: FilterComparison.Operator, _ row: StoredDelivery
    ) -> Bool {
        switch (comparison.field.name, comparison.value) {
        case ("id", .text(let text)):
            if op == .equal, let message = MessageID(text: text) {
                return row.id.message == message
            }
            return compare(row.id.description, op, text)
        case ("message", .text(let text)):
            return compare(row.id.message.description, op, text)
        case ("domain", .text(let text)): return compare(row.domain, op, text)
        case ("sender", .text(let text)): return compare(row.message.sender, op, text)
        case ("reply", .text(let text)): return compare(row.lastReply, op, text)
        case ("recipient", .text(let text)):
            if op == .contains, text.isEmpty { return true }
            return row.recipients.contains { compare($0.address, op, text) }
        case ("state", .text(let text)): return compare(state(row), op, text)
        case ("size", .number(let value)): return compare(Double(row.message.size), op, value)
        case ("attempts", .number(let value)): return compare(Double(row.attempts), op, value)
        case ("priority", .number(let value)):
            return compare(Double(row.message.priority), op, value)
        case ("age", .duration(let value)):
            return compareSeconds((now - row.message.receivedAt) / .milliseconds(1), op, value)
        case ("expires", .duration(let value)):
            return compareSeconds(
                max(0, (row.message.expiresAt - now) / .milliseconds(1)), op, value)
        case ("next", .duration(let value)):
            return compareSeconds(max(0, (row.nextAttemptAt - now) / .milliseconds(1)), op, value)
        case ("code", .number(let value)):
            guard let code = code(row) else { return false }
            return compare(Double(code), op, value)
        case ("code", .codeClass(let digit)):
            guard let code = code(row) else { return false }
            return compare(Double(code / 100), op, Double(digit))
        case ("worker", _), ("why", _):
            return row.destination.map { Self.destinations(comparison).contains($0) } ?? false
        default: return false
        }
    }

    static func destinations(_ comparison: FilterComparison) -> [Int64] {
        comparison.field.name == "worker" ? [1, 3] : [2]
    }

    private func compareSeconds(
        _ milliseconds: Double, _ op: FilterComparison.Operator, _ seconds: Double
    ) -> Bool {
        if op == .equal { return (milliseconds / 1000).rounded(.down) == seconds.rounded(.down) }
        return compare(milliseconds, op, seconds * 1000)
    }

    private func compare<T: Comparable>(_ a: T, _ op: FilterComparison.Operator, _ b: T) -> Bool {
        switch op {
        case .equal: a == b
        case .less: a < b
        case .lessOrEqual: a <= b
        case .greater: a > b
        case .greaterOrEqual: a >= b
        default: false
        }
    }

    private func compare(_ a: String, _ op: FilterComparison.Operator, _ b: String) -> Bool {
        let (a, b) = (Self.folded(a), Self.folded(b))
        switch op {
        case .equal: return Self.glob(b[...], a[...])
        case .contains: return b.isEmpty || a.indices.contains { a[$0...].starts(with: b) }
        default: return false
        }
    }

    static func folded(_ text: String) -> [UInt32] {
        text.unicodeScalars.map { $0.value >= 65 && $0.value <= 90 ? $0.value + 32 : $0.value }
    }

    private static func glob(_ pattern: ArraySlice<UInt32>, _ text: ArraySlice<UInt32>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == 42 {
            return glob(pattern.dropFirst(), text)
                || !text.isEmpty && glob(pattern, text.dropFirst())
        }
        guard let character = text.first else { return false }
        return (first == 63 || first == character) && glob(pattern.dropFirst(), text.dropFirst())
    }

    private static let states = ["routing", "ready", "delivering", "delayed", "held", "purging"]

    private func state(_ row: StoredDelivery) -> String {
        if running.contains(row.id) { return "delivering" }
        return switch row.state {
        case .routing: "routing"
        case .queued: row.nextAttemptAt <= now ? "ready" : "delayed"
        case .held: "held"
        case .purging, .bouncing: "purging"
        }
    }

    private func code(_ row: StoredDelivery) -> Int? {
        let reply = Array(row.lastReply)
        guard reply.count >= 3, reply.count == 3 || reply[3] == " " || reply[3] == "-" else {
            return nil
        }
        return Int(String(reply[..<3]))
    }

    // MARK: Order

    enum Key {
        case number(Int64)
        case text([UInt32])
    }

    /// nil: the order of ids.
    func key(_ row: StoredDelivery, by field: String?) -> Key? {
        switch field {
        case "domain": .text(Self.folded(row.domain))
        case "sender": .text(Self.folded(row.message.sender))
        case "recipient":
            .text(Self.folded(row.recipients.map { $0.address + "\n" }.joined()))
        case "reply": .text(Self.folded(row.lastReply))
        case "size": .number(Int64(row.message.size))
        case "age": .number(-row.message.receivedAt.milliseconds)
        case "attempts": .number(Int64(row.attempts))
        case "priority": .number(Int64(row.message.priority))
        case "next": .number(row.nextAttemptAt.milliseconds)
        case "expires": .number(row.message.expiresAt.milliseconds)
        case "state": .number(Int64(Self.states.firstIndex(of: state(row))!))
        case "code": .number(Int64(code(row) ?? 0))
        default: nil
        }
    }

    func compare(_ a: StoredDelivery, _ b: StoredDelivery, by field: String?) -> Int {
        switch (key(a, by: field), key(b, by: field)) {
        case (.number(let a), .number(let b)): a == b ? 0 : a < b ? -1 : 1
        case (.text(let a), .text(let b)):
            a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
        default: 0
        }
    }

    // MARK: Random filters

    static func describe(_ filter: FilterExpression) -> String {
        switch filter {
        case .not(let part): "not (\(describe(part)))"
        case .and(let a, let b): "(\(describe(a)) and \(describe(b)))"
        case .or(let a, let b): "(\(describe(a)) or \(describe(b)))"
        case .comparison(let comparison):
            "\(comparison.field.name) \(comparison.op.rawValue) \(comparison.value)"
        }
    }

    static func randomExpression(
        _ random: inout SplitMix, depth: Int, rows: [StoredDelivery]
    ) -> FilterExpression {
        switch depth == 0 ? 0 : random.below(6) {
        case 1: return .not(randomExpression(&random, depth: depth - 1, rows: rows))
        case 2, 3:
            return .and(
                randomExpression(&random, depth: depth - 1, rows: rows),
                randomExpression(&random, depth: depth - 1, rows: rows))
        case 4:
            return .or(
                randomExpression(&random, depth: depth - 1, rows: rows),
                randomExpression(&random, depth: depth - 1, rows: rows))
        default: return .comparison(randomComparison(&random, rows: rows))
        }
    }

    private static func randomComparison(
        _ random: inout SplitMix, rows: [StoredDelivery]
    ) -> FilterComparison {
        let textual: [FilterComparison.Operator] = [.equal, .notEqual, .contains, .notContains]
        let numeric: [FilterComparison.Operator] = [
            .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
        ]
        let row = random.pick(rows)
        let name = random.pick([
            "id", "message", "domain", "sender", "recipient", "size", "age", "attempts", "priority",
            "next", "expires", "state", "code", "reply", "worker", "why",
        ])
        var op = random.pick(textual)
        let value: FilterComparison.Value
        switch name {
        case "id":
            value = .text(
                random.pick([row.id.description, row.id.message.description, "2*", "*.1", "0x"]))
        case "message": value = .text(random.pick([row.id.message.description, "?a", "1*"]))
        case "domain": value = .text(mangled(row.domain, &random))
        case "sender": value = .text(mangled(row.message.sender, &random))
        case "recipient": value = .text(mangled(row.recipients.first?.address ?? "@", &random))
        case "reply": value = .text(mangled(row.lastReply, &random))
        case "state": value = .text(random.pick(states + ["*ing", "d*", "nonsense", "DELAYED"]))
        case "code":
            op = random.pick(numeric)
            value = random.below(2) == 0 ? .codeClass(Int(random.below(6)) + 1) : .number(421)
        case "age", "next", "expires":
            op = random.pick(numeric)
            value = .duration(Double(random.below(30)) / 2)
        case "worker", "why": value = .number(1)
        default:
            op = random.pick(numeric)
            value = .number(Double(random.below(6)) * (name == "size" ? 1000 : 1))
        }
        return FilterComparison(
            field: FilterField(name: name, kind: .text, help: ""), op: op, value: value)
    }

    /// A text that still has to do with the one given: parts of it, wildcards in it, other case.
    private static func mangled(_ text: String, _ random: inout SplitMix) -> String {
        var characters = Array(text)
        if random.below(3) == 0 { characters = Array(text.uppercased()) }
        for _ in 0..<random.below(3) where !characters.isEmpty {
            let index = Int(random.below(Int64(characters.count)))
            switch random.below(4) {
            case 0: characters[index] = "?"
            case 1: characters.replaceSubrange(index..., with: ["*"])
            case 2: characters.replaceSubrange(...index, with: ["*"])
            default: characters.remove(at: index)
            }
        }
        return String(characters)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from the same seed everywhere.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func below(_ bound: Int64) -> Int64 { Int64(next() % UInt64(bound)) }

    mutating func pick<T>(_ elements: [T]) -> T { elements[Int(below(Int64(elements.count)))] }
}
