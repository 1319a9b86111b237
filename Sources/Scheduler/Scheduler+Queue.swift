package import Mail

/// What comes into the queue, and what leaves it without having been tried.
extension Scheduler {
    /// Nothing happens if its destination has not been added, or if this delivery is here.
    package mutating func enqueue(_ entry: Entry, at now: Instant) {
        guard let index = number(of: entry.destination) else { return }
        if let item = slots.number(of: entry.id.rawValue) {
            // Withdrawn while it runs, and given back: it stays after all.
            if slots[item].destination == UInt32(index) { slots[item].isWithdrawn = false }
            return
        }
        let item = slots.insert(Slot(entry, destination: UInt32(index), at: now))
        // It failed at an unknown time before now; half its wait ago is the middle.
        if entry.isSuspended {
            let wait = max(0, entry.due.nanoseconds - now.nanoseconds)
            slots[item].mark = now.nanoseconds - wait / 2
        }
        destinations[index].queue.add(
            item, isSuspended: entry.isSuspended, &slots, at: now)
        review(UInt32(index), at: now)
    }

    /// Takes a delivery out of the queue. One that runs is not stopped, but not queued again
    /// either, unless `enqueue` brings it back before it ends.
    package mutating func withdraw(
        _ id: DeliveryID, from destination: DestinationID, at now: Instant
    ) -> Withdrawal {
        guard let index = number(of: destination), let item = slots.number(of: id.rawValue),
            slots[item].destination == UInt32(index)
        else { return .unknown }
        return withdraw(item, at: now)
    }

    /// The same, of whatever destination it is.
    package mutating func withdraw(_ id: DeliveryID, at now: Instant) -> Withdrawal {
        guard let item = slots.number(of: id.rawValue),
            !destinations[Int(slots[item].destination)].isLeaving
        else { return .unknown }
        return withdraw(item, at: now)
    }

    private mutating func withdraw(_ item: UInt32, at now: Instant) -> Withdrawal {
        if slots[item].place == .running {
            slots[item].isWithdrawn = true
            return .running
        }
        let index = slots[item].destination
        destinations[Int(index)].queue.remove(item, &slots)
        slots.remove(item)
        review(index, at: now)
        return .removed
    }

    /// The next delivery that waited too long and does not run; it is out of the queue then.
    /// Poll until nil.
    package mutating func nextExpired(at now: Instant) -> (DeliveryID, DestinationID)? {
        ring(at: now)
        while let number = expiring.first {
            let index = Int(number)
            if isKnown(number), let item = destinations[index].queue.oldestWaiting,
                destinations[index].isOver(slots[item], at: now)
            {
                let id = DeliveryID(rawValue: slots[item].id)
                destinations[index].queue.remove(item, &slots)
                slots.remove(item)
                noteChange(number)
                return (id, destinations[index].id)
            }
            expiring.removeFirst()
            destinations[index].isExpiring = false
            if isKnown(number) { review(number, at: now) }
        }
        return nil
    }
}
