import Cluster
import Control
import Mail
import Synchronization

/// A plan of which each node has a part, bound to what that node has.
struct JointPlan: Sendable {
    struct Part: Sendable {
        /// nil: this node.
        var other: ClusterAPI.Other?
        var name: String
        var plan: Plan

        var isEmpty: Bool { plan.counts.deliveries == 0 && plan.counts.destinations == 0 }
    }

    var plan: Plan
    var parts: [Part]
    /// What is told of those that could not be asked.
    var unreached: [String]
}

/// Those that wait to be applied at this node's socket.
final class JointPlans: Sendable {
    private struct State {
        var next = 1
        var plans: [String: JointPlan] = [:]
    }

    private let state = Mutex(State())

    /// Each of the parts has an id of its own, "p7"; these are told apart by theirs.
    func newID() -> String {
        state.withLock { state in
            defer { state.next += 1 }
            return "n\(state.next)"
        }
    }

    func keep(_ joint: JointPlan, at now: UnixTime) {
        state.withLock { state in
            state.plans = state.plans.filter { $0.value.plan.expiresAt > now }
            if state.plans.count >= ActionTable.maximumPlans,
                let oldest = state.plans.min(by: { $0.value.plan.at < $1.value.plan.at })
            {
                state.plans[oldest.key] = nil
            }
            state.plans[joint.plan.id] = joint
        }
    }

    func plan(_ id: String) -> JointPlan? { state.withLock { $0.plans[id] } }

    /// A plan is applied once.
    func take(_ id: String) -> JointPlan? { state.withLock { $0.plans.removeValue(forKey: id) } }
}
