import DequeModule
package import Mail

/// Decides what a worker sends when: which delivery to start now, when to try again what failed,
/// and why everything else waits.
///
/// A value without input or output: the caller tells it what happened and when, polls `next` and
/// `nextExpired` until they are nil, and sleeps until `nextWake` or the next event. Times given
/// must not go backwards. The same seed and the same calls give the same decisions.
///
/// What holds at every moment, for every destination:
/// - no more transactions run than the window and the policy's concurrency allow, and running
///   transactions and idle connections together stay within the concurrency;
/// - in any interval t no more than burst + rate·t transactions are started;
/// - waiting for tokens, the window, the breaker or a pause changes neither the attempts of a
///   delivery nor its due time.
///
/// One that starts, finishes, is added or withdrawn costs O(log n); nothing walks over
/// destinations or deliveries but `remove` and `retryNow` over those that they are about.
package struct Scheduler: Sendable {
    var random: SplitMix64
    var slots = Slots()
    var policies = PolicyTable()

    var destinations: [Destination] = []
    var vacant: [UInt32] = []
    var numbers: [DestinationID: UInt32] = [:]

    /// One for each destination: when it has to be looked at again.
    var alarms: [Alarm] = []
    var timers = IndexedHeap<AlarmOrder>()
    /// Destinations that may be able to start something, in turn; looked at again when taken out.
    var runnable = Deque<UInt32>()
    var changed = Deque<UInt32>()
    /// Destinations with mail that waited too long.
    var expiring = Deque<UInt32>()
    package internal(set) var isRecording = true

    /// Connections of all destinations together: how many there may be, and are.
    var capacity = Int.max
    var connections = 0
    /// Of these: being closed.
    var closing = 0
    /// Destinations that have connections.
    var holders = 0
    /// Destinations that wait for a connection, and those with idle ones, in turn.
    var starved = Deque<UInt32>()
    var resting = Deque<UInt32>()

    package init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    /// Takes a destination on, with what was known about it. If it is here already, only its
    /// policy is updated.
    package mutating func add(
        _ id: DestinationID, policy: DestinationPolicy, snapshot: DestinationSnapshot?,
        at now: Instant
    ) {
        if let number = numbers[id] {
            // It comes back while transactions from before are still running: they go on
            // counting against its limits.
            destinations[Int(number)].isLeaving = false
            configure(number, policy, at: now)
            return
        }
        let shared = policies.take(policy)
        var destination = Destination(id: id, policy: shared, policy, at: now)
        if let snapshot {
            destination.restore(snapshot, at: now)
            destination.configure(shared, policy, at: now)
        }
        let number: UInt32
        if let free = vacant.popLast() {
            number = free
            destination.isRunnable = destinations[Int(free)].isRunnable
            destination.isChanged = destinations[Int(free)].isChanged
            destination.isStarved = destinations[Int(free)].isStarved
            destination.isResting = destinations[Int(free)].isResting
            destination.isExpiring = destinations[Int(free)].isExpiring
            destinations[Int(free)] = destination
        } else {
            number = UInt32(destinations.count)
            destinations.append(destination)
            alarms.append(Alarm())
        }
        numbers[id] = number
        review(number, at: now)
    }

    package mutating func configure(
        _ id: DestinationID, policy: DestinationPolicy, at now: Instant
    ) {
        guard let number = numbers[id] else { return }
        configure(number, policy, at: now)
    }

    private mutating func configure(
        _ number: UInt32, _ policy: DestinationPolicy, at now: Instant
    ) {
        let shared = policies.take(policy)
        policies.release(destinations[Int(number)].policy)
        destinations[Int(number)].configure(shared, policy, at: now)
        review(number, at: now)
    }

    /// Gives a destination away, with everything that waits for it; nil if it is not here.
    ///
    /// Running transactions still get their verdicts, but are not queued again. Their
    /// connections, and the idle ones, are the caller's to close.
    package mutating func remove(_ id: DestinationID, at now: Instant) -> DestinationSnapshot? {
        guard let number = numbers[id], !destinations[Int(number)].isLeaving else { return nil }
        let index = Int(number)
        let snapshot = destinations[index].snapshot(at: now)
        for item in destinations[index].queue.removeWaiting() { slots.remove(item) }
        closing -= destinations[index].closing
        for _ in 0..<(destinations[index].idle + destinations[index].closing) { closed(index) }
        destinations[index].idle = 0
        destinations[index].closing = 0
        destinations[index].pause = nil
        destinations[index].isLeaving = true
        vacate(number)
        return snapshot
    }

    /// Frees the number of a destination that leaves, once nothing of it runs.
    mutating func vacate(_ number: UInt32) {
        let index = Int(number)
        guard destinations[index].isLeaving, destinations[index].running == 0 else { return }
        policies.release(destinations[index].policy)
        numbers[destinations[index].id] = nil
        destinations[index].isVacant = true
        destinations[index].failure = nil
        setAlarm(number, to: nil)
        vacant.append(number)
    }

    /// The number of a destination that is here and not leaving.
    func number(of id: DestinationID) -> Int? {
        guard let number = numbers[id], !destinations[Int(number)].isLeaving else { return nil }
        return Int(number)
    }

    // MARK: Operators

    /// Keeps a destination back, until a time or until `resume`. What runs goes on.
    package mutating func pause(
        _ id: DestinationID, until: Instant?, by: String, reason: String, at now: Instant
    ) {
        guard let index = number(of: id) else { return }
        destinations[index].pause = Pause(until: until, by: by, reason: reason)
        review(UInt32(index), at: now)
    }

    package mutating func resume(_ id: DestinationID, at now: Instant) {
        guard let index = number(of: id) else { return }
        destinations[index].pause = nil
        review(UInt32(index), at: now)
    }

    /// Makes these deliveries due now, or all if nil, and lets a probe go now where the breaker
    /// is open. Limits and pauses still hold. How many of them are due now and do not run.
    package mutating func retryNow(
        _ id: DestinationID, deliveries: [DeliveryID]?, at now: Instant
    ) -> Int {
        guard let index = number(of: id) else { return 0 }
        var count = 0
        if let deliveries {
            for delivery in deliveries {
                guard let item = slots.number(of: delivery.rawValue),
                    slots[item].destination == UInt32(index), slots[item].place != .running
                else { continue }
                _ = destinations[index].queue.hasten(item, &slots, at: now)
                count += 1
            }
        } else {
            destinations[index].queue.hastenAll(&slots, at: now)
            count = destinations[index].queue.ready
        }
        if count > 0 { destinations[index].breaker.halfOpen(at: now) }
        review(UInt32(index), at: now)
        return count
    }

    /// Whether the spool can record results. While it cannot, nothing is started: what was sent
    /// and not recorded would be sent again.
    package mutating func setRecording(_ possible: Bool, at now: Instant) {
        isRecording = possible
    }

    // MARK: Timers

    /// Looks at a destination again after something happened to it: what became due, whether it
    /// can start something, and when that changes by itself.
    mutating func review(_ number: UInt32, at now: Instant) {
        let index = Int(number)
        noteChange(number)
        guard !destinations[index].isLeaving else { return }
        destinations[index].queue.mature(&slots, at: now)
        let obstacle = destinations[index].obstacle(at: now)
        if obstacle == nil && !destinations[index].isRunnable
            && (!destinations[index].isStarved || destinations[index].idle > 0)
        {
            destinations[index].isRunnable = true
            runnable.append(number)
        }
        var alarm = destinations[index].queue.nextDue(slots) ?? .distantFuture
        if let until = obstacle?.until { alarm = min(alarm, until) }
        // These two end by themselves even where another reason is the more binding one.
        if let until = destinations[index].pause(at: now)?.until { alarm = min(alarm, until) }
        if case .open(let until) = destinations[index].breaker.state(at: now) {
            alarm = min(alarm, until)
        }
        if let item = destinations[index].queue.oldestWaiting {
            let end = destinations[index].end(of: slots[item])
            if end > now {
                alarm = min(alarm, end)
            } else if !destinations[index].isExpiring {
                destinations[index].isExpiring = true
                expiring.append(number)
            }
        }
        setAlarm(number, to: alarm)
    }

    private mutating func setAlarm(_ number: UInt32, to time: Instant?) {
        let alarm = alarms[Int(number)]
        let isSet = alarm.position != nowhere
        guard let time, time != .distantFuture else {
            if isSet { timers.remove(number, &alarms) }
            return
        }
        guard !isSet || alarm.time != time.nanoseconds else { return }
        alarms[Int(number)].time = time.nanoseconds
        if isSet { timers.moved(number, &alarms) } else { timers.push(number, &alarms) }
    }

    /// Looks at every destination whose time has come.
    mutating func ring(at now: Instant) {
        while let number = timers.first, alarms[Int(number)].time <= now.nanoseconds {
            timers.remove(number, &alarms)
            review(number, at: now)
        }
    }

    /// Deliveries queued or running, of all destinations.
    package var count: Int { slots.count }

    /// When something becomes due by itself: then poll `next` and `nextExpired`. nil if nothing
    /// will before an event.
    package func nextWake(after now: Instant) -> Instant? {
        if !expiring.isEmpty { return now }
        return timers.first.map { max(now, Instant(nanoseconds: alarms[Int($0)].time)) }
    }

    // MARK: Changes

    func isKnown(_ number: UInt32) -> Bool {
        !destinations[Int(number)].isVacant && !destinations[Int(number)].isLeaving
    }

    mutating func noteChange(_ number: UInt32) {
        guard !destinations[Int(number)].isChanged else { return }
        destinations[Int(number)].isChanged = true
        changed.append(number)
    }

    /// Destinations to which something happened since they were last drained, each once. Tokens
    /// that came and time that went by alone are not reported.
    package mutating func drainChanged(limit: Int = .max) -> [DestinationID] {
        var ids: [DestinationID] = []
        while ids.count < limit, let number = changed.popFirst() {
            destinations[Int(number)].isChanged = false
            if isKnown(number) { ids.append(destinations[Int(number)].id) }
        }
        return ids
    }
}
