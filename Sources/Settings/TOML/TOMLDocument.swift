import TOMLKit

/// A TOML text, parsed by TOMLKit, with the line of every key, which TOMLKit does not tell.
package struct TOMLDocument: Sendable {
    /// The name under which problems are reported.
    package let file: String
    /// Always a table.
    package let root: TOMLNode

    /// Throws where the text is not TOML, with the parser's reason and its line.
    package init(text: String, file: String) throws(SettingsError) {
        // The parser takes a C string: it would silently end at a NUL.
        if let line = Self.lineOfNUL(in: text) {
            throw SettingsError(
                file: file, line: line, message: "a NUL byte; TOML allows none: remove it")
        }
        var locator = KeyLocator(text: text)
        locator.scan()
        if let obstacle = locator.obstacle {
            // What is wrong before it comes first.
            let before = text.utf8.prefix(obstacle.statement)
            _ = try Self.parse(String(decoding: before, as: UTF8.self), file)
            throw SettingsError(file: file, line: obstacle.line, message: obstacle.message)
        }
        let parsed = try Self.parse(text, file)
        self.file = file
        root = Self.table(parsed, at: [], line: 1, locations: locator.locations)
    }

    private static func parse(
        _ text: String, _ file: String
    ) throws(SettingsError) -> TOMLKit.TOMLTable {
        do {
            return try TOMLKit.TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let isBareWord = error.description.contains("could not determine value type")
            throw SettingsError(
                file: file, line: error.source.begin.line,
                message: error.description
                    + (isBareWord ? "; a text needs quotes, as in \"suspend\"" : ""))
        } catch {
            throw SettingsError(file: file, line: nil, message: "\(error)")
        }
    }

    /// The root's entries.
    package var table: TOMLTable {
        guard case .table(let table) = root.value else { return TOMLTable([]) }
        return table
    }

    private static func lineOfNUL(in text: String) -> Int? {
        var line = 1
        for byte in text.utf8 {
            if byte == 0 { return line }
            if byte == UInt8(ascii: "\n") { line += 1 }
        }
        return nil
    }

    private static func table(
        _ parsed: TOMLKit.TOMLTable, at path: [KeyLocator.Step], line: Int,
        locations: [[KeyLocator.Step]: KeyLocator.Location]
    ) -> TOMLNode {
        // The parser sorts a table's keys; the document's order is the locator's.
        var entries: [(key: String, node: TOMLNode, order: Int)] = []
        for key in parsed.keys {
            guard let value = parsed[key] else { continue }
            let below = path + [.key(key)]
            let location = locations[below]
            let node = Self.node(
                value, at: below, line: location?.line ?? line, locations: locations)
            entries.append((key, node, location?.order ?? .max))
        }
        entries.sort { $0.order < $1.order }
        return TOMLNode(line: line, value: .table(TOMLTable(entries.map { ($0.key, $0.node) })))
    }

    private static func node(
        _ parsed: any TOMLValueConvertible, at path: [KeyLocator.Step], line: Int,
        locations: [[KeyLocator.Step]: KeyLocator.Location]
    ) -> TOMLNode {
        let value: TOMLValue
        switch parsed.type {
        case .table:
            guard let table = parsed.table else { return TOMLNode(line: line, value: .array([])) }
            return Self.table(table, at: path, line: line, locations: locations)
        case .array:
            var elements: [TOMLNode] = []
            if let array = parsed.array {
                for index in 0..<array.count {
                    let below = path + [.index(index)]
                    elements.append(
                        node(
                            array[index], at: below, line: locations[below]?.line ?? line,
                            locations: locations))
                }
            }
            value = .array(elements)
        case .string: value = .string(parsed.string ?? "")
        case .int: value = .integer(parsed.int ?? 0)
        case .double: value = .float(parsed.double ?? 0)
        case .bool: value = .boolean(parsed.bool ?? false)
        case .date, .time, .dateTime: value = .date(parsed.debugDescription)
        }
        return TOMLNode(line: line, value: value)
    }
}
