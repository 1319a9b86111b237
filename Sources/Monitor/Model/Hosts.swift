import Control
import Filter
import Terminal

/// Several hosts that are shown as one.
extension Model {
    /// Empty where one daemon speaks for itself, or a cluster's.
    var hosts: [StatusPart] { (status?.parts ?? []).filter { $0.isHost == true } }

    var showsHosts: Bool { hosts.count > 1 }

    /// Those that cannot be reached, and what is shown of them is old.
    var lostHosts: [StatusPart] { hosts.filter { !$0.reached } }

    /// The same of nodes, as the asked one has it.
    var lostNodes: [StatusPart] {
        (status?.parts ?? []).filter { $0.isHost != true && !$0.reached }
    }

    func isLost(host: String?) -> Bool {
        guard let host else { return false }
        return lostHosts.contains { $0.name == host }
    }

    /// Whose a row is, for a column: as short as hosts can be told apart by, and how old the row is
    /// where that cannot be reached.
    func origin(host: String?, stale seconds: Double? = nil) -> Line {
        guard let host else { return [] }
        let name = safe(HostNames.short(host, among: hosts.map(\.name)))
        guard isLost(host: host) || seconds != nil else { return [Span(name)] }
        let age = seconds ?? hosts.first { $0.name == host }?.staleSeconds
        return [Span(name, .warning)]
            + (age.map { [Span(" \(Format.age($0))", .warning)] } ?? [])
    }

    /// "worker 1 of mx2".
    func name(of worker: WorkerRow) -> Label {
        let places = [
            worker.node, worker.host.map { HostNames.short($0, among: hosts.map(\.name)) },
        ].compactMap { $0 }
        return places.reduce("worker \(worker.id)") { "\($0) of \(safe($1))" }
    }

    /// What the rows of the page are filtered by.
    var fields: FilterFields? {
        guard let fields = page.fields else { return nil }
        return showsHosts ? fields.withHost : fields
    }

    /// Workers of the same daemon as the one under the cursor, or as another row's.
    func workers(host: String?, node: String?) -> [WorkerRow] {
        (status?.workers ?? []).filter { $0.host == host && $0.node == node }
    }

    /// All of the worker's destinations, for the filter of a table.
    func destinations(of worker: WorkerRow) -> String {
        var filter = "worker = \(worker.id)"
        if let node = worker.node { filter += " and node = \(FilterText.quotedIfNeeded(node))" }
        return worker.host.map { "\(filter) and host = \(FilterText.quotedIfNeeded($0))" } ?? filter
    }
}

/// Names of hosts as ssh takes them, on a screen.
enum HostNames {
    /// Without the user and the domain, where the others can still be told apart from it.
    static func short(_ name: String, among all: [String]) -> String {
        let first = all.map(firstLabel)
        guard Set(first).count == all.count else { return name }
        return firstLabel(name)
    }

    private static func firstLabel(_ name: String) -> String {
        let host = name.split(separator: "@").last.map(String.init) ?? name
        let label = String(host.prefix { $0 != "." })
        // The first number of an address says little.
        return label.isEmpty || label.allSatisfy(\.isNumber) || host.contains(":") ? host : label
    }
}
