package import Mail

/// The queue counted at one instant.
package struct QueueCensus: Sendable {
    package var at: UnixTime
    package var tallies: [DestinationCensus]

    package init(at: UnixTime, tallies: [DestinationCensus]) {
        self.at = at
        self.tallies = tallies
    }
}

/// What is queued for one destination, by age, by when it is due, and by when it expires.
package struct DestinationCensus: Sendable {
    /// nil: not routed yet.
    package var destination: Int64?
    /// All but what waits to be destroyed: bucket *i* holds what is younger than the bound *i* and
    /// in none before; the last one the rest.
    package var ages: [UInt32]
    /// What is queued: first what is due already, then what is due within each bound, then the
    /// rest.
    package var due: [UInt32]
    package var held: UInt32 = 0
    package var routing: UInt32 = 0
    package var expiresInHour: UInt32 = 0
    package var expiresInDay: UInt32 = 0
    package var firstExpiry = UnixTime(milliseconds: .max)

    package init(destination: Int64?, ages: Int, due: Int) {
        self.destination = destination
        self.ages = [UInt32](repeating: 0, count: ages)
        self.due = [UInt32](repeating: 0, count: due)
    }

    /// Counts one delivery, or several that all bounds treat alike. Bounds are in seconds,
    /// ascending.
    package mutating func add(
        state: StoredState, nextAttemptAt: UnixTime, receivedAt: UnixTime, expiresAt: UnixTime,
        ages ageBounds: [Double], due dueBounds: [Double], at now: UnixTime,
        count: UInt32 = 1
    ) {
        if state == .purging || state == .bouncing { return }
        let age = now.seconds - receivedAt.seconds
        ages[ageBounds.firstIndex { age < $0 } ?? ageBounds.count] += count
        let left = expiresAt.seconds - now.seconds
        if left <= 3600 { expiresInHour += count }
        if left <= 86_400 { expiresInDay += count }
        firstExpiry = min(firstExpiry, expiresAt)
        switch state {
        case .held: held += count
        case .routing: routing += count
        case .queued:
            let wait = nextAttemptAt.seconds - now.seconds
            due[wait <= 0 ? 0 : 1 + (dueBounds.firstIndex { wait <= $0 } ?? dueBounds.count)] +=
                count
        case .purging, .bouncing: break
        }
    }
}
