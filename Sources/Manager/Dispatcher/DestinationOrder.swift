import Control
import Filter
import Mail
import Scheduler

/// All destinations that match a filter, with what they are sorted by.
struct DestinationOrder {
    struct Query: Hashable {
        var filter: FilterExpression?
        /// A field of the filter language.
        var field: String
        var isDescending: Bool
    }

    private struct Entry {
        var id: Int64
        var key: SortKey
        var isIn: Bool
    }

    let query: Query
    private(set) var total = 0
    /// When it was last asked for.
    var usedAt = Instant(nanoseconds: 0)
    /// By the destination's place.
    private var entries: [Entry] = []
    /// The first of the order, as long as nothing has moved.
    private var best: (count: Int, slots: ArraySlice<Int>)?
    private var filledAt: Instant?
    private var cost = Duration.zero

    /// What depends on a destination alone, not on the clock or the configuration.
    private static let steady: Set<String> = [
        "id", "name", "domain", "state", "worker", "pinned", "paused", "queued", "ready", "delayed",
        "held", "delivering", "connections", "failures", "attempts", "delivered", "deferred",
        "bounced", "code",
    ]
    /// An order that moves by itself is made anew when it is asked for, but not before so many
    /// times of what that takes have passed: at most 2 % of a core, however long the table is.
    private static let rest = 50
    private let isSteady: Bool

    init(_ query: Query) {
        self.query = query
        isSteady =
            Self.steady.contains(query.field)
            && query.filter?.mentionsOnly(Self.steady) ?? true
    }

    func isStale(at now: Instant) -> Bool {
        guard let filledAt else { return true }
        return !isSteady && now - filledAt >= cost * Self.rest
    }

    mutating func fill(
        _ members: [Destination?], at now: UnixTime, _ value: DestinationOverview.Value
    ) {
        best = nil
        total = 0
        entries = members.map { destination in
            guard let destination else { return Entry(id: 0, key: .missing, isIn: false) }
            let entry = entry(of: destination, at: now, value)
            if entry.isIn { total += 1 }
            return entry
        }
    }

    mutating func filled(at end: Instant, cost: Duration) {
        filledAt = end
        self.cost = cost
    }

    mutating func update(
        _ slot: Int, _ destination: Destination, at now: UnixTime,
        _ value: DestinationOverview.Value
    ) {
        while slot >= entries.count { entries.append(Entry(id: 0, key: .missing, isIn: false)) }
        let new = entry(of: destination, at: now, value)
        let old = entries[slot]
        guard new.isIn != old.isIn || new.key != old.key || new.id != old.id else { return }
        total += (new.isIn ? 1 : 0) - (old.isIn ? 1 : 0)
        entries[slot] = new
        if new.isIn || old.isIn { best = nil }
    }

    mutating func remove(_ slot: Int) {
        guard slot < entries.count else { return }
        if entries[slot].isIn {
            total -= 1
            best = nil
        }
        entries[slot] = Entry(id: 0, key: .missing, isIn: false)
    }

    /// The places of the first `count`, in order.
    mutating func first(_ count: Int) -> ArraySlice<Int> {
        if let best, best.count >= count { return best.slots.prefix(count) }
        var slots: [Int] = []
        slots.reserveCapacity(total)
        for slot in entries.indices where entries[slot].isIn { slots.append(slot) }
        let found = entries.withUnsafeBufferPointer { entries in
            slots.smallest(count) { a, b in
                Self.precedes(entries[a], entries[b], descending: query.isDescending)
            }
        }
        best = (count, found)
        return found
    }

    /// How many come before a destination; nil if it is not in the order.
    func place(of id: Int64) -> Int? {
        guard let entry = entries.first(where: { $0.isIn && $0.id == id }) else { return nil }
        return entries.reduce(0) {
            $1.isIn && Self.precedes($1, entry, descending: query.isDescending) ? $0 + 1 : $0
        }
    }

    private func entry(
        of destination: Destination, at now: UnixTime, _ value: DestinationOverview.Value
    ) -> Entry {
        let matches = query.filter?.matches { value($0.name, destination, now) } ?? true
        return Entry(
            id: destination.id,
            key: matches ? SortKey(value(query.field, destination, now)) : .missing, isIn: matches)
    }

    private static func precedes(_ a: Entry, _ b: Entry, descending: Bool) -> Bool {
        SortKey.precedes(a.key, a.id, b.key, b.id, descending: descending)
    }
}
