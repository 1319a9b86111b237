import Control
import Mail
import Scheduler

/// Who has a destination. Only `owned` and `loading` workers get its deliveries.
enum Ownership: Equatable {
    /// Nobody: nothing is queued, or no worker lives.
    case none
    case owned(Int)
    /// The worker has it and is still being sent what lay in the spool.
    case loading(Int)
    /// The worker was asked to give it up and lets its transactions end.
    case surrendering(Int)

    var worker: Int? {
        switch self {
        case .none: nil
        case .owned(let worker), .loading(let worker), .surrendering(let worker): worker
        }
    }
}

/// What the manager knows of one destination. Confined to the dispatcher's event loop.
final class Destination {
    let id: Int64
    /// The canonical text; its CRC-32 is `key`.
    let identity: String
    let key: UInt32
    var name: String { didSet { note() } }
    var domains: [String] { didSet { note() } }
    var domainCount: Int { didSet { note() } }
    var ownership = Ownership.none { didSet { note() } }
    var pin: Int? { didSet { note() } }
    var pausedBy: String? { didSet { note() } }
    var pausedUntil: UnixTime?
    var pauseReason = ""

    /// In the spool, by state. `queued` counts those that the owner has or gets.
    var queued = 0 { didSet { counted() } }
    var held = 0 { didSet { counted() } }
    var purging = 0 { didSet { counted() } }
    /// Of these counts, and as of when they were last compared with the spool.
    private(set) var changes = 0
    var healed = -1
    var oldest: UnixTime?

    /// The owner's last word, and the scheduler state to hand to the next one.
    var report: DestinationReport? { didSet { note() } }
    var reportedAt = UnixTime(milliseconds: 0)
    var snapshot: [UInt8] = [] { didSet { note() } }
    /// When that was so: its times count from then.
    var snapshotAt: UnixTime { didSet { note() } }
    var snapshotChanged = false

    var attempts = 0 { didSet { note() } }
    var delivered = 0 { didSet { note() } }
    var deferred = 0 { didSet { note() } }
    var bounced = 0 { didSet { note() } }
    var history = SecondCounts(slots: 30) { didSet { note() } }
    var past = DestinationPast()
    var lastReply = "" { didSet { note() } }
    /// The rule that said what to make of it; empty: none did.
    var lastRule = ""
    var lastReplyAt: UnixTime?
    var lastActive: UnixTime

    /// Tells a load that its destination has moved on meanwhile.
    var generation = 0
    /// What the load that runs must not send: submitted to the spool after it began, so that they
    /// are sent on by themselves, or withdrawn.
    var lateArrivals: Set<DeliveryID> = []
    /// What an operator made due while nobody had it.
    var hastened: Set<DeliveryID> = []
    /// Mail was made due, and no owner has shown yet that it knows: by a breaker that does not
    /// wait, or by an attempt.
    var isRetryUnproven = false
    /// Results that need a look into the spool and are not on disk yet; a load must not start
    /// before they are, or it would send what has been delivered.
    var pendingSettlements = 0
    var loadWaits = false

    /// Who is told that something of what lists and totals show has changed, and its place there.
    private var overview: (changes: DestinationChanges, slot: Int)?
    private var isNoted = false

    init(id: Int64, identity: String, key: UInt32, name: String, at now: UnixTime) {
        self.id = id
        self.identity = identity
        self.key = key
        self.name = name
        domains = []
        domainCount = 0
        lastActive = now
        snapshotAt = now
    }

    /// For people: the first domain and how many more share the exchangers.
    var title: String {
        domainCount > 1 ? "\(name) +\(domainCount - 1)" : name
    }

    var isPaused: Bool { pausedBy != nil }

    private func counted() {
        changes &+= 1
        note()
    }

    private func note() {
        guard !isNoted, let overview else { return }
        isNoted = true
        overview.changes.note(overview.slot)
    }

    func join(_ changes: DestinationChanges, slot: Int) {
        overview = (changes, slot)
        isNoted = false
        note()
    }

    /// Whether lists and totals have it.
    var isShown: Bool { overview != nil }

    func leave() -> Int? {
        defer { overview = nil }
        return overview?.slot
    }

    /// - Parameter goesOn: it is to be looked at again whatever happens.
    func wasSeen(goesOn: Bool) {
        isNoted = false
        if goesOn { note() }
    }
}
