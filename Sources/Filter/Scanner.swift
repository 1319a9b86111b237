/// Reads the pieces of a filter, one scalar at a time.
///
/// It goes by scalars, not by characters: a combining mark after a quote would make one character
/// of the two, and the quote would be missed.
struct Scanner {
    private let scalars: [Unicode.Scalar]
    private(set) var index = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    var isAtEnd: Bool { index == scalars.count }

    func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        index + ahead < scalars.count ? scalars[index + ahead] : nil
    }

    mutating func skipSpace() {
        while let scalar = peek(), scalar.properties.isWhitespace { index += 1 }
    }

    mutating func accept(_ symbol: String) -> Bool {
        let symbol = Array(symbol.unicodeScalars)
        guard scalars[index...].starts(with: symbol) else { return false }
        index += symbol.count
        return true
    }

    /// True if `&&` or `||` starts here.
    private var isAtConnective: Bool {
        (peek() == "&" && peek(1) == "&") || (peek() == "|" && peek(1) == "|")
    }

    /// A field's name, a keyword or a word to search for; empty if none starts here.
    mutating func word() -> String {
        take { scanner, scalar in !"()\"=<>!~".unicodeScalars.contains(scalar) }
    }

    /// What stands after an operator without quotes. It may hold the characters of operators:
    /// addresses do (`bounces+bob=example.com@example.net`).
    mutating func value() -> String {
        take { scanner, scalar in !"()".unicodeScalars.contains(scalar) }
    }

    private mutating func take(while belongs: (Self, Unicode.Scalar) -> Bool) -> String {
        let start = index
        while let scalar = peek(), !scalar.properties.isWhitespace, !isAtConnective,
            belongs(self, scalar)
        {
            index += 1
        }
        return text(start..<index)
    }

    /// The text in quotes that start here; nil if the closing quote is missing. A backslash takes
    /// the next scalar as it is.
    mutating func quoted() -> String? {
        let start = index
        guard let quote = peek() else { return nil }
        index += 1
        var result = String.UnicodeScalarView()
        while let scalar = peek() {
            index += 1
            if scalar == quote { return String(result) }
            if scalar == "\\" {
                guard let next = peek() else { break }
                index += 1
                result.append(next)
            } else {
                result.append(scalar)
            }
        }
        index = start
        return nil
    }

    mutating func `operator`() -> FilterComparison.Operator? {
        let symbols: [(String, FilterComparison.Operator)] = [
            ("!=", .notEqual), ("!~", .notContains), ("<=", .lessOrEqual), (">=", .greaterOrEqual),
            ("==", .equal), ("=", .equal), ("<", .less), (">", .greater), ("~", .contains),
        ]
        for (symbol, op) in symbols where accept(symbol) { return op }
        return nil
    }

    mutating func reset(to index: Int) {
        self.index = index
    }

    /// The characters before the scalar at `index`.
    func position(_ index: Int) -> Int { text(0..<index).count }

    private func text(_ range: Range<Int>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars[range])
        return String(view)
    }
}
