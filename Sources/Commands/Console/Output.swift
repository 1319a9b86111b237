import Control

extension Console {
    /// Lines of text; what the terminal cannot show is replaced.
    package func print(_ lines: [String]) {
        if lines.isEmpty { return }
        let text = lines.joined(separator: "\n") + "\n"
        write(isUTF8 || width == nil ? text : Self.ascii(text))
    }

    /// Lines that begin with a label: where the terminal is too narrow, a line goes on below,
    /// `indent` columns further in.
    package func print(_ lines: [String], indent: Int) {
        guard let width else { return print(lines) }
        print(lines.flatMap { TextWidth.wrapped($0, to: width, indent: indent) })
    }

    package func print(_ table: Table) {
        print(table.lines(width: width, ellipsis: isUTF8 ? "…" : "~"))
    }

    /// One JSON document.
    package func print(json value: some Encodable) throws {
        write(try JSON.printable(value, indented: true) + "\n")
    }

    /// One line of JSON.
    package func print(jsonLine value: some Encodable) throws {
        write(try JSON.printable(value, indented: false) + "\n")
    }

    private static func ascii(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            // Cells stay aligned: as many question marks as the scalar took columns.
            let replacement = String(
                repeating: "?", count: TextWidth.of(String(Character(scalar))))
            result.append(
                contentsOf: scalar.isASCII
                    ? String(scalar).unicodeScalars : replacement.unicodeScalars)
        }
        return String(result)
    }
}
