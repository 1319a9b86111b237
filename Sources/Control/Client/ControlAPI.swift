/// What most commands ask: of one daemon, of several hosts as one, or in tests of something that
/// answers from memory.
package protocol ControlAPI: Sendable {
    /// The hosts that are asked, by name; empty where it is one.
    var hosts: [String] { get }

    func status() async throws -> Status
    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
    ) async throws -> Page<DestinationRow>
    func destination(_ id: String) async throws -> DestinationRow
    func message(_ id: String) async throws -> MessageDetail
    func actions(limit: Int) async throws -> Page<ActionRow>
    func plan(_ request: PlanRequest) async throws -> Plan
    func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow
    func undo(_ action: String) async throws -> ActionRow
}

extension ControlAPI {
    package var hosts: [String] { [] }
}

/// All of the control API but what is for one daemon by its nature: its spool as a whole, and
/// mail that is handed in.
package protocol DaemonAPI: ControlAPI {
    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<DestinationRow>
    func detail(of destination: String) async throws -> DestinationDetail
    func ages(limit: Int) async throws -> AgeMap
    func schedule(limit: Int) async throws -> Schedule
    func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<MessageRow>
    func body(of message: String, lines: Int) async throws -> MessageBody
    func workers() async throws -> Page<WorkerRow>
    func nodes() async throws -> Page<NodeRow>
    /// Gives what happens to `receive`, one after the other, until the daemon ends it.
    func events(_ receive: @escaping @Sendable (Event) throws -> Void) async throws
    func trace(
        destination: String, content: Bool,
        _ receive: @escaping @Sendable (TraceLine) throws -> Void
    ) async throws
}

extension DaemonAPI {
    package func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
    ) async throws -> Page<DestinationRow> {
        try await destinations(
            filter: filter, sort: sort, descending: descending, limit: limit, offset: offset,
            around: nil)
    }
}

extension ControlClient: DaemonAPI {
    package func events(_ receive: @escaping @Sendable (Event) throws -> Void) async throws {
        for try await event in events() { try receive(event) }
    }

    package func trace(
        destination: String, content: Bool,
        _ receive: @escaping @Sendable (TraceLine) throws -> Void
    ) async throws {
        for try await line in trace(destination: destination, content: content) {
            try receive(line)
        }
    }
}
