package import Control

/// Where the monitor's data come from and its actions go: the control API.
///
/// An `APIError` is the daemon's answer; any other error means that it was not reached. A method
/// returns soon when its task is cancelled: the monitor ends only when all have.
package protocol MonitorSource: Sendable {
    func status() async throws -> Status
    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
    ) async throws -> Page<DestinationRow>
    func destination(_ id: String) async throws -> DestinationRow
    func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int
    ) async throws -> Page<MessageRow>
    func message(_ id: String) async throws -> MessageDetail
    func plan(_ request: PlanRequest) async throws -> Plan
    func apply(_ planID: String, _ request: ApplyRequest) async throws -> ActionRow
    func undo(_ actionID: String) async throws -> ActionRow
}
