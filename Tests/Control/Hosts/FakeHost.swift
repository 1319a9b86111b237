import Control
import Filter
import Mail
import Synchronization

/// A daemon that answers from memory, is away, or says nothing.
final class FakeHost: DaemonAPI {
    enum Mode { case up, down, hangs }

    struct State {
        var mode = Mode.up
        var asked = 0
        var destinations: [DestinationRow] = []
        var messages: [MessageRow] = []
        var plans: [PlanRequest] = []
        var applied: [(plan: String, count: Int?)] = []
        var undone: [String] = []
        var running: [RunningAction] = []
        var mustTypeCount = false
        /// What a plan touches.
        var deliveries = 2
    }

    static let now = UnixTime(milliseconds: 1_000_000_000)
    let name: String
    let state: Mutex<State>

    init(_ name: String, destinations: [DestinationRow] = [], messages: [MessageRow] = []) {
        self.name = name
        var state = State()
        state.destinations = destinations
        state.messages = messages
        self.state = Mutex(state)
    }

    var mode: Mode {
        get { state.withLock(\.mode) }
        set { state.withLock { $0.mode = newValue } }
    }

    private func come() async throws {
        let mode = state.withLock { state in
            state.asked += 1
            return state.mode
        }
        switch mode {
        case .up: return
        case .down: throw ControlError(code: .noDaemon, message: "\(name): nobody is home")
        case .hangs: try await Task.sleep(for: .seconds(3600))
        }
    }

    func status() async throws -> Status {
        try await come()
        var totals = Totals()
        totals.destinations = state.withLock { $0.destinations.count }
        var status = Status(
            at: Self.now, hostname: name, pid: 1, startedAt: Self.now, totals: totals,
            rates: Rates(), workers: [WorkerRow(id: 1, state: .running)], mayOperate: true)
        let running = state.withLock(\.running)
        status.running = running.isEmpty ? nil : running
        return status
    }

    private func page<Row>(
        _ rows: [Row], _ order: RowOrder<Row>, filter: String?, _ fields: FilterFields,
        limit: Int, offset: Int, around: String?, id: (Row) -> String,
        _ lookup: (Row) -> (FilterField) -> FilterFieldValue?
    ) throws -> Page<Row> {
        guard limit <= 10_000 else { throw APIError(code: "bad-request", message: "limit") }
        var rows = rows
        if let filter {
            do {
                let expression = try FilterExpression.parse(filter, fields: fields)
                rows = rows.filter { expression.matches(lookup($0)) }
            } catch {
                throw APIError(code: "bad-filter", message: error.message, position: error.position)
            }
        }
        rows.sort { order.precedes(order.place($0, Self.now), order.place($1, Self.now)) }
        var offset = offset
        if let around, let place = rows.firstIndex(where: { id($0) == around }) {
            offset = max(0, place - limit / 2)
        }
        return Page(
            at: Self.now, total: rows.count, offset: offset,
            rows: Array(rows.dropFirst(offset).prefix(limit)))
    }

    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int, around: String?
    ) async throws -> Page<DestinationRow> {
        try await come()
        return try page(
            state.withLock(\.destinations), .destinations(sort: sort, descending: descending),
            filter: filter, .destinations, limit: limit, offset: offset, around: around,
            id: \.id
        ) { $0.lookup(at: Self.now) }
    }

    func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int, around: String?
    ) async throws -> Page<MessageRow> {
        try await come()
        return try page(
            state.withLock(\.messages), .messages(sort: sort, descending: descending),
            filter: filter, .messages, limit: limit, offset: offset, around: around, id: \.id
        ) { $0.lookup(at: Self.now) }
    }

    func destination(_ id: String) async throws -> DestinationRow {
        try await come()
        guard let row = state.withLock({ $0.destinations.first { $0.id == id } }) else {
            throw APIError(code: "not-found", message: "no such destination")
        }
        return row
    }

    func detail(of destination: String) async throws -> DestinationDetail {
        DestinationDetail(at: Self.now, row: try await self.destination(destination))
    }

    func message(_ id: String) async throws -> MessageDetail {
        try await come()
        let rows = state.withLock { $0.messages.filter { $0.message == id } }
        guard let first = rows.first else {
            throw APIError(code: "not-found", message: "no such message")
        }
        return MessageDetail(
            at: Self.now, id: id, sender: first.sender, size: 1, receivedAt: Self.now,
            expiresAt: Self.now, client: "", deliveries: rows, recipients: [], header: "")
    }

    func body(of message: String, lines: Int) async throws -> MessageBody {
        try await come()
        return MessageBody(id: message, lines: [], bytesLeft: 0)
    }

    func ages(limit: Int) async throws -> AgeMap {
        try await come()
        return AgeMap(
            at: Self.now, countedAt: Self.now, bounds: [1], totals: [1, 2], destinations: 1,
            rows: [AgeRow(id: "1", name: name, state: .idle, counts: [1, 2])])
    }

    func schedule(limit: Int) async throws -> Schedule {
        try await come()
        return Schedule(at: Self.now, countedAt: Self.now)
    }

    func workers() async throws -> Page<WorkerRow> {
        try await come()
        return Page(
            at: Self.now, total: 1, offset: 0, rows: [WorkerRow(id: 1, state: .running)])
    }

    func nodes() async throws -> Page<NodeRow> {
        throw APIError(code: "no-cluster", message: "there is one daemon alone")
    }

    func actions(limit: Int) async throws -> Page<ActionRow> {
        try await come()
        return Page(at: Self.now, total: 1, offset: 0, rows: [action(.undoable, "is there")])
    }

    private func action(_ state: ActionState, _ result: String) -> ActionRow {
        ActionRow(
            id: "7", action: .purge, at: Self.now, by: "root", reason: "", target: "t",
            counts: Counts(), state: state, undoUntil: nil, result: result)
    }

    func plan(_ request: PlanRequest) async throws -> Plan {
        try await come()
        return state.withLock { state in
            state.plans.append(request)
            var counts = Counts()
            counts.deliveries = state.deliveries
            counts.destinations = state.deliveries
            var plan = Plan(
                id: "p\(state.plans.count)", request: request, at: Self.now, expiresAt: Self.now,
                counts: counts, effect: "deletes")
            plan.mustTypeCount = state.mustTypeCount
            return plan
        }
    }

    func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow {
        try await come()
        state.withLock { $0.applied.append((plan, request.count)) }
        return action(.undoable, "deleted")
    }

    func undo(_ action: String) async throws -> ActionRow {
        try await come()
        state.withLock { $0.undone.append(action) }
        return self.action(.undone, "back")
    }

    func events(_ receive: @escaping @Sendable (Event) throws -> Void) async throws {
        try await come()
        try receive(Event(at: Self.now, kind: "delivered", text: "x", destination: "3"))
        throw ControlError(code: .noDaemon, message: "\(name): gone")
    }

    func trace(
        destination: String, content: Bool,
        _ receive: @escaping @Sendable (TraceLine) throws -> Void
    ) async throws {
        try await come()
        try receive(
            TraceLine(
                at: Self.now, destination: destination, worker: 1, connection: 1, direction: ">",
                text: "EHLO", dropped: 0))
    }
}
