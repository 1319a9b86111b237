/// `[supervision]`: how the manager looks after its workers.
package struct SupervisionSettings: Hashable, Sendable, Codable {
    /// How often manager and worker say that they are there.
    package var heartbeat: Duration = .seconds(1)
    /// A worker that is silent for so long is killed and replaced.
    package var heartbeatTimeout: Duration = .seconds(10)
    /// Before a worker that died is started again; doubles each time it keeps dying.
    package var restartFirst: Duration = .milliseconds(250)
    package var restartCap: Duration = .seconds(30)
    /// How long running transactions may take to end when the daemon stops.
    package var shutdownTimeout: Duration = .seconds(20)

    package init() {}

    mutating func read(_ reader: TableReader) {
        let range = Duration.milliseconds(10)...(.seconds(3600))
        reader.read("heartbeat", .duration(range), into: &heartbeat)
        reader.read("heartbeat_timeout", .duration(range), into: &heartbeatTimeout)
        reader.read("restart_first", .duration(range), into: &restartFirst)
        reader.read("restart_cap", .duration(range), into: &restartCap)
        reader.read("shutdown_timeout", .duration(.zero...(.seconds(3600))), into: &shutdownTimeout)
        if heartbeatTimeout < heartbeat * 2 {
            reader.error(
                reader.has("heartbeat_timeout") ? "heartbeat_timeout" : "heartbeat",
                "heartbeat_timeout (\(DurationText.text(heartbeatTimeout))) must be at least"
                    + " twice heartbeat (\(DurationText.text(heartbeat)))")
        }
        if restartFirst > restartCap {
            reader.error(
                reader.has("restart_first") ? "restart_first" : "restart_cap",
                "restart_first (\(DurationText.text(restartFirst))) is above restart_cap"
                    + " (\(DurationText.text(restartCap)))")
        }
    }
}
