import ArgumentParser
import Commands
import Control

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What happens, line by line, until interrupted.")

    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "Print a JSON document per line.")
    var json = false

    func run() async throws {
        let console = Console.standard()
        let json = json
        try await connection.connected { daemons in
            try await daemons.events { event in
                if json {
                    try console.print(jsonLine: event)
                } else {
                    console.print([EventText.line(event, utcOffset: console.utcOffset)])
                }
            }
        }
    }
}

struct Trace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The SMTP dialogue with a destination, line by line, until interrupted.")

    @Argument(
        help: ArgumentHelp("A destination's number, name or domain.", valueName: "destination"))
    var destination: String

    @OptionGroup var connection: ConnectionOptions

    @Flag(
        help: "Also what messages say, 60 lines of each: for operators, and noted in the log.")
    var content = false

    @Flag(help: "Print a JSON document per line.")
    var json = false

    func run() async throws {
        let console = Console.standard()
        let json = json
        try await connection.connected { daemons in
            let row = try await Target.destination(destination, daemons)
            try await daemons.trace(destination: row.id, content: content) { line in
                if json {
                    try console.print(jsonLine: line)
                } else {
                    console.print(EventText.lines(line, utcOffset: console.utcOffset))
                }
            }
        }
    }
}
