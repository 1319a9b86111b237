import Filter
import Mail
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Spool

@Suite("Spool: reads")
struct SpoolReadTests {
    @Test(arguments: Engine.allCases) func deliveriesInPieces(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit((1...10).map { .accept(message($0, destinations: [$0 % 2, 7])) })
        #expect(
            try spool.deliveries(destination: 1, after: nil, limit: 3).map(\.id)
                == [id(1), id(3), id(5)])
        #expect(
            try spool.deliveries(destination: 1, after: id(5), limit: 3).map(\.id)
                == [id(7), id(9)])
        #expect(
            try spool.deliveries(destination: nil, after: id(9, 0), limit: 2).map(\.id)
                == [id(9, 1), id(10)])
        #expect(try spool.deliveries(destination: 8, after: nil, limit: 3).isEmpty)
        #expect(try spool.deliveries(destination: nil, after: nil, limit: 0).isEmpty)
        #expect(
            try spool.deliveries([id(4), id(99), id(2, 1)]).map(\.id) == [id(4), id(2, 1)])
    }

    @Test(arguments: Engine.allCases) func lettersWithTheBodiesThatAreSmall(
        _ engine: Engine
    ) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        var (small, large) = (
            message(1, destinations: [1, 2], body: "small"),
            message(2, body: String(repeating: "x", count: 100))
        )
        (small.record.size, large.record.size) = (5, 100)
        try spool.commit([.accept(small), .accept(large)])
        func texts(upTo bytes: Int) throws -> [MessageID: Int] {
            let ids = [id(2), id(9), id(1, 1), id(1)]
            let letters = try spool.letters(ids, upTo: bytes)
            #expect(letters.deliveries.map(\.id) == [id(2), id(1, 1), id(1)])
            #expect(letters.bodies.damage.isEmpty)
            return letters.bodies.texts.mapValues(\.readableBytes)
        }
        let (first, second) = (MessageID(rawValue: 1), MessageID(rawValue: 2))
        #expect(try texts(upTo: 99) == [first: 5])
        #expect(try texts(upTo: 100) == [first: 5, second: 100])
        #expect(try texts(upTo: 4).isEmpty)
        #expect(try spool.letters([], upTo: .max).deliveries.isEmpty)
    }

    @Test(arguments: Engine.allCases) func statesInTheOrderAskedFor(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([
            .accept(message(1)), .accept(message(2, destinations: [nil])), .accept(message(3)),
            .mark([id(3)], from: [.queued], to: .purging, at: noon),
        ])
        #expect(
            try spool.states([id(3), id(9), id(1), id(2), id(1)])
                == [.purging, nil, .queued, .routing, .queued])
        #expect(try spool.states([]).isEmpty)
    }

    @Test(arguments: Engine.allCases) func countsAndTheDeliveriesOfAMessage(_ engine: Engine) throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        #expect(try spool.messageCount() == 0)
        #expect(try spool.actionCount() == 0)
        let action = ActionRecord(
            id: 1, kind: "purge", at: noon, by: "", reason: "", target: "", state: "done",
            undoUntil: nil, result: "", details: [])
        try spool.commit([
            .accept(message(1, destinations: [1, nil])), .accept(message(2, destinations: [nil])),
            .accept(message(3)), .action(action),
        ])
        #expect(try spool.messageCount() == 3)
        #expect(try spool.actionCount() == 1)
        #expect(
            try spool.deliveries(of: MessageID(rawValue: 1)).map(\.id) == [id(1, 0), id(1, 1)])
        #expect(try spool.deliveries(of: MessageID(rawValue: 4)).isEmpty)
        #expect(try spool.unrouted().map(\.id) == [id(1, 1), id(2)])
        // Held back before it was routed: not to be routed now.
        try spool.commit([.mark([id(2)], from: [.routing], to: .held, at: nil)])
        #expect(try spool.unrouted().map(\.id) == [id(1, 1)])
    }

    /// Wherever in the order it is, the page is around it; what does not match moves nothing.
    @Test(arguments: Engine.allCases) func aPageAroundADelivery(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit(
            (1...40 as ClosedRange<Int64>).map { number in
                var new = message(number)
                new.record.size = Int(number * 7 % 40)
                return .accept(new)
            } + [.mark([id(3)], from: [.queued], to: .held, at: nil)])
        let held = try FilterExpression.parse("state = held", fields: .messages)
        for (filter, sort) in [
            (nil, nil), (nil, "size"), (nil, "sender"), (nil, "state"), (held, "size"),
        ] as [(FilterExpression?, String?)] {
            for descending in [false, true] {
                func page(_ around: DeliveryID?, offset: Int, limit: Int) throws -> DeliveryPage {
                    try spool.page(
                        DeliveryQuery(
                            filter: filter, sort: sort, descending: descending, limit: limit,
                            offset: offset, around: around, now: noon))
                }
                let all = try page(nil, offset: 0, limit: 100).rows.map(\.id)
                for number in [1, 3, 17, 40] as [Int64] {
                    let found = try page(id(number), offset: 2, limit: 7)
                    let expected = all.firstIndex(of: id(number)).map { max(0, $0 - 3) } ?? 2
                    #expect(found.offset == expected, "\(number) by \(sort ?? "")")
                    #expect(found.rows.map(\.id) == Array(all.dropFirst(expected).prefix(7)))
                }
            }
        }
    }

    @Test(arguments: Engine.allCases) func tallies(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        #expect(try spool.tallies().isEmpty)
        var old = message(3)
        old.record.receivedAt = UnixTime(milliseconds: 5)
        try spool.commit([
            .accept(message(1, destinations: [1, 2])), .accept(message(2, destinations: [nil])),
            .accept(old), .accept(message(4)),
            .mark([id(4)], from: [.queued], to: .held, at: nil),
        ])
        #expect(
            try spool.tallies() == [
                DestinationTally(destination: nil, state: .routing, count: 1, oldestAt: noon),
                DestinationTally(
                    destination: 1, state: .queued, count: 2,
                    oldestAt: UnixTime(milliseconds: 5)),
                DestinationTally(destination: 1, state: .held, count: 1, oldestAt: noon),
                DestinationTally(destination: 2, state: .queued, count: 1, oldestAt: noon),
            ])
    }

    @Test(arguments: Engine.allCases) func aPageAndItsTotalBelongToOneInstant(_ engine: Engine)
        throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        let stop = Flag()
        // Every commit replaces the only message by the next one.
        let writer = BlockingThread {
            var number: Int64 = 1
            while !stop.isSet.load(ordering: .relaxed) {
                try? spool.commit([.remove(id(number)), .accept(message(number + 1))])
                number += 1
            }
        }
        for _ in 0..<200 {
            let page = try spool.page(DeliveryQuery(filter: nil, now: noon))
            #expect(page.total == 1)
            #expect(page.rows.count == 1)
        }
        stop.isSet.store(true, ordering: .relaxed)
        writer.join()
    }

    @Test(arguments: Engine.allCases) func readerThreads(_ engine: Engine) async throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, body: "body"))])
        let reader = SpoolReader(spool: spool, threads: 2)
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask { () async throws -> Int in
                    try await reader.read { spool throws(SpoolError) in
                        try spool.deliveries([id(1)]).count
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(counts == 20)
        spool.close()
        await #expect(throws: SpoolError.self) {
            try await reader.read { spool throws(SpoolError) in
                try spool.body(of: MessageID(rawValue: 1))
            }
        }
        reader.close()
        await #expect(throws: SpoolError.self) {
            try await reader.read { _ throws(SpoolError) in 1 }
        }
    }

    @Test(arguments: Engine.allCases) func readOnAnEventLoop(_ engine: Engine) async throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, body: "body"))])
        let reader = SpoolReader(spool: spool, threads: 1)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let body = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
            reader.read(
                on: loop, { spool throws(SpoolError) in try spool.body(of: MessageID(rawValue: 1)) }
            ) { result in
                loop.assertInEventLoop()
                continuation.resume(with: result.mapError { $0 })
            }
        }
        #expect(body == ByteBuffer(string: "body"))
        reader.close()
    }
}

private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
}
