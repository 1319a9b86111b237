import Control
import Filter
package import Settings

/// The format of the file.
///
///     # ~/.config/sluice/monitor.toml
///     [destinations]
///     columns = ["state", "name", "queued", "why"]
///     sort = "-queued"
///
///     [[view]]
///     name = "stuck"
///     rows = "messages"
///     filter = "age > 1h and code = 4xx"
///     sort = "-age"
extension KeptChoices {
    /// Throws everything that is wrong with it, by line.
    package init(text: String, file: String) throws(SettingsError) {
        var reader = KeptReader(file: file)
        reader.read(try TOMLDocument(text: text, file: file).root)
        guard reader.problems.isEmpty else { throw SettingsError(problems: reader.problems) }
        self = reader.choices
    }

    package var text: String {
        var text = """
            # What was chosen in the monitor: columns, orders, saved views (docs/monitor.md).
            # The monitor writes this file anew when something is chosen; other comments are lost.

            """
        for table in ChosenTable.allCases {
            guard let arrangement = tables[table], !arrangement.isStandard else { continue }
            text += "\n[\(table.rawValue)]\n"
            if let columns = arrangement.columns {
                text += "columns = [\(columns.map(Self.quoted).joined(separator: ", "))]\n"
            }
            if let sort = arrangement.sort ?? (arrangement.descending ? "" : nil) {
                text += "sort = \(Self.quoted((arrangement.descending ? "-" : "") + sort))\n"
            }
        }
        for view in views {
            text +=
                "\n[[view]]\nname = \(Self.quoted(view.name))\nrows = \"\(view.rows.rawValue)\"\n"
            text += "filter = \(Self.quoted(view.filter))\n"
            if let order = view.order { text += "sort = \(Self.quoted(order))\n" }
        }
        return text
    }

    /// A basic string of TOML.
    private static func quoted(_ text: String) -> String {
        var result: String.UnicodeScalarView = "\"".unicodeScalars
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C:
                result.append("\\")
                result.append(scalar)
            case 0..<0x20, 0x7F:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                let padded = String(repeating: "0", count: 4 - digits.count) + digits
                result.append(contentsOf: ("\\u" + padded).unicodeScalars)
            default: result.append(scalar)
            }
        }
        result.append("\"")
        return String(result)
    }
}

private struct KeptReader {
    let file: String
    var choices = KeptChoices()
    var problems: [SettingsError.Problem] = []

    init(file: String) {
        self.file = file
    }

    mutating func read(_ root: TOMLNode) {
        guard case .table(let root) = root.value else { return }
        for (key, node) in root.entries {
            if let table = ChosenTable(rawValue: key) {
                read(table, node)
            } else if key == "view" {
                readViews(node)
            } else {
                let known = ChosenTable.allCases.map(\.rawValue).joined(separator: ", ")
                report(node, key, "unknown; known are \(known) and view")
            }
        }
    }

    // MARK: Tables

    private mutating func read(_ table: ChosenTable, _ node: TOMLNode) {
        let name = table.rawValue
        guard let entries = entries(node, name) else { return }
        var arrangement = KeptChoices.Arrangement()
        for (key, node) in entries {
            switch key {
            case "columns": arrangement.columns = columns(node, table)
            case "sort" where !table.sorts.isEmpty:
                guard let text = string(node, "\(name).sort") else { continue }
                (arrangement.sort, arrangement.descending) = order(
                    text, node, "\(name).sort", among: table.sorts)
            default:
                let known = table.sorts.isEmpty ? "columns" : "columns and sort"
                report(node, "\(name).\(key)", "unknown; known is \(known)")
            }
        }
        choices.tables[table] = arrangement.isStandard ? nil : arrangement
    }

    private mutating func columns(_ node: TOMLNode, _ table: ChosenTable) -> [String]? {
        let path = "\(table.rawValue).columns"
        guard case .array(let elements) = node.value else {
            report(node, path, "an array of columns is meant, not \(node.value.kind)")
            return nil
        }
        var columns: [String] = []
        for element in elements {
            guard let name = string(element, path) else { continue }
            if !table.columns.contains(name) {
                let known = table.columns.joined(separator: ", ")
                report(element, path, "there is no column '\(name)'; there are \(known)")
            } else if columns.contains(name) {
                report(element, path, "'\(name)' stands there twice")
            } else {
                columns.append(name)
            }
        }
        if elements.isEmpty { report(node, path, "at least one column has to be there") }
        return columns.isEmpty ? nil : columns
    }

    // MARK: Views

    private mutating func readViews(_ node: TOMLNode) {
        guard case .array(let elements) = node.value else {
            report(node, "view", "[[view]] is meant, with two brackets, not \(node.value.kind)")
            return
        }
        for (index, element) in elements.enumerated() { read(element, "view[\(index + 1)]") }
    }

    private mutating func read(_ node: TOMLNode, _ path: String) {
        guard let entries = entries(node, path) else { return }
        var texts: [String: (text: String, node: TOMLNode)] = [:]
        for (key, node) in entries {
            guard ["name", "rows", "filter", "sort"].contains(key) else {
                report(node, "\(path).\(key)", "unknown; known are name, rows, filter and sort")
                continue
            }
            guard let text = string(node, "\(path).\(key)") else { return }
            texts[key] = (text, node)
        }
        guard let name = texts["name"], !name.text.isEmpty else {
            return report(node, path, "it needs a name")
        }
        if choices.view(named: name.text) != nil {
            report(name.node, "\(path).name", "there is another view '\(name.text)'")
        }
        guard let rows = texts["rows"].flatMap({ ViewRows(rawValue: $0.text) }) else {
            return report(
                texts["rows"]?.node ?? node, "\(path).rows", "rows are destinations or messages")
        }
        guard let filter = texts["filter"] else { return report(node, path, "it needs a filter") }
        do {
            _ = try FilterExpression.parse(filter.text, fields: rows.fields.withHost)
        } catch {
            report(filter.node, "\(path).filter", "\(error)")
        }
        var view = SavedView(name: name.text, rows: rows, filter: filter.text)
        if let sort = texts["sort"] {
            (view.sort, view.descending) = order(
                sort.text, sort.node, "\(path).sort", among: rows.fields.fields.map(\.name))
        }
        choices.views.append(view)
    }

    // MARK: Values

    /// A field with a "-" before it for the other way round; "-" alone turns the daemon's order.
    private mutating func order(
        _ text: String, _ node: TOMLNode, _ path: String, among known: [String]
    ) -> (String?, Bool) {
        let isDescending = text.hasPrefix("-")
        let name = isDescending ? String(text.dropFirst()) : text
        if name.isEmpty { return (nil, isDescending) }
        guard known.contains(name) else {
            report(
                node, path,
                "rows cannot be sorted by '\(name)'; they can by \(known.joined(separator: ", "))")
            return (nil, false)
        }
        return (name, isDescending)
    }

    private mutating func entries(
        _ node: TOMLNode, _ path: String
    ) -> [(key: String, node: TOMLNode)]? {
        guard case .table(let table) = node.value else {
            report(node, path, "a table is meant, not \(node.value.kind)")
            return nil
        }
        return table.entries
    }

    private mutating func string(_ node: TOMLNode, _ path: String) -> String? {
        guard case .string(let text) = node.value else {
            report(node, path, "a string is meant, not \(node.value.kind)")
            return nil
        }
        return text
    }

    private mutating func report(_ node: TOMLNode, _ path: String, _ message: String) {
        problems.append(
            SettingsError.Problem(file: file, line: node.line, key: path, message: message))
    }
}
