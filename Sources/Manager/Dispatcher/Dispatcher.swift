import Control
import Logging
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// The manager's heart: takes accepted mail to the spool, routes it, hands every destination to
/// one worker, and records what the workers report.
///
/// Confined to one event loop: every method runs there, and state is looked at again whenever an
/// answer comes back from the spool or a worker. Other threads reach it through `DispatcherHandle`.
final class Dispatcher {
    let loop: any EventLoop
    let clocks: Clocks
    let writer: SpoolWriter
    let reader: SpoolReader
    let logger: Logger
    let attemptLog: AttemptLog
    let events: EventBus
    var configuration: Configuration {
        didSet {
            maxAge = Self.maxAge(configuration)
            relays = [:]
        }
    }
    /// Clients that asked lately, and whether they may relay.
    var relays: [String: Bool] = [:]
    /// How long mail is tried, by default.
    private(set) var maxAge: Duration
    let startedAt: UnixTime

    private(set) var table: [Int64: Destination] = [:]
    let overview = DestinationOverview()
    var routing = RoutingTable()
    var ring = Ring(workers: [:]) {
        didSet { shares = ring.shares }
    }
    private(set) var shares: [Int: Double] = [:]
    var links: [Int: WorkerLink] = [:]
    var loads = LoadQueue()
    var letterRequests = LetterRequests<WorkerLink>()
    /// What `status` shows of workers that are not running; kept by the supervisor.
    var workerRows: [Int: WorkerRow] = [:]
    var ids: MessageIDs

    /// Domains that DNS is asked for, and the deliveries that wait for the answer.
    var questions: [UInt64: Question] = [:]
    var asked: [String: UInt64] = [:]
    var nextRequest: UInt64 = 1
    /// Deliveries on disk whose recipients' domains are not all known yet.
    var unrouted: [DeliveryID: Unrouted] = [:]
    var withdrawals: [UInt64: Withdrawal] = [:]
    /// Questions about destinations that workers have not answered yet.
    var inspections: [UInt64: Inspection] = [:]
    var traced: [Int64: Int] = [:]
    /// Of these: who wants to see what messages say too.
    var tracedContent: [Int64: Int] = [:]
    /// Workers that get nothing new, and who said so.
    var drained: [Int: String] = [:]
    let runningActions = RunningActions()
    /// Deliveries that were held or purged while their transaction ran: their end counts there.
    var marked: [DeliveryID: StoredState] = [:]
    /// Deliveries one of whose results is being settled in parts, and the later ones that wait.
    var settling: [DeliveryID: [(Dispatcher) -> Void]] = [:]

    var totals = Counters()
    var spoolError: SpoolError?
    /// What an operator should know and mail survives.
    private(set) var warning: String?
    private var warningEnds = Instant(nanoseconds: 0)
    /// False while the disk has only room left to record what becomes of the mail that is there.
    var hasRoom = true
    /// Writes that the spool could not take; repeated until it can.
    var unrecorded: [Unrecorded] = []
    var isStopping = false
    var late = LateMail()
    var actions = ActionTable()
    /// When the schedulers' states were last written.
    var persistedAt: Instant
    var clockWatch: ClockWatch
    /// Where this is one of several nodes: what it has. Set once, before anything is restored.
    var districts: Districts?
    /// Shows the next life when this one was not over. Set once, at the start.
    var workerLock: WorkerLock?
    /// Set once, right after both are made.
    weak var supervisor: Supervisor?

    init(
        loop: any EventLoop, clocks: Clocks, writer: SpoolWriter, reader: SpoolReader,
        logger: Logger, attemptLog: AttemptLog, events: EventBus, configuration: Configuration,
        ids: Range<Int64>
    ) {
        self.loop = loop
        self.clocks = clocks
        self.writer = writer
        self.reader = reader
        self.logger = logger
        self.attemptLog = attemptLog
        self.events = events
        self.configuration = configuration
        maxAge = Self.maxAge(configuration)
        self.ids = MessageIDs(ids)
        startedAt = clocks.wall()
        persistedAt = clocks.monotonic()
        clockWatch = ClockWatch(clocks)
    }

    func enroll(_ destination: Destination) {
        table[destination.id] = destination
        // Those of other nodes are known too.
        if holds(destination: destination.id) { overview.add(destination) }
    }

    func strike(_ destination: Destination) {
        table[destination.id] = nil
        overview.remove(destination)
    }

    /// Runs `work` on the loop after a while; it may touch the dispatcher, as it runs there too.
    func after(_ delay: Duration, _ work: @escaping (Dispatcher) -> Void) {
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) { [weak self] in
            if let self { work(self) }
        }
    }

    /// Shows a warning until nobody repeats it any more.
    func warn(_ text: String, for time: Duration) {
        warning = text
        warningEnds = clocks.monotonic() + time
        after(time) { dispatcher in
            guard dispatcher.clocks.monotonic() >= dispatcher.warningEnds else { return }
            dispatcher.warning = nil
        }
    }

    func nextMessageID() -> MessageID? {
        if ids.needsRefill() {
            reader.read(on: loop) { spool throws(SpoolError) in
                try spool.reserveMessageIDs(MessageIDs.block)
            } completion: { [handle = handle] result in
                let dispatcher = handle.value
                switch result {
                case .success(let range): dispatcher.ids.refill(range)
                case .failure(let error):
                    dispatcher.ids.refill(nil)
                    dispatcher.spoolFailed(error)
                }
            }
        }
        return ids.take()
    }

    private static func maxAge(_ configuration: Configuration) -> Duration {
        configuration.retry.applied(to: RetryPolicy()).maxAge
    }

    /// The dispatcher for closures that the compiler cannot see to run on the loop.
    var handle: NIOLoopBound<Dispatcher> { NIOLoopBound(self, eventLoop: loop) }
}

/// The dispatcher for other threads: everything runs on its loop.
struct DispatcherHandle: Sendable {
    private let bound: NIOLoopBound<Dispatcher>
    private let loop: any EventLoop

    init(_ dispatcher: Dispatcher) {
        bound = dispatcher.handle
        loop = dispatcher.loop
    }

    func run<Value: Sendable>(
        _ body: @escaping @Sendable (Dispatcher) throws -> Value
    ) async throws -> Value {
        try await loop.submit { [bound] in try body(bound.value) }.get()
    }

    /// Some time, in the order in which it is asked for.
    func execute(_ body: @escaping @Sendable (Dispatcher) -> Void) {
        loop.execute { [bound] in body(bound.value) }
    }

    /// Blocks. For threads that may.
    func wait<Value: Sendable>(
        otherwise: Value, _ body: @escaping @Sendable (Dispatcher) -> Value
    ) -> Value {
        (try? loop.submit { [bound] in body(bound.value) }.wait()) ?? otherwise
    }

    /// For what answers later: the body completes the promise.
    func run<Value: Sendable>(
        promise body: @escaping @Sendable (Dispatcher, EventLoopPromise<Value>) -> Void
    ) async throws -> Value {
        let promise = loop.makePromise(of: Value.self)
        loop.execute { [bound] in body(bound.value, promise) }
        return try await promise.futureResult.get()
    }
}

/// Counts since the start, and the last minute of each.
struct Counters {
    var accepted = 0
    var delivered = 0
    var deferred = 0
    var bounced = 0
    var messages = 0
    var acceptedHistory = SecondCounts(slots: 61)
    var deliveredHistory = SecondCounts(slots: 61)
    var deferredHistory = SecondCounts(slots: 61)
    var bouncedHistory = SecondCounts(slots: 61)
}
