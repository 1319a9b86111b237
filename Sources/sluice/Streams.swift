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
        for try await event in connection.client.events() {
            if json {
                try console.print(jsonLine: event)
            } else {
                console.print([EventText.line(event, utcOffset: console.utcOffset)])
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
        let client = connection.client
        let row = try await Target.destination(destination, client)
        for try await line in client.trace(destination: row.id, content: content) {
            if json {
                try console.print(jsonLine: line)
            } else {
                console.print(EventText.lines(line, utcOffset: console.utcOffset))
            }
        }
    }
}
