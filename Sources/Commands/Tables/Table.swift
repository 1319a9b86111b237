/// A table for people: a line per row, columns aligned, fitted to a width.
package struct Table: Sendable {
    package enum Alignment: Sendable { case left, right }

    package struct Column: Sendable {
        package var title: String
        package var alignment: Alignment
        /// Where space is short, columns with lower ones are left out first, and given room last.
        package var priority: Int
        /// The columns it can be cut to; nil if its texts make sense only whole.
        package var minimum: Int?

        package init(
            _ title: String, _ alignment: Alignment = .left, priority: Int, minimum: Int? = nil
        ) {
            self.title = title
            self.alignment = alignment
            self.priority = priority
            self.minimum = minimum
        }
    }

    package var columns: [Column]
    /// A text for each column.
    package var rows: [[String]]

    package init(columns: [Column], rows: [[String]]) {
        self.columns = columns
        self.rows = rows
    }

    /// Only these columns, in this order. Their names are the titles, in any case, with "-" for a
    /// blank; commas stand between them.
    package func choosing(_ list: String?) throws(CommandFailure) -> Table {
        guard let list else { return self }
        func name(_ column: Column) -> String {
            column.title.lowercased().split(separator: " ").joined(separator: "-")
        }
        var chosen: [Int] = []
        for part in list.split(separator: ",") {
            let wanted = part.lowercased().filter { $0 != " " }
            guard let index = columns.firstIndex(where: { name($0) == wanted }) else {
                throw .usage(
                    "--columns: there is no column '\(wanted)'; there are "
                        + columns.map(name).joined(separator: ","))
            }
            if !chosen.contains(index) { chosen.append(index) }
        }
        guard !chosen.isEmpty else { throw .usage("--columns: name one column at least") }
        return Table(
            columns: chosen.map { columns[$0] }, rows: rows.map { row in chosen.map { row[$0] } })
    }

    private static let gap = 2

    /// The lines, the titles first, none longer than `width` columns; nil for as long as need be.
    package func lines(width: Int?, ellipsis: String = "…") -> [String] {
        let widths = self.widths(within: width)
        return ([columns.map(\.title)] + rows).map { row in
            var line = ""
            for (index, columnWidth) in widths.enumerated() {
                guard let columnWidth else { continue }
                if !line.isEmpty { line += String(repeating: " ", count: Self.gap) }
                let text = TextWidth.truncated(row[index], to: columnWidth, ellipsis: ellipsis)
                let space = String(repeating: " ", count: columnWidth - TextWidth.of(text))
                line += columns[index].alignment == .left ? text + space : space + text
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// The width of each column; nil for those left out.
    private func widths(within limit: Int?) -> [Int?] {
        let natural = columns.indices.map { index in
            rows.reduce(TextWidth.of(columns[index].title)) { max($0, TextWidth.of($1[index])) }
        }
        guard let limit else { return natural }

        func least(_ index: Int) -> Int {
            min(natural[index], columns[index].minimum ?? natural[index])
        }
        // Equal priorities: the one further left stays.
        var kept = columns.indices.sorted { columns[$0].priority > columns[$1].priority }
        func room() -> Int {
            limit - kept.reduce(0) { $0 + least($1) } - Self.gap * (kept.count - 1)
        }
        while kept.count > 1, room() < 0 { kept.removeLast() }

        var result = [Int?](repeating: nil, count: columns.count)
        var spare = room()
        for index in kept {
            let extra = min(max(0, spare), natural[index] - least(index))
            spare -= extra
            result[index] = least(index) + extra
        }
        if kept.count == 1, let only = kept.first { result[only] = min(natural[only], limit) }
        return result
    }
}
