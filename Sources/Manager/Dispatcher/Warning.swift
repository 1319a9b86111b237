import Control
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// How far the look for late mail has come, for each time after which a sender is told.
///
/// Ids are given out in the order in which mail comes in, so that what has become late lies right
/// behind what was looked at before: every delivery is read once for each of the times, and
/// whether its sender was told stands in the spool.
struct LateMail {
    var cursors: [Duration: DeliveryID] = [:]
    var isLooking = false
}

extension Dispatcher {
    /// Deliveries read at once.
    private static let latePage = 200
    /// Where there are several nodes: how often the look begins anew.
    private static let lateRound = Duration.seconds(600)
    /// Between two pages.
    private static let lateRest = Duration.milliseconds(500)

    /// Tells senders of mail that is late (RFC 3461 §4.1, DELAY): once for each delivery, whether
    /// it was tried, held, or kept back with its destination.
    func warnLate() {
        guard !late.isLooking, spoolError == nil, !isStopping else { return }
        var delays: Set<Duration> = []
        let retry = configuration.retry.applied(to: RetryPolicy())
        for keys in [RetryKeys()] + configuration.shaping.map(\.retry) {
            if let delay = keys.applied(to: retry).delayWarning { delays.insert(delay) }
        }
        late.cursors = late.cursors.filter { delays.contains($0.key) }
        if let districts, districts.isLateRound(at: clocks.monotonic(), every: Self.lateRound) {
            // Nodes give out ids of their own, side by side: an older one may come after.
            late.cursors = [:]
        }
        late.isLooking = true
        look(for: delays.sorted()[...])
    }

    /// How often to look: often enough that a warning is late by a quarter at most.
    var lateInterval: Int64 {
        let all = [configuration.retry] + configuration.shaping.map(\.retry)
        let least = all.compactMap { keys -> Duration? in
            if case .on(let delay)? = keys.delayWarning { return delay }
            return nil
        }.min()
        let seconds = (least ?? .seconds(3600)).components.seconds
        return min(60, max(1, seconds / 4))
    }

    private func look(for delays: ArraySlice<Duration>) {
        guard let delay = delays.first else {
            late.isLooking = false
            return
        }
        let after = late.cursors[delay]
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.deliveries(destination: nil, after: after, limit: Self.latePage)
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard let page = try? result.get(), dispatcher.spoolError == nil else {
                dispatcher.late.isLooking = false
                return
            }
            let limit = dispatcher.clocks.wall() + (.zero - delay)
            let ripe = page.prefix { $0.message.receivedAt <= limit }
            let told = ripe.count { dispatcher.warn(of: $0, after: delay) }
            if let last = ripe.last { dispatcher.late.cursors[delay] = last.id }
            guard ripe.count == Self.latePage else {
                return dispatcher.look(for: delays.dropFirst())
            }
            // A start looks at those again that have been told.
            guard told > 0 else { return dispatcher.look(for: delays) }
            // After an outage all of a long queue is late at once: the reports must not crowd out
            // the mail that can be delivered. These are 400 in a second, a million in 42 minutes.
            dispatcher.after(Self.lateRest) { $0.look(for: delays) }
        }
    }

    /// False where nobody is to be told.
    private func warn(of stored: StoredDelivery, after delay: Duration) -> Bool {
        let destination = stored.destination.flatMap { table[$0] }
        let retry =
            destination.map { policy(of: $0).retry }
            ?? configuration.retry.applied(to: RetryPolicy())
        guard !stored.isWarned, stored.isAsWritten, retry.delayWarning == delay,
            holds(stored.id, of: stored.destination)
        else { return false }
        switch stored.state {
        case .routing, .queued, .held: break
        case .purging, .bouncing: return false
        }
        let until = expiry(of: stored, at: destination)
        guard until > clocks.wall() else { return false }
        let recipients = stored.recipients.map { recipient in
            let last = recipient.lastReply.isEmpty ? stored.lastReply : recipient.lastReply
            return ReportedRecipient(
                recipient: recipient, kind: .delayed, status: last.isEmpty ? "4.4.0" : "",
                reply: last.isEmpty ? "it waits for its first attempt" : last, remote: "",
                retryUntil: until)
        }
        record([.warned(stored.id)], reporting: recipients, of: stored.message)
        return true
    }
}
