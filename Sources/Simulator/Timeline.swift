import HeapModule
import Scheduler

/// Virtual time: what happens when, in order. Of two things at one instant the one that was said
/// first happens first, so that a run is the same every time.
struct Timeline<Event> {
    private struct Entry: Comparable {
        let at: Instant
        let serial: Int
        let event: Event

        static func == (a: Entry, b: Entry) -> Bool { a.serial == b.serial }
        static func < (a: Entry, b: Entry) -> Bool { (a.at, a.serial) < (b.at, b.serial) }
    }

    private var heap = Heap<Entry>()
    private var serial = 0

    /// When the next event is due; nil if none is left.
    var next: Instant? { heap.min?.at }

    mutating func add(_ event: Event, at time: Instant) {
        heap.insert(Entry(at: time, serial: serial, event: event))
        serial += 1
    }

    mutating func pop() -> (at: Instant, event: Event)? {
        heap.popMin().map { ($0.at, $0.event) }
    }
}
