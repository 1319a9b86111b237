import CUnbound
import DequeModule
import Glibc
import NIOCore
import Scheduler
import Settings
import Synchronization

/// What runs on the resolver's thread; nothing of it is touched from another one.
final class ResolverThread {
    /// What the thread is given; it takes it apart at once.
    final class Start {
        fileprivate var context: UnboundContext?
        fileprivate let inbox: RouteResolver.Inbox
        fileprivate let timeout: Duration

        init(context: consuming UnboundContext, inbox: RouteResolver.Inbox, timeout: Duration) {
            self.context = consume context
            self.inbox = inbox
            self.timeout = timeout
        }
    }

    /// A lookup and who wants it.
    private struct Lookup {
        var machine: RouteLookup
        let job: RouteResolver.Job
    }

    /// A question that libunbound has; it comes back through the C callback.
    private final class Query {
        unowned let thread: ResolverThread
        let id: Int
        let lookup: Int
        let question: Question
        /// libunbound's, for `cancel`.
        var number: Int32 = 0

        init(thread: ResolverThread, id: Int, lookup: Int, question: Question) {
            self.thread = thread
            self.id = id
            self.lookup = lookup
            self.question = question
        }
    }

    /// Questions that libunbound has at a time; the rest wait here. Below its
    /// num-queries-per-thread, beyond which it would drop some.
    private static let maximumQueries = 512

    private let context: UnboundContext
    private let inbox: RouteResolver.Inbox
    private let timeout: Duration

    private var nextID = 0
    private var lookups: [Int: Lookup] = [:]
    /// Keeps the queries alive while libunbound has a pointer to them.
    private var queries: [Int: Query] = [:]
    private var waiting: Deque<(lookup: Int, question: Question)> = []
    /// The time-out is the same for all: they end in the order in which they were asked.
    private var deadlines: Deque<(time: Instant, query: Int)> = []

    static func run(_ start: Start) {
        // Signals are for the process's main thread; libunbound's thread inherits the mask.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        guard let context = start.context.take() else { return }
        ResolverThread(context, inbox: start.inbox, timeout: start.timeout).loop()
    }

    private init(_ context: consuming UnboundContext, inbox: RouteResolver.Inbox, timeout: Duration)
    {
        self.context = context
        self.inbox = inbox
        self.timeout = timeout
    }

    private func loop() {
        var descriptors = [
            pollfd(fd: context.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: inbox.wakeRead, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            _ = poll(&descriptors, nfds_t(descriptors.count), pollTimeout())
            context.process()
            expire()
            drainWakeSocket()
            let (jobs, isClosed) = inbox.state.withLock { state in
                let jobs = state.jobs
                state.jobs = []
                return (jobs, state.isClosed)
            }
            for job in jobs { begin(job) }
            if isClosed { return shutDown() }
            askWaiting()
        }
    }

    private func shutDown() {
        for query in queries.values { context.cancel(query.number) }
        for id in lookups.keys { finish(id, .temporary("shutting down")) }
        // `context` goes with self, and its thread with it, before `queries` is given up.
    }

    // MARK: Lookups

    private func begin(_ job: RouteResolver.Job) {
        let id = newID()
        var machine = RouteLookup(job.request)
        let step = machine.begin()
        lookups[id] = Lookup(machine: machine, job: job)
        take(step, of: id)
    }

    private func take(_ step: RouteLookup.Step, of id: Int) {
        switch step {
        case .wait: break
        case .ask(let questions):
            for question in questions { waiting.append((id, question)) }
        case .done(let answer): finish(id, answer)
        }
    }

    private func finish(_ id: Int, _ answer: RouteAnswer) {
        guard let lookup = lookups.removeValue(forKey: id) else { return }
        inbox.state.withLock { $0.running -= 1 }
        lookup.job.finish(answer)
    }

    private func receive(_ reply: Reply, to query: Query) {
        guard queries.removeValue(forKey: query.id) != nil else { return }
        guard let step = lookups[query.lookup]?.machine.receive(reply, to: query.question) else {
            return
        }
        take(step, of: query.lookup)
    }

    // MARK: Questions

    private func askWaiting() {
        while queries.count < Self.maximumQueries, let (id, question) = waiting.popFirst() {
            guard lookups[id] != nil else { continue }
            let query = Query(thread: self, id: newID(), lookup: id, question: question)
            queries[query.id] = query
            let number = context.ask(question, Unmanaged.passUnretained(query).toOpaque()) {
                data, code, result in
                let reply = UnboundContext.reply(code, result)
                guard let data else { return }
                // Alive: `queries` has it until it is answered or cancelled.
                let query = Unmanaged<Query>.fromOpaque(data).takeUnretainedValue()
                query.thread.receive(reply, to: query)
            }
            if let number {
                query.number = number
                deadlines.append((Self.now() + timeout, query.id))
            } else {
                receive(.failed("libunbound takes no question"), to: query)
            }
        }
    }

    private func expire() {
        let now = Self.now()
        while let (time, id) = deadlines.first, time <= now || queries[id] == nil {
            deadlines.removeFirst()
            guard let query = queries[id] else { continue }
            context.cancel(query.number)
            receive(.failed("no answer within \(DurationText.text(timeout))"), to: query)
        }
    }

    /// Milliseconds until the next time-out, rounded up; -1: none.
    private func pollTimeout() -> Int32 {
        guard let (time, _) = deadlines.first else { return -1 }
        let nanoseconds = (time - Self.now()).nanoseconds
        return Int32(clamping: max(0, (nanoseconds + 999_999) / 1_000_000))
    }

    private func drainWakeSocket() {
        var buffer = [UInt8](repeating: 0, count: 512)
        while read(inbox.wakeRead, &buffer, buffer.count) > 0 {}
    }

    private func newID() -> Int {
        nextID += 1
        return nextID
    }

    private static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
