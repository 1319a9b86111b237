/// What can stand at a place of a filter that is being typed: names of fields, operators, values.
package struct FilterCompletion: Hashable, Sendable {
    package struct Candidate: Hashable, Sendable {
        /// What is put there, with the blank after it.
        package let text: String
        /// One line; may be empty.
        package let help: String
    }

    /// The characters of the text that a candidate replaces: what stands there of it already.
    package let range: Range<Int>
    package let candidates: [Candidate]

    /// The longest beginning that all candidates have in common.
    package var commonPrefix: String {
        guard let first = candidates.first?.text else { return "" }
        return candidates.dropFirst().reduce(first) { common, candidate in
            String(zip(common, candidate.text).prefix { $0 == $1 }.map(\.0))
        }
    }

    /// More are no help to anybody.
    private static let limit = 200

    /// - Parameters:
    ///   - cursor: in characters; what stands behind it is not looked at.
    ///   - values: what rows have in a field of that name, the likeliest first.
    package init(
        of text: String, at cursor: Int, fields: FilterFields, values: (String) -> [String]
    ) {
        var place = Place(Scanner(String(text.prefix(cursor))))
        place.read()
        let found = Self.candidates(place, fields, values)
        // Nothing to choose from where what stands there is all of it.
        let isWhole = found.count == 1 && found[0].text == place.partial
        candidates = isWhole ? [] : Array(found.prefix(Self.limit))
        let end = min(cursor, text.count)
        range = max(0, end - place.partial.count)..<end
    }

    private static func candidates(
        _ place: Place, _ fields: FilterFields, _ values: (String) -> [String]
    ) -> [Candidate] {
        switch place.expected {
        case .operand:
            let word = place.partial.lowercased()
            // The whole name of a field is there: on to what may follow it.
            if let field = fields[word],
                !fields.fields.contains(where: {
                    $0.name != word && $0.name.hasPrefix(word)
                })
            {
                let operators = operators(of: field)
                return operators.map {
                    Candidate(text: "\(place.partial) \($0.text)", help: $0.help)
                }
            }
            let names = fields.fields.map { Candidate(text: $0.name + " ", help: $0.help) }
            return (names + [Candidate(text: "not ", help: "the opposite")]).beginning(with: word)
        case .operator(let name):
            // A word to search for.
            guard let field = fields[name] else {
                return connectives.beginning(with: place.partial.lowercased())
            }
            let found = operators(of: field).beginning(with: place.partial)
            switch field.kind {
            case .flag, .number, .size: return place.partial.isEmpty ? found + connectives : found
            case .text, .duration, .code, .choice: return found
            }
        case .value(let name):
            guard let field = fields[name] else { return [] }
            return self.values(of: field, values).matching(place.partial)
        case .connective: return connectives.beginning(with: place.partial.lowercased())
        case .nothing: return []
        }
    }

    private static let connectives = [
        Candidate(text: "and ", help: "both"), Candidate(text: "or ", help: "one of them at least"),
    ]

    private static func operators(of field: FilterField) -> [Candidate] {
        let all: [(symbol: String, help: String)] =
            switch field.kind {
            case .text:
                [
                    ("=", "is; * and ? stand for others"), ("~", "contains"), ("!=", "is not"),
                    ("!~", "does not contain"),
                ]
            case .number, .size, .duration:
                [
                    (">", "more than"), ("<", "less than"), (">=", "at least"), ("<=", "at most"),
                    ("=", "is"), ("!=", "is not"),
                ]
            case .code, .choice, .flag: [("=", "is"), ("!=", "is not")]
            }
        return all.map { Candidate(text: $0.symbol + " ", help: $0.help) }
    }

    private static func values(
        of field: FilterField, _ present: (String) -> [String]
    ) -> [Candidate] {
        let examples: [(String, String)] =
            switch field.kind {
            case .choice(let words): words.map { ($0, "") }
            case .flag: [("true", ""), ("false", "")]
            case .duration: [("5m", "minutes"), ("1h", "hours"), ("1d", "days")]
            case .size: [("10k", "kilobytes"), ("1M", "megabytes")]
            case .code: [("4xx", "for now"), ("5xx", "for good"), ("421", ""), ("450", "")]
            case .number, .text: []
            }
        var seen = Set(examples.map(\.0))
        let present = present(field.name).filter { seen.insert($0).inserted }
        return examples.map { Candidate(text: $0.0 + " ", help: $0.1) }
            + present.map {
                Candidate(text: ($0.isEmpty ? "<>" : FilterText.quotedIfNeeded($0)) + " ", help: "")
            }
    }

    /// Where in the grammar a text that is not whole yet ends.
    private struct Place {
        enum Expected {
            case operand
            case `operator`(field: String)
            case value(field: String)
            case connective
            /// In quotes that were closed, or behind what is no filter.
            case nothing
        }

        var scanner: Scanner
        var expected = Expected.operand
        /// What stands there already.
        var partial = ""

        init(_ scanner: Scanner) {
            self.scanner = scanner
        }

        mutating func read() {
            while true {
                scanner.skipSpace()
                partial = ""
                if scanner.isAtEnd { return }
                switch expected {
                case .operand: operand()
                case .operator: comparison()
                case .value: value()
                case .connective: connective()
                case .nothing: return
                }
                if !partial.isEmpty { return }
            }
        }

        private mutating func operand() {
            if scanner.accept("(") || isAtExclamation && scanner.accept("!") { return }
            if scanner.peek() == "\"" || scanner.peek() == "'" {
                expected = scanner.quoted() == nil ? .nothing : .connective
                return
            }
            let word = scanner.word()
            if scanner.isAtEnd {
                partial = word
            } else if word.lowercased() != "not" {
                expected = word.isEmpty ? .nothing : .operator(field: word.lowercased())
            }
        }

        private var isAtExclamation: Bool {
            scanner.peek() == "!" && scanner.peek(1) != "=" && scanner.peek(1) != "~"
        }

        /// An operator, or none: then the word before was an operand by itself.
        private mutating func comparison() {
            guard case .operator(let field) = expected else { return }
            let start = scanner.index
            if scanner.operator() != nil {
                expected = .value(field: field)
                return
            }
            if scanner.accept("!"), scanner.isAtEnd {
                partial = "!"
                return
            }
            scanner.reset(to: start)
            expected = .connective
            connective()
        }

        private mutating func value() {
            let start = scanner.index
            if scanner.peek() == "\"" || scanner.peek() == "'" {
                if scanner.quoted() != nil {
                    expected = .connective
                    return
                }
                partial = scanner.rest
                return
            }
            let word = scanner.value()
            if scanner.index == start {
                expected = .nothing
            } else if scanner.isAtEnd {
                partial = word
            } else {
                expected = .connective
            }
        }

        private mutating func connective() {
            if scanner.accept(")") { return }
            let start = scanner.index
            let word = scanner.word()
            if scanner.isAtEnd {
                partial = word
                return
            }
            expected = .operand
            if ["and", "or"].contains(word.lowercased()) { return }
            // "and" may be left out: then this is an operand already.
            scanner.reset(to: start)
            _ = scanner.accept("&&") || scanner.accept("||")
        }
    }
}

extension Scanner {
    /// All that is left.
    fileprivate var rest: String {
        var ahead = self
        var text = ""
        while let scalar = ahead.peek() {
            text.unicodeScalars.append(scalar)
            ahead.reset(to: ahead.index + 1)
        }
        return text
    }
}

extension [FilterCompletion.Candidate] {
    fileprivate func beginning(with prefix: String) -> Self {
        filter { $0.text.lowercased().hasPrefix(prefix.lowercased()) }
    }

    /// Those that begin so, else those that have it anywhere; quotes are not told apart.
    fileprivate func matching(_ part: String) -> Self {
        let part = part.lowercased()
        func plain(_ text: String) -> String {
            text.lowercased().filter { $0 != "\"" && $0 != "'" && $0 != "\\" }
        }
        let first = filter { $0.text.lowercased().hasPrefix(part) }
        let plainPart = plain(part)
        if !first.isEmpty { return first }
        return plainPart.isEmpty ? self : filter { plain($0.text).contains(plainPart) }
    }
}
