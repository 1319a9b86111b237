/// Due deliveries of one class, in an order that is fair between their senders.
///
/// Self-clocked fair queueing (Golestani, 1994): a delivery's mark is the later of its sender's
/// last mark and the mark last served, plus a cost that falls with its priority; the smallest
/// mark goes next. A sender with a thousand waits its turn after one with a single delivery, and
/// nobody starves, because the mark last served only grows.
struct FairQueue {
    /// Shorter queues are served in order: their last one waits for few, and senders need not
    /// be kept apart for it.
    private static let short = 16
    private static let cost: Int64 = 1 << 16

    private var heap = IndexedHeap<TurnOrder>()
    /// The mark last served.
    private var now: Int64 = 0
    /// The last mark given.
    private var tail: Int64 = 0
    /// The last mark of each sender, where it lies after `now`; unused while the queue is short.
    private var senders: [UInt16: Int64] = [:]

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }

    mutating func push(_ item: UInt32, _ slots: inout Slots) {
        if heap.count >= Self.short && senders.isEmpty {
            for other in heap.items {
                senders[slots[other].sender] = max(
                    slots[other].mark, senders[slots[other].sender] ?? 0)
            }
        }
        let cost = Self.cost >> Int64(min(slots[item].priority, 7))
        if senders.isEmpty {
            tail = max(now, tail) + cost
            slots[item].mark = tail
        } else {
            let mark = max(now, senders[slots[item].sender] ?? 0) + cost
            senders[slots[item].sender] = mark
            tail = max(tail, mark)
            slots[item].mark = mark
            sweep()
        }
        heap.push(item, &slots.storage)
    }

    mutating func popFirst(_ slots: inout Slots) -> UInt32? {
        guard let item = heap.first else { return nil }
        now = slots[item].mark
        remove(item, &slots)
        return item
    }

    mutating func remove(_ item: UInt32, _ slots: inout Slots) {
        heap.remove(item, &slots.storage)
        if heap.isEmpty { self = FairQueue() }
    }

    /// The first few, in no order.
    var sample: ArraySlice<UInt32> { heap.items.prefix(64) }

    /// Senders whose mark was passed are as good as new ones.
    private mutating func sweep() {
        guard senders.count > 2 * heap.count + 64 else { return }
        senders = senders.filter { $0.value > now }
    }
}
