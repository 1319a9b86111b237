/// How many columns a text takes on a terminal, near enough for tables: combining marks none,
/// East Asian wide characters and emoji two, everything else one.
enum TextWidth {
    static func of(_ text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.unicodeScalars.reduce(0) { $0 + of($1) }
    }

    /// At most `width` columns of a text, ended by `ellipsis` where something is left out.
    static func truncated(_ text: String, to width: Int, ellipsis: String) -> String {
        if of(text) <= width { return text }
        let room = width - of(ellipsis)
        guard room > 0 else { return String(repeating: ".", count: max(0, width)) }
        var result = String.UnicodeScalarView()
        var used = 0
        for scalar in text.unicodeScalars {
            let own = of(scalar)
            if used + own > room { break }
            used += own
            result.append(scalar)
        }
        return String(result) + ellipsis
    }

    /// A line broken at blanks into lines of at most `width` columns, all but the first indented.
    /// A word that does not fit stays whole: it may be an address that somebody copies.
    static func wrapped(_ line: String, to width: Int, indent: Int) -> [String] {
        if of(line) <= width { return [line] }
        let indent = indent < width / 2 ? indent : 2
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var current = ""
        var isEmpty = true
        for word in line.split(separator: " ", omittingEmptySubsequences: false) {
            // The first words are the label: it has something beside it, however long that is.
            let room = lines.isEmpty && of(current) < indent
            if isEmpty || room || of(current) + 1 + of(String(word)) <= width {
                current += (isEmpty ? "" : " ") + word
            } else {
                lines.append(current)
                current = margin + word
            }
            isEmpty = false
        }
        return lines + [current]
    }

    private static func of(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x20..<0x7F: return 1
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF,
            0x4E00...0x9FFF, 0xA000...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
            0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F,
            0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        default:
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format, .control: return 0
            default: return 1
            }
        }
    }
}
