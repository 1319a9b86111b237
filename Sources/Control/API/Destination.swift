package import Mail

/// What a destination is doing, the most binding condition first.
package enum DestinationState: String, Codable, Sendable, CaseIterable {
    /// An operator keeps it back.
    case paused
    /// The breaker is open: backing off until `breakerUntil`.
    case backoff
    /// The breaker is half-open: one probe decides.
    case probing
    /// Mail is due and waits for tokens, for the window, or for its worker.
    case waiting
    /// Deliveries are running and nothing that is due waits.
    case delivering
    /// Mail is queued, none of it due yet.
    case scheduled
    /// Nothing is queued.
    case idle
}

package enum BreakerState: String, Codable, Sendable {
    case closed
    case open
    case halfOpen = "half-open"
}

/// One row of `GET /v1/destinations`. All counts of one answer belong to the same instant.
package struct DestinationRow: Codable, Sendable, Identifiable {
    /// Stable while anything is queued; used in paths and selectors.
    package var id: String
    /// CRC-32 of the canonical addresses of the exchangers: the key on the ring.
    package var key: UInt32
    /// For people: the best known domain and how many more share the exchangers.
    package var name: String
    package var domains: [String]
    package var exchangers: [String]
    package var state: DestinationState
    /// The first of `waits`, or of kind `nothing`.
    package var why: Why
    /// All that its mail waits for, what lasts longest or hides the others first.
    package var waits: [Why]

    /// Deliveries in the spool for this destination: `ready + delayed + held + delivering`.
    package var queued: Int
    package var ready: Int
    package var delayed: Int
    package var held: Int
    package var delivering: Int

    package var connections: Int
    package var window: Int
    package var limit: Int
    /// Tokens left now and the size of the bucket; nil where no rate is set.
    package var tokens: Double?
    package var burst: Double?
    /// Messages per second; nil where no rate is set.
    package var rate: Double?
    /// What the receiver turned out to bear, in messages per second; nil where nothing is learned.
    package var learnedRate: Double?
    /// The same of new connections.
    package var learnedConnectionRate: Double?
    package var breaker: BreakerState
    package var breakerUntil: UnixTime?
    /// Failed attempts at the destination since it last worked.
    package var failures: Int

    package var oldestAt: UnixTime?
    package var nextAttemptAt: UnixTime?
    /// How long what is queued takes to leave at the present limits; nil where nothing tells.
    package var drainSeconds: Double?
    /// Deliveries per second once it goes; nil where retry times decide.
    package var drainPerSecond: Double?
    /// What decides that: `rate`, `learned-rate`, `connection-rate`, `learned-connection-rate`,
    /// `window` or `schedule` (its retry times).
    package var drainBound: String?
    package var worker: Int?
    package var pin: Int?
    package var pausedBy: String?
    package var pausedUntil: UnixTime?

    /// Since the daemon started.
    package var attempts: Int
    package var delivered: Int
    package var deferred: Int
    package var bounced: Int
    package var deliveredPerSecond: Double
    /// Deliveries in each of the last seconds, oldest first, at most 30.
    package var history: [Int]
    package var lastReply: String?
    package var lastReplyAt: UnixTime?
    /// The rule that said what to make of the last reply.
    package var lastRule: String?
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// Which node of a cluster has it; nil where there is one daemon alone.
    package var node: String?
    /// How long ago this was so, in seconds, where its node or host cannot be reached now; nil: now.
    package var staleSeconds: Double?

    package init(id: String, key: UInt32, name: String) {
        self.id = id
        self.key = key
        self.name = name
        domains = []
        exchangers = []
        state = .idle
        why = Why(kind: "nothing", text: "")
        waits = []
        queued = 0
        ready = 0
        delayed = 0
        held = 0
        delivering = 0
        connections = 0
        window = 0
        limit = 0
        breaker = .closed
        failures = 0
        attempts = 0
        delivered = 0
        deferred = 0
        bounced = 0
        deliveredPerSecond = 0
        history = []
    }
}
