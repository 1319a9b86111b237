import Control
import Dispatch
import Foundation
import Logging
import Mail
import NIOCore
import NIOEmbedded
import NIOPosix
import Scheduler
import Settings
import Synchronization
import Testing

@testable import Manager
@testable import Spool

/// Records what the manager says to a worker. Confined to the loop.
final class FrameRecorder: ChannelOutboundHandler {
    typealias OutboundIn = Frame
    var frames: [Frame] = []
    var onFrame: (() -> Void)?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        frames.append(unwrapOutboundIn(data))
        promise?.succeed()
        onFrame?()
    }
}

/// What lives on the loop.
final class Stage {
    let dispatcher: Dispatcher
    var recorders: [Int: FrameRecorder] = [:]
    var channels: [EmbeddedChannel] = []
    var lastNumber: [Int: UInt64] = [:]
    /// Deliveries whose end was reported.
    var done: Set<DeliveryID> = []
    /// Recipients of each delivery of a message, where it is not two.
    var recipientCount: [MessageID: Int] = [:]

    init(_ dispatcher: Dispatcher) { self.dispatcher = dispatcher }

    /// A worker that is ready; its frames are recorded.
    func addWorker(_ number: Int) {
        let recorder = FrameRecorder()
        let channel = EmbeddedChannel(handler: recorder)
        channels.append(channel)
        let link = WorkerLink(worker: number, pid: Int32(number), channel: channel)
        link.isReady = true
        recorders[number] = recorder
        lastNumber[number] = 0
        dispatcher.links[number] = link
        setRing()
    }

    /// The worker's stream ends.
    func killWorker(_ number: Int) {
        dispatcher.links.removeValue(forKey: number)?.isReady = false
        recorders[number] = nil
        setRing()
        dispatcher.lost(worker: number)
    }

    private func setRing() {
        let alive = dispatcher.links.filter { $0.value.isReady }.keys
        dispatcher.ring = dispatcher.ring(of: alive)
        dispatcher.rebalance()
        dispatcher.askAgain()
    }

    func frames(_ worker: Int) -> [Frame] { recorders[worker]?.frames ?? [] }

    func say(_ frame: Frame, from worker: Int) {
        if let link = dispatcher.links[worker] { dispatcher.received(frame, from: link) }
    }

    func report(
        _ id: DeliveryID, of destination: Int64, _ outcomes: [RecipientReport.Outcome],
        disposition: AttemptReport.Disposition = .settled, attempts: Int = 1, from worker: Int
    ) {
        lastNumber[worker, default: 0] += 1
        let texts: [RecipientReport.Outcome: String] = [
            .delivered: "250 2.0.0 Ok", .deferred: "450 4.2.0 later", .failed: "550 5.1.1 unknown",
            .relayed: "250 2.0.0 Ok",
        ]
        let reports = outcomes.map { RecipientReport(outcome: $0, reply: texts[$0]!) }
        say(
            .results([
                AttemptReport(
                    number: lastNumber[worker]!, delivery: id, destination: destination,
                    disposition: disposition, attempts: attempts,
                    due: dispatcher.clocks.wall(), remote: "mx", tls: "", milliseconds: 1,
                    recipients: reports, reply: reports.first?.reply ?? "",
                    at: dispatcher.clocks.wall())
            ]), from: worker)
    }

    func accept(
        _ recipients: [String], sender: String = "s@sender.test",
        completion: @escaping (SpoolError?) -> Void = { _ in }
    ) -> MessageID {
        accept(recipients.map { ($0, "") }, sender: sender, completion: completion)
    }

    /// Recipients with what RCPT said in NOTIFY.
    func accept(
        _ recipients: [(address: String, notify: String)], sender: String = "s@sender.test",
        completion: @escaping (SpoolError?) -> Void = { _ in }
    ) -> MessageID {
        let id = dispatcher.nextMessageID()!
        dispatcher.accept(
            Submission(
                id: id, sender: sender,
                recipients: recipients.map {
                    StoredRecipient(address: $0.address, notify: $0.notify)
                },
                eightBit: false, utf8: false, leadingDots: false, ret: "", envelopeID: "",
                client: "", body: ByteBuffer(string: "Subject: x\r\n\r\nHi\r\n")),
            completion: completion)
        return id
    }

    /// What a worker holds of a destination: all that it was sent since it got it, in order.
    func held(_ destination: Int64, by worker: Int) -> [DeliveryID] {
        var ids: [DeliveryID] = []
        for frame in frames(worker) {
            switch frame {
            case .assign(let assignment) where assignment.destination == destination: ids = []
            case .enqueue(let entries):
                ids += entries.filter { $0.destination == destination }.map(\.id)
            case .deliver(let entry, _) where entry.destination == destination: ids.append(entry.id)
            case .withdraw(_, let gone): ids.removeAll { gone.contains($0) }
            default: break
            }
        }
        return ids
    }

    func lastResolve(_ worker: Int) -> (request: UInt64, domain: String)? {
        for case .resolve(let request, let domain) in frames(worker).reversed() {
            return (request, domain)
        }
        return nil
    }

    func recorded(_ worker: Int) -> UInt64? {
        for case .recorded(let number) in frames(worker).reversed() { return number }
        return nil
    }
}

/// Threads that wait for each other.
private final class Meeting: Sendable {
    private let count: Int
    private let missing: Mutex<Int>
    private let all = DispatchSemaphore(value: 0)

    init(of count: Int) {
        self.count = count
        missing = Mutex(count)
    }

    func attend() {
        let isLast = missing.withLock { missing in
            missing -= 1
            return missing == 0
        }
        if isLast {
            for _ in 1..<count { all.signal() }
        } else {
            all.wait()
        }
    }
}

/// A dispatcher with a real spool on a real event loop, and workers that only listen.
final class Rig: Sendable {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let spool: HookedSpool
    let writer: SpoolWriter
    let reader: SpoolReader
    let stage: NIOLoopBound<Stage>
    let loop: any EventLoop
    private let log: LineLog
    private let path: String

    init(_ change: (inout Configuration) -> Void = { _ in }) async throws {
        path =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-manager-\(UUID())").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        var configuration = Configuration()
        configuration.hostname = "mta.test"
        configuration.dataDirectory = path
        change(&configuration)
        let real = try SQLiteSpool(directory: path)
        let spool = HookedSpool(real)
        self.spool = spool
        let writer = SpoolWriter(spool: spool)
        let reader = SpoolReader(spool: spool, threads: Self.readers)
        (self.writer, self.reader) = (writer, reader)
        let loop = group.next()
        self.loop = loop
        let log = try LineLog(.descriptor(-1), level: .notice)
        self.log = log
        let ids = try spool.reserveMessageIDs(MessageIDs.block)
        stage = try await loop.submit { [configuration] in
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let dispatcher = Dispatcher(
                loop: loop, clocks: .system, writer: writer, reader: reader, logger: logger,
                attemptLog: AttemptLog(log: log),
                events: EventBus(), configuration: configuration, ids: ids)
            return NIOLoopBound(Stage(dispatcher), eventLoop: loop)
        }.get()
    }

    func on<T: Sendable>(_ body: @escaping @Sendable (Stage) throws -> T) async throws -> T {
        try await loop.submit { [stage] in try body(stage.value) }.get()
    }

    /// Waits for the writer, the reader and the loop to come to rest: each round completes what was
    /// submitted before it.
    ///
    /// - Parameter held: readers that the test keeps in a read.
    func drain(rounds: Int = 10, held: Int = 0) async throws {
        for _ in 0..<rounds {
            let promise = loop.makePromise(of: Void.self)
            writer.submit([], on: loop) { _ in promise.succeed() }
            try await promise.futureResult.get()
            try await passReaders(Self.readers - held)
            try await loop.submit {}.get()
        }
    }

    private static let readers = 2

    /// All of them at once, so that each has ended what it was at.
    private func passReaders(_ count: Int) async throws {
        let meeting = Meeting(of: count)
        try await withThrowingTaskGroup(of: Void.self) { [reader] group in
            for _ in 0..<count {
                group.addTask { try await reader.read { _ throws(SpoolError) in meeting.attend() } }
            }
            try await group.waitForAll()
        }
    }

    /// The destination of a.test, which worker 1 gets, with a message to each of these.
    func destination(withMailTo recipients: [String]) async throws -> Int64 {
        let id = try await on { stage in
            stage.addWorker(1)
            let id = stage.dispatcher.learn(
                domain: "a.test", identity: "192.0.2.1", ttl: .seconds(600)
            ).id
            for recipient in recipients { _ = stage.accept([recipient]) }
            return id
        }
        try await drain()
        return id
    }

    func stored() throws -> [StoredDelivery] {
        try spool.deliveries(destination: nil, after: nil, limit: 100_000)
    }

    func end() async throws {
        try await on { $0.dispatcher.isStopping = true }
        writer.close()
        reader.close()
        spool.close()
        log.close()
        try await group.shutdownGracefully()
        try? FileManager.default.removeItem(atPath: path)
    }
}

func withRig(
    _ change: (inout Configuration) -> Void = { _ in },
    _ body: (Rig) async throws -> Void
) async throws {
    let rig = try await Rig(change)
    do {
        try await body(rig)
    } catch {
        try? await rig.end()
        throw error
    }
    try await rig.end()
}

extension RouteResult {
    static func to(_ address: String) -> RouteResult {
        .exchangers(
            [ExchangerRecord(host: "mx.test", preference: 1, addresses: [address])], ttl: 300)
    }
}
