/// A manual page as man(7) writes it.
package struct Roff: Sendable {
    package private(set) var text = ""

    package init(_ name: String, section: Int, of manual: String) {
        macro("TH", [name.uppercased(), String(section), "", "Sluice", manual])
    }

    package mutating func section(_ title: String) { macro("SH", [title]) }

    package mutating func subsection(_ title: String) { macro("SS", [title]) }

    /// Paragraphs, a blank line between them.
    package mutating func paragraphs(_ text: String) {
        for paragraph in text.split(separator: "\n\n") {
            macro("PP")
            lines(String(paragraph))
        }
    }

    /// A term and what it means.
    package mutating func item(_ term: String, _ text: String) {
        macro("TP")
        self.text += "\\fB" + Self.escaped(term) + "\\fR\n"
        lines(text)
    }

    /// As it is typed.
    package mutating func example(_ lines: [String]) {
        macro("PP")
        text += ".nf\n.RS\n"
        for line in lines { text += Self.guarded(Self.escaped(line)) + "\n" }
        text += ".RE\n.fi\n"
    }

    package mutating func lines(_ text: String) {
        for line in text.split(separator: "\n") where !line.allSatisfy({ $0 == " " }) {
            self.text += Self.guarded(Self.escaped(String(line))) + "\n"
        }
    }

    private mutating func macro(_ name: String, _ arguments: [String] = []) {
        text += "." + name
        for argument in arguments {
            let quoted = Self.escaped(argument).map { $0 == "\"" ? "\\(dq" : String($0) }.joined()
            text += " \"" + quoted + "\""
        }
        text += "\n"
    }

    /// Hyphens stay hyphens, so that what is copied from the page can be run; what is not ASCII is
    /// written by its number, whatever `groff` takes the file to be encoded in.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case _ where character.isASCII: result.append(character)
            default:
                for scalar in character.unicodeScalars {
                    let number = String(scalar.value, radix: 16, uppercase: true)
                    let zeros = String(repeating: "0", count: max(0, 4 - number.utf8.count))
                    result += scalar.isASCII ? String(scalar) : "\\[u\(zeros)\(number)]"
                }
            }
        }
        return result
    }

    /// A line that begins with a dot or a quote would be a request.
    private static func guarded(_ line: String) -> String {
        line.first == "." || line.first == "'" ? "\\&" + line : line
    }
}
