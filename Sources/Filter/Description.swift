/// Written as `parse` reads it: `parse(description)` gives the same expression.
extension FilterExpression: CustomStringConvertible {
    package var description: String {
        switch self {
        case .comparison(let comparison): comparison.description
        case .not(let inner): "not \(inner.text(above: 3))"
        // Both connectives are read from the left, so that the same one on the right needs
        // parentheses to come back as it was.
        case .and(let a, let b): "\(a.text(above: 2)) and \(b.text(above: 3))"
        case .or(let a, let b): "\(a.text(above: 1)) or \(b.text(above: 2))"
        }
    }

    /// In parentheses if it binds weaker than `level`.
    private func text(above level: Int) -> String {
        let own =
            switch self {
            case .comparison, .not: 3
            case .and: 2
            case .or: 1
            }
        return own < level ? "(\(description))" : description
    }
}

extension FilterComparison: CustomStringConvertible {
    package var description: String {
        let text =
            switch value {
            case .text(let text): FilterText.quotedIfNeeded(text)
            case .number(let number): Quantity.text(number: number)
            case .duration(let seconds): Quantity.text(duration: seconds)
            case .codeClass(let digit): "\(digit)xx"
            case .flag(let flag): flag ? "true" : "false"
            }
        return "\(field.name) \(op.rawValue) \(text)"
    }
}

package enum FilterText {
    static func isKeyword(_ word: String) -> Bool {
        ["and", "or", "not"].contains(word.lowercased())
    }

    /// The text as a value of the filter language, with quotes where they are needed.
    package static func quotedIfNeeded(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9": true
            default: ".@*?+-_/:[]%#,".unicodeScalars.contains(scalar)
            }
        }
        if isPlain, !text.isEmpty, !isKeyword(text) { return text }
        var result: String.UnicodeScalarView = "\"".unicodeScalars
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result.append("\\") }
            result.append(scalar)
        }
        result.append("\"")
        return String(result)
    }
}
