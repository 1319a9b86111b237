import Glibc

/// Why a regular expression cannot be used.
package struct TextPatternError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
}

/// A POSIX extended regular expression, without regard to ASCII case.
///
/// The C library's matcher, and not a backtracking one: what it is matched against comes from
/// other people's servers, and its time grows with the length of the text alone. That is why
/// look-around and back-references are refused; `\d` and `\D` are added, because everybody
/// writes them.
///
/// Unchecked, because a compiled `regex_t` is only read: regexec(3) may be called from many
/// threads at once (POSIX, "MT-Safe locale").
package final class TextPattern: @unchecked Sendable {
    /// Bytes.
    static let longest = 500
    /// What the numbers of all `{m,n}` may come to, multiplied: the matcher writes every
    /// repetition out.
    private static let mostRepetitions = 10_000

    private let compiled: UnsafeMutablePointer<regex_t>

    package init(_ text: String) throws(TextPatternError) {
        let pattern = try Self.translated(text)
        let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
        compiled.initialize(to: regex_t())
        let status = regcomp(compiled, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB)
        guard status == 0 else {
            var buffer = [CChar](repeating: 0, count: 200)
            regerror(status, compiled, &buffer, buffer.count)
            let reason = String(
                decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            compiled.deallocate()
            throw TextPatternError(description: reason.prefix(1).lowercased() + reason.dropFirst())
        }
        self.compiled = compiled
        if matches("") {
            throw TextPatternError(
                description: "it matches the empty text, and so every reply")
        }
    }

    deinit {
        regfree(compiled)
        compiled.deallocate()
    }

    package func matches(_ text: String) -> Bool {
        regexec(compiled, text, 0, nil, 0) == 0
    }

    /// `\d` and `\D` in the terms of POSIX; refuses what POSIX does not have or would take for
    /// something else.
    private static func translated(_ text: String) throws(TextPatternError) -> String {
        guard !text.isEmpty, text.utf8.count <= longest else {
            throw TextPatternError(description: "it has to have 1 to \(longest) bytes")
        }
        var output = ""
        var isEscaped = false
        /// Between "[" and "]": where its first character stands.
        var bracket: Int?
        var repetitions = 1
        let characters = Array(text.unicodeScalars)
        for (index, character) in characters.enumerated() {
            guard character.value >= 0x20, character.value != 0x7F else {
                throw TextPatternError(description: "it has a control character")
            }
            if let first = bracket {
                if character == "\\" {
                    throw TextPatternError(
                        description: "between [ and ] a backslash stands for itself: write 0-9"
                            + " instead of \\d, and ] as the first character")
                }
                if character == "]", index > first { bracket = nil }
                output.unicodeScalars.append(character)
                continue
            }
            if isEscaped {
                isEscaped = false
                switch character {
                case "d": output += "[0-9]"
                case "D": output += "[^0-9]"
                case "1"..."9":
                    throw TextPatternError(
                        description: "back-references (\\\(character)) are not possible")
                default: output += "\\\(character)"
                }
                continue
            }
            switch character {
            case "\\": isEscaped = true
            case "[":
                // The first character after "[" or "[^" is literal, a "]" too.
                bracket = index + (characters[(index + 1)...].first == "^" ? 2 : 1)
                output.unicodeScalars.append(character)
            case "(" where characters[(index + 1)...].first == "?":
                throw TextPatternError(
                    description: "(?…) is not possible: neither look-around nor flags (case"
                        + " never counts); write (…) for a group")
            case "{":
                repetitions *= max(1, largestNumber(in: characters[(index + 1)...]))
                guard repetitions <= mostRepetitions else {
                    throw TextPatternError(description: "it repeats too much")
                }
                output.unicodeScalars.append(character)
            default: output.unicodeScalars.append(character)
            }
        }
        if isEscaped { throw TextPatternError(description: "it ends with a backslash") }
        return output
    }

    private static func largestNumber(in rest: ArraySlice<Unicode.Scalar>) -> Int {
        let inside = rest.prefix { $0 != "}" }.prefix(12)
        let text = String(String.UnicodeScalarView(inside))
        return text.split(separator: ",").compactMap { Int($0) }.max() ?? 1
    }
}
