import ArgumentParser
import Commands
import Control
import Filter
import Monitor

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Totals, rates and workers.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        let console = Console.standard()
        let status = try await connection.opened { try await $0.status() }
        if json.isWanted {
            try console.print(json: status)
        } else {
            console.print(StatusText.lines(status), indent: StatusText.indent)
        }
        if status.parts?.contains(where: { !$0.reached }) ?? false {
            throw CommandFailure(status: ExitStatus.noDaemon, message: "")
        }
    }
}

struct Destinations: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The destinations, by default those with most mail first.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        let query = try rows.query(
            .destinations, hosts: connection.hasSeveralHosts, order: "-queued")
        try await connection.connected { daemons in
            let page = try await daemons.destinations(
                filter: query.filter, sort: query.sort, descending: query.descending,
                limit: query.limit, offset: 0)
            try Console.standard().print(
                page, "destination", isFiltered: query.filter != nil, json: json.isWanted
            ) {
                try Table.destinations(page.rows, now: page.at).choosing(rows.columns)
            }
        }
    }
}

struct Messages: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The messages in the queue, by default the oldest first.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var rows: RowOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        let query = try rows.query(
            .messages, hosts: connection.hasSeveralHosts, order: "-age")
        try await connection.connected { daemons in
            let page = try await daemons.messages(
                filter: query.filter, sort: query.sort, descending: query.descending,
                limit: query.limit, offset: 0, around: nil)
            try Console.standard().print(
                page, "delivery", isFiltered: query.filter != nil, json: json.isWanted
            ) {
                try Table.messages(page.rows, now: page.at).choosing(rows.columns)
            }
        }
    }
}

struct Actions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What operators have done, the latest first.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    @Option(help: ArgumentHelp("At most this many rows.", valueName: "n"))
    var limit = 100

    func run() async throws {
        let console = Console.standard()
        let query = try RowQuery(filter: nil, sort: nil, limit: limit, fields: .messages)
        try await connection.connected { daemons in
            let page = try await daemons.actions(limit: query.limit)
            try console.print(page, "action", json: json.isWanted) {
                Table.actions(page.rows, now: page.at, utcOffset: console.utcOffset)
            }
        }
    }
}

struct Workers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The workers; set changes how many there are, drain empties one.",
        subcommands: [List.self, Set.self, Drain.self, Undrain.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The workers (the default).")

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var json: JSONOption

        func run() async throws {
            try await connection.connected { daemons in
                let page = try await daemons.workers()
                try Console.standard().print(page, "worker", json: json.isWanted) {
                    Table.workers(page.rows, now: page.at)
                }
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes how many workers there are; some destinations move.")

        @Argument(help: "How many.")
        var count: Int

        @OptionGroup var node: NodeOption
        @OptionGroup var options: ActionOptions

        func validate() throws {
            guard count > 0 else { throw ValidationError("there must be at least one worker") }
        }

        func run() async throws {
            let request = PlanRequest(
                action: .workers, selector: Selector(), reason: options.reason, worker: count,
                node: node.node)
            try await options.run(
                request, target: "\(count)",
                try options.connection.single(for: "workers set"))
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a worker hand over what it has and gives it nothing new.",
            discussion: """
                Its process stays, also through a restart of the daemon, until sluice workers \
                undrain. Running transactions end first. Only while no other worker lives does it \
                get mail.
                """)

        @Argument(help: "The worker's number.") var worker: Int
        @OptionGroup var node: NodeOption
        @OptionGroup var options: ActionOptions

        func run() async throws {
            let request = PlanRequest(
                action: .drain, selector: Selector(), reason: options.reason, worker: worker,
                node: node.node)
            try await options.run(
                request, target: "worker \(worker)",
                try options.connection.single(for: "workers drain"))
        }
    }

    struct Undrain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Gives a drained worker its share again.")

        @Argument(help: "The worker's number.") var worker: Int
        @OptionGroup var node: NodeOption
        @OptionGroup var options: ActionOptions

        func run() async throws {
            let request = PlanRequest(
                action: .undrain, selector: Selector(), reason: options.reason, worker: worker,
                node: node.node)
            try await options.run(
                request, target: "worker \(worker)",
                try options.connection.single(for: "workers undrain"))
        }
    }
}

/// Whose workers, where several nodes share a spool.
struct NodeOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The node whose workers are meant; without it those of the one that is asked.",
            valueName: "name"))
    var node: String?
}

extension Console {
    /// A page as a document, or as a table with what is missing said beside it. A filter that
    /// nothing matches is a failure: a script can ask whether there is any such mail.
    func print<Row>(
        _ page: Page<Row>, _ noun: String, isFiltered: Bool = false, json: Bool,
        more: String = "--limit shows them", table: () throws -> Table
    ) throws {
        if json { try print(json: page) }
        guard !page.rows.isEmpty else {
            let plural = Format.count(0, noun).dropFirst(2)
            if isFiltered { throw CommandFailure.refused(json ? "" : "no \(plural) match") }
            if !json { warn("there are no \(plural)") }
            return
        }
        if json { return }
        try print(table())
        let left = page.total - page.offset - page.rows.count
        if left > 0 {
            warn("\(Format.count(left)) more; \(more)")
        }
    }
}
