import Control
import Faults
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
    let correction = ClockCorrection()
    let logger: Logger
    var link: ManagerLink?
    var number = 0
    var configuration = Configuration()
    var rules = ReplyRules(Configuration())
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
    /// Connections that the process may have open.
    var descriptors = Int.max
    /// Told how to log, with each configuration.
    var logs: (LogSettings) -> Void = { _ in }
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
    /// What the journal could not take yet.
    var unwritten: [AttemptReport] = []

    var pumpScheduled = false
    var timer: Scheduled<Void>?
    var timerAt: Instant?
    var isStopping = false
    /// Whether the manager can record results.
    var isRecording = true
    /// When this node's right to deliver ends; nil: it needs none.
    var leaseEnd: Instant?
    var isWatchingLease = false
    let ended: EventLoopPromise<Void>
    var traceBudget = 0
    var traceDropped = 0

    init(loop: any EventLoop, clocks: Clocks, logger: Logger, seed: UInt64) {
        self.loop = loop
        self.clocks = clocks.corrected(by: correction)
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
        yieldConnections()
        if !isStopping {
            while let start = scheduler.next(at: now) { begin(start, at: now) }
            // Only now is it known who found no connection.
            yieldConnections()
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

    /// Whether the manager writes a line for an attempt.
    private var isLogged: Bool {
        switch configuration.log.level {
        case .trace, .debug, .info: true
        case .notice, .warning, .error, .critical: false
        }
    }

    func report(
        _ attempt: Attempt, recipients: [RecipientReport], result: AttemptResult, reply: String,
        rule: String = "", remote: String, fate: ConnectionFate
    ) {
        let now = clocks.monotonic()
        let id = attempt.start.delivery
        attempts[id] = nil
        let destination = destinations[attempt.destination]
        destination?.running.remove(id)
        let verdict = scheduler.finished(
            id, of: attempt.start.destination, result, connection: fate, opened: attempt.opened,
            at: now)
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
            recipients: recipients, reply: reply, rule: rule, at: clocks.wall())
        if isLogged { report.trail = attempt.trail }
        switch verdict {
        case .retry(let due, let attempts):
            report.disposition = .retry
            report.attempts = attempts
            report.due = clocks.time(of: due) ?? report.due
        case .expired:
            report.disposition = .expired
        case .gone:
            // Purged or held while its transaction ran: what is left of it stays in the spool.
            if result != .settled { report.disposition = .retry }
        }
        let sent = outbox.add(report)
        FaultPoint.resultKept.reached()
        if report.disposition == .retry, recipients.contains(where: { $0.outcome != .deferred }),
            let job = attempt.whole ?? attempt.job
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
                recipients: [], reply: "", rule: "", at: clocks.wall()))
    }

    func flushResults() {
        let reports = outbox.takeNew()
        guard !reports.isEmpty else { return }
        if let link, link.isOpen {
            link.send(.results(reports))
        } else {
            leave(reports)
        }
    }

    /// Leaves results for the next manager. A disk that cannot take them is tried again until this
    /// process has to end: what is not left is delivered twice.
    func leave(_ reports: [AttemptReport]) {
        unwritten += reports
        guard !unwritten.isEmpty else { return }
        let journal = Journal(directory: configuration.dataDirectory, worker: number)
        do {
            try journal.append(unwritten)
            unwritten = []
        } catch {
            logger.error(
                "results cannot be left for the next manager; trying again",
                metadata: ["error": "\(error)", "results": "\(unwritten.count)"])
            after(.milliseconds(500)) { engine in
                guard !engine.unwritten.isEmpty else { return }
                engine.leave([])
                engine.endIfDone()
            }
        }
    }

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

extension Job {
    /// The job for those who were deferred.
    func remaining(after reports: [RecipientReport]) -> Job {
        var job = self
        job.recipients = zip(recipients, reports).filter { $1.outcome == .deferred }.map(\.0)
        return job
    }
}
