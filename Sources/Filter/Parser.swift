extension FilterExpression {
    /// In characters; longer texts are refused.
    package static let maximumLength = 4096
    /// How deep parentheses and negations may nest.
    package static let maximumDepth = 40
    /// How many comparisons one filter may hold. SQLite refuses expressions deeper than 1000.
    package static let maximumComparisons = 200

    /// Reads a filter.
    ///
    ///     expression = conjunction *(("or" / "||") conjunction)
    ///     conjunction = negation *(["and" / "&&"] negation)
    ///     negation = ("not" / "!") negation / "(" expression ")" / comparison / word
    ///     comparison = field ("=" / "!=" / "<" / "<=" / ">" / ">=" / "~" / "!~") value
    ///
    /// Keywords and names of fields are read without regard to case. A word alone is a flag, a
    /// number that is to be more than zero, a word of `state`, or else something to search for in
    /// `fields.bareWord`; in quotes it is always the last.
    package static func parse(
        _ text: String, fields: FilterFields
    ) throws(FilterError) -> FilterExpression {
        guard text.utf8.count <= maximumLength * 4, text.count <= maximumLength else {
            throw FilterError(
                position: maximumLength,
                message: "the filter is longer than \(maximumLength) characters")
        }
        var parser = Parser(scanner: Scanner(text), fields: fields)
        return try parser.whole()
    }
}

private struct Parser {
    var scanner: Scanner
    let fields: FilterFields
    var depth = 0
    var comparisons = 0

    mutating func whole() throws(FilterError) -> FilterExpression {
        scanner.skipSpace()
        if scanner.isAtEnd { throw error("the filter is empty") }
        let expression = try disjunction()
        if !scanner.isAtEnd { throw error("this ')' closes nothing") }
        return expression
    }

    private mutating func disjunction() throws(FilterError) -> FilterExpression {
        var left = try conjunction()
        while acceptKeyword("or", "||") { left = .or(left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(FilterError) -> FilterExpression {
        var left = try negation()
        while true {
            if acceptKeyword("and", "&&") {
                left = .and(left, try negation())
                continue
            }
            scanner.skipSpace()
            if scanner.isAtEnd || scanner.peek() == ")" || isAtKeyword("or", "||") { return left }
            left = .and(left, try negation())
        }
    }

    private mutating func negation() throws(FilterError) -> FilterExpression {
        scanner.skipSpace()
        let start = scanner.index
        if acceptKeyword("not", nil) || acceptExclamation() {
            try enter(from: start)
            let inner = try negation()
            depth -= 1
            return .not(inner)
        }
        if scanner.accept("(") {
            try enter(from: start)
            let inner = try disjunction()
            scanner.skipSpace()
            guard scanner.accept(")") else {
                throw error("missing ')' for the '(' here", at: start)
            }
            depth -= 1
            return inner
        }
        comparisons += 1
        if comparisons > FilterExpression.maximumComparisons {
            throw error("more than \(FilterExpression.maximumComparisons) comparisons")
        }
        return try term()
    }

    private mutating func enter(from start: Int) throws(FilterError) {
        depth += 1
        if depth > FilterExpression.maximumDepth {
            throw error("nested deeper than \(FilterExpression.maximumDepth) levels", at: start)
        }
    }

    /// `!` where no operand stands before it: there `!=` is no operator but a mistake.
    private mutating func acceptExclamation() -> Bool {
        guard scanner.peek() == "!", scanner.peek(1) != "=", scanner.peek(1) != "~" else {
            return false
        }
        return scanner.accept("!")
    }

    // MARK: Keywords

    private func isAtKeyword(_ word: String, _ symbol: String?) -> Bool {
        var ahead = self
        return ahead.acceptKeyword(word, symbol)
    }

    private mutating func acceptKeyword(_ word: String, _ symbol: String?) -> Bool {
        scanner.skipSpace()
        if let symbol, scanner.accept(symbol) { return true }
        let start = scanner.index
        if scanner.word().lowercased() == word { return true }
        scanner.reset(to: start)
        return false
    }

    // MARK: Terms

    private mutating func term() throws(FilterError) -> FilterExpression {
        let start = scanner.index
        if let quote = scanner.peek(), quote == "\"" || quote == "'" {
            let text = try quoted()
            scanner.skipSpace()
            if scanner.operator() != nil {
                throw error("the name of a field stands without quotes", at: start)
            }
            return try search(text, at: start)
        }
        let word = scanner.word()
        if word.isEmpty { throw operandExpected() }
        if FilterText.isKeyword(word) {
            throw error("expected a comparison or a word, found '\(word)'", at: start)
        }
        scanner.skipSpace()
        let opStart = scanner.index
        guard let op = scanner.operator() else { return try alone(word, at: start) }
        guard let field = fields[word.lowercased()] else {
            throw unknown("field", word, at: start, among: fields.fields.map(\.name))
        }
        var value = ValueReader(
            field: field, op: op, fields: fields, opPosition: scanner.position(opStart))
        scanner.skipSpace()
        value.position = scanner.position(scanner.index)
        return try value.expression(try operand(of: field, op))
    }

    private mutating func operand(
        of field: FilterField, _ op: FilterComparison.Operator
    ) throws(FilterError) -> ValueReader.Raw {
        if let quote = scanner.peek(), quote == "\"" || quote == "'" {
            return ValueReader.Raw(text: try quoted(), isQuoted: true)
        }
        let start = scanner.index
        let text = scanner.value()
        if text.isEmpty || FilterText.isKeyword(text) {
            throw error(
                "expected \(ValueReader.wanted(field)) after '\(field.name) \(op.rawValue)'",
                at: start)
        }
        if scanner.peek() == "(" { throw error("put quotes around a value with parentheses") }
        return ValueReader.Raw(text: text, isQuoted: false)
    }

    /// A word without an operator after it.
    private func alone(_ word: String, at start: Int) throws(FilterError) -> FilterExpression {
        let name = word.lowercased()
        if let field = fields[name] {
            switch field.kind {
            case .flag: return comparison(field, .equal, .flag(true))
            case .number, .size:
                return comparison(field, .greater, .number(0))
            case .text, .duration, .code, .choice:
                throw error(
                    "'\(field.name)' needs an operator and \(ValueReader.wanted(field)); to search "
                        + "for the word, put it in quotes", at: start)
            }
        }
        if let state = fields["state"], case .choice(let words) = state.kind,
            words.contains(name)
        {
            return comparison(state, .equal, .text(name))
        }
        return try search(word, at: start)
    }

    private func search(_ text: String, at start: Int) throws(FilterError) -> FilterExpression {
        guard let field = fields[fields.bareWord] else {
            throw error("a word alone means nothing here", at: start)
        }
        let isGlob = text.unicodeScalars.contains { $0 == "*" || $0 == "?" }
        return comparison(field, isGlob ? .equal : .contains, .text(text))
    }

    private func comparison(
        _ field: FilterField, _ op: FilterComparison.Operator, _ value: FilterComparison.Value
    ) -> FilterExpression {
        .comparison(FilterComparison(field: field, op: op, value: value))
    }

    private mutating func quoted() throws(FilterError) -> String {
        guard let text = scanner.quoted() else { throw error("this quote is never closed") }
        return text
    }

    // MARK: Errors

    private mutating func operandExpected() -> FilterError {
        if scanner.isAtEnd { return error("expected a comparison or a word, found the end") }
        let start = scanner.index
        if let op = scanner.operator() {
            return error("expected the name of a field before '\(op.rawValue)'", at: start)
        }
        let found = scanner.peek().map { String(Character($0)) } ?? ""
        return error("expected a comparison or a word, found '\(found)'", at: start)
    }

    private func unknown(
        _ what: String, _ word: String, at start: Int, among words: [String]
    ) -> FilterError {
        let suggestion = Suggestion.nearest(to: word, in: words)
        let hint =
            suggestion.map { "did you mean '\($0)'?" }
            ?? "there are \(words.joined(separator: ", "))"
        return FilterError(
            position: scanner.position(start), message: "unknown \(what) '\(word)': \(hint)",
            suggestion: suggestion)
    }

    private func error(_ message: String, at index: Int? = nil) -> FilterError {
        FilterError(position: scanner.position(index ?? scanner.index), message: message)
    }
}
