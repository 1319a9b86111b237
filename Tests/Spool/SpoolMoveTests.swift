import Mail
import NIOCore
import SharedSpool
import Testing

@testable import Spool

@Suite("Moving a spool")
struct SpoolMoveTests {
    private struct Killed: Error {}

    /// Every pair of implementations.
    static let routes = Engine.allCases.flatMap { from in Engine.allCases.map { [from, $0] } }

    /// Mail of all kinds, and what belongs to it.
    private func fill(_ spool: any Spool) throws {
        let destinations = (1...3).map {
            DestinationRecord(
                id: $0, identity: "i\($0)", name: "n\($0)", domains: ["d\($0).example"],
                pin: $0 == 2 ? 1 : nil, pausedBy: $0 == 3 ? "root" : nil, pausedUntil: noon,
                scheduler: [1, UInt8($0)])
        }
        try spool.commit(destinations.map { .destination($0) })
        _ = try spool.reserveMessageIDs(100)
        try spool.commit((1...20).map { .accept(message($0, destinations: [$0 % 3 + 1, nil])) })
        let ids = try spool.ids()
        for (index, state) in StoredState.allCases.enumerated() where state != .routing {
            let at = state == .purging ? noon + .seconds(60) : nil
            try spool.commit([
                .mark(
                    [ids[2 * index], ids[2 * index + 1]], from: [.queued, .routing], to: state,
                    at: at)
            ])
        }
        try spool.commit([
            .update(
                DeliveryUpdate(
                    id: ids[20], attempts: 3, nextAttemptAt: noon + .seconds(99),
                    lastReply: "451 4.3.0 later", lastRule: "busy",
                    recipients: [
                        StoredRecipient(address: "x@y", notify: "NEVER", lastReply: "450 no")
                    ])),
            .attempt(
                StoredAttempt(
                    delivery: ids[20], number: 1, at: noon, milliseconds: 7, worker: 1,
                    remote: "mx", tls: "TLSv1.3", reply: "450 no", rule: "r")),
            .attempt(StoredAttempt(delivery: ids[20], number: 3, at: noon, reply: "451 a")),
            .attempt(
                StoredAttempt(
                    delivery: ids[20], number: 3, at: noon + .seconds(2), reply: "451 b")),
            .warned(ids[20]), .reschedule([ids[22]], at: noon + .seconds(7)),
            .action(
                ActionRecord(
                    id: 4, kind: "hold", at: noon, by: "root", reason: "r", target: "t",
                    state: "done", undoUntil: nil, result: "ok", details: [9])),
        ])
    }

    private struct Contents: Equatable {
        var deliveries: [StoredDelivery]
        var bodies: [MessageID: ByteBuffer]
        var attempts: [StoredAttempt]
        var destinations: [DestinationRecord]
        var actions: [ActionRecord]

        init(_ spool: any Spool) throws {
            deliveries = try spool.all()
            bodies = try spool.bodies(of: deliveries.map(\.id.message)).texts
            attempts = try bodies.keys.sorted().flatMap { try spool.attempts(of: $0) }
            destinations = try spool.destinations()
            actions = try spool.actions(limit: 100, offset: 0)
        }
    }

    @Test(arguments: SpoolMoveTests.routes) func everythingArrives(_ route: [Engine]) throws {
        let places = try route.map { try $0.place() }
        defer { for place in places { place.remove() } }
        let spools = try places.map { try $0.open() }
        try fill(spools[0])
        let before = try Contents(spools[0])
        #expect(Set(before.deliveries.map(\.state)) == Set(StoredState.allCases))
        #expect(before.attempts.map(\.reply) == ["450 no", "451 a", "451 b"])
        // What an earlier stay has left there.
        try spools[1].commit([
            .destination(DestinationRecord(id: 9, identity: "i1", name: "old", domains: []))
        ])
        let outcome = try SpoolMove(from: spools[0], to: spools[1], batch: 3).run(number: 5)
        #expect(outcome.moved == 20 && outcome.left.isEmpty)
        #expect(try Contents(spools[1]) == before)
        #expect(try spools[0].ids().isEmpty && spools[0].messageCount() == 0)
        #expect(try spools[0].destinations().isEmpty)
        #expect(try spools[1].messageCount() == 20)
        #expect(try spools[1].reserveMessageIDs(1).lowerBound > 100)
        for spool in spools { #expect(try spool.moveInProgress() == nil) }
        // And back.
        #expect(try SpoolMove(from: spools[1], to: spools[0], batch: 50).run(number: 6).moved == 20)
        #expect(try Contents(spools[0]) == before)
        #expect(try spools[1].ids().isEmpty)
    }

    /// Ended after every single commit; until it has been run to its end no daemon opens either.
    @Test(arguments: [[Engine.sqlite, .postgreSQL], [.postgreSQL, .sqlite]])
    func endedMidwayItGoesOn(_ route: [Engine]) throws {
        let places = try route.map { try $0.place() }
        defer { for place in places { place.remove() } }
        var spool = try places[0].open()
        try fill(spool)
        let before = try Contents(spool)
        spool.close()
        var interruptions = 0
        var isDone = false
        while !isDone {
            let spools = try places.map { try $0.place.open(forMove: true) }
            var steps = 0
            do {
                _ = try SpoolMove(from: spools[0], to: spools[1], batch: 4) { _ in
                    steps += 1
                    // One further each time, so that every commit is once the last.
                    if steps > interruptions { throw Killed() }
                }.run(number: Int64(interruptions + 1))
                isDone = true
            } catch is Killed {
                interruptions += 1
            }
            let marked = try spools.filter { try $0.moveInProgress() != nil }.count
            for spool in spools { spool.close() }
            guard !isDone, marked == 2 else { continue }
            for place in places {
                expectError(.unusable, mentions: "sluice spool move") { _ = try place.open() }
            }
        }
        #expect(interruptions > 5)
        spool = try places[1].open()
        #expect(try Contents(spool) == before)
        #expect(try places[0].open().ids().isEmpty)
    }

    @Test(arguments: Engine.allCases) func whatIsRefused(_ engine: Engine) throws {
        let places = try (0..<3).map { _ in try engine.place() }
        defer { for place in places { place.remove() } }
        let spools = try places.map { try $0.open() }
        for spool in spools.prefix(2) { try spool.commit([.accept(message(1))]) }
        expectError(.refused, mentions: "collide") {
            _ = try SpoolMove(from: spools[0], to: spools[1]).run(number: 1)
        }
        // Begun with another one.
        #expect(throws: Killed.self) {
            try SpoolMove(from: spools[0], to: spools[2]) { _ in
                if try spools[0].moveInProgress() != nil { throw Killed() }
            }.run(number: 2)
        }
        try spools[1].commit([.remove(id(1))])
        expectError(.refused, mentions: "in the middle") {
            _ = try SpoolMove(from: spools[0], to: spools[1]).run(number: 3)
        }
        #expect(try SpoolMove(from: spools[0], to: spools[2]).run(number: 4).moved == 1)
        #expect(try spools[2].ids() == [id(1)])
    }
}
