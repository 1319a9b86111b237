import Control
import NIOCore
import SMTP
import Scheduler

/// Where the node is one of several: it delivers while it is known to be alive, and no longer.
extension Engine {
    var holdsLease: Bool { leaseEnd.map { clocks.monotonic() < $0 } ?? true }

    func leased(until end: Instant, at now: Instant) {
        leaseEnd = end
        guard holdsLease else { return leaseEnded() }
        scheduler.setRecording(isRecording, at: now)
        watchLease()
    }

    /// One timer runs while there is a lease; at its end it looks whether a later one has come.
    private func watchLease() {
        guard let leaseEnd, !isWatchingLease else { return }
        isWatchingLease = true
        let left = max(leaseEnd - clocks.monotonic(), .zero)
        after(left) { engine in
            engine.isWatchingLease = false
            if engine.holdsLease { engine.watchLease() } else { engine.leaseEnded() }
        }
    }

    /// Others may soon have what this one has: nothing of it is to reach a receiver any more.
    private func leaseEnded() {
        scheduler.setRecording(false, at: clocks.monotonic())
        for pooled in connections.values { pooled.connection.abort() }
        schedulePump()
    }
}
