package import Control

/// What the commands ask of the daemon; `ControlClient`, or in tests something that answers from
/// memory.
package protocol ControlAPI: Sendable {
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

extension ControlClient: ControlAPI {}

/// The answer, nil where the daemon says that there is no such thing.
func ifFound<T>(_ request: () async throws -> T) async throws -> T? {
    do {
        return try await request()
    } catch let error as APIError where error.code == "not-found" {
        return nil
    }
}
