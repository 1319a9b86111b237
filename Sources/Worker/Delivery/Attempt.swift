import Control
import Mail
import NIOCore
import SMTP
import Scheduler
import Settings

/// A delivery that the scheduler has started: from the look-up of its exchangers to the last reply.
/// Confined to the event loop.
final class Attempt {
    let start: Start
    let startedAt: Instant
    var job: Job?
    /// Taken from the pool with the start, or opened by this attempt.
    var connection: ClientConnection?
    /// Its transaction is given to that connection: what becomes of it is told.
    var isUnderWay = false
    /// Who takes the mail of its domain.
    var exchangers: [Exchanger] = []
    /// Which of their addresses lately gave no answer.
    var silent: Set<String> = []
    /// Where to try next when the present address does not do, in the order to try; nil until
    /// somebody asks: most attempts have a connection already.
    private var candidates: ArraySlice<Candidate>?
    var candidate: Candidate?
    /// What went wrong with the addresses tried so far; the last one decides.
    var lastError: ClientError?
    /// Until the connection that was opened for it could be used.
    var opened: Duration?
    /// Of the transaction, once it has ended.
    var timings: TransactionTimings?
    /// Recipients whose outcome stands while the others are tried elsewhere, by their place in the
    /// job as it was at first; nil for the others.
    var settled: [RecipientReport?] = []
    /// The job as it was at first, where some of its recipients were put away.
    var whole: Job?
    /// Why the others are tried elsewhere.
    var refusal: Mail.Reply?
    /// A kept connection died under it before it said anything: it may have a new one.
    var triedAgain = false

    init(start: Start, at now: Instant) {
        self.start = start
        startedAt = now
    }

    var destination: Int64 { start.destination.rawValue }

    /// What the log says of it.
    var trail: AttemptTrail {
        var trail = AttemptTrail()
        guard let job = whole ?? job else { return trail }
        trail.sender = job.sender
        trail.recipients = job.recipients.map(\.address)
        if let timings {
            if start.connection == .open { trail.connect = timings.connect }
            trail.mail = timings.mail
            trail.data = timings.data
        }
        return trail
    }

    private func ordered(
        using random: inout some RandomNumberGenerator
    ) -> ArraySlice<Candidate> {
        Candidate.ordered(exchangers, silent: silent, using: &random)[...]
    }

    /// The next address to try; nil when all have been.
    func takeCandidate(using random: inout some RandomNumberGenerator) -> Candidate? {
        var rest = candidates ?? ordered(using: &random)
        defer { candidates = rest }
        return rest.popFirst()
    }

    /// Whether an address is left beside this one, which is not tried again.
    func hasCandidate(
        besides candidate: Candidate, using random: inout some RandomNumberGenerator
    ) -> Bool {
        let rest = candidates ?? ordered(using: &random)
        candidates = rest.filter { $0 != candidate }[...]
        return candidates?.isEmpty == false
    }

    /// No further address is tried.
    func dropCandidates() { candidates = [] }

    /// Puts an address before all others.
    func tryAgain(_ candidate: Candidate, using random: inout some RandomNumberGenerator) {
        candidates = [candidate] + (candidates ?? ordered(using: &random))
    }
}

/// One address of an exchanger.
struct Candidate: Equatable {
    var host: String
    var address: SocketAddress
    /// The address without its port, as the route has it.
    var ip: String
    /// With the port where it is not 25.
    var text: String

    /// "mx1.example.com [192.0.2.10]".
    var description: String { host == text || host.isEmpty ? "[\(text)]" : "\(host) [\(text)]" }

    func leads(toAnyOf exchangers: [Exchanger]) -> Bool {
        exchangers.contains { exchanger in
            exchanger.port == address.port && exchanger.addresses.contains(ip)
        }
    }
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
    var idleSince = Instant(nanoseconds: 0)
    /// A timer runs that looks after it while it is idle.
    var hasTimer = false
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
    /// What messages say is traced too.
    var tracesContent = false
    /// Why this host could not open a connection; until it can.
    var trouble: String?
    /// The domains that DNS is being asked for, one for each attempt that waits for it.
    var lookups: [String] = []
    /// As an attempt last saw them, and in words.
    private(set) var route: [Exchanger] = []
    private(set) var exchangers: [String] = []
    /// What became of the last connection to each address, the latest last.
    private(set) var contacts: [ContactReport] = []
    /// When addresses gave no answer that have not given one since, by their text.
    private var silences: [String: Instant] = [:]
    /// The rules for its replies, and its limits: looked up when the configuration or a name
    /// changes.
    var rules: ReplyRules.Selection
    var policy: DestinationPolicy

    var names: DestinationNames {
        DestinationNames(identity: identity, domains: domains, exchangers: route.map(\.host))
    }

    init(_ assignment: Assignment, _ configuration: Configuration, rules table: ReplyRules) {
        id = assignment.destination
        identity = assignment.identity
        name = assignment.name
        domains = assignment.domains
        let names = DestinationNames(identity: identity, domains: domains, exchangers: [])
        rules = table.selection(for: names)
        policy = configuration.policy(for: names)
    }

    /// Whether that is anything new. Every attempt tells; what was told before costs nothing.
    func learn(_ route: [Exchanger]) -> Bool {
        guard route != self.route else { return false }
        self.route = route
        exchangers = route.prefix(8).map { exchanger in
            let addresses = exchanger.addresses.prefix(4).joined(separator: ", ")
            let port = exchanger.port == 25 ? "" : ":\(exchanger.port)"
            return exchanger.host == addresses
                ? addresses + port : "\(exchanger.host) [\(addresses)]\(port)"
        }
        return true
    }

    /// Addresses that are remembered: a destination with more has them by turns.
    private static let contactLimit = 24

    /// So long an address that gave no answer comes after its equals.
    private static let silence = Duration.seconds(600)

    func answered(_ candidate: Candidate) {
        if !silences.isEmpty { silences[candidate.text] = nil }
    }

    func gaveNoAnswer(_ candidate: Candidate, at now: Instant) {
        if silences.count >= Self.contactLimit { silences = [:] }
        silences[candidate.text] = now
    }

    /// Addresses that lately gave no answer.
    func silent(at now: Instant) -> Set<String> {
        guard !silences.isEmpty else { return [] }
        silences = silences.filter { now - $0.value < Self.silence }
        return Set(silences.keys)
    }

    func contacted(_ contact: ContactReport) {
        contacts.removeAll { $0.remote == contact.remote }
        if contacts.count == Self.contactLimit { contacts.removeFirst() }
        contacts.append(contact)
    }
}
