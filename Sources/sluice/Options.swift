import ArgumentParser
import Commands
import Control

/// Where the daemon is.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's control socket. Default: $SLUICE_SOCKET, or \(SocketPath.standard).",
            valueName: "path"))
    var socket: String?

    var path: String {
        SocketPath.resolve(option: socket, environment: Console.environment("SLUICE_SOCKET"))
    }

    var client: ControlClient { ControlClient(socket: path) }
}

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
}
