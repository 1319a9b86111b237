package import Control

/// Where the monitor's data come from and its actions go: the control API.
///
/// An `APIError` is the daemon's answer; any other error means that it was not reached. A method
/// returns soon when its task is cancelled: the monitor ends only when all have.
package protocol MonitorSource: Sendable {
    func status() async throws -> Status
    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<DestinationRow>
    func detail(of destination: String) async throws -> DestinationDetail
    func body(of message: String, lines: Int) async throws -> MessageBody
    func ages(limit: Int) async throws -> AgeMap
    func schedule(limit: Int) async throws -> Schedule
    func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<MessageRow>
    func message(_ id: String) async throws -> MessageDetail
    func actions(limit: Int) async throws -> Page<ActionRow>
    /// Gives what happens to `receive`, until the daemon ends it or the task is cancelled.
    func follow(
        _ subject: StreamSubject, _ receive: @escaping @Sendable (StreamItem) -> Void
    ) async throws
    func plan(_ request: PlanRequest) async throws -> Plan
    func apply(_ planID: String, _ request: ApplyRequest) async throws -> ActionRow
    func undo(_ actionID: String) async throws -> ActionRow
}
