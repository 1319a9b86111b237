import Control
import Mail
import Scheduler
import Spool

/// A plan and exactly what it is bound to.
struct BoundPlan {
    var plan: Plan
    /// Ascending. For an action on deliveries.
    var deliveries: [DeliveryID] = []
    /// For an action on destinations.
    var destinations: [Int64] = []
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
        var deliveries: [DeliveryID]
        var reason: String
    }

    /// Who keeps mail back, or is about to destroy it, and what for: told with the mail.
    private var marks: [Int64: Mark] = [:]

    struct Mark {
        var by: String
        var reason: String
        /// Ascending.
        var deliveries: [DeliveryID]
    }

    mutating func remember(_ action: Int64, _ mark: Mark) {
        marks[action] = mark
    }

    mutating func forgetMark(of action: Int64) {
        marks[action] = nil
    }

    /// They are queued again.
    mutating func unmark(_ released: Set<DeliveryID>) {
        for (action, mark) in marks {
            let left = mark.deliveries.filter { !released.contains($0) }
            marks[action]?.deliveries = left
            if left.isEmpty { marks[action] = nil }
        }
    }

    /// The latest one on a delivery.
    func mark(on id: DeliveryID) -> Mark? {
        marks.filter { $0.value.deliveries.hasSorted(id) }.max { $0.key < $1.key }?.value
    }

    mutating func restore(lastAction: Int64) {
        nextAction = lastAction + 1
    }

    mutating func newActionID() -> Int64 {
        defer { nextAction += 1 }
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

extension [DeliveryID] {
    /// Whether a sorted array has it.
    fileprivate func hasSorted(_ id: DeliveryID) -> Bool {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low < endIndex && self[low] == id
    }
}

/// What undo needs of an action, kept with it in the spool.
struct ActionDetails: Codable {
    var counts = Counts()
    /// The deliveries that changed, by the state that they had before.
    var queued: [Int64] = []
    var held: [Int64] = []
    var routing: [Int64] = []
    var destinations: [PreviousDestination] = []
    var workers: Int?

    struct PreviousDestination: Codable {
        var id: Int64
        var pin: Int?
        var pausedBy: String?
        var pausedUntil: UnixTime?
        var pauseReason: String
    }
}
