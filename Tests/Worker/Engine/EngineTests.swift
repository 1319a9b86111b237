import Control
import Foundation
import Mail
import NIOCore
import NIOPosix
import Scheduler
import Settings
import Testbed
import Testing

@testable import Worker

@Suite(.timeLimit(.minutes(15))) struct EngineTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func receiver(_ manner: ReceiverManner, host: String = "127.7.0.1") async throws
        -> Receiver
    {
        try await Receiver(
            name: "mx.test", manner: manner, host: host, group: group, keep: .messages)
    }

    @Test func oneConnectionServesManyMessages() async throws {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.deliver(10, to: ["u@a.test", "v@a.test"])
            let results = try await rig.results(10)
            #expect(results.allSatisfy { $0.disposition == .settled && $0.recipients.count == 2 })
            #expect(results.map(\.number) == Array(1...10))
            let statistics = receiver.statistics
            #expect(statistics.connections == 1)
            #expect(statistics.messages == 10)
            #expect(statistics.duplicates == 0)
        }
        await receiver.shutDown()
    }

    /// A connection per message is the hard case: the old one is closing while the next is wanted.
    @Test(arguments: [1, 1000]) func connectionsStayWithinTheLimit(perConnection: Int)
        async throws
    {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.limits.concurrency = 3
                $0.limits.initialWindow = 3
                $0.limits.messagesPerConnection = .on(perConnection)
            }
            try await rig.on { parts in
                parts.manager.watch = { [unowned parts] in
                    parts.mostConnections = max(
                        parts.mostConnections, parts.engine.connections.count)
                }
            }
            try await rig.deliver(60)
            _ = try await rig.results(60)
            try await rig.on { parts in
                #expect((1...3).contains(parts.mostConnections))
                parts.manager.watch = {}
            }
            let statistics = receiver.statistics
            #expect(statistics.transactionsMax <= 3)
            #expect(statistics.messages == 60)
            #expect(statistics.connections >= (perConnection == 1 ? 60 : 1))
        }
        await receiver.shutDown()
    }

    /// The only connection is kept by one destination when mail for another comes: nothing else
    /// happens that would make it let go.
    @Test func aKeptConnectionMakesRoomAtOnce() async throws {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.delivery.maxConnections = 1
                $0.delivery.idleTime = .seconds(3600)
            }
            try await rig.deliver()
            _ = try await rig.results(1)
            try await rig.say(
                .assign(
                    Assignment(
                        destination: 2, identity: receiver.route, name: "b.test",
                        domains: ["a.test"], snapshot: [], pausedBy: nil, pausedUntil: nil,
                        pauseReason: "")))
            try await rig.deliver(destination: 2)
            let results = try await rig.results(2)
            #expect(results.map(\.destination) == [1, 2])
            #expect(results.allSatisfy { $0.disposition == .settled })
        }
        await receiver.shutDown()
    }

    /// The first of an exchanger's addresses is dead: that is found out once.
    @Test func aSilentAddressIsNotTriedFirst() async throws {
        let receiver = try await receiver(.fast, host: "127.7.0.2")
        try await withEngine { rig in
            let port = receiver.port
            try await rig.configure(receiver) { $0.limits.messagesPerConnection = .on(1) }
            try await rig.on { parts in
                let dead = Exchanger(
                    host: "mx.test", preference: 0, addresses: ["127.7.0.99", "127.7.0.2"],
                    port: port)
                parts.engine.routes.learn(
                    .exchangers([dead], ttl: 3600), for: "a.test", at: Clocks.system.monotonic())
            }
            for count in 1...4 {
                try await rig.deliver()
                let results = try await rig.results(count)
                #expect(results.last?.disposition == .settled)
                let silent = try await rig.on { parts in
                    let destination = parts.engine.destinations[1]
                    return destination?.silent(at: Clocks.system.monotonic()) ?? []
                }
                #expect(silent == ["127.7.0.99:\(port)"])
                // One that was opened in vain, and then only those that served.
                let opened = try await rig.on { $0.engine.nextConnection - 1 }
                #expect(opened == count + 1)
            }
        }
        await receiver.shutDown()
    }

    @Test func recipientsHaveTheirOwnOutcomes() async throws {
        let receiver = try await receiver(.unknownUsers(share: 0.5))
        try await withEngine { rig in
            try await rig.configure(receiver)
            try await rig.deliver(1, to: (0..<20).map { "u\($0)@a.test" })
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .settled)
            #expect(report.recipients.contains { $0.outcome == .failed })
            #expect(report.recipients.contains { $0.outcome == .delivered })
            let taken = Set(receiver.statistics.captured[0].recipients)
            for (index, recipient) in report.recipients.enumerated() {
                #expect((recipient.outcome == .delivered) == taken.contains("u\(index)@a.test"))
            }
        }
        await receiver.shutDown()
    }

    @Test func aBusyReceiverOpensTheBreaker() async throws {
        var manner = ReceiverManner.rateLimited(perSecond: 0.001, burst: 1)
        manner.name = "421"
        let receiver = try await receiver(manner)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.deliver(8)
            try await rig.until { frames in
                frames.contains {
                    guard case .status(let reports) = $0 else { return false }
                    return reports.contains { $0.breaker == 1 && $0.breakerUntil != nil }
                }
            }
            let results = try await rig.on { $0.manager.results }
            #expect(results.first?.disposition == .settled)
            #expect(results.contains { $0.disposition == .retry && $0.reply.hasPrefix("421") })
            #expect(receiver.statistics.messages == 1)
        }
        await receiver.shutDown()
    }

    @Test func aDeadReceiverDefers() async throws {
        let receiver = try await receiver(.dead)
        try await withEngine { rig in
            try await rig.configure(receiver)
            try await rig.deliver()
            let report = try await rig.results(1)[0]
            #expect(report.disposition == .retry)
            #expect(report.attempts == 1)
            #expect(report.recipients.map(\.outcome) == [.deferred])
            #expect(report.due > report.at)
        }
        await receiver.shutDown()
    }

    @Test func withoutAnEnvelopeItIsFetched() async throws {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver)
            let now = Clocks.system.wall()
            let ids = (1...2).map { DeliveryID(message: MessageID(rawValue: $0), ordinal: 0) }
            try await rig.say(
                .enqueue(
                    ids.map {
                        QueuedDelivery(
                            id: $0, destination: 1, due: now, received: now,
                            attempts: 3, size: 1, senderHash: 1)
                    }))
            try await rig.until { frames in
                frames.contains { if case .fetch = $0 { true } else { false } }
            }
            try await rig.say(.job(ids[0], destination: 1, testJob()))
            // It has left the spool: nothing is reported of it.
            try await rig.say(.job(ids[1], destination: 1, nil))
            let report = try await rig.results(1)
            #expect(report.map(\.delivery) == [ids[0]])
            #expect(report[0].attempts == 4)
            try await rig.on { #expect($0.engine.attempts.isEmpty) }
        }
        await receiver.shutDown()
    }

    @Test func handingOverWaitsForTheTransaction() async throws {
        var manner = ReceiverManner.fast
        manner.delays.endOfData = .milliseconds(300)
        let receiver = try await receiver(manner)
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.limits.concurrency = 1
                $0.limits.rate = .on(Rate(text: "1/h")!)
            }
            try await rig.deliver(3)
            try await rig.on { parts in
                while let start = parts.engine.scheduler.next(at: parts.engine.clocks.monotonic()) {
                    parts.engine.begin(start, at: parts.engine.clocks.monotonic())
                }
                #expect(parts.engine.attempts.count == 1)
                parts.engine.received(.surrender(destination: 1))
                #expect(parts.engine.destinations[1]?.isSurrendering == true)
            }
            try await rig.until { frames in
                frames.contains { if case .surrendered = $0 { true } else { false } }
            }
            try await rig.on { parts in
                #expect(parts.manager.results.map(\.disposition) == [.settled])
                // The result comes before the hand-over.
                let order = parts.manager.frames.compactMap { frame -> String? in
                    switch frame {
                    case .results: "results"
                    case .surrendered: "surrendered"
                    default: nil
                    }
                }
                #expect(order == ["results", "surrendered"])
                guard
                    case .surrendered(1, let bytes)? = parts.manager.frames.last(where: {
                        if case .surrendered = $0 { true } else { false }
                    })
                else { return }
                let snapshot = try #require(DestinationSnapshot(decoding: bytes))
                #expect(snapshot.encoded == bytes)
                #expect(parts.engine.destinations.isEmpty)
                #expect(parts.engine.connections.isEmpty)
                let left = (1...3).compactMap {
                    parts.engine.jobs[DeliveryID(message: MessageID(rawValue: $0), ordinal: 0)]
                }
                #expect(left.isEmpty)
            }
            #expect(receiver.statistics.messages == 1)
        }
        await receiver.shutDown()
    }

    @Test func whatRunsIsNotWithdrawn() async throws {
        var manner = ReceiverManner.fast
        manner.delays.endOfData = .milliseconds(200)
        let receiver = try await receiver(manner)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.deliver(2)
            try await rig.on { parts in
                let now = parts.engine.clocks.monotonic()
                while let start = parts.engine.scheduler.next(at: now) {
                    parts.engine.begin(start, at: now)
                }
                let ids = (1...2).map { DeliveryID(message: MessageID(rawValue: $0), ordinal: 0) }
                parts.engine.received(.withdraw(request: 5, ids))
                guard case .withdrawn(5, let running)? = parts.manager.frames.last else {
                    Issue.record("no answer")
                    return
                }
                #expect(running.count == 1)
                #expect(running.allSatisfy { parts.engine.attempts[$0] != nil })
            }
            #expect(try await rig.results(1).count == 1)
            #expect(receiver.statistics.messages == 1)
        }
        await receiver.shutDown()
    }

    @Test func aShutdownEndsWhatRunsAndWaitsForItsRecord() async throws {
        let receiver = try await receiver(.fast)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.say(.trace(destination: 1, on: true, content: false))
            let ended = try await rig.on { parts in
                // In the middle of the first transaction.
                parts.manager.watch = { [unowned parts] in
                    guard case .traced(_, _, _, _, let line)? = parts.manager.frames.last,
                        line.hasPrefix("MAIL")
                    else { return }
                    parts.manager.watch = {}
                    let bound = NIOLoopBound(parts, eventLoop: rig.loop)
                    rig.loop.execute {
                        bound.value.engine.received(.shutdown(grace: .seconds(10)))
                    }
                }
                return parts.engine.ended.futureResult
            }
            try await rig.deliver(3)
            let results = try await rig.results(1)
            #expect(results.map(\.disposition) == [.settled])
            try await rig.on { #expect(!$0.engine.outbox.isEmpty) }
            try await rig.say(.recorded(1))
            try await ended.get()
            #expect(receiver.statistics.messages == 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: rig.directory).isEmpty)
        }
        await receiver.shutDown()
    }

    /// What has said nothing to a receiver yet waits for nobody: not for a text from a manager that
    /// is gone, though it has a kept connection, nor for a receiver that does not greet.
    @Test(arguments: [true, false]) func anOrphanWaitsForTransactionsOnly(_ isKept: Bool)
        async throws
    {
        var manner = ReceiverManner.fast
        if !isKept { manner.delays.greeting = .seconds(3600) }
        let receiver = try await receiver(manner)
        try await withEngine { rig in
            try await rig.configure(receiver) {
                $0.limits.concurrency = 1
                $0.supervision.shutdownTimeout = .seconds(3600)
            }
            if isKept {
                try await rig.deliver(1)
                _ = try await rig.results(1)
                try await rig.say(.recorded(1))
            }
            let id = DeliveryID(message: MessageID(rawValue: 100), ordinal: 0)
            let now = Clocks.system.wall()
            let entry = QueuedDelivery(
                id: id, destination: 1, due: now, received: now, attempts: 0, size: 1,
                senderHash: 1)
            try await rig.say(isKept ? .enqueue([entry]) : .deliver(entry, testJob()))
            if isKept {
                try await rig.until { frames in
                    frames.contains { if case .fetch = $0 { true } else { false } }
                }
            }
            let ended = try await rig.on { parts in
                #expect(parts.engine.attempts[id]?.connection != nil)
                parts.engine.managerGone()
                return parts.engine.ended.futureResult
            }
            try await ended.get()
            #expect(receiver.statistics.messages == (isKept ? 1 : 0))
        }
        await receiver.shutDown()
    }

    @Test func withoutAManagerResultsGoToTheJournal() async throws {
        var manner = ReceiverManner.fast
        manner.delays.endOfData = .milliseconds(200)
        let receiver = try await receiver(manner)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.deliver(1)
            _ = try await rig.results(1)
            try await rig.deliver(1)
            let ended = try await rig.on { parts in
                let now = parts.engine.clocks.monotonic()
                while let start = parts.engine.scheduler.next(at: now) {
                    parts.engine.begin(start, at: now)
                }
                parts.engine.managerGone()
                return parts.engine.ended.futureResult
            }
            try await ended.get()
            let name = try #require(
                try FileManager.default.contentsOfDirectory(atPath: rig.directory).first)
            var buffer = ByteBuffer(
                bytes: try Data(contentsOf: URL(fileURLWithPath: rig.directory + "/" + name)))
            var deliveries: [Int64] = []
            while case .results(let some)? = try FrameDecoder.next(in: &buffer) {
                deliveries += some.map { $0.delivery.message.rawValue }
            }
            // The one that nobody had recorded, and the one that was running on a kept connection.
            #expect(deliveries == [1, 2])
            #expect(receiver.statistics.messages == 2)
        }
        await receiver.shutDown()
    }
}
