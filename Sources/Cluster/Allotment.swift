import Scheduler

/// Which worker of which node a destination belongs to: one ring over the workers of all nodes that
/// take part. Every node that sees the same nodes computes the same.
package struct Allotment: Sendable, Hashable {
    package struct Place: Sendable, Hashable {
        package var node: NodeID
        /// From 1, as the node counts its workers.
        package var worker: Int

        package init(node: NodeID, worker: Int) {
            self.node = node
            self.worker = worker
        }
    }

    /// Workers of one node that the ring can tell apart.
    private static let most = 1 << 12

    private let ring: Ring
    private let places: Set<Place>

    /// - Parameter nodes: the live nodes that are not drained, and the weights of their workers as
    ///   in `Ring`. Of a node only workers from 1 to 4095 count.
    package init(nodes: [NodeID: [Int: Double]]) {
        var workers: [Int: Double] = [:]
        var places: Set<Place> = []
        for (node, weights) in nodes {
            for (worker, weight) in weights where weight > 0 && 1..<Self.most ~= worker {
                workers[Int(node.rawValue) * Self.most + worker] = weight
                places.insert(Place(node: node, worker: worker))
            }
        }
        ring = Ring(workers: workers)
        self.places = places
    }

    /// - Parameter pin: an operator's choice, which holds while it takes part.
    /// - Returns: nil if nobody takes part.
    package func place(of key: UInt32, pin: Place? = nil) -> Place? {
        if let pin, places.contains(pin) { return pin }
        return ring.owner(of: key).map {
            Place(node: NodeID(Int64($0 / Self.most)), worker: $0 % Self.most)
        }
    }
}
