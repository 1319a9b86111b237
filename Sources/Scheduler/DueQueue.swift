/// Everything that is queued for one destination.
struct DueQueue {
    /// Of four that are due, one may be a retry while there is new mail, so that neither a wave
    /// of old mail holds up the new nor the other way round.
    private static let turns: UInt8 = 4
    /// Larger ones, in KiB, do not go as probes if something smaller is due.
    private static let small: UInt16 = 64

    private var fresh = FairQueue()
    private var retried = FairQueue()
    private var delayed = IndexedHeap<DueOrder>()
    private var suspended = IndexedHeap<DueOrder>()
    private var age = IndexedHeap<AgeOrder>()
    private var running: [UInt32] = []
    private var turn: UInt8 = 0

    var ready: Int { fresh.count + retried.count }
    var waiting: Int { delayed.count + suspended.count }

    var suspendedCount: Int { suspended.count }

    /// The latest time at which one is due that waits for its own. Exact for a few hundred, else
    /// among those at the end of the heap, where the late ones are.
    func latestDue(_ slots: Slots) -> Instant? {
        delayed.items.suffix(256).map { slots[$0].due }.max().map(Instant.init(nanoseconds:))
    }

    /// Of those that run, too.
    func oldest(_ slots: Slots) -> Instant? {
        let both =
            running.map { slots[$0].received } + (age.first.map { [slots[$0].received] } ?? [])
        return both.min().map(Instant.init(nanoseconds:))
    }

    /// The one that is given up next; none of those that run.
    var oldestWaiting: UInt32? { age.first }

    func nextDue(_ slots: Slots) -> Instant? {
        let times = [delayed.first, suspended.first].compactMap { $0 }.map { slots[$0].due }
        return times.min().map(Instant.init(nanoseconds:))
    }

    /// What becomes due next, in that order.
    func upcoming(_ count: Int, _ slots: Slots) -> [UInt32] {
        let both =
            delayed.firsts(count, slots.storage) + suspended.firsts(count, slots.storage)
        return Array(both.sorted { slots[$0].due < slots[$1].due }.prefix(count))
    }

    /// A delivery that is new here, to the place that its due time says.
    mutating func add(
        _ item: UInt32, isSuspended: Bool, _ slots: inout Slots, at now: Instant
    ) {
        age.push(item, &slots.storage)
        place(item, isSuspended: isSuspended, &slots, at: now)
    }

    /// One that ran, to the place that its due time says.
    mutating func putBack(
        _ item: UInt32, isSuspended: Bool, _ slots: inout Slots, at now: Instant
    ) {
        lift(item, &slots)
        add(item, isSuspended: isSuspended, &slots, at: now)
    }

    private mutating func place(
        _ item: UInt32, isSuspended: Bool, _ slots: inout Slots, at now: Instant
    ) {
        if slots[item].due <= now.nanoseconds {
            makeReady(item, &slots)
        } else if isSuspended {
            slots[item].place = .suspended
            suspended.push(item, &slots.storage)
        } else {
            slots[item].place = .delayed
            delayed.push(item, &slots.storage)
        }
    }

    private mutating func makeReady(_ item: UInt32, _ slots: inout Slots) {
        if slots[item].attempts == 0 {
            slots[item].place = .fresh
            fresh.push(item, &slots)
        } else {
            slots[item].place = .retried
            retried.push(item, &slots)
        }
    }

    /// Out of its place; it stays one of this destination's.
    private mutating func lift(_ item: UInt32, _ slots: inout Slots) {
        switch slots[item].place {
        case .fresh: fresh.remove(item, &slots)
        case .retried: retried.remove(item, &slots)
        case .delayed: delayed.remove(item, &slots.storage)
        case .suspended: suspended.remove(item, &slots.storage)
        case .running:
            let position = Int(slots[item].position)
            let last = running.removeLast()
            if position < running.count {
                running[position] = last
                slots[last].position = UInt32(position)
            }
        case .vacant: break
        }
    }

    /// Out of the queue.
    mutating func remove(_ item: UInt32, _ slots: inout Slots) {
        if slots[item].place != .running { age.remove(item, &slots.storage) }
        lift(item, &slots)
    }

    /// What was just taken out of its place runs now.
    private mutating func run(_ item: UInt32, _ slots: inout Slots) {
        age.remove(item, &slots.storage)
        slots[item].place = .running
        slots[item].position = UInt32(running.count)
        running.append(item)
    }

    /// Everything but what runs, out of the queue; what it was.
    mutating func removeWaiting() -> [UInt32] {
        let (others, running) = (age.items, running)
        self = DueQueue()
        self.running = running
        return others
    }

    /// What became due goes where it can be started.
    mutating func mature(_ slots: inout Slots, at now: Instant) {
        while let item = delayed.first, slots[item].due <= now.nanoseconds {
            _ = delayed.popFirst(&slots.storage)
            makeReady(item, &slots)
        }
        while let item = suspended.first, slots[item].due <= now.nanoseconds {
            _ = suspended.popFirst(&slots.storage)
            makeReady(item, &slots)
        }
    }

    /// Makes one due now. False if it is due already or runs.
    mutating func hasten(_ item: UInt32, _ slots: inout Slots, at now: Instant) -> Bool {
        let place = slots[item].place
        guard place == .delayed || place == .suspended else { return false }
        lift(item, &slots)
        slots[item].due = now.nanoseconds
        makeReady(item, &slots)
        return true
    }

    /// Makes everything due now.
    mutating func hastenAll(_ slots: inout Slots, at now: Instant) {
        while let item = delayed.first ?? suspended.first {
            _ = hasten(item, &slots, at: now)
        }
    }

    /// After a success: the two that have waited longest for the destination become due. Each
    /// success wakes two more, so that the queue comes back as fast as the receiver takes it,
    /// and no faster. None goes that failed less than `pause` ago.
    mutating func wake(_ slots: inout Slots, pause: Duration, at now: Instant) {
        for _ in 0..<2 {
            guard let item = suspended.first,
                Instant(nanoseconds: slots[item].mark) + pause <= now
            else { return }
            _ = hasten(item, &slots, at: now)
        }
    }

    /// The next one to start, by turns, which runs now; nil if nothing is ready.
    mutating func popFirst(_ slots: inout Slots) -> UInt32? {
        turn = (turn + 1) % Self.turns
        let item =
            turn == 0
            ? retried.popFirst(&slots) ?? fresh.popFirst(&slots)
            : fresh.popFirst(&slots) ?? retried.popFirst(&slots)
        if let item { run(item, &slots) }
        return item
    }

    /// The one to send as a probe, which runs now: a small one, of these one that was tried least (a delivery
    /// that itself makes the receiver fail must not decide forever), of these the oldest. Looks
    /// at the first 64 of either class only.
    mutating func popProbe(_ slots: inout Slots) -> UInt32? {
        var best: UInt32?
        var rank: (Int, UInt16, Int64) = (.max, .max, .max)
        for item in [fresh.sample, retried.sample].joined() {
            let slot = slots[item]
            let other = (slot.kibibytes > Self.small ? 1 : 0, slot.attempts, slot.received)
            if best == nil || other < rank { (best, rank) = (item, other) }
        }
        guard let best else { return nil }
        lift(best, &slots)
        run(best, &slots)
        return best
    }
}
