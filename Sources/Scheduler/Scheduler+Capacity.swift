import DequeModule

/// Connections of all destinations together, where they are scarce.
///
/// Who needs a new connection and finds none waits in turn. Who has more than an even share, or
/// has had its turn, or has nothing to send, gives an idle one up: the caller closes it, and the
/// first in turn opens another.
extension Scheduler {
    /// Starts with which a destination keeps a connection that others wait for: so that a
    /// connection is worth its handshakes.
    private static let turn: Int64 = 20

    /// At most so many connections, busy, idle and closing; at least 1. What is open above that is
    /// not closed, but not replaced either.
    package mutating func setCapacity(_ connections: Int) {
        capacity = max(1, connections)
    }

    mutating func opened(_ index: Int) {
        connections += 1
        if destinations[index].connections == 0 { holders += 1 }
        destinations[index].connections += 1
    }

    mutating func closed(_ index: Int) {
        connections -= 1
        destinations[index].connections -= 1
        if destinations[index].connections == 0 { holders -= 1 }
    }

    /// It could start something, if there were a connection.
    mutating func starve(_ number: UInt32) {
        guard !destinations[Int(number)].isStarved else { return }
        destinations[Int(number)].isStarved = true
        starved.append(number)
    }

    /// The next one that waits for a connection, if there is one to be had.
    mutating func nextStarved() -> UInt32? {
        while connections < capacity, let number = starved.popFirst() {
            destinations[Int(number)].isStarved = false
            if isKnown(number) { return number }
        }
        return nil
    }

    /// It has an idle connection.
    mutating func rest(_ number: UInt32) {
        guard capacity < .max, !destinations[Int(number)].isResting else { return }
        destinations[Int(number)].isResting = true
        resting.append(number)
    }

    /// A destination one of whose idle connections is to be closed, because others wait for it:
    /// close it, and say so with `idleConnectionLeaving`. Poll until nil, before `next`.
    package mutating func nextToYield() -> DestinationID? {
        guard connections >= capacity, closing < starved.count else { return nil }
        // Not all of them each time: who is passed over is looked at again.
        for _ in 0..<min(resting.count, 16) {
            guard let number = resting.popFirst() else { break }
            let index = Int(number)
            destinations[index].isResting = false
            guard isKnown(number), destinations[index].idle > 0 else { continue }
            rest(number)
            if mayYield(destinations[index]) {
                destinations[index].turn = destinations[index].serial
                return destinations[index].id
            }
        }
        return nil
    }

    private func mayYield(_ destination: Destination) -> Bool {
        let share = max(1, capacity / max(1, holders + starved.count))
        return destination.queue.ready == 0 || destination.connections > share
            || destination.serial - destination.turn >= Self.turn
    }

    /// The caller is closing an idle connection. It is not used again, and counts until
    /// `leavingConnectionClosed`.
    package mutating func idleConnectionLeaving(_ id: DestinationID, at now: Instant) {
        guard let index = number(of: id), destinations[index].idle > 0 else { return }
        destinations[index].idle -= 1
        destinations[index].closing += 1
        closing += 1
        review(UInt32(index), at: now)
    }

    package mutating func leavingConnectionClosed(_ id: DestinationID, at now: Instant) {
        guard let index = number(of: id), destinations[index].closing > 0 else { return }
        destinations[index].closing -= 1
        closing -= 1
        closed(index)
        review(UInt32(index), at: now)
    }
}
