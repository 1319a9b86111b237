import Control
import Foundation
import Logging
import Mail
import NIOCore
import NIOEmbedded
import NIOPosix
import SMTP
import Scheduler
import Testbed
import Testing

@testable import Settings
@testable import Worker

/// Stands for the manager: records what the engine says. Confined to the loop.
final class ManagerStand: ChannelOutboundHandler {
    typealias OutboundIn = Frame
    var frames: [Frame] = []
    /// Called with every frame.
    var watch: () -> Void = {}
    var wanted: [(EventLoopPromise<Void>, ([Frame]) -> Bool)] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        frames.append(unwrapOutboundIn(data))
        promise?.succeed()
        watch()
        for (index, (promise, isThere)) in wanted.enumerated().reversed() where isThere(frames) {
            promise.succeed()
            wanted.remove(at: index)
        }
    }

    var results: [AttemptReport] {
        var all: [AttemptReport] = []
        for case .results(let reports) in frames { all += reports }
        return all
    }
}

/// An engine on a real loop, with a manager that is made up.
final class EngineRig: Sendable {
    final class Parts {
        let engine: Engine
        let manager: ManagerStand
        let channel: EmbeddedChannel
        var next: Int64 = 1
        var mostConnections = 0

        init(engine: Engine, manager: ManagerStand, channel: EmbeddedChannel) {
            self.engine = engine
            self.manager = manager
            self.channel = channel
        }
    }

    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop: any EventLoop
    let parts: NIOLoopBound<Parts>
    let directory: String

    init() async throws {
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-worker-\(UUID())").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let loop = group.next()
        self.loop = loop
        parts = try await loop.submit {
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let engine = Engine(loop: loop, clocks: .system, logger: logger, seed: 1)
            let manager = ManagerStand()
            let channel = EmbeddedChannel(handler: manager)
            engine.link = ManagerLink(channel)
            return NIOLoopBound(
                Parts(engine: engine, manager: manager, channel: channel), eventLoop: loop)
        }.get()
    }

    func on<T: Sendable>(_ body: @escaping @Sendable (Parts) throws -> T) async throws -> T {
        try await loop.submit { [parts] in try body(parts.value) }.get()
    }

    /// The receiver takes a.test's mail.
    func configure(
        _ receiver: Receiver, again: Bool = false,
        _ change: @escaping @Sendable (inout Configuration) -> Void = { _ in }
    ) async throws {
        var configuration = Configuration()
        configuration.hostname = "client.test"
        configuration.dataDirectory = directory
        configuration.routing.statics = [
            RoutingSettings.Entry(
                pattern: NamePattern(domain: "a.test")!, route: StaticRoute(text: receiver.route)!)
        ]
        configuration.supervision.shutdownTimeout = .seconds(600)
        change(&configuration)
        let bytes = ByteBuffer(bytes: try JSONEncoder().encode(configuration))
        try await on { parts in
            parts.engine.received(.configure(worker: 1, configuration: bytes))
            if again { return }
            parts.engine.received(
                .assign(
                    Assignment(
                        destination: 1, identity: receiver.route, name: "a.test",
                        domains: ["a.test"], snapshot: [], pausedBy: nil, pausedUntil: nil,
                        pauseReason: "")))
        }
    }

    func say(_ frame: Frame) async throws {
        try await on { parts in
            parts.engine.received(frame)
            parts.engine.schedulePump()
        }
    }

    func deliver(
        _ count: Int = 1, to recipients: [String] = ["u@a.test"], notify: String = "",
        destination: Int64 = 1
    ) async throws {
        let now = Clocks.system.wall()
        try await on { parts in
            for _ in 0..<count {
                let id = DeliveryID(message: MessageID(rawValue: parts.next), ordinal: 0)
                parts.next += 1
                var job = testJob(to: recipients, body: "X-Testbed-ID: \(id)\r\n\r\nHi\r\n")
                for index in job.recipients.indices { job.recipients[index].notify = notify }
                parts.engine.received(
                    .deliver(
                        QueuedDelivery(
                            id: id, destination: destination, due: now, received: now,
                            attempts: 0, size: 10, senderHash: UInt32(parts.next)),
                        job))
            }
            parts.engine.schedulePump()
        }
    }

    /// Waits for what the manager hears; fails after a time that nothing here takes.
    func until(_ isThere: @escaping @Sendable ([Frame]) -> Bool) async throws {
        let promise = loop.makePromise(of: Void.self)
        let limit = loop.scheduleTask(in: .seconds(20)) { promise.fail(Late()) }
        try await on { parts in
            if isThere(parts.manager.frames) { return promise.succeed() }
            parts.manager.wanted.append((promise, isThere))
        }
        defer { limit.cancel() }
        try await promise.futureResult.get()
    }

    struct Late: Error {}

    func results(_ count: Int) async throws -> [AttemptReport] {
        try await until { frames in
            var found = 0
            for case .results(let some) in frames { found += some.count }
            return found >= count
        }
        return try await on { $0.manager.results }
    }

    func end() async throws {
        try await on { parts in
            parts.engine.resolver?.close()
            parts.engine.ended.succeed()
            for pooled in parts.engine.connections.values { pooled.connection.abort() }
        }
        try await group.shutdownGracefully()
        try? FileManager.default.removeItem(atPath: directory)
    }
}

func withEngine(_ body: (EngineRig) async throws -> Void) async throws {
    let rig = try await EngineRig()
    do {
        try await body(rig)
    } catch {
        try? await rig.end()
        throw error
    }
    try await rig.end()
}
