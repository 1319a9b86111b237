import Cluster
import Scheduler

/// Who is in the cluster, as this node last saw it.
struct ClusterView: Sendable {
    struct Node: Sendable {
        var id: NodeID
        var name: String
        var isLive: Bool
        var isDrained: Bool
        var weights: [Double]
        /// Since when no other sign of life was seen.
        var seenAt: Instant
    }

    var nodes: [Node] = []
    /// Of districts that somebody has.
    var owners: [Int: NodeID] = [:]

    /// Of those that take part.
    var allotment: Allotment {
        var taking: [NodeID: [Int: Double]] = [:]
        for node in nodes where node.isLive && !node.isDrained {
            taking[node.id] = Dictionary(
                uniqueKeysWithValues: node.weights.enumerated().map { ($0.offset + 1, $0.element) })
        }
        return Allotment(nodes: taking)
    }

    /// nil: nobody has it.
    func owner(of district: Int) -> Node? {
        owners[district].flatMap { owner in nodes.first { $0.id == owner } }
    }
}
