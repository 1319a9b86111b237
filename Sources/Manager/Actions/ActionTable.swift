import Cluster
import Control
import DequeModule
import Mail
import NIOCore
import Scheduler
import Spool

/// A plan and exactly what it is bound to.
struct BoundPlan {
    var plan: Plan
    /// For an action on deliveries.
    var deliveries = DeliverySet()
    /// Those of them that were shown as held.
    var held = DeliverySet()
    /// For an action on destinations.
    var destinations: [Int64] = []
    /// How the destinations were when they were shown.
    var shown: [Int64: ActionDetails.PreviousDestination] = [:]
    /// For an action on workers: how many there were, and which were drained.
    var workers = 0
    var drained: Set<Int> = []
}

/// The plans that wait to be applied, and the clock of what waits out its undo window. Confined to
/// the dispatcher's loop.
struct ActionTable {
    /// A plan that nobody applies ends after this time.
    static let planLife: Duration = .seconds(600)
    static let maximumPlans = 200

    private var plans: [String: BoundPlan] = [:]
    private var nextPlan = 1
    private var nextAction: Int64 = 1
    /// Between two numbers.
    private var step: Int64 = 1
    /// Deliveries of an action that are destroyed at a time, unless it is undone before.
    private(set) var doomed: [Int64: Doomed] = [:]

    struct Doomed {
        /// As it is shown.
        var at: UnixTime
        /// The same on the clock that nobody sets: a wall clock that jumps must not destroy what
        /// can still be undone.
        var due: Instant
        var kind: ActionKind
        var deliveries: DeliverySet
        var reason: String
    }

    /// Who keeps mail back, or is about to destroy it, and what for: told with the mail.
    private var marks: [Int64: Mark] = [:]

    struct Mark {
        var by: String
        var reason: String
        var deliveries: DeliverySet
    }

    /// Actions that are being carried out or undone.
    var progress: [Int64: ActionProgress] = [:]
    private var isTaken = false
    private var waiting: Deque<EventLoopPromise<Void>> = []

    /// What marks deliveries or takes marks back does so one after the other, so that what it has
    /// read of them holds when it writes.
    mutating func enter(_ promise: EventLoopPromise<Void>) {
        if isTaken { return waiting.append(promise) }
        isTaken = true
        promise.succeed()
    }

    mutating func leave() {
        guard let next = waiting.popFirst() else { return isTaken = false }
        next.succeed()
    }

    mutating func remember(_ action: Int64, _ mark: Mark) {
        marks[action] = mark
    }

    mutating func forgetMark(of action: Int64) {
        marks[action] = nil
    }

    /// They are queued again.
    mutating func unmark(_ released: DeliverySet) {
        for (action, mark) in marks {
            let left = mark.deliveries.subtracting(released)
            marks[action]?.deliveries = left
            if left.isEmpty { marks[action] = nil }
        }
    }

    /// The latest one on a delivery.
    func mark(on id: DeliveryID) -> Mark? {
        marks.filter { $0.value.deliveries.contains(id) }.max { $0.key < $1.key }?.value
    }

    mutating func restore(lastAction: Int64) {
        nextAction = lastAction + 1
    }

    /// Of several nodes each has numbers of its own: its own number modulo 1024.
    mutating func restore(lastAction: Int64, of node: NodeID) {
        step = 1024
        let own = node.rawValue % step
        nextAction = (lastAction / step + 1) * step + own
    }

    /// Whether this node has begun it.
    func areOwn(_ action: Int64) -> Bool { action % step == nextAction % step }

    mutating func newActionID() -> Int64 {
        defer { nextAction += step }
        return nextAction
    }

    mutating func newPlanID() -> String {
        defer { nextPlan += 1 }
        return "p\(nextPlan)"
    }

    mutating func keep(_ bound: BoundPlan, at now: UnixTime) {
        plans = plans.filter { $0.value.plan.expiresAt > now }
        if plans.count >= Self.maximumPlans,
            let oldest = plans.min(by: { $0.value.plan.at < $1.value.plan.at })
        {
            plans[oldest.key] = nil
        }
        plans[bound.plan.id] = bound
    }

    /// A plan is applied once.
    mutating func take(_ id: String, at now: UnixTime) -> BoundPlan? {
        guard let bound = plans[id], bound.plan.expiresAt > now else { return nil }
        plans[id] = nil
        return bound
    }

    func plan(_ id: String) -> BoundPlan? { plans[id] }

    mutating func doom(_ action: Int64, _ doomed: Doomed) {
        self.doomed[action] = doomed
    }

    mutating func spare(_ action: Int64) -> Doomed? {
        doomed.removeValue(forKey: action)
    }

    mutating func takeDue(at now: Instant) -> [(Int64, Doomed)] {
        let due = doomed.filter { $0.value.due <= now }.sorted { $0.key < $1.key }
        for (id, _) in due { doomed[id] = nil }
        return due.map { ($0.key, $0.value) }
    }
}
