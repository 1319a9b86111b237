import Control
import Mail
import Scheduler

/// What a forecast of one destination needs: taken in a turn of the loop, run on another thread.
struct DrainInput: Sendable {
    var name: String
    var queue: Drain.Queue
    var policy: DestinationPolicy
    var snapshot: DestinationSnapshot?
    /// What is left of a pause; without end where it lasts until resumed.
    var pausedFor: Duration?
    /// "Retry now" lets a probe go.
    var isHalfOpen = false

    func forecast(steps: Int) -> Drain? {
        Drain.forecast(
            queue, policy: policy, snapshot: snapshot, pausedFor: pausedFor,
            isHalfOpen: isHalfOpen, steps: steps)
    }
}

extension Dispatcher {
    /// nil if there is no such destination.
    func drainInput(of id: Int64, at now: UnixTime) -> DrainInput? {
        guard let destination = table[id] else { return nil }
        let report = destination.report
        let delayed = min(report?.delayed ?? 0, destination.queued)
        let suspended = min(report?.suspended ?? 0, delayed)
        func wait(_ time: UnixTime?) -> Duration { time.map { max(.zero, $0 - now) } ?? .zero }
        let lain = max(.zero, now - destination.snapshotAt)
        return DrainInput(
            name: destination.title,
            queue: Drain.Queue(
                ready: destination.queued - delayed, suspended: suspended,
                delayed: delayed - suspended, firstDue: wait(report?.nextDue),
                lastDue: wait(report?.latestDue)),
            policy: policy(of: destination),
            snapshot: DestinationSnapshot(decoding: destination.snapshot)?.advanced(by: lain),
            pausedFor: destination.isPaused
                ? destination.pausedUntil.map { max(.zero, $0 - now) } ?? .nanoseconds(Int64.max)
                : nil)
    }
}

extension [DestinationRow] {
    /// With the time that each takes to drain. The more rows, the coarser.
    func drained(_ inputs: [String: DrainInput]) -> [DestinationRow] {
        let steps = Swift.max(32, Swift.min(2000, 20_000 / Swift.max(1, count)))
        return map { row in
            guard row.queued > row.held, let drain = inputs[row.id]?.forecast(steps: steps) else {
                return row
            }
            var row = row
            row.drainSeconds = drain.time.seconds
            row.drainPerSecond = drain.perSecond
            row.drainBound = drain.bound.rawValue
            return row
        }
    }
}

/// How long the mail that an action makes due takes to leave.
struct PlannedDrain: Sendable {
    /// The longest of all destinations; nil where nothing tells.
    var seconds: Double?
    var perSecond: Double?
    var slowest: String?
    var notes: [String] = []

    /// Destinations run forward: those with the most mail.
    private static let most = 100

    init(_ inputs: [DrainInput]) {
        let paused = inputs.filter { $0.pausedFor == Duration.nanoseconds(Int64.max) }
        if !paused.isEmpty {
            notes.append(
                "\(Counted.destinations(paused.count)) paused: its mail stays until it is resumed")
        }
        let largest = inputs.sorted { $1.queue.count < $0.queue.count }.prefix(Self.most)
        let steps = Swift.max(200, 20_000 / Swift.max(1, largest.count))
        for input in largest {
            guard let drain = input.forecast(steps: steps) else { continue }
            if let seconds, seconds >= drain.time.seconds { continue }
            seconds = drain.time.seconds
            perSecond = drain.perSecond
            slowest = input.name
        }
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(nanoseconds) / 1e9 }
}
