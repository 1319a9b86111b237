import Control
import Logging
import Mail
import NIOCore
import NIOSSL
import SMTP
import Scheduler
import Settings

/// The worker's heart: asks the scheduler what to start, does it over SMTP, and tells scheduler and
/// manager how it ended. Confined to one event loop.
final class Engine {
    let loop: any EventLoop
    let clocks: Clocks
    let logger: Logger
    var link: ManagerLink?
    var number = 0
    var configuration = Configuration()
    var isConfigured = false
    var scheduler: Scheduler
    var random = SystemRandomNumberGenerator()
    var resolver: RouteResolver?
    var routes = RouteCache()
    var tlsContext: NIOSSLContext?

    var destinations: [Int64: OwnedDestination] = [:]
    var attempts: [DeliveryID: Attempt] = [:]
    var connections: [ObjectIdentifier: PooledConnection] = [:]
    var nextConnection = 1
    /// When the log last said that no connection can be opened.
    var troubleToldAt: Instant?
    /// Destinations for which DNS is or was just asked: reported until that is over.
    var asking: Set<Int64> = []
    /// Addresses whose TLS handshake failed: spoken to in plain text until then.
    var withoutTLS: [String: Instant] = [:]

    /// Envelopes and bodies that came with their delivery, or stay because the spool does not know
    /// yet which of their recipients are left.
    var jobs = JobStore()
    var fetches: [Int64: [DeliveryID]] = [:]
    var outbox = Outbox()

    var pumpScheduled = false
    var timer: Scheduled<Void>?
    var timerAt: Instant?
    var isStopping = false
    let ended: EventLoopPromise<Void>
    var traceBudget = 0
    var traceDropped = 0

    init(loop: any EventLoop, clocks: Clocks, logger: Logger, seed: UInt64) {
        self.loop = loop
        self.clocks = clocks
        self.logger = logger
        scheduler = Scheduler(seed: seed)
        ended = loop.makePromise(of: Void.self)
    }

    func after(_ delay: Duration, _ work: @escaping (Engine) -> Void) {
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) { [weak self] in
            if let self { work(self) }
        }
    }

    /// Everything that happens in one turn of the loop is followed by one look at what to start.
    func schedulePump() {
        guard !pumpScheduled else { return }
        pumpScheduled = true
        loop.assumeIsolated().execute { [weak self] in
            self?.pumpScheduled = false
            self?.pump()
        }
    }

    private func pump() {
        let now = clocks.monotonic()
        if !isStopping {
            while let start = scheduler.next(at: now) { begin(start, at: now) }
        }
        while let (delivery, destination) = scheduler.nextExpired(at: now) {
            expire(delivery, of: destination.rawValue)
        }
        flushFetches()
        flushResults()
        armTimer(at: now)
    }

    private func armTimer(at now: Instant) {
        let wake = isStopping ? nil : scheduler.nextWake(after: now)
        guard wake != timerAt else { return }
        timer?.cancel()
        timer = nil
        timerAt = wake
        guard let wake else { return }
        // A wall of sleep is cut in pieces: the loop's clock stands still while a machine sleeps.
        let delay = min(max(wake - now, .zero), .seconds(60))
        timer = loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            [weak self] in
            self?.timerAt = nil
            self?.pump()
        }
    }

    // MARK: Results

    func report(
        _ attempt: Attempt, recipients: [RecipientReport], result: AttemptResult, reply: String,
        remote: String, fate: ConnectionFate
    ) {
        let now = clocks.monotonic()
        let id = attempt.start.delivery
        attempts[id] = nil
        let destination = destinations[attempt.destination]
        destination?.running.remove(id)
        let verdict = scheduler.finished(
            id, of: attempt.start.destination, result, connection: fate, at: now)
        defer {
            if let destination, destination.isSurrendering { surrenderIfDone(destination) }
            schedulePump()
        }
        if case .notAttempted = result {
            jobs.drop(id)
            return
        }
        var report = AttemptReport(
            number: 0, delivery: id, destination: attempt.destination, disposition: .settled,
            attempts: attempt.start.attempts + 1, due: clocks.wall(), remote: remote,
            tls: attempt.connection?.tls?.version ?? "",
            milliseconds: Int((now - attempt.startedAt).nanoseconds / 1_000_000),
            recipients: recipients, reply: reply, at: clocks.wall())
        switch verdict {
        case .retry(let due, let attempts):
            report.disposition = .retry
            report.attempts = attempts
            report.due = clocks.time(of: due) ?? report.due
        case .expired:
            report.disposition = .expired
        case .gone:
            // Purged or held while its transaction ran: what is left of it stays in the spool.
            if case .deferred = result { report.disposition = .retry }
        }
        let sent = outbox.add(report)
        if report.disposition == .retry, recipients.contains(where: { $0.outcome != .deferred }),
            let job = attempt.job
        {
            jobs.keep(
                job.remaining(after: recipients), for: id, of: attempt.destination, until: sent)
        } else {
            jobs.drop(id)
        }
    }

    /// A delivery whose time ended while it waited.
    private func expire(_ id: DeliveryID, of destination: Int64) {
        jobs.drop(id)
        _ = outbox.add(
            AttemptReport(
                number: 0, delivery: id, destination: destination, disposition: .expired,
                attempts: 0, due: clocks.wall(), remote: "", tls: "", milliseconds: 0,
                recipients: [], reply: "", at: clocks.wall()))
    }

    func flushResults() {
        let reports = outbox.takeNew()
        guard !reports.isEmpty else { return }
        if let link, link.isOpen {
            link.send(.results(reports))
        } else {
            journal.append(reports)
        }
    }

    var journal: Journal { Journal(directory: configuration.dataDirectory, worker: number) }

    // MARK: Fetching

    func fetch(_ id: DeliveryID, of destination: Int64) {
        fetches[destination, default: []].append(id)
    }

    private func flushFetches() {
        guard !fetches.isEmpty else { return }
        for (destination, ids) in fetches { link?.send(.fetch(destination: destination, ids)) }
        fetches = [:]
    }
}

/// Results on their way to the manager, kept until it has recorded them.
struct Outbox {
    private var last: UInt64 = 0
    private var fresh: [AttemptReport] = []
    private(set) var unrecorded: [UInt64: AttemptReport] = [:]
    private var recordedUpTo: UInt64 = 0

    mutating func add(_ report: AttemptReport) -> UInt64 {
        var report = report
        last += 1
        report.number = last
        fresh.append(report)
        unrecorded[last] = report
        return last
    }

    mutating func takeNew() -> [AttemptReport] {
        defer { fresh = [] }
        return fresh
    }

    mutating func recorded(upTo number: UInt64) {
        let number = min(number, last)
        guard number > recordedUpTo else { return }
        for done in (recordedUpTo + 1)...number { unrecorded[done] = nil }
        recordedUpTo = number
    }

    var isEmpty: Bool { fresh.isEmpty && unrecorded.isEmpty }
    var allUnrecorded: [AttemptReport] { unrecorded.values.sorted { $0.number < $1.number } }
}

/// Envelopes and bodies in memory, within bounds.
struct JobStore {
    /// Bodies beyond this are left in the spool and fetched when their turn comes.
    static let capacity = 64 << 20
    private var jobs: [DeliveryID: Job] = [:]
    private var owners: [DeliveryID: Int64] = [:]
    private var owned: [Int64: Set<DeliveryID>] = [:]
    private var keptUntil: [DeliveryID: UInt64] = [:]
    private(set) var bytes = 0

    /// A job that came with its delivery; not taken when the memory is full.
    mutating func offer(_ job: Job, for id: DeliveryID, of destination: Int64) {
        guard bytes < Self.capacity, jobs[id] == nil else { return }
        store(job, id, destination)
    }

    /// A job that the spool would give out wrongly until result `number` is recorded.
    mutating func keep(
        _ job: Job, for id: DeliveryID, of destination: Int64, until number: UInt64
    ) {
        drop(id)
        store(job, id, destination)
        keptUntil[id] = number
    }

    private mutating func store(_ job: Job, _ id: DeliveryID, _ destination: Int64) {
        jobs[id] = job
        owners[id] = destination
        owned[destination, default: []].insert(id)
        bytes += job.body.readableBytes
    }

    subscript(id: DeliveryID) -> Job? { jobs[id] }

    mutating func drop(_ id: DeliveryID) {
        guard let job = jobs.removeValue(forKey: id) else { return }
        bytes -= job.body.readableBytes
        keptUntil[id] = nil
        guard let owner = owners.removeValue(forKey: id) else { return }
        owned[owner]?.remove(id)
        if owned[owner]?.isEmpty == true { owned[owner] = nil }
    }

    /// The destination goes to another worker. Should it come back, who is left of the recipients
    /// may be others.
    mutating func drop(destination: Int64) {
        for id in owned[destination] ?? [] { drop(id) }
    }

    mutating func recorded(upTo number: UInt64) {
        guard !keptUntil.isEmpty else { return }
        for (id, until) in keptUntil where until <= number { drop(id) }
    }
}

extension Job {
    /// The job for those who were deferred.
    func remaining(after reports: [RecipientReport]) -> Job {
        var job = self
        job.recipients = zip(recipients, reports).filter { $1.outcome == .deferred }.map(\.0)
        return job
    }
}
