/// What came out of reading one document: its problems, and which keys were asked for.
final class ProblemLog {
    let file: String
    private(set) var problems: [SettingsError.Problem] = []
    /// Every key that the readers asked for, whether the document has it or not: "hostname",
    /// "limits.rate", "shaping.match".
    private(set) var knownKeys: [String] = []
    /// Where the keys stand that the document has, by path: "shaping[2].match".
    private(set) var lines: [String: Int] = [:]

    /// Tables of which there may be many.
    private static let arrays: Set<Substring> = ["shaping", "rules", "intake.listener"]

    private var known: Set<String> = []
    private var unknown: [(path: String, schema: String, key: String, line: Int)] = []

    init(file: String) {
        self.file = file
    }

    func add(
        _ severity: SettingsError.Severity = .error, line: Int?, key: String, message: String
    ) {
        problems.append(
            SettingsError.Problem(
                severity: severity, file: file, line: line, key: key, message: message))
    }

    func know(_ key: String) {
        if known.insert(key).inserted { knownKeys.append(key) }
    }

    func place(_ path: String, line: Int) {
        lines[path] = line
    }

    func addUnknown(_ key: String, path: String, schema: String, line: Int) {
        unknown.append((path, schema, key, line))
    }

    /// Call once, after every table was read: only then are all keys known that an unknown one
    /// may have meant. Puts the problems into the order of the file.
    func finish() {
        for (path, schema, key, line) in unknown {
            add(line: line, key: path, message: "unknown key" + hint(for: key, in: schema))
        }
        unknown = []
        problems.sort { ($0.line ?? 0) < ($1.line ?? 0) }
    }

    private func hint(for key: String, in schema: String) -> String {
        let prefix = schema.isEmpty ? "" : schema + "."
        let siblings = knownKeys.filter {
            $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains(".")
        }.map { String($0.dropFirst(prefix.count)) }
        if let near = Suggestion.nearest(to: key, among: siblings) {
            return "; did you mean \"\(near)\"?"
        }
        let homes = knownKeys.filter { $0.hasSuffix("." + key) }.map {
            let table = $0.dropLast(key.count + 1)
            return Self.arrays.contains(table) ? "[[\(table)]]" : "[\(table)]"
        }
        if !homes.isEmpty { return "; it belongs into \(homes.joined(separator: " or "))" }
        // A table of the top, such as [retry] in an entry of [[shaping]], which has its keys itself.
        let inner = knownKeys.filter { $0.hasPrefix(key + ".") }.map { $0.dropFirst(key.count + 1) }
        let shared = siblings.filter { sibling in inner.contains { $0 == sibling } }.sorted()
        if !shared.isEmpty {
            return "; write its keys here without \"\(key)\": \(shared.joined(separator: ", "))"
        }
        if known.contains(key) { return "; it belongs before the first [table]" }
        return "; known here: \(siblings.sorted().joined(separator: ", "))"
    }
}
