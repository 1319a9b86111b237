import Control
import Mail
import Synchronization

/// How far the actions are that are being carried out. They go on on several threads, and a status
/// is asked for meanwhile.
final class RunningActions: Sendable {
    private let running = Mutex<[String: RunningAction]>([:])

    func begin(_ progress: RunningAction) {
        running.withLock { $0[progress.id] = progress }
    }

    func enter(_ phase: RunningAction.Phase, _ id: String) {
        running.withLock {
            $0[id]?.phase = phase
            $0[id]?.done = 0
        }
    }

    /// How many deliveries it is about, once that is known.
    func expect(_ total: Int, _ id: String) {
        running.withLock { $0[id]?.total = total }
    }

    func advance(_ id: String, by count: Int) {
        running.withLock { $0[id]?.done += count }
    }

    func end(_ id: String) {
        running.withLock { $0[id] = nil }
    }

    /// The oldest first; nil where there are none.
    var all: [RunningAction]? {
        let all = running.withLock { Array($0.values) }
        return all.isEmpty ? nil : all.sorted { ($0.since, $0.id) < ($1.since, $1.id) }
    }
}
