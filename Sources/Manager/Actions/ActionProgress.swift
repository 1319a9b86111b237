import CAllocator
import Control
import Mail
import NIOCore
import Scheduler
import Spool

/// An action on deliveries while it is carried out, a part of them after the other. Confined to
/// the dispatcher's loop.
final class ActionProgress {
    let bound: BoundPlan
    let number: Int64
    let peer: String
    /// What the deliveries become; nil where nothing is marked.
    let target: StoredState?
    /// All that are to be marked.
    let deliveries: DeliverySet
    /// The end of the undo window, as it is shown and on the clock that nobody sets.
    let until: UnixTime
    let due: Instant
    /// The first part is on disk, and the record with it.
    var isRecorded = false
    /// All parts are.
    var isComplete = false

    /// Workers that have not said yet which of the deliveries run.
    private var open = 0
    private(set) var running = 0
    private var waiter: EventLoopPromise<Int>?

    init(
        _ bound: BoundPlan, number: Int64, by peer: String, target: StoredState?,
        deliveries: DeliverySet, until: UnixTime, due: Instant
    ) {
        self.bound = bound
        self.number = number
        self.peer = peer
        self.target = target
        self.deliveries = deliveries
        self.until = until
        self.due = due
    }

    var isDestructive: Bool { target == .purging || target == .bouncing }

    func asked() { open += 1 }

    func answered(running count: Int) {
        open -= 1
        running += count
        guard open == 0 else { return }
        waiter?.succeed(running)
        waiter = nil
    }

    /// The number of those that were in a transaction, when all workers have answered.
    func whenAnswered(_ promise: EventLoopPromise<Int>) {
        guard open > 0 else { return promise.succeed(running) }
        waiter = promise
    }

    var doomed: ActionTable.Doomed {
        ActionTable.Doomed(
            at: until, due: due, kind: bound.plan.request.action, deliveries: deliveries,
            reason: bound.plan.request.reason)
    }
}

enum Memory {
    /// Actions on fewer leave nothing behind that is worth the effort.
    private static let worthwhile = 20_000

    /// After so many deliveries were gone through: hands back what that took. Not on an event loop.
    static func handBack(after deliveries: Int) {
        if deliveries >= worthwhile { sluice_trim_memory() }
    }
}
