import ArgumentParser
import Commands
import Control

struct Ages: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "How old what is queued is, by destination, in doubling ages.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    @Option(help: ArgumentHelp("At most this many destinations.", valueName: "n"))
    var limit = 50

    func run() async throws {
        let console = Console.standard()
        let map = try await connection.connected { try await $0.ages(limit: limit) }
        if json.isWanted { return try console.print(json: map) }
        console.print(Table.ages(map))
        let left = map.destinations - map.rows.count
        if left > 0 { console.warn("\(Format.count(left)) more; --limit shows them") }
    }
}

struct ScheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule",
        abstract: "When what is queued goes, which destinations are probed next, what expires.")

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var json: JSONOption

    @Option(help: ArgumentHelp("At most this many destinations of a kind.", valueName: "n"))
    var limit = 20

    func run() async throws {
        let console = Console.standard()
        let schedule = try await connection.connected { try await $0.schedule(limit: limit) }
        if json.isWanted { return try console.print(json: schedule) }
        console.print(Table.schedule(schedule, now: schedule.at))
    }
}
