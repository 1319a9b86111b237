import Terminal

/// Text with a meaning.
struct Span: Hashable, Sendable {
    var label: Label
    var role: Role?

    /// - Parameter role: nil looks like what it is drawn on.
    init(_ label: Label, _ role: Role? = nil) {
        self.label = label
        self.role = role
    }
}

typealias Line = [Span]

extension [Span] {
    var columns: Int { reduce(0) { $0 + $1.label.columns } }

    /// As much as fits into so many columns, span by span.
    func cut(_ width: Int) -> Line {
        var left = width
        var line: Line = []
        for span in self {
            let columns = span.label.columns
            if columns > left {
                if left > 0 { line.append(Span(span.label.cut(left), span.role)) }
                break
            }
            line.append(span)
            left -= columns
        }
        return line
    }

    /// Without roles.
    var label: Label { reduce(into: "") { $0 += $1.label } }
}

extension Label {
    /// The first characters, in at most so many columns.
    func cut(_ width: Int) -> Label {
        var used = 0
        let kept = text.prefix { character in
            used += Label.columns(of: character)
            return used <= width
        }
        return safe(String(kept))
    }

    /// In lines of at most `width` columns, broken at blanks; at most `limit` lines, of which the
    /// last holds all the rest.
    func wrapped(_ width: Int, limit: Int) -> [Label] {
        var lines: [Label] = []
        var line: Label = ""
        for word in text.split(separator: " ") {
            // What was drawable in whole is so in parts.
            let word = safe(String(word))
            let fits = line.isEmpty || line.columns + 1 + word.columns <= width
            if fits || lines.count == limit - 1 {
                line = line.isEmpty ? word : "\(line) \(word)"
            } else {
                lines.append(line)
                line = word
            }
        }
        return line.isEmpty ? lines : lines + [line]
    }
}

extension [Line] {
    /// As many as fit, in order, with `gap` blanks between them.
    func fitted(_ width: Int, gap: Int = 2) -> Line {
        var line: Line = []
        var used = 0
        for part in self {
            let needed = part.columns + (line.isEmpty ? 0 : gap)
            if used + needed > width { break }
            if !line.isEmpty { line.append(Span(Label(repeating: " ", count: gap))) }
            line += part
            used += needed
        }
        return line
    }
}
