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
    /// What it has in common with what other nodes do, and this node.
    var origin = ActionDetails.Origin()
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

    /// Numbers up to this one have been used.
    mutating func restore(lastAction: Int64) {
        nextAction = max(nextAction, lastAction + 1)
    }

    /// Of several nodes each uses numbers of a district that it has, and so no other does; and the
    /// action goes with the district to whoever takes it over.
    ///
    /// - Parameter districts: in their order; nil: there is one daemon alone.
    /// - Returns: nil where this node has none.
    mutating func newActionID(in districts: [Int]?) -> Int64? {
        if let districts {
            let count = Int64(District.count)
            let present = Int(nextAction % count)
            guard let next = districts.first(where: { $0 >= present }) ?? districts.first else {
                return nil
            }
            nextAction += (Int64(next) - Int64(present) + count) % count
        }
        defer { nextAction += 1 }
        return nextAction
    }

    /// Those that are being carried out, undone, or ended: their districts cannot be given away.
    var busy: Set<Int64> { Set(progress.keys).union(ending).union(undoing) }
    /// Whose undo windows are over, until what they are about is gone.
    var ending: Set<Int64> = []
    /// Those that are being undone.
    var undoing: Set<Int64> = []

    /// Another node sees to them from now on.
    mutating func giveUp(_ isGiven: (Int64) -> Bool) {
        doomed = doomed.filter { !isGiven($0.key) }
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
        for (id, _) in due {
            doomed[id] = nil
            ending.insert(id)
        }
        return due.map { ($0.key, $0.value) }
    }
}
