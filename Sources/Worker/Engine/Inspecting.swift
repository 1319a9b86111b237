import Control
import Mail
import NIOCore
import SMTP
import Scheduler

/// What a destination's connections do, for the page about it: gathered when it is asked for.
extension Engine {
    /// Deliveries whose turn is told.
    private static let dueLimit = 50
    /// Connections that are told; more are not read by anybody.
    private static let connectionLimit = 200

    func inspection(of id: Int64, at now: Instant) -> DestinationInspection {
        var inspection = DestinationInspection()
        guard let destination = destinations[id] else { return inspection }
        inspection.contacts = destination.contacts.reversed()
        inspection.due = scheduler.upcoming(
            of: DestinationID(rawValue: id), limit: Self.dueLimit
        ).compactMap { due in
            clocks.time(of: due.due).map { DueReport(delivery: due.delivery, at: $0) }
        }
        let pooled = connections.values.filter { $0.destination == id }
        inspection.connections =
            pooled.map { report($0, at: now) }
            + destination.running.compactMap { delivery in
                attempts[delivery].flatMap { report($0, at: now) }
            }
        inspection.connections.sort { ($0.number, $0.openedAt) < ($1.number, $1.openedAt) }
        inspection.connections.removeFirst(
            max(0, inspection.connections.count - Self.connectionLimit))
        return inspection
    }

    private func report(_ pooled: PooledConnection, at now: Instant) -> ConnectionReport {
        let waiting = loop.now - pooled.connection.waitingSince
        return ConnectionReport(
            number: pooled.number, remote: pooled.candidate.description,
            phase: pooled.isIdle ? "idle" : pooled.connection.phase,
            since: clocks.wall() + .nanoseconds(-waiting.nanoseconds),
            openedAt: clocks.time(of: pooled.openedAt) ?? clocks.wall(),
            delivery: pooled.attempt?.start.delivery, tls: pooled.connection.tls?.version ?? "",
            transactions: pooled.transactions)
    }

    /// An attempt without a connection.
    private func report(_ attempt: Attempt, at now: Instant) -> ConnectionReport? {
        guard attempt.connection == nil else { return nil }
        let since = clocks.time(of: attempt.startedAt) ?? clocks.wall()
        return ConnectionReport(
            number: 0, remote: attempt.candidate?.description ?? "",
            phase: attempt.job == nil ? "fetch" : "route", since: since, openedAt: since,
            delivery: attempt.start.delivery, tls: "", transactions: 0)
    }
}
