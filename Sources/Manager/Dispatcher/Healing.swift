import Control
import Mail
import NIOCore
import Spool

/// A delivery that ended in the same instant in which an operator marked it may be counted twice.
extension Dispatcher {
    /// Destinations at rest whose counts are not what their owners say take those of the spool.
    ///
    /// Not the owners': what they say may be older than it looks, where this process stood still
    /// for a while.
    func healCounts() {
        let limit = clocks.wall() + .seconds(-5)
        var suspects: [Int64: Int] = [:]
        for destination in table.values where destination.lastActive < limit {
            // What another node has destroyed or brought back is known to the spool alone.
            // What it has brought back has arrived here, which is a change.
            let isMarked =
                destination.purging > 0
                || (destination.held > 0 && destination.healed != destination.changes)
            if districts != nil, isMarked, holds(destination: destination.id) {
                suspects[destination.id] = destination.changes
                continue
            }
            guard case .owned = destination.ownership, let report = destination.report,
                destination.healed != destination.changes,
                destination.queued != report.ready + report.delayed + report.running.count
            else { continue }
            suspects[destination.id] = destination.changes
        }
        guard !suspects.isEmpty, actions.progress.isEmpty else { return }
        barrier { $0.heal(suspects, since: limit) }
    }

    private func heal(_ suspects: [Int64: Int], since limit: UnixTime) {
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.tallies(of: Set(suspects.keys))
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard case .success(let tallies) = result, dispatcher.actions.progress.isEmpty else {
                return
            }
            let counts = Dictionary(grouping: tallies) { $0.destination ?? 0 }
            for (id, changes) in suspects {
                // What came or went meanwhile is on disk and not counted, or the other way round.
                guard let destination = dispatcher.table[id], destination.changes == changes,
                    destination.lastActive < limit, destination.pendingSettlements == 0
                else { continue }
                destination.take(counts[id] ?? [])
            }
        }
    }
}

extension Destination {
    fileprivate func take(_ tallies: [DestinationTally]) {
        func count(_ states: Set<StoredState>) -> Int {
            tallies.reduce(0) { $0 + (states.contains($1.state) ? $1.count : 0) }
        }
        queued = count([.queued])
        held = count([.held])
        purging = count([.purging, .bouncing])
        oldest = tallies.first { $0.state == .queued }?.oldestAt
        healed = changes
    }
}
