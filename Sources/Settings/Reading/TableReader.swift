/// Takes values out of one table, checks them, and reports what is wrong and what is left over.
package final class TableReader {
    /// "" for the document, "limits", "shaping[2]".
    let path: String
    /// The path without indexes.
    let schema: String
    let line: Int
    let table: TOMLTable
    let log: ProblemLog
    /// Stands for an entry of an array of tables that has none, so that its keys are known.
    let isProbe: Bool
    private var asked: Set<String> = []
    private var children: [TableReader] = []

    init(
        path: String = "", schema: String = "", line: Int = 1, table: TOMLTable, log: ProblemLog,
        isProbe: Bool = false
    ) {
        self.path = path
        self.schema = schema
        self.line = line
        self.table = table
        self.log = log
        self.isProbe = isProbe
    }

    // MARK: Values

    /// nil where the document does not have the key or what it has is wrong, which is then
    /// reported.
    package func read<Value>(_ key: String, _ kind: ValueKind<Value>) -> Value? {
        guard let node = node(key) else { return nil }
        var complaints: [ValueComplaint] = []
        let value = kind.parse(node, &complaints)
        if value == nil && complaints.isEmpty { complaints.append(kind.mismatch(node)) }
        for complaint in complaints {
            log.add(
                line: complaint.line ?? node.line, key: path(of: key),
                message: complaint.message)
        }
        return complaints.isEmpty ? value : nil
    }

    /// Leaves `value` as it is where the document does not say otherwise.
    package func read<Value>(_ key: String, _ kind: ValueKind<Value>, into value: inout Value) {
        if let found = read(key, kind) { value = found }
    }

    package func read<Value>(_ key: String, _ kind: ValueKind<Value>, into value: inout Value?) {
        if let found = read(key, kind) { value = found }
    }

    // MARK: Tables

    /// An empty one where the document has none.
    package func table(_ key: String) -> TableReader {
        var found: (line: Int, table: TOMLTable) = (line, TOMLTable([]))
        if let node = node(key) {
            if case .table(let table) = node.value {
                found = (node.line, table)
            } else {
                mismatch(key, node, "a table: [\(path(of: key))]")
            }
        }
        return child(
            path: path(of: key), schema: schema(of: key), line: found.line, table: found.table,
            isProbe: isProbe)
    }

    /// The entries of `[[key]]`; one probe where there are none.
    package func tables(_ key: String) -> [TableReader] {
        var readers: [TableReader] = []
        if let node = node(key) {
            if case .array(let elements) = node.value {
                for (index, element) in elements.enumerated() {
                    guard case .table(let table) = element.value else {
                        mismatch(key, element, "a table: [[\(path(of: key))]]")
                        continue
                    }
                    readers.append(
                        child(
                            path: "\(path(of: key))[\(index + 1)]", schema: schema(of: key),
                            line: element.line, table: table, isProbe: false))
                }
            } else {
                mismatch(key, node, "an array of tables: [[\(path(of: key))]]")
            }
        }
        if !readers.isEmpty { return readers }
        return [
            child(
                path: path(of: key), schema: schema(of: key), line: line, table: TOMLTable([]),
                isProbe: true)
        ]
    }

    /// A table whose keys are the user's own: domains.
    func entries(_ key: String) -> [(key: String, node: TOMLNode)] {
        guard let node = node(key) else { return [] }
        guard case .table(let table) = node.value else {
            mismatch(key, node, "a table")
            return []
        }
        return table.entries
    }

    // MARK: Problems

    /// `key`: nil for the table as a whole.
    package func error(_ key: String?, line: Int? = nil, _ message: String) {
        add(.error, key, line, message)
    }

    func warn(_ key: String?, line: Int? = nil, _ message: String) {
        add(.warning, key, line, message)
    }

    private func add(
        _ severity: SettingsError.Severity, _ key: String?, _ line: Int?, _ message: String
    ) {
        guard !isProbe else { return }
        let path = key.map(path(of:)) ?? path
        log.add(severity, line: line ?? log.lines[path] ?? self.line, key: path, message: message)
    }

    package func has(_ key: String) -> Bool { table[key] != nil }

    func hasOthers(than keys: Set<String>) -> Bool {
        table.entries.contains { !keys.contains($0.key) }
    }

    /// Reads a document that is not the daemon's configuration: `body` takes what it knows, and
    /// whatever is wrong or left over is thrown, by line.
    package static func read<Value>(
        text: String, file: String, _ body: (TableReader) -> Value
    ) throws(SettingsError) -> Value {
        let log = ProblemLog(file: file)
        let reader = TableReader(
            table: try TOMLDocument(text: text, file: file).table, log: log)
        let value = body(reader)
        reader.finish()
        log.finish()
        let errors = log.problems.filter { $0.severity == .error }
        guard errors.isEmpty else { throw SettingsError(problems: errors) }
        return value
    }

    /// Reports the keys that nobody asked for, here and below.
    func finish() {
        for (key, node) in table.entries where !asked.contains(key) {
            log.addUnknown(key, path: path(of: key), schema: schema, line: node.line)
        }
        for child in children { child.finish() }
    }

    private func node(_ key: String) -> TOMLNode? {
        asked.insert(key)
        log.know(schema(of: key))
        guard let node = table[key] else { return nil }
        log.place(path(of: key), line: node.line)
        return node
    }

    private func mismatch(_ key: String, _ node: TOMLNode, _ expected: String) {
        log.add(
            line: node.line, key: path(of: key),
            message: "expected \(expected), found \(node.value.kind)")
    }

    private func child(
        path: String, schema: String, line: Int, table: TOMLTable, isProbe: Bool
    ) -> TableReader {
        let reader = TableReader(
            path: path, schema: schema, line: line, table: table, log: log, isProbe: isProbe)
        children.append(reader)
        return reader
    }

    private func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    private func schema(of key: String) -> String { schema.isEmpty ? key : "\(schema).\(key)" }
}
