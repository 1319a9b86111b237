import Cluster
import Control
import FoundationEssentials
import Glibc
import Logging
import NIOCore
import PostgreSQL
import Scheduler
import SharedSpool
import Spool
import Synchronization

/// The other nodes, as far as people want to know of them: asks them, answers them, publishes this
/// node's figures and reads theirs. On a thread and a connection of its own, so that nothing of it
/// keeps a lease from being renewed.
final class Peers: Sendable {
    /// Why there is no answer.
    enum Failure: Error {
        /// It has not got the request, and never will.
        case notReached
        /// It has got it; what became of it is not known.
        case noAnswer
    }

    /// What a node has last published.
    struct Published: Sendable {
        var status: Status
        /// Those with the most mail; nil where they were not read.
        var destinations: [DestinationRow]?
        /// How old it was when it was read, in seconds, and when that was.
        var ageSeconds: Double
        var readAt: Instant

        func staleSeconds(at now: Instant) -> Double {
            ageSeconds + Double((now - readAt).nanoseconds) / 1e9
        }
    }

    private struct State {
        var nextNumber = Int64.random(in: 0..<(1 << 62))
        var outgoing: [Letter] = []
        /// Those that are to be taken back where nobody has taken them yet; and whether there is no
        /// more time even where somebody has.
        var withdrawn: [(letter: Letter, isLast: Bool)] = []
        var pending: [Int64: (letter: Letter, promise: EventLoopPromise<String>)] = [:]
        var published: [NodeID: Published] = [:]
        /// Those that have left a request without an answer, until they publish again.
        var mute: Set<NodeID> = []
        var isConnected = false
        var watchedAt: Instant?
        /// Who waits for what others publish to be read.
        var readers: [EventLoopPromise<Void>] = []
        var isStopped = false
    }

    /// A node publishes each second; what is older than this says that it does not.
    private static let silence = 4.0
    private static let pace = Duration.seconds(1)
    /// How long a request may lie there before its node is taken to be out of reach.
    private static let reach = Duration.seconds(2)
    /// Destinations that are published, and how many rounds apart.
    private static let publishedRows = 100
    private static let rounds = 2
    /// What others publish is read so many times more seldom where nobody looks.
    private static let rest = 5
    /// How long somebody who has asked is taken to be looking.
    private static let attention = Duration.seconds(15)
    private static let firstLook = Duration.milliseconds(500)

    let node: NodeID
    /// Requests of other nodes.
    let requests: AsyncStream<Letter>
    private let incoming: AsyncStream<Letter>.Continuation
    private let address: DatabaseAddress
    private let answer: Duration
    private let loop: any EventLoop
    private let clocks: Clocks
    private let logger: Logger
    private let state = Mutex(State())
    private let wake: WakeUp
    private let thread = Mutex<BlockingThread?>(nil)

    /// - Parameter answer: how long the database may take for one exchange.
    init(
        node: NodeID, address: DatabaseAddress, answer: Duration, loop: any EventLoop,
        clocks: Clocks, logger: Logger
    ) throws {
        self.node = node
        self.address = address
        self.answer = answer
        self.loop = loop
        self.clocks = clocks
        self.logger = logger
        wake = try WakeUp()
        (requests, incoming) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1000))
    }

    func start(_ dispatcher: DispatcherHandle) {
        thread.withLock { $0 = BlockingThread { self.run(dispatcher) } }
    }

    /// Blocks. What was asked for is not answered any more.
    func stop() {
        state.withLock { $0.isStopped = true }
        wake.call()
        thread.withLock { $0.take() }?.join()
        incoming.finish()
    }

    // MARK: From any thread

    /// - Throws: `Failure`, or the `APIError` with which it answers.
    func ask<Value: Decodable>(_ target: NodeID, _ request: PeerRequest) async throws -> Value {
        let body = try PeerAnswer.json(request)
        let promise = loop.makePromise(of: String.self)
        let letter: Letter? = state.withLock { state in
            guard state.isConnected, !state.isStopped, !isSilent(target, state) else { return nil }
            state.nextNumber += 1
            let letter = Letter(
                target: target, sender: node, number: state.nextNumber, isAnswer: false, body: body)
            state.outgoing.append(letter)
            state.pending[letter.number] = (letter, promise)
            return letter
        }
        guard let letter else {
            promise.fail(Failure.notReached)
            throw Failure.notReached
        }
        wake.call()
        let timers = [(Self.reach, false), (request.patience, true)].map { time, isLast in
            loop.scheduleTask(in: .nanoseconds(time.nanoseconds)) {
                self.withdraw(letter, isLast: isLast)
            }
        }
        defer { for timer in timers { timer.cancel() } }
        return try PeerAnswer.value(try await promise.futureResult.get())
    }

    func answer(_ request: Letter, _ body: String) {
        state.withLock {
            $0.outgoing.append(
                Letter(
                    target: request.sender, sender: node, number: request.number, isAnswer: true,
                    body: body))
        }
        wake.call()
    }

    /// Somebody looks: what others publish is read each second for a while. Who comes first waits for
    /// the first time.
    func attend() async {
        let now = clocks.monotonic()
        let promise = loop.makePromise(of: Void.self)
        let isNew = state.withLock { state in
            defer { state.watchedAt = now }
            guard state.isConnected, state.watchedAt.map({ now - $0 > Self.attention }) ?? true
            else {
                return false
            }
            state.readers.append(promise)
            return true
        }
        guard isNew else { return promise.succeed() }
        wake.call()
        let timer = loop.scheduleTask(in: .nanoseconds(Self.firstLook.nanoseconds)) {
            self.completeReaders()
        }
        defer { timer.cancel() }
        try? await promise.futureResult.get()
    }

    private func completeReaders() {
        let readers = state.withLock { state in
            defer { state.readers = [] }
            return state.readers
        }
        for reader in readers { reader.succeed() }
    }

    /// What the others have published, and whether they can be asked.
    func known() -> (published: [NodeID: Published], silent: Set<NodeID>) {
        state.withLock { state in
            (
                state.published,
                Set(state.published.keys.filter { isSilent($0, state) })
            )
        }
    }

    private func isSilent(_ node: NodeID, _ state: State) -> Bool {
        guard state.isConnected, !state.mute.contains(node) else { return true }
        // One that has never published may have started this moment.
        guard let published = state.published[node] else { return false }
        return published.ageSeconds > Self.silence
    }

    private func withdraw(_ letter: Letter, isLast: Bool) {
        state.withLock { state in
            guard state.pending[letter.number] != nil else { return }
            state.withdrawn.append((letter, isLast))
        }
        wake.call()
    }

    // MARK: The thread

    private struct Round {
        var table: PeerTable?
        var publishedAt: Instant?
        var count = 0
        var mayHaveLetters = true
        var hasFailed = false
        var readAt: Instant?
        var readAllAt: Instant?
        /// Of other nodes, as far as they have published something.
        var others = 0
    }

    private func run(_ dispatcher: DispatcherHandle) {
        var round = Round()
        while true {
            wake.clear()
            let (isStopped, isWatched) = state.withLock { state in
                (
                    state.isStopped,
                    state.watchedAt.map { clocks.monotonic() - $0 <= Self.attention } ?? false
                )
            }
            if isStopped { return fail(all: .notReached) }
            do throws(DatabaseFailure) {
                try step(&round, dispatcher, isWatched: isWatched)
                if round.hasFailed { logger.notice("other nodes can be asked again") }
                round.hasFailed = false
            } catch {
                if error.isLost || round.table?.isLost == true { round.table = nil }
                if !round.hasFailed {
                    logger.warning(
                        "other nodes cannot be asked", metadata: ["error": "\(error.message)"])
                }
                round.hasFailed = true
                if round.table == nil { fail(all: .noAnswer) }
            }
            wait(&round)
        }
    }

    private func wait(_ round: inout Round) {
        guard let table = round.table, !round.hasFailed else {
            var descriptor = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, 500)
            round.mayHaveLetters = true
            return
        }
        let due = round.publishedAt.map { max($0 + Self.pace - clocks.monotonic(), .zero) } ?? .zero
        let came = try? table.awaitLetters(within: due, or: wake.descriptor)
        if came ?? true { round.mayHaveLetters = true }
    }

    private func step(
        _ round: inout Round, _ dispatcher: DispatcherHandle, isWatched: Bool
    ) throws(DatabaseFailure) {
        if round.table == nil {
            round.table = try PeerTable(address, of: node, answer: answer)
            round.publishedAt = nil
            round.readAt = nil
            round.readAllAt = nil
            state.withLock { $0.isConnected = true }
        }
        guard let table = round.table else { return }
        let (outgoing, withdrawn) = state.withLock { state in
            defer {
                state.outgoing = []
                state.withdrawn = []
            }
            return (state.outgoing, state.withdrawn)
        }
        try table.send(outgoing)
        for (letter, isLast) in withdrawn {
            let isTakenBack = try table.takeBack(letter)
            guard isTakenBack || isLast else { continue }
            let failure: Failure = isTakenBack ? .notReached : .noAnswer
            let promise = state.withLock { state in
                state.mute.insert(letter.target)
                return state.pending.removeValue(forKey: letter.number)?.promise
            }
            promise?.fail(failure)
        }
        if round.mayHaveLetters {
            round.mayHaveLetters = false
            for letter in try table.collect() { receive(letter) }
        }
        let now = clocks.monotonic()
        if round.publishedAt.map({ now - $0 >= Self.pace }) ?? true {
            try publish(&round, table, dispatcher)
        }
        // Where nobody looks, so that a hundred nodes do not read a hundred each all the time.
        let pause = isWatched ? Self.pace : Self.pace * (Self.rest + round.others / 4)
        let isWaitedFor = state.withLock { !$0.readers.isEmpty }
        if isWaitedFor || round.readAt.map({ now - $0 >= pause }) ?? true {
            let isAll =
                isWatched && round.readAllAt.map { now - $0 >= Self.pace * Self.rounds } ?? true
            try read(&round, table, withDestinations: isAll)
        }
    }

    private func receive(_ letter: Letter) {
        guard letter.isAnswer else {
            incoming.yield(letter)
            return
        }
        let promise = state.withLock { state in
            state.mute.remove(letter.sender)
            return state.pending.removeValue(forKey: letter.number)?.promise
        }
        promise?.succeed(letter.body)
    }

    private func publish(
        _ round: inout Round, _ table: PeerTable, _ dispatcher: DispatcherHandle
    ) throws(DatabaseFailure) {
        let isFull = round.count % Self.rounds == 0
        round.publishedAt = clocks.monotonic()
        let shown = dispatcher.wait(otherwise: nil) { dispatcher in
            (
                dispatcher.status(),
                isFull
                    ? try? dispatcher.destinationPage(
                        filter: nil, sort: nil, descending: true, offset: 0,
                        limit: Self.publishedRows
                    ).rows : nil
            )
        }
        guard var (status, rows) = shown else { return }
        status.nodes = nil
        for index in rows?.indices ?? 0..<0 { rows?[index].history = [] }
        guard let text = try? PeerAnswer.json(status) else { return }
        try table.publish(
            status: text, destinations: rows.flatMap { try? PeerAnswer.json($0) })
        round.count += 1
    }

    private func read(
        _ round: inout Round, _ table: PeerTable, withDestinations isAll: Bool
    ) throws(DatabaseFailure) {
        let figures = try table.figures(withDestinations: isAll)
        let now = clocks.monotonic()
        round.readAt = now
        if isAll { round.readAllAt = now }
        round.others = figures.count
        let decoder = JSONDecoder()
        var published: [NodeID: Published] = [:]
        for (node, figures) in figures {
            // Another version may say it in another way: then it is asked, and not shown when it
            // cannot be.
            guard let status = try? decoder.decode(Status.self, from: Data(figures.status.utf8))
            else { continue }
            let rows = figures.destinations.flatMap {
                try? decoder.decode([DestinationRow].self, from: Data($0.utf8))
            }
            published[node] = Published(
                status: status, destinations: rows, ageSeconds: figures.ageSeconds, readAt: now)
        }
        state.withLock { state in
            for (node, new) in published
            where new.ageSeconds < (state.published[node]?.staleSeconds(at: now) ?? .infinity) - 0.5
            {
                state.mute.remove(node)
            }
            // After a crash of the server they are gone; what was known is still the best there is.
            state.published.merge(published) { old, new in
                var new = new
                new.destinations = new.destinations ?? old.destinations
                return new
            }
        }
        completeReaders()
    }

    private func fail(all failure: Failure) {
        let pending = state.withLock { state in
            defer {
                state.pending = [:]
                state.outgoing = []
                state.withdrawn = []
                state.isConnected = false
            }
            return state.pending.values
        }
        for (_, promise) in pending { promise.fail(failure) }
        completeReaders()
    }
}
