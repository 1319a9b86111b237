import Cluster
import Scheduler

/// A few nodes that share one destination, and the database between them.
///
/// One destination: they do not depend on each other. Which node the ring wants for it is left open
/// at every step, so that every ring, weight and pin is covered. Instants are kept relative to the
/// present, which is always 0.
struct World {
    struct Renewal {
        var hasSettled: Bool
        var sentAt: Instant
        var isApplied = false
    }

    struct Claim {
        var seen: Int64
        var isApplied = false
        var granted: Int64?
    }

    /// What a node gave up waiting for, or sent before it died, and what is still on its way.
    struct Late {
        var request: Members.Request
        var number: Int64 = 0
        var hasSettled = false
    }

    /// A transaction that has ended, and whose result is not known to be recorded.
    enum Result: Int {
        case none
        case ofThisLife
        case ofLastLife
    }

    struct Node {
        var membership: Membership
        var tenancy = Tenancy.none
        var renewal: Renewal?
        var claim: Claim?
        /// The number of a release under way.
        var release: Int64?
        var lateRenewal: Late?
        var lateClaim: Late?
        var lateRelease: Late?
        /// It has read the message and will send it.
        var hasMail = false
        var result = Result.none
    }

    var members: Members
    var tenure = Tenure()
    var nodes: [Node]
    var isRecorded = false
    var deaths: Int
    var failovers: Int

    static let now = Instant(nanoseconds: 0)

    init(_ bounds: Bounds) {
        members = Members(timeline: 1)
        nodes = (0..<bounds.nodes).map {
            Node(membership: Membership(node: NodeID(Int64($0)), times: bounds.times))
        }
        deaths = bounds.deaths
        failovers = bounds.failovers
    }

    func delivers(_ index: Int) -> Bool {
        nodes[index].tenancy.isHeld && nodes[index].membership.isAlive(at: Self.now)
    }

    var deliverers: Int {
        var count = 0
        for index in nodes.indices where delivers(index) { count += 1 }
        return count
    }

    /// The message is dealt with, as far as those know who have not died.
    var isSettled: Bool { isRecorded && !nodes.contains { $0.result != .none } }

    /// Whether a request of this life can still have an effect. If not, it never will.
    func isValid(_ request: Members.Request?) -> Bool {
        guard let request else { return false }
        return request.timeline == members.timeline
            && members.isLive(request.node, life: request.life)
    }
}
