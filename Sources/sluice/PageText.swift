import Commands
import Control
import Monitor
import Synchronization

/// A page of the monitor without a screen: `--once`, `--plain` and `--json` with `--page`.
struct PageText {
    let client: any Daemons
    let console: Console
    let options: MonitorOptions

    func run() async throws {
        switch (options.mode, page) {
        case (.plain, .events), (.plain, .trace):
            try await follow { try print($0, json: false) }
        case (_, .events), (_, .trace):
            try await collect()
        case (.plain, _):
            while true {
                let now = console.now()
                let clock = Format.clock(now, now: now, utcOffset: console.utcOffset(now))
                console.print(["-- \(clock) \(page.rawValue)"])
                try await printPage(json: false)
                try await Task.sleep(for: options.interval)
            }
        default: try await printPage(json: options.mode == .json)
        }
    }

    private var page: PageKind {
        if let view = options.view { return view.rows == .destinations ? .destinations : .queue }
        return options.page ?? .destinations
    }

    private var subject: String { options.subject ?? "" }

    // MARK: What there is

    private func printPage(json: Bool) async throws {
        switch page {
        case .destinations:
            let page = try await client.destinations(
                filter: options.view?.filter, sort: options.view?.sort ?? "queued",
                descending: options.view.map { $0.sort == nil || $0.descending } ?? true,
                limit: 100,
                offset: 0)
            try show(page, "destination", json) { Table.destinations(page.rows, now: page.at) }
        case .queue:
            let page = try await client.messages(
                filter: options.view?.filter, sort: options.view?.sort,
                descending: options.view?.descending ?? false, limit: 100, offset: 0,
                around: nil)
            try show(page, "delivery", json) { Table.messages(page.rows, now: page.at) }
        case .workers:
            let page = try await client.workers()
            try show(page, "worker", json) { Table.workers(page.rows, now: page.at) }
        case .nodes:
            let page = try await client.nodes()
            try show(page, "node", json) { Table.nodes(page.rows) }
        case .actions:
            let page = try await client.actions(limit: 100)
            try show(page, "action", json) {
                Table.actions(page.rows, now: page.at, utcOffset: console.utcOffset)
            }
        case .backoff:
            let schedule = try await client.schedule(limit: 100)
            try show(schedule, json) { Table.schedule(schedule, now: schedule.at) }
        case .ages:
            let map = try await client.ages(limit: 100)
            try show(map, json) { Table.ages(map) }
        case .destination:
            let row = try await Commands.Target.destination(subject, client)
            let detail = try await client.detail(of: row.id)
            if json { return try console.print(json: detail) }
            console.print(
                DetailText.lines(row, now: detail.at, utcOffset: console.utcOffset),
                indent: DetailText.indent)
        case .message:
            guard let message = try await Commands.Target.message(subject, client) else {
                throw CommandFailure.refused("there is no message '\(subject)'")
            }
            if json { return try console.print(json: message.detail) }
            console.print(
                DetailText.lines(
                    message.detail, now: message.detail.at, utcOffset: console.utcOffset),
                indent: DetailText.indent)
        case .events, .trace: break
        }
    }

    private func show<Row>(
        _ page: Page<Row>, _ noun: String, _ json: Bool, table: () -> Table
    ) throws {
        // A screen may be empty; that is no failure.
        let command = ["destination": "destinations", "delivery": "messages"][noun] ?? "actions"
        try console.print(
            page, noun, json: json, more: "sluice \(command) --limit shows them", table: table)
    }

    private func show(_ value: some Encodable, _ json: Bool, table: () -> Table) throws {
        if json { try console.print(json: value) } else { console.print(table()) }
    }

    // MARK: What happens

    private func print(_ item: StreamItem, json: Bool) throws {
        switch item {
        case .event(let event):
            if json { return try console.print(jsonLine: event) }
            console.print([EventText.line(event, utcOffset: console.utcOffset)])
        case .trace(let line):
            if json { return try console.print(jsonLine: line) }
            console.print(EventText.lines(line, utcOffset: console.utcOffset))
        }
    }

    private func follow(
        _ receive: @escaping @Sendable (StreamItem) throws -> Void
    ) async throws {
        if page == .events { return try await client.events { try receive(.event($0)) } }
        let row = try await Commands.Target.destination(subject, client)
        try await client.trace(destination: row.id, content: false) { try receive(.trace($0)) }
    }

    /// What happens has no state to show: it is what happens within one interval.
    private func collect() async throws {
        _ = try await client.status()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await follow { try print($0, json: options.mode == .json) } }
            group.addTask { try await Task.sleep(for: options.interval) }
            try await group.next()
            group.cancelAll()
        }
    }
}
