import Synchronization

/// A node of the cluster, as one that writes into the spool that all share.
package final class SpoolNode: Sendable {
    /// As in the table of nodes.
    package let id: Int64
    private let present: Atomic<Int64>

    package init(id: Int64, life: Int64) {
        self.id = id
        present = Atomic(life)
    }

    /// The life in which it writes. Nothing that was meant in one life may be written in another,
    /// but for what became of deliveries.
    package var life: Int64 {
        get { present.load(ordering: .acquiring) }
        set { present.store(newValue, ordering: .releasing) }
    }
}
