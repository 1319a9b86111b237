import ArgumentParser
import Commands
import Control

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "The nodes that share the spool; drain lets one hand over and stop.",
        subcommands: [List.self, Drain.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The nodes (the default).",
            discussion: """
                HAS is the part of all destinations that a node has now, SHARE the one that the \
                ring gives it. The one that was asked is marked with *.
                """)

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var json: JSONOption

        func run() async throws {
            try await connection.connected { daemons in
                let page = try await daemons.nodes()
                try Console.standard().print(page, "node", json: json.isWanted) {
                    Table.nodes(page.rows)
                }
            }
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a node hand over what it has to the others, and stop.",
            discussion: """
                Running transactions end first. Its daemon ends by itself when others have \
                everything; started again it takes part again. Refused where no other node could \
                take over.
                """)

        @Argument(help: "The node's name.") var node: String
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var json: JSONOption

        func run() async throws {
            let row = try await connection.single(for: "node drain").drain(
                node: node)
            let console = Console.standard()
            if json.isWanted { return try console.print(json: row) }
            console.write("node \(row.name) hands over what it has, and stops then\n")
        }
    }
}

struct Rebalance: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What moves between the nodes.",
        discussion: """
            Nodes follow the ring by themselves: nothing has to be started. With --dry-run it says \
            what is still to move, or would move if a node went or came.
            """)

    @Flag(help: "Only say what would move.") var dryRun = false
    @Option(help: ArgumentHelp("As if this node went.", valueName: "node")) var without: String?
    @Option(help: ArgumentHelp("As if one more came, with so many workers.", valueName: "workers"))
    var with: Int?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard dryRun else {
            throw ValidationError("nodes follow the ring by themselves; --dry-run shows what moves")
        }
    }

    func run() async throws {
        let page = try await connection.single(for: "rebalance --dry-run").rebalancing(
            without: without, with: with)
        let console = Console.standard()
        if json.isWanted { return try console.print(json: page) }
        if page.rows.isEmpty { return console.write("nothing moves\n") }
        try console.print(page, "move", json: false) { Table.moves(page.rows) }
    }
}
