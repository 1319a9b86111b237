package import Mail
package import NIOCore
package import Scheduler

/// All that manager and worker say to each other: this enum is the whole protocol.
///
/// On the socket pair a frame is its length (4 bytes, big-endian, of what follows), one byte that
/// names the case, and the fields. Times are wall-clock, as the two processes' monotonic clocks
/// need not agree on their origin; but for `lease`, as all processes of a machine read the same
/// CLOCK_BOOTTIME.
package enum Frame: Sendable {
    // Manager to worker.

    /// First, and again after a reload: `Settings.Configuration` as JSON and the worker's number.
    case configure(worker: Int, configuration: ByteBuffer)
    /// Asks for the exchangers of a domain; answered by `resolved`.
    case resolve(request: UInt64, domain: String)
    /// The worker owns this destination from now on.
    case assign(Assignment)
    /// A delivery without its envelope and body: the worker fetches them when its turn comes.
    case enqueue([QueuedDelivery])
    /// A delivery with all that is needed to start at once.
    case deliver(QueuedDelivery, Job)
    /// The answer to `fetch`; nil where the message has left the spool.
    case job(DeliveryID, destination: Int64, Job?)
    /// Purged or held: forget them; answered by `withdrawn`.
    case withdraw(request: UInt64, [DeliveryID])
    case pause(destination: Int64, until: UnixTime?, by: String, reason: String)
    case resume(destination: Int64)
    /// Make due now; an empty list means all of the destination.
    case retryNow(destination: Int64, [DeliveryID])
    /// Stop, let running transactions end, then answer `surrendered`.
    case surrender(destination: Int64)
    /// All results up to this number are on disk.
    case recorded(UInt64)
    /// False while the spool cannot record results: start nothing.
    case recording(Bool)
    /// Nothing may be sent to a receiver from that time on, and no connection be open, unless a
    /// later one is given before. Without one there is no such time. `ahead`: how far the clock that
    /// wall-clock times are by is ahead of this machine's.
    case lease(until: Instant, ahead: Duration)
    case trace(destination: Int64, on: Bool, content: Bool)
    /// Asks what a destination's connections do; answered by `inspected`.
    case inspect(request: UInt64, destination: Int64)
    /// End running transactions within that time, report, and exit.
    case shutdown(grace: Duration)

    // Worker to manager.

    case hello(pid: Int32)
    case heartbeat(Load)
    case resolved(request: UInt64, RouteResult)
    case fetch(destination: Int64, [DeliveryID])
    case results([AttemptReport])
    case status([DestinationReport])
    /// Which of them were in a transaction, so that only its end decides.
    case withdrawn(request: UInt64, running: [DeliveryID])
    case surrendered(destination: Int64, snapshot: [UInt8])
    case inspected(request: UInt64, DestinationInspection)
    case traced(destination: Int64, connection: Int, direction: UInt8, dropped: Int, line: String)
}

/// A destination handed to a worker.
package struct Assignment: Sendable, Equatable {
    package var destination: Int64
    /// The canonical text that its key is made from.
    package var identity: String
    package var name: String
    package var domains: [String]
    /// `Scheduler.DestinationSnapshot`, encoded; empty where it has none.
    package var snapshot: [UInt8]
    package var pausedBy: String?
    package var pausedUntil: UnixTime?
    package var pauseReason: String

    package init(
        destination: Int64, identity: String, name: String, domains: [String], snapshot: [UInt8],
        pausedBy: String?, pausedUntil: UnixTime?, pauseReason: String
    ) {
        self.destination = destination
        self.identity = identity
        self.name = name
        self.domains = domains
        self.snapshot = snapshot
        self.pausedBy = pausedBy
        self.pausedUntil = pausedUntil
        self.pauseReason = pauseReason
    }
}

/// What the scheduler needs to know of a delivery.
package struct QueuedDelivery: Sendable, Equatable {
    package var id: DeliveryID
    package var destination: Int64
    package var due: UnixTime
    package var received: UnixTime
    package var attempts: Int
    package var size: Int
    /// CRC-32 of the sender: mail of one sender shares a turn.
    package var senderHash: UInt32
    /// `MailPriority`.
    package var priority: Int8

    package init(
        id: DeliveryID, destination: Int64, due: UnixTime, received: UnixTime, attempts: Int,
        size: Int, senderHash: UInt32, priority: Int = 0
    ) {
        self.priority = Int8(clamping: priority)
        self.id = id
        self.destination = destination
        self.due = due
        self.received = received
        self.attempts = attempts
        self.size = size
        self.senderHash = senderHash
    }
}

package struct JobRecipient: Sendable, Equatable {
    package var address: String
    package var notify: String
    package var originalRecipient: String

    package init(address: String, notify: String, originalRecipient: String) {
        self.address = address
        self.notify = notify
        self.originalRecipient = originalRecipient
    }
}

/// Envelope and body of a delivery.
package struct Job: Sendable, Equatable {
    package var domain: String
    package var sender: String
    package var recipients: [JobRecipient]
    package var eightBit: Bool
    package var utf8: Bool
    package var leadingDots: Bool
    package var ret: String
    package var envelopeID: String
    package var body: ByteBuffer

    package init(
        domain: String, sender: String, recipients: [JobRecipient], eightBit: Bool, utf8: Bool,
        leadingDots: Bool, ret: String, envelopeID: String, body: ByteBuffer
    ) {
        self.domain = domain
        self.sender = sender
        self.recipients = recipients
        self.eightBit = eightBit
        self.utf8 = utf8
        self.leadingDots = leadingDots
        self.ret = ret
        self.envelopeID = envelopeID
        self.body = body
    }
}

package struct Load: Sendable, Equatable {
    package var destinations: Int
    package var queued: Int
    package var connections: Int
    /// Processor time used since the process started, in microseconds.
    package var cpuMicroseconds: Int64
    package var residentBytes: Int64

    package init(
        destinations: Int, queued: Int, connections: Int, cpuMicroseconds: Int64,
        residentBytes: Int64
    ) {
        self.destinations = destinations
        self.queued = queued
        self.connections = connections
        self.cpuMicroseconds = cpuMicroseconds
        self.residentBytes = residentBytes
    }
}

package struct ExchangerRecord: Sendable, Equatable {
    package var host: String
    package var preference: UInt16
    /// Canonical text forms; an address with a port other than 25 carries it (":2526").
    package var addresses: [String]

    package init(host: String, preference: UInt16, addresses: [String]) {
        self.host = host
        self.preference = preference
        self.addresses = addresses
    }
}

package enum RouteResult: Sendable, Equatable {
    /// `ttl` in seconds.
    case exchangers([ExchangerRecord], ttl: Int)
    /// The domain takes no mail or does not exist: an enhanced code and a text.
    case permanent(code: String, text: String)
    case temporary(String)
}

/// What became of one recipient in an attempt.
package struct RecipientReport: Sendable, Equatable {
    package enum Outcome: UInt8, Sendable {
        case delivered = 0
        case deferred = 1
        case failed = 2
        /// Delivered to a server that gives no reports, where the sender asked for one of success
        /// (RFC 3461 §5.2.2).
        case relayed = 3

        package var isDelivered: Bool { self == .delivered || self == .relayed }
    }

    package var outcome: Outcome
    /// "250 2.0.0 Ok: queued as 4F2…", or what we say where the receiver said nothing.
    package var reply: String

    package init(outcome: Outcome, reply: String) {
        self.outcome = outcome
        self.reply = reply
    }
}

/// What the log says of an attempt beyond its result; empty where nothing is logged.
package struct AttemptTrail: Sendable, Equatable {
    package var sender = ""
    /// In the order of the report's recipients.
    package var recipients: [String] = []
    /// Milliseconds: to the established connection, where this attempt opened it; from MAIL to
    /// the answer to DATA; from there to the last reply. nil: it did not come to that.
    package var connect: Int?
    package var mail: Int?
    package var data: Int?

    package init() {}
}

/// The end of an attempt. It is repeated to nobody and lost by nobody: a worker keeps it until the
/// manager says `recorded`.
package struct AttemptReport: Sendable, Equatable {
    package enum Disposition: UInt8, Sendable {
        /// Every recipient has its final outcome.
        case settled = 0
        /// Some are tried again at `due`.
        case retry = 1
        /// The delivery's time is over: who is left is bounced.
        case expired = 2
    }

    /// 1, 2, … per worker process.
    package var number: UInt64
    package var delivery: DeliveryID
    package var destination: Int64
    package var disposition: Disposition
    /// Attempts so far, this one included.
    package var attempts: Int
    package var due: UnixTime
    /// The receiver, "mx1.example.com [192.0.2.10]"; empty where none was reached.
    package var remote: String
    package var tls: String
    /// From the start of the transaction to its last reply.
    package var milliseconds: Int
    /// In the order of the job's recipients; empty where the job was never fetched.
    package var recipients: [RecipientReport]
    /// The reply or the event that decided, for the delivery as a whole.
    package var reply: String
    /// The rule that said what to make of it; empty: none did.
    package var rule: String
    package var at: UnixTime
    /// For the log alone.
    package var trail = AttemptTrail()

    package init(
        number: UInt64, delivery: DeliveryID, destination: Int64, disposition: Disposition,
        attempts: Int, due: UnixTime, remote: String, tls: String, milliseconds: Int,
        recipients: [RecipientReport], reply: String, rule: String = "", at: UnixTime
    ) {
        self.number = number
        self.delivery = delivery
        self.destination = destination
        self.disposition = disposition
        self.attempts = attempts
        self.due = due
        self.remote = remote
        self.tls = tls
        self.milliseconds = milliseconds
        self.recipients = recipients
        self.reply = reply
        self.rule = rule
        self.at = at
    }
}

/// What the worker's scheduler says of a destination that changed.
package struct DestinationReport: Sendable, Equatable {
    package var destination: Int64
    package var ready: Int
    package var delayed: Int
    package var running: [DeliveryID]
    package var connections: Int
    package var window: Int
    package var limit: Int
    package var tokens: Double?
    package var burst: Double?
    package var rate: Double?
    /// 0 closed, 1 open, 2 half-open.
    package var breaker: UInt8
    package var breakerUntil: UnixTime?
    package var failures: Int
    package var nextDue: UnixTime?
    package var oldest: UnixTime?
    /// Of the delayed ones: those that a success of the destination wakes.
    package var suspended: Int
    /// When about all that wait for their own time are due.
    package var latestDue: UnixTime?
    package var learnedRate: Double?
    package var learnedConnectionRate: Double?
    package var waits: [Why]
    package var exchangers: [String]
    package var snapshot: [UInt8]

    package init(
        destination: Int64, ready: Int, delayed: Int, running: [DeliveryID], connections: Int,
        window: Int, limit: Int, tokens: Double?, burst: Double?, rate: Double?, breaker: UInt8,
        breakerUntil: UnixTime?, failures: Int, nextDue: UnixTime?, oldest: UnixTime?,
        suspended: Int, latestDue: UnixTime?, learnedRate: Double?,
        learnedConnectionRate: Double?, waits: [Why], exchangers: [String], snapshot: [UInt8]
    ) {
        self.destination = destination
        self.ready = ready
        self.delayed = delayed
        self.running = running
        self.connections = connections
        self.window = window
        self.limit = limit
        self.tokens = tokens
        self.burst = burst
        self.rate = rate
        self.breaker = breaker
        self.breakerUntil = breakerUntil
        self.failures = failures
        self.nextDue = nextDue
        self.oldest = oldest
        self.suspended = suspended
        self.latestDue = latestDue
        self.learnedRate = learnedRate
        self.learnedConnectionRate = learnedConnectionRate
        self.waits = waits
        self.exchangers = exchangers
        self.snapshot = snapshot
    }
}
