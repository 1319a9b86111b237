/// Patterns with `*` (any run of characters) and `?` (one character), without regard to the case
/// of ASCII letters: what SQLite's LIKE does with `%` and `_`.
enum Glob {
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let pattern = folded(pattern)
        let text = folded(text)
        var p = 0
        var t = 0
        // Where to go on if the present try fails: behind the last star, one character further.
        var afterStar: Int?
        var retry = 0
        while t < text.count {
            if p < pattern.count, pattern[p] == "*" {
                p += 1
                afterStar = p
                retry = t
            } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let star = afterStar {
                retry += 1
                t = retry
                p = star
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }

    static func contains(_ text: String, _ part: String) -> Bool {
        let text = folded(text)
        let part = folded(part)
        return part.isEmpty || text.indices.contains { text[$0...].starts(with: part) }
    }

    private static func folded(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.map { scalar in
            scalar >= "A" && scalar <= "Z" ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar
        }
    }
}
