/// The sluice.toml of a test. Times are short where nothing is said: what an operator waits for in
/// minutes takes a fraction of a second.
struct DaemonSettings {
    var workers = 2
    /// Lines before the first table.
    var top: [String] = []
    var listen = "127.0.0.1:0"
    /// Lines of `[intake]`, `[limits]` …
    var intake: [String] = []
    var limits: [String] = []
    var retry = [
        "first = \"300ms\"", "cap = \"2s\"", "breaker_first = \"300ms\"", "breaker_cap = \"1s\"",
    ]
    var undo: [String] = []
    var delivery: [String] = []
    var groupBy = "mx-address"
    var routes: [String: String] = [:]
    /// The port of a DNS server on 127.0.0.1.
    var dns: Int?
    /// Whole tables, at the end.
    var more = ""

    func text(dataDirectory: String, socket: String) -> String {
        let routeLines = routes.sorted { $0.key < $1.key }.map { "\"\($0.key)\" = \"\($0.value)\"" }
        let sections: [(String, [String])] = [
            ("intake", ["listen = [\"\(listen)\"]"] + intake),
            ("limits", limits),
            ("retry", retry),
            ("undo", undo),
            ("delivery", delivery),
            // Without one the system's would be asked, and mail could leave the machine.
            ("dns", ["servers = [\"127.0.0.1:\(dns ?? 1)\"]", "timeout = \"2s\""]),
            ("routing", ["group_by = \"\(groupBy)\""]),
            ("routing.static", routeLines),
        ]
        return """
            hostname = "mta1.example.net"
            data_dir = "\(dataDirectory)"
            control_socket = "\(socket)"
            workers = \(workers)

            """
                + top.map { $0 + "\n" }.joined()
                + sections.map { "[\($0)]\n" + $1.map { $0 + "\n" }.joined() }.joined()
                + more + "\n"
    }
}
