import ArgumentParser
import Commands
import Control
import Mail

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "All about one message or destination.")

    @Argument(help: "The id of a message or delivery; a destination's number, name or domain.")
    var id: String

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    func run() async throws {
        guard Target.isName(id) else {
            throw CommandFailure.usage("'\(id)' is no id and no name")
        }
        try await connection.connected { try await show($0) }
    }

    private func show(_ daemons: any Daemons) async throws {
        let console = Console.standard()
        let message = try await Target.message(id, daemons)
        let destinations = try await Target.destinations(id, daemons)
        if json.isWanted {
            switch (message, destinations.count) {
            case (let message?, 0): try console.print(json: message.detail)
            case (nil, 1):
                try console.print(json: DestinationDocument(destination: destinations[0]))
            case (nil, 0): break
            case (let message?, _):
                let delivery = message.detail.deliveries.first?.id ?? "\(id).0"
                throw CommandFailure.refused(
                    "'\(id)' is a message and a destination: name the message by its delivery,"
                        + " '\(SafeText(delivery).text)', or the destination by its name")
            default:
                throw CommandFailure.refused(
                    "'\(id)' is \(destinations.count) destinations: name one by its number")
            }
        } else {
            let now = console.now()
            if let message {
                console.print(
                    DetailText.lines(message.detail, now: now, utcOffset: console.utcOffset),
                    indent: DetailText.indent)
            }
            for (index, row) in destinations.enumerated() {
                if index > 0 || message != nil { console.print([""]) }
                console.print(
                    DetailText.lines(row, now: now, utcOffset: console.utcOffset),
                    indent: DetailText.indent)
            }
        }
        if message == nil, destinations.isEmpty {
            throw CommandFailure.refused("there is no message or destination '\(id)'")
        }
    }
}
