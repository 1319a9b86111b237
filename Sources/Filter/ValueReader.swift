/// Turns what stands after an operator into the value that its field takes.
struct ValueReader {
    struct Raw {
        var text: String
        var isQuoted: Bool
    }

    let field: FilterField
    let op: FilterComparison.Operator
    let fields: FilterFields
    let opPosition: Int
    /// Where the value stands, in characters.
    var position = 0

    init(
        field: FilterField, op: FilterComparison.Operator, fields: FilterFields, opPosition: Int
    ) {
        self.field = field
        self.op = op
        self.fields = fields
        self.opPosition = opPosition
    }

    /// What a field is compared with, for messages.
    static func wanted(_ field: FilterField) -> String {
        switch field.kind {
        case .text: "a text such as example.com"
        case .number: "a number"
        case .size: "a size such as 10k or 1.5M"
        case .duration: "a duration such as 90s, 5m, 1h30m or 2d"
        case .code: "a code such as 421, 4xx or 4.7.1"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .flag: "true or false"
        }
    }

    func expression(_ raw: Raw) throws(FilterError) -> FilterExpression {
        switch field.kind {
        case .text:
            try allow([.equal, .notEqual, .contains, .notContains])
            // The null sender is written `<>` and stored as the empty text.
            let text = !raw.isQuoted && raw.text == "<>" ? "" : raw.text
            return made(.text(text))
        case .number, .size:
            try allow(Self.ordering)
            guard let number = Quantity.number(raw.text) else { throw unfit(raw) }
            return made(.number(number))
        case .duration:
            try allow(Self.ordering)
            guard let seconds = Quantity.duration(raw.text) else { throw unfit(raw) }
            return made(.duration(seconds))
        case .code: return try code(raw)
        case .choice(let words):
            try allow([.equal, .notEqual])
            let word = raw.text.lowercased()
            guard words.contains(word) else { throw unfit(raw, among: words) }
            return made(.text(word))
        case .flag:
            try allow([.equal, .notEqual])
            switch raw.text.lowercased() {
            case "true", "yes", "on", "1": return made(.flag(true))
            case "false", "no", "off", "0": return made(.flag(false))
            default: throw unfit(raw, among: ["true", "false"])
            }
        }
    }

    private static let ordering: [FilterComparison.Operator] = [
        .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
    ]

    /// `421`, `4xx`, and `4.7.1` or `4.7.x`: an enhanced code (RFC 3463) stands in the text of the
    /// reply after the basic one, so it is looked for there.
    private func code(_ raw: Raw) throws(FilterError) -> FilterExpression {
        let text = raw.text.lowercased()
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count == 3, let reply = fields["reply"] {
            try allow([.equal, .notEqual])
            guard ["2", "4", "5"].contains(parts[0]), Self.isSubcode(parts[1], wild: false),
                Self.isSubcode(parts[2], wild: true)
            else { throw unfit(raw) }
            let subject = "????\(parts[0]).\(parts[1])."
            if parts[2] == "x" { return Self.made(reply, op, .text(subject + "*")) }
            let alone = Self.made(reply, op, .text(subject + parts[2]))
            let withText = Self.made(reply, op, .text(subject + parts[2] + " *"))
            return op == .equal ? .or(alone, withText) : .and(alone, withText)
        }
        let digits = Array(text.utf8)
        guard digits.count == 3, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(digits[0])
        else { throw unfit(raw) }
        if text.hasSuffix("xx") {
            try allow([.equal, .notEqual])
            return made(.codeClass(Int(digits[0] - UInt8(ascii: "0"))))
        }
        try allow(Self.ordering)
        guard Self.isSubcode(text[...], wild: false), let number = Int(text) else {
            throw unfit(raw)
        }
        return made(.number(Double(number)))
    }

    /// One to three digits (RFC 3463, section 2).
    private static func isSubcode(_ text: Substring, wild: Bool) -> Bool {
        if wild, text == "x" { return true }
        return (1...3).contains(text.utf8.count)
            && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private func made(_ value: FilterComparison.Value) -> FilterExpression {
        Self.made(field, op, value)
    }

    private static func made(
        _ field: FilterField, _ op: FilterComparison.Operator, _ value: FilterComparison.Value
    ) -> FilterExpression {
        .comparison(FilterComparison(field: field, op: op, value: value))
    }

    private func allow(_ operators: [FilterComparison.Operator]) throws(FilterError) {
        if operators.contains(op) { return }
        let symbols = operators.map(\.rawValue).joined(separator: " ")
        throw FilterError(
            position: opPosition,
            message:
                "'\(field.name)' cannot be compared with '\(op.rawValue)': use one of \(symbols)")
    }

    private func unfit(_ raw: Raw, among words: [String] = []) -> FilterError {
        let suggestion = Suggestion.nearest(to: raw.text, in: words)
        let hint =
            suggestion.map { "did you mean '\($0)'?" } ?? "expected \(Self.wanted(field))"
        return FilterError(
            position: position, message: "'\(raw.text)' does not fit '\(field.name)': \(hint)",
            suggestion: suggestion)
    }
}
