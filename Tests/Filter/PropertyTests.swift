import Filter
import Testing

/// SplitMix64: the same cases in every run.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private let texts = [
    "", "example.com", "and", "NOT", "a b", "\"", "\\", "'x'", "\\\"", "<>", "(", "a=b", "ü@日本.jp",
    "\u{301}x", "e\u{301}", "\r\n", "\u{202E}", "4xx", "*.?", "&&", "||", "!x", "a\tb", "🏳️‍🌈", "\0",
]

private func expression(
    _ fields: FilterFields, depth: Int, _ random: inout Generator
) -> FilterExpression {
    let choice = depth == 0 ? 0 : Int.random(in: 0..<6, using: &random)
    func inner() -> FilterExpression { expression(fields, depth: depth - 1, &random) }
    switch choice {
    case 1: return .not(inner())
    case 2, 3: return .and(inner(), inner())
    case 4, 5: return .or(inner(), inner())
    default: break
    }
    let field = fields.fields.randomElement(using: &random)!
    let ordering: [FilterComparison.Operator] = [
        .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
    ]
    let equality: [FilterComparison.Operator] = [.equal, .notEqual]
    let numbers = [
        0, 1, -1, 0.1, 1.5, 86_400, 90_061, 1e15, 123_456_789_012_345, 1e300,
        .leastNonzeroMagnitude, -0.001,
        Double(Int.random(in: 0..<1_000_000, using: &random)),
        Double.random(in: -1e6..<1e6, using: &random),
    ]
    let number = numbers.randomElement(using: &random)!
    let (operators, value): ([FilterComparison.Operator], FilterComparison.Value) =
        switch field.kind {
        case .text:
            (
                equality + [.contains, .notContains],
                .text(
                    (0..<Int.random(in: 1...2, using: &random))
                        .map { _ in texts.randomElement(using: &random)! }.joined())
            )
        case .number, .size: (ordering, .number(number))
        case .duration: (ordering, .duration(number))
        case .code:
            Bool.random(using: &random)
                ? (ordering, .number(Double(Int.random(in: 100...999, using: &random))))
                : (equality, .codeClass(Int.random(in: 1...9, using: &random)))
        case .choice(let words): (equality, .text(words.randomElement(using: &random)!))
        case .flag: (equality, .flag(.random(using: &random)))
        }
    return .comparison(
        FilterComparison(field: field, op: operators.randomElement(using: &random)!, value: value))
}

@Suite struct PropertyTests {
    @Test(arguments: [FilterFields.destinations, .messages])
    func printedIsParsed(fields: FilterFields) throws {
        var random = Generator(state: 1)
        for _ in 0..<4_000 {
            let made = expression(fields, depth: Int.random(in: 0...5, using: &random), &random)
            let text = made.description
            if text.count > FilterExpression.maximumLength { continue }
            #expect(try FilterExpression.parse(text, fields: fields) == made, "\(text)")
        }
    }

    /// Whatever is typed is a filter or an error whose position lies in the text.
    private func check(_ text: String) {
        do {
            let parsed = try FilterExpression.parse(text, fields: .messages)
            let again = try? FilterExpression.parse(parsed.description, fields: .messages)
            // A pair of wildcards makes two comparisons of one, which may be one too many.
            if parsed.description.count < 2_000 {
                #expect(again == parsed, "\(text.debugDescription)")
            }
            _ = parsed.matches { _ in nil }
        } catch {
            #expect((0...text.count).contains(error.position), "\(text.debugDescription)")
            #expect(!error.message.isEmpty)
        }
    }

    @Test func randomBytes() {
        var random = Generator(state: 2)
        for _ in 0..<6_000 {
            let length = Int.random(in: 0...40, using: &random)
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            check(String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test func randomPieces() {
        var random = Generator(state: 3)
        let pieces =
            FilterFields.messages.fields.map(\.name) + texts
            + ["=", "!=", "<", ">=", "~", "!~", "(", ")", "and", "or", "not", "!", "&&", "||"]
            + ["4xx", "421", "4.7.1", "1h30m", "-5", "10k", "held", "\"", "'", " ", "\u{301}"]
        for _ in 0..<6_000 {
            let count = Int.random(in: 0...12, using: &random)
            check(
                (0..<count).map { _ in pieces.randomElement(using: &random)! }
                    .joined(separator: Bool.random(using: &random) ? " " : ""))
        }
    }
}
