import Cluster
import Spool
import Synchronization

/// A node of the cluster, as one that writes into the spool that all share.
package final class SpoolNode: Sendable {
    /// As in the table of nodes.
    package let id: Int64
    private let present: Atomic<Int64>
    /// Districts of others for which mail was committed, and their owners have not been told.
    private let news = Mutex<Set<Int>>([])
    private let onNews: @Sendable () -> Void

    /// - Parameter onNews: called on the writing thread when there is mail for others, and none
    ///   was that had not been told of.
    package init(id: Int64, life: Int64, onNews: @escaping @Sendable () -> Void = {}) {
        self.id = id
        self.onNews = onNews
        present = Atomic(life)
    }

    /// The life in which it writes. Nothing that was meant in one life may be written in another,
    /// but for what became of deliveries.
    package var life: Int64 {
        get { present.load(ordering: .acquiring) }
        set { present.store(newValue, ordering: .releasing) }
    }

    /// What these writes, which are committed, have brought for others.
    func committed(_ writes: [SpoolWrite]) {
        var districts: Set<Int> = []
        for write in writes {
            let deliveries =
                switch write {
                case .accept(let message): message.deliveries
                case .route(_, let deliveries): deliveries
                default: [NewDelivery]()
                }
            for delivery in deliveries where delivery.isElsewhere {
                districts.insert(
                    District.of(destination: delivery.destination, delivery: delivery.id))
            }
        }
        guard !districts.isEmpty else { return }
        let isFirst = news.withLock { news in
            defer { news.formUnion(districts) }
            return news.isEmpty
        }
        if isFirst { onNews() }
    }

    package var hasNews: Bool { news.withLock { !$0.isEmpty } }

    package func takeNews() -> Set<Int> {
        news.withLock { news in
            defer { news = [] }
            return news
        }
    }
}
