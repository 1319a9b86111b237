import ArgumentParser
import Commands
import Control
import Mail
import Monitor
import Settings

/// Where the daemon is.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's control socket. Default: $SLUICE_SOCKET, or \(SocketPath.standard).",
            valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Ask the daemon of another host, through ssh HOST sluice proxy; named again, of several "
                + "hosts, which are shown as one. ssh must not have to ask for anything; --socket "
                + "is then a path on that host.", valueName: "host"))
    var ssh: [String] = []

    func validate() throws {
        // As ssh would take it for one of its options.
        for host in ssh where host.isEmpty || host.hasPrefix("-") {
            throw ValidationError("--ssh needs a host, as in mta1.example.net or admin@mta1")
        }
        for (place, host) in ssh.enumerated() where ssh[..<place].contains(host) {
            throw ValidationError("--ssh \(host) is named twice")
        }
        // Between the ids of what was done on several.
        if ssh.count > 1, let host = ssh.first(where: { $0.contains(JointID.separator) }) {
            throw ValidationError("--ssh \(host): no comma can be in a host's name here")
        }
    }

    private var addresses: [DaemonAddress] {
        if !ssh.isEmpty { return ssh.map { .ssh(host: $0, socket: socket) } }
        return [
            .socket(
                SocketPath.resolve(
                    option: socket, environment: Console.environment("SLUICE_SOCKET")))
        ]
    }

    /// Whether rows say of which host they are.
    var hasSeveralHosts: Bool { ssh.count > 1 }

    /// For what is about one daemon by its nature.
    ///
    /// - Parameter what: the command, as it is typed: "reload".
    func single(for what: String) throws -> ControlClient {
        guard !hasSeveralHosts else {
            throw CommandFailure.usage(
                "sluice \(what) is for one host: name it alone, as in sluice \(what) --ssh "
                    + ssh[0])
        }
        return ControlClient(addresses[0])
    }

    /// What is asked, be it one daemon or several hosts as one. Of hosts that could not be reached
    /// it is said that they are missing, and the command fails.
    ///
    /// - Parameter acts: something is done and not only shown.
    func connected<R>(
        acts: Bool = false, _ body: (any Daemons) async throws -> R
    ) async throws -> R {
        try await opened { daemons in
            guard let merged = daemons as? MergedHosts else { return try await body(daemons) }
            let console = Console.standard()
            func tellMissing() -> Bool {
                for (host, problem) in merged.unreached {
                    console.warn(
                        "sluice: \(SafeText(host)) cannot be reached (\(SafeText(problem))): "
                            + (acts ? "nothing was done there" : "it is missing here"))
                }
                return !merged.unreached.isEmpty
            }
            let result: R
            do {
                result = try await body(daemons)
            } catch let error as ControlError {
                // It says the same.
                throw error
            } catch {
                _ = tellMissing()
                throw error
            }
            if tellMissing() { throw CommandFailure(status: ExitStatus.noDaemon, message: "") }
            return result
        }
    }

    /// The same, for who tells by himself who is missing.
    func opened<R>(_ body: (any Daemons) async throws -> R) async throws -> R {
        guard hasSeveralHosts else { return try await body(ControlClient(addresses[0])) }
        let hosts = zip(ssh, addresses).map { name, address in
            (name: name, api: ControlClient(address) as any DaemonAPI)
        }
        let start = ContinuousClock.now
        let wall = Console.standard().now
        return try await MergedHosts.with(
            hosts, clock: { ContinuousClock.now - start }, wall: wall
        ) { try await body($0) }
    }
}

/// What all commands but a few ask.
typealias Daemons = DaemonAPI & MonitorSource

struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print one JSON document.")
    var isWanted = false
}

/// Which rows, in which order, how many.
struct RowOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Only rows that match, as in \"age > 1h and code = 4xx\".", valueName: "filter"))
    var filter: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The field to sort by, with a - before it for descending.", valueName: "field"))
    var sort: String?

    @Option(help: ArgumentHelp("At most this many rows.", valueName: "n"))
    var limit = 100

    @Option(
        help: ArgumentHelp(
            "Only these columns, in this order, as in state,id,why.", valueName: "names"))
    var columns: String?

    @Option(
        help: ArgumentHelp(
            "The filter and the order of a view that was saved in the monitor.", valueName: "name"))
    var view: String?

    func validate() throws {
        if view != nil, filter != nil {
            throw ValidationError("--view and --filter exclude each other")
        }
    }

    /// What to ask for; a view says what no option says.
    ///
    /// - Parameter hosts: rows can be chosen by the host that has them.
    func query(_ rows: ViewRows, hosts: Bool, order: String) throws -> RowQuery {
        let view = try view.map { try SavedView.named($0, of: rows) }
        return try RowQuery(
            filter: view?.filter ?? filter, sort: sort ?? view?.order ?? order, limit: limit,
            fields: hosts ? rows.fields.withHost : rows.fields)
    }
}

extension SavedView {
    /// The one that whoever runs this has saved under a name.
    static func named(_ name: String, of rows: ViewRows? = nil) throws -> SavedView {
        let kept = try KeptChoices.operators()
        guard let view = kept.view(named: name) else {
            let known = kept.views.map(\.name).joined(separator: ", ")
            throw CommandFailure.usage(
                "there is no view '\(name)'; "
                    + (known.isEmpty
                        ? "none is saved yet (V in the monitor)" : "there are \(known)"))
        }
        if let rows, view.rows != rows {
            throw CommandFailure.usage(
                "view '\(name)' is one of \(view.rows.rawValue): sluice \(view.rows.rawValue) "
                    + "--view shows it")
        }
        return view
    }
}

extension KeptChoices {
    /// What whoever runs this has chosen.
    static func operators() throws -> KeptChoices {
        do throws(SettingsError) {
            return try KeptFile(environment: Console.environment)?.read() ?? KeptChoices()
        } catch {
            throw CommandFailure.usage("\(error)")
        }
    }
}

struct Views: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The views that were saved in the monitor: filters under a name.",
        discussion: """
            They lie in ~/.config/sluice/monitor.toml; see docs/monitor.md. What is wrong with the \
            file is said with its line. Exit status: 0 nothing is, 2 something is.
            """)

    func run() throws {
        let console = Console.standard()
        let views = try KeptChoices.operators().views
        if views.isEmpty { return console.warn("no view is saved yet") }
        console.print(
            Table(
                columns: [
                    Table.Column("NAME", priority: 4), Table.Column("ROWS", priority: 2),
                    Table.Column("SORT", priority: 1),
                    Table.Column("FILTER", priority: 3, minimum: 16),
                ],
                rows: views.map { view in
                    [
                        SafeText(view.name).text, view.rows.rawValue, view.order ?? "",
                        SafeText(view.filter).text,
                    ]
                }))
    }
}
