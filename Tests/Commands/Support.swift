import Commands
import Control
import Mail
import Synchronization

/// A daemon that answers from memory and remembers what it was asked for.
final class FakeAPI: ControlAPI {
    struct Asked {
        var filters: [String] = []
        var plans: [PlanRequest] = []
        var applied: [(plan: String, count: Int?)] = []
        var undone: [String] = []
    }

    let asked = Mutex(Asked())
    let rows: [DestinationRow]
    let messages: [String: [String]]
    let counts: Counts
    let mustTypeCount: Bool
    let actionRows: [ActionRow]
    let outcome: ActionState

    /// - Parameter messages: the ids of messages and of their deliveries.
    init(
        rows: [DestinationRow] = [], messages: [String: [String]] = [:],
        counts: Counts = Counts(), mustTypeCount: Bool = false, actions: [ActionRow] = [],
        outcome: ActionState = .undoable
    ) {
        self.rows = rows
        self.messages = messages
        self.counts = counts
        self.mustTypeCount = mustTypeCount
        actionRows = actions
        self.outcome = outcome
    }

    func status() async throws -> Status {
        Status(
            at: .start, hostname: "mta.example", pid: 7, startedAt: .start, totals: Totals(),
            rates: Rates(), workers: [], mayOperate: true)
    }

    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
    ) async throws -> Page<DestinationRow> {
        asked.withLock { $0.filters.append(filter ?? "") }
        let found = rows.filter { row in
            ([row.name] + row.domains).contains { filter == "name = \($0) or domain = \($0)" }
        }
        let shown = filter == nil ? rows : found
        return Page(at: .start, total: shown.count, offset: 0, rows: shown)
    }

    func destination(_ id: String) async throws -> DestinationRow {
        guard let row = rows.first(where: { $0.id == id }) else { throw Self.notFound }
        return row
    }

    func message(_ id: String) async throws -> MessageDetail {
        guard let deliveries = messages[id] else { throw Self.notFound }
        return MessageDetail(
            at: .start, id: id, sender: "", size: 1, receivedAt: .start, expiresAt: .start,
            client: "", deliveries: deliveries.map { .sample($0) }, recipients: [], header: "")
    }

    func actions(limit: Int) async throws -> Page<ActionRow> {
        Page(at: .start, total: actionRows.count, offset: 0, rows: actionRows)
    }

    func plan(_ request: PlanRequest) async throws -> Plan {
        asked.withLock { $0.plans.append(request) }
        var plan = Plan(
            id: "p1", request: request, at: .start, expiresAt: .start + .seconds(60),
            counts: counts, effect: "does it")
        plan.mustTypeCount = mustTypeCount
        return plan
    }

    func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow {
        asked.withLock { $0.applied.append((plan, request.count)) }
        return .sample("9", state: outcome)
    }

    func undo(_ action: String) async throws -> ActionRow {
        asked.withLock { $0.undone.append(action) }
        return .sample(action, state: .undone)
    }

    private static let notFound = APIError(code: "not-found", message: "no such thing")
}

extension UnixTime {
    /// 2026-11-23T22:33:20Z
    static let start = UnixTime(milliseconds: 1_795_473_200_000)
}

extension DestinationRow {
    static func sample(_ id: String, _ name: String, domains: [String] = []) -> DestinationRow {
        var row = DestinationRow(id: id, key: 1, name: name)
        row.domains = domains
        return row
    }
}

extension MessageRow {
    static func sample(_ id: String) -> MessageRow {
        MessageRow(
            id: id, message: String(id.split(separator: ".")[0]), sender: "a@example.org",
            recipients: ["b@example.com"], domain: "example.com", size: 2048, receivedAt: .start,
            expiresAt: .start, state: .delayed, attempts: 2,
            why: Why(kind: "schedule", text: "next try in 5m"))
    }
}

extension ActionRow {
    static func sample(
        _ id: String, state: ActionState, at: UnixTime = .start, undoUntil: UnixTime? = nil
    ) -> ActionRow {
        ActionRow(
            id: id, action: .retry, at: at, by: "root (uid 0)", reason: "", target: "all",
            counts: Counts(), state: state, undoUntil: undoUntil, result: "2 deliveries made due")
    }
}

/// What was printed, and what is answered.
final class Recorder: Sendable {
    let output = Mutex("")
    let warnings = Mutex("")
    private let answers: Mutex<[String]>

    init(answers: [String] = []) {
        self.answers = Mutex(answers)
    }

    func console(interactive: Bool = false, width: Int? = nil, utf8: Bool = true) -> Console {
        Console(
            write: { text in self.output.withLock { $0 += text } },
            warn: { text in self.warnings.withLock { $0 += text + "\n" } },
            readLine: { self.answers.withLock { $0.isEmpty ? nil : $0.removeFirst() } },
            isInteractive: interactive, width: width, isUTF8: utf8, now: { .start },
            utcOffset: { _ in 0 })
    }

    var text: String { output.withLock { $0 } }
}

extension Counts {
    static func of(destinations: Int = 0, deliveries: Int = 0) -> Counts {
        var counts = Counts()
        counts.destinations = destinations
        counts.deliveries = deliveries
        counts.messages = deliveries
        counts.recipients = deliveries
        return counts
    }
}

func failure(_ body: () async throws -> Void) async -> CommandFailure? {
    do {
        try await body()
        return nil
    } catch {
        return CommandFailure(error)
    }
}
