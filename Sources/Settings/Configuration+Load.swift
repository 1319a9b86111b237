import Scheduler

extension Configuration {
    /// Reads and checks a file. Throws all that is wrong with it, by line; warnings do not
    /// count.
    package static func load(path: String) throws(SettingsError) -> Configuration {
        try load(text: SettingsFile.text(path: path), file: path)
    }

    /// `file` names the text in errors; relative paths in the text are taken from its directory.
    package static func load(text: String, file: String) throws(SettingsError) -> Configuration {
        let log = ProblemLog(file: file)
        let configuration = read(try TOMLDocument(text: text, file: file), log)
        let errors = log.problems.filter { $0.severity == .error }
        guard errors.isEmpty else { throw SettingsError(problems: errors) }
        return configuration
    }

    /// Every key that a file may have: "hostname", "limits.rate", "shaping.match".
    package static var knownKeys: [String] {
        let log = ProblemLog(file: "")
        _ = read(TableReader(table: TOMLTable([]), log: log), directory: "/")
        return log.knownKeys
    }

    static func read(_ document: TOMLDocument, _ log: ProblemLog) -> Configuration {
        let reader = TableReader(table: document.table, log: log)
        let configuration = read(reader, directory: directory(of: document.file))
        reader.finish()
        log.finish()
        return configuration
    }

    private static func read(_ reader: TableReader, directory: String) -> Configuration {
        var configuration = Configuration()
        let path = ValueKind<String>.path(relativeTo: directory)
        reader.read("hostname", HostName.kind, into: &configuration.hostname)
        reader.read("data_dir", path, into: &configuration.dataDirectory)
        reader.read("control_socket", path, into: &configuration.controlSocket)
        if configuration.controlSocket.utf8.count > maximumSocketPath {
            reader.error(
                "control_socket",
                "\(configuration.controlSocket.utf8.count) bytes; a socket's path has at most"
                    + " \(maximumSocketPath)")
        }
        reader.read("workers", .integer(workerRange), into: &configuration.workers)
        configuration.readWeights(reader)

        configuration.spool.read(reader.table("spool"), directory: directory)
        configuration.cluster.read(reader.table("cluster"), spool: configuration.spool)
        configuration.control.read(reader.table("control"))
        configuration.intake.read(reader.table("intake"), directory: directory)
        configuration.routing.read(
            reader.table("routing"), listen: configuration.intake.endpoints)
        configuration.dns.read(reader.table("dns"))
        let limits = reader.table("limits")
        configuration.limits.read(limits)
        configuration.limits.check(limits, base: Limits())
        let retry = reader.table("retry")
        configuration.retry.read(retry)
        configuration.retry.check(retry, base: RetryPolicy())
        configuration.readShaping(reader)
        reader.read("builtin_rules", .flag, into: &configuration.builtInRules)
        configuration.rules = ReplyRule.readAll(
            reader, reserved: configuration.builtInRules ? BuiltInRules.names : [])
        configuration.tls.read(reader.table("tls"))
        configuration.delivery.read(reader.table("delivery"))
        configuration.log.read(reader.table("log"), directory: directory)
        configuration.undo.read(reader.table("undo"))
        configuration.supervision.read(reader.table("supervision"))
        return configuration
    }

    private mutating func readWeights(_ reader: TableReader) {
        reader.read("worker_weights", .numbers(Self.weightRange), into: &workerWeights)
        if !workerWeights.isEmpty, !(1...workers).contains(where: { weight(of: $0) > 0 }) {
            reader.error("worker_weights", "one worker at least needs more than 0")
        }
        if workerWeights.count > workers {
            reader.warn(
                "worker_weights",
                "\(workerWeights.count) weights, and workers = \(workers): the others have no use")
        }
    }

    private mutating func readShaping(_ reader: TableReader) {
        var lines: [NamePattern: Int] = [:]
        for entry in reader.tables("shaping") {
            let rule = ShapingRule(
                entry, limits: limits.applied(to: Limits()), retry: retry.applied(to: RetryPolicy())
            )
            guard let rule else { continue }
            if let line = lines[rule.match] {
                entry.error(
                    "match", "\"\(rule.match)\" has an entry already, in line \(line); merge them")
            } else {
                lines[rule.match] = entry.line
                shaping.append(rule)
            }
        }
        // A stable sort: of two equally specific ones the earlier in the file wins.
        shaping = shaping.enumerated().sorted {
            ($1.element.match.specificity, $0.offset) < ($0.element.match.specificity, $1.offset)
        }.map(\.element)
    }

    /// sockaddr_un's sun_path is 108 bytes with its NUL.
    private static let maximumSocketPath = 107

    private static func directory(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return currentDirectory }
        let directory = slash == file.startIndex ? "/" : String(file[..<slash])
        return directory.hasPrefix("/") ? directory : currentDirectory + "/" + directory
    }
}
