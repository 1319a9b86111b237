import Control
import Mail
import NIOCore
import SMTP
import Scheduler

/// A delivery that the scheduler has started: from the look-up of its exchangers to the last reply.
/// Confined to the event loop.
final class Attempt {
    let start: Start
    let startedAt: Instant
    var job: Job?
    /// Taken from the pool with the start, or opened by this attempt.
    var connection: ClientConnection?
    /// Where to try next when the present address does not do, in the order to try.
    var candidates: ArraySlice<Candidate> = []
    var candidate: Candidate?
    /// What went wrong with the addresses tried so far; the last one decides.
    var lastError: ClientError?
    /// A kept connection died under it before it said anything: it may have a new one.
    var triedAgain = false

    init(start: Start, at now: Instant) {
        self.start = start
        startedAt = now
    }

    var destination: Int64 { start.destination.rawValue }
}

/// One address of an exchanger.
struct Candidate: Equatable {
    var host: String
    var address: SocketAddress
    var text: String

    /// "mx1.example.com [192.0.2.10]".
    var description: String { host == text || host.isEmpty ? "[\(text)]" : "\(host) [\(text)]" }
}

/// A connection of this worker, in a transaction or kept.
final class PooledConnection {
    let connection: ClientConnection
    let destination: Int64
    let candidate: Candidate
    let openedAt: Instant
    var attempt: Attempt?
    var transactions = 0
    /// Plain text, because TLS had failed with this address.
    let withoutTLS: Bool
    let number: Int
    var idleTimer: Scheduled<Void>?
    /// In the pool, to be used again.
    var isIdle = false
    /// Counted by the scheduler as kept until it is really closed.
    var leavesPool = false
    /// What follows its end: a slot is free only when the receiver has seen the last of it.
    var onClosed: (() -> Void)?

    init(
        _ connection: ClientConnection, destination: Int64, candidate: Candidate, number: Int,
        withoutTLS: Bool, at now: Instant
    ) {
        self.connection = connection
        self.destination = destination
        self.candidate = candidate
        self.number = number
        self.withoutTLS = withoutTLS
        openedAt = now
    }
}

/// A destination that this worker owns.
final class OwnedDestination {
    let id: Int64
    let identity: String
    let name: String
    let domains: [String]
    var running: Set<DeliveryID> = []
    /// Kept connections, the one used last at the end.
    var idle: [PooledConnection] = []
    var connections = 0
    var isSurrendering = false
    var isTraced = false
    var exchangers: [String] = []
    /// Why this host could not open a connection; until it can.
    var trouble: String?
    /// The domains that DNS is being asked for, one for each attempt that waits for it.
    var lookups: [String] = []

    init(_ assignment: Assignment) {
        id = assignment.destination
        identity = assignment.identity
        name = assignment.name
        domains = assignment.domains
    }
}
