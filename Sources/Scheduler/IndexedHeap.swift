/// What a heap sorts its elements by, and where an element notes its place in that heap.
protocol HeapOrder {
    associatedtype Element
    static func key(_ element: Element) -> Int64
    static func position(_ element: Element) -> UInt32
    static func setPosition(_ position: UInt32, of element: inout Element)
}

/// The position of what is in no heap.
let nowhere = UInt32.max

/// A heap, smallest key first, of numbers into an array that is kept elsewhere. The elements know
/// their positions, so that any of them can be taken out in O(log n). Four children to a node:
/// half as deep as a binary heap, and the children lie together.
struct IndexedHeap<Order: HeapOrder> {
    private(set) var items: [UInt32] = []

    var isEmpty: Bool { items.isEmpty }
    var count: Int { items.count }
    var first: UInt32? { items.first }

    /// The first `count` in order, without taking them out: O(count · log count).
    func firsts(_ count: Int, _ elements: [Order.Element]) -> [UInt32] {
        func key(_ place: Int) -> Int64 { Order.key(elements[Int(items[place])]) }
        var found: [UInt32] = []
        // Places whose parent has been found, the smallest last.
        var open = items.isEmpty ? [] : [0]
        while found.count < count, let place = open.popLast() {
            found.append(items[place])
            let first = place * 4 + 1
            for child in first..<max(first, min(first + 4, items.count)) {
                let at = open.firstIndex { key($0) <= key(child) } ?? open.count
                open.insert(child, at: at)
            }
        }
        return found
    }

    mutating func push(_ item: UInt32, _ elements: inout [Order.Element]) {
        // Eight at first, then by a quarter: there are a hundred thousand of these, small ones.
        if items.count == items.capacity {
            items.reserveCapacity(items.count + max(8, items.count / 4))
        }
        items.append(item)
        rise(items.count - 1, &elements)
    }

    mutating func popFirst(_ elements: inout [Order.Element]) -> UInt32? {
        guard let item = items.first else { return nil }
        remove(item, &elements)
        return item
    }

    /// The item must be in this heap.
    mutating func remove(_ item: UInt32, _ elements: inout [Order.Element]) {
        let position = Int(Order.position(elements[Int(item)]))
        Order.setPosition(nowhere, of: &elements[Int(item)])
        let last = items.removeLast()
        guard position < items.count else { return }
        items[position] = last
        Order.setPosition(UInt32(position), of: &elements[Int(last)])
        moved(last, &elements)
    }

    /// The key of this item, which must be in this heap, changed.
    mutating func moved(_ item: UInt32, _ elements: inout [Order.Element]) {
        rise(Int(Order.position(elements[Int(item)])), &elements)
        sink(Int(Order.position(elements[Int(item)])), &elements)
    }

    private mutating func rise(_ start: Int, _ elements: inout [Order.Element]) {
        let item = items[start]
        let key = Order.key(elements[Int(item)])
        var hole = start
        while hole > 0 {
            let parent = (hole - 1) / 4
            let other = items[parent]
            guard key < Order.key(elements[Int(other)]) else { break }
            put(other, hole, &elements)
            hole = parent
        }
        put(item, hole, &elements)
    }

    private mutating func sink(_ start: Int, _ elements: inout [Order.Element]) {
        let item = items[start]
        let key = Order.key(elements[Int(item)])
        var hole = start
        while true {
            let first = hole * 4 + 1
            guard first < items.count else { break }
            var child = first
            var least = Order.key(elements[Int(items[first])])
            for other in (first + 1)..<max(first + 1, min(first + 4, items.count)) {
                let key = Order.key(elements[Int(items[other])])
                if key < least { (child, least) = (other, key) }
            }
            guard least < key else { break }
            put(items[child], hole, &elements)
            hole = child
        }
        put(item, hole, &elements)
    }

    private mutating func put(_ item: UInt32, _ position: Int, _ elements: inout [Order.Element]) {
        items[position] = item
        Order.setPosition(UInt32(position), of: &elements[Int(item)])
    }
}

/// Waiting deliveries by the time they become due.
enum DueOrder: HeapOrder {
    static func key(_ slot: Slot) -> Int64 { slot.due }
    static func position(_ slot: Slot) -> UInt32 { slot.position }
    static func setPosition(_ position: UInt32, of slot: inout Slot) { slot.position = position }
}

/// Due deliveries by their turn.
enum TurnOrder: HeapOrder {
    static func key(_ slot: Slot) -> Int64 { slot.mark }
    static func position(_ slot: Slot) -> UInt32 { slot.position }
    static func setPosition(_ position: UInt32, of slot: inout Slot) { slot.position = position }
}

/// All deliveries of a destination that do not run, by the time they were received.
enum AgeOrder: HeapOrder {
    static func key(_ slot: Slot) -> Int64 { slot.received }
    static func position(_ slot: Slot) -> UInt32 { slot.agePosition }
    static func setPosition(_ position: UInt32, of slot: inout Slot) {
        slot.agePosition = position
    }
}

/// When something becomes due at a destination by itself.
struct Alarm {
    var time: Int64 = 0
    var position = nowhere
}

enum AlarmOrder: HeapOrder {
    static func key(_ alarm: Alarm) -> Int64 { alarm.time }
    static func position(_ alarm: Alarm) -> UInt32 { alarm.position }
    static func setPosition(_ position: UInt32, of alarm: inout Alarm) {
        alarm.position = position
    }
}
