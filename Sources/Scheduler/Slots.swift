import Mail

/// A queued delivery as it is stored: 56 bytes. When it is given up follows from when it was
/// received, and from its destination's policy.
struct Slot {
    enum Place: UInt8 {
        case vacant
        /// Due; never tried.
        case fresh
        /// Due; tried before.
        case retried
        /// Its own time has not come.
        case delayed
        /// The same, but the destination was the cause: a success there ends the wait.
        case suspended
        case running
    }

    var id: Int64 = 0
    /// running: when it was started.
    var due: Int64 = 0
    var received: Int64 = 0
    /// fresh, retried: the virtual time of its turn. delayed, suspended: when it failed.
    /// running: its number among the destination's starts.
    var mark: Int64 = 0
    var destination: UInt32 = 0
    /// In the heap or list of its place.
    var position: UInt32 = nowhere
    /// In its destination's heap by age; `nowhere` while it runs.
    var agePosition: UInt32 = nowhere
    /// Of its sender's hash: two senders of 65,536 that share it share their turns, too.
    var sender: UInt16 = 0
    /// KiB, rounded up; 65,535 for more.
    var kibibytes: UInt16 = 0
    var attempts: UInt16 = 0
    var place = Place.vacant
    /// The priority in the lowest three, then the flags below.
    private var bits: UInt8 = 0

    /// 0…7.
    var priority: UInt8 { bits & 7 }
    /// Running, and its result decides the breaker.
    var isProbe: Bool {
        get { self[bit: 3] }
        set { self[bit: 3] = newValue }
    }
    /// Running, and not to be queued again afterwards.
    var isWithdrawn: Bool {
        get { self[bit: 4] }
        set { self[bit: 4] = newValue }
    }
    /// Running over a new connection, which shows whether more than the ceiling are let in.
    var isBeyond: Bool {
        get { self[bit: 5] }
        set { self[bit: 5] = newValue }
    }
    /// Running over a connection that was there.
    var isReuse: Bool {
        get { self[bit: 6] }
        set { self[bit: 6] = newValue }
    }

    private subscript(bit bit: UInt8) -> Bool {
        get { bits >> bit & 1 == 1 }
        set { bits = newValue ? bits | 1 << bit : bits & ~(1 << bit) }
    }

    init() {}

    init(_ entry: Entry, destination: UInt32, at now: Instant) {
        id = entry.id.rawValue
        due = entry.due.nanoseconds
        received = entry.received.nanoseconds
        mark = now.nanoseconds
        self.destination = destination
        sender = UInt16(truncatingIfNeeded: entry.sender ^ entry.sender >> 16)
        kibibytes = UInt16(clamping: (entry.size + 1023) / 1024)
        attempts = UInt16(clamping: entry.attempts)
        bits = min(entry.priority, 7)
    }
}

/// All queued deliveries of a worker, found by number and by id.
struct Slots {
    /// The heaps need it as a plain array.
    var storage: [Slot] = []
    private var vacant: [UInt32] = []
    private var table = SlotTable()

    var count: Int { storage.count - vacant.count }

    subscript(number: UInt32) -> Slot {
        _read { yield storage[Int(number)] }
        _modify { yield &storage[Int(number)] }
    }

    func number(of id: Int64) -> UInt32? { table.find(id, in: storage) }

    /// The id must not be there yet.
    mutating func insert(_ slot: Slot) -> UInt32 {
        let number: UInt32
        if let free = vacant.popLast() {
            number = free
            storage[Int(free)] = slot
        } else {
            number = UInt32(storage.count)
            storage.append(slot)
        }
        table.insert(number, in: storage)
        return number
    }

    mutating func remove(_ number: UInt32) {
        table.remove(number, in: storage)
        storage[Int(number)] = Slot()
        vacant.append(number)
    }
}

/// An open-addressing hash table of slot numbers: 5–11 bytes per delivery, where a dictionary
/// from id to number takes 16–32.
private struct SlotTable {
    private static let empty = UInt32.max

    /// A power of two of them, at most three quarters used.
    private var cells: [UInt32] = []
    private var count = 0

    private func home(of id: Int64) -> Int {
        Int(truncatingIfNeeded: SplitMix64.mix(UInt64(bitPattern: id))) & (cells.count - 1)
    }

    func find(_ id: Int64, in slots: [Slot]) -> UInt32? {
        guard count > 0 else { return nil }
        var cell = home(of: id)
        while cells[cell] != Self.empty {
            if slots[Int(cells[cell])].id == id { return cells[cell] }
            cell = (cell + 1) & (cells.count - 1)
        }
        return nil
    }

    mutating func insert(_ number: UInt32, in slots: [Slot]) {
        if (count + 1) * 4 > cells.count * 3 {
            let old = cells
            cells = Array(repeating: Self.empty, count: max(16, old.count * 2))
            for number in old where number != Self.empty { place(number, in: slots) }
        }
        place(number, in: slots)
        count += 1
    }

    private mutating func place(_ number: UInt32, in slots: [Slot]) {
        var cell = home(of: slots[Int(number)].id)
        while cells[cell] != Self.empty { cell = (cell + 1) & (cells.count - 1) }
        cells[cell] = number
    }

    /// Closes the gap, so that no search ends at it too early.
    mutating func remove(_ number: UInt32, in slots: [Slot]) {
        let mask = cells.count - 1
        var gap = home(of: slots[Int(number)].id)
        while cells[gap] != number { gap = (gap + 1) & mask }
        var cell = (gap + 1) & mask
        while cells[cell] != Self.empty {
            let distance = (cell - home(of: slots[Int(cells[cell])].id)) & mask
            if distance >= (cell - gap) & mask {
                cells[gap] = cells[cell]
                gap = cell
            }
            cell = (cell + 1) & mask
        }
        cells[gap] = Self.empty
        count -= 1
    }
}
