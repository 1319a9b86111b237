import Mail
import Testing

@testable import Spool

@Suite("Spool: attempts")
struct AttemptTests {
    private func attempt(
        _ number: Int, of delivery: DeliveryID = id(1), at seconds: Int64 = 0
    ) -> StoredAttempt {
        StoredAttempt(
            delivery: delivery, number: number, at: noon + .seconds(seconds), milliseconds: 1500,
            worker: number % 2 == 0 ? nil : 3, remote: "mx [192.0.2.1]", tls: "TLSv1.3",
            reply: "450 4.2.0 no \(number)\0", rule: "r")
    }

    private func update(_ id: DeliveryID = id(1), _ attempts: Int) -> SpoolWrite {
        .update(
            DeliveryUpdate(
                id: id, attempts: attempts, nextAttemptAt: noon, lastReply: "450",
                recipients: nil))
    }

    private func attempts(_ spool: any Spool, _ message: Int64 = 1) throws -> [StoredAttempt] {
        try spool.attempts(of: MessageID(rawValue: message))
    }

    @Test(arguments: Engine.allCases) func theyAreThereWhenTheSpoolIsOpenedAgain(
        _ engine: Engine
    ) throws {
        let place = try engine.place()
        defer { place.remove() }
        var spool = try place.open()
        try spool.commit((1...2).map { .accept(message($0, destinations: [1, 2])) })
        let tried = [
            attempt(1, of: id(1, 1)), attempt(2, of: id(1, 1), at: 60), attempt(1, of: id(2)),
        ]
        try spool.commit([update(id(1, 1), 1), .attempt(tried[0])])
        try spool.commit([
            update(id(1, 1), 2), .attempt(tried[1]), update(id(2), 1), .attempt(tried[2]),
        ])
        spool.close()
        spool = try place.open()
        // NUL has no place in a text of PostgreSQL.
        func stored(_ attempts: [StoredAttempt]) -> [StoredAttempt] {
            attempts.map { attempt in
                var attempt = attempt
                if engine == .postgreSQL {
                    attempt.reply = attempt.reply.replacing("\0", with: "\u{FFFD}")
                }
                return attempt
            }
        }
        #expect(try attempts(spool) == stored(Array(tried[0...1])))
        #expect(try attempts(spool, 2) == stored([tried[2]]))
        #expect(try attempts(spool, 3).isEmpty)
    }

    @Test(arguments: Engine.allCases) func theFirstAndTheLastAreKept(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        for number in 1...20 {
            try spool.commit([update(id(1), number), .attempt(attempt(number))])
        }
        #expect(try attempts(spool).map(\.number) == Array(1...20))
        // Many in one transaction, too.
        try spool.commit(
            (21...100).flatMap { [update(id(1), $0), SpoolWrite.attempt(attempt($0))] })
        #expect(try attempts(spool).map(\.number) == Array(1...4) + Array(85...100))
    }

    /// What did not count has the number of what did.
    @Test(arguments: Engine.allCases) func ofThoseThatDoNotCountTheLastIsKept(
        _ engine: Engine
    ) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        for (number, time) in [(0, 1), (0, 2), (1, 3), (1, 4), (1, 5), (2, 6)] as [(Int, Int64)] {
            try spool.commit([update(id(1), number), .attempt(attempt(number, at: time))])
        }
        func times() throws -> [Int64] {
            try attempts(spool).map { ($0.at.milliseconds - noon.milliseconds) / 1000 }
        }
        #expect(try times() == [1, 2, 3, 5, 6])
        // A result that is handed over again is the same attempt.
        try spool.commit([update(id(1), 2), .attempt(attempt(2, at: 6))])
        #expect(try times() == [1, 2, 3, 5, 6])
    }

    @Test(arguments: Engine.allCases) func theyLeaveWithTheirDelivery(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit((1...5).map { .accept(message($0, destinations: [1, 2])) })
        let ids = (1...5).flatMap { [id($0), id($0, 1)] }
        try spool.commit(ids.flatMap { [update($0, 1), .attempt(attempt(1, of: $0))] })
        try spool.commit([
            .remove(id(1)), .mark([id(2), id(3)], from: [.queued], to: .purging, at: noon),
            .removeAll([id(2)], in: .purging, countedFor: nil),
            .removeAll([id(3), id(4)], in: .purging, countedFor: 7), .route(id(5), into: []),
        ])
        // The numbers of deliveries come again where a message is taken back from a backup, say.
        try spool.commit([.remove(id(1, 1)), .accept(message(1))])
        let left = try (1...5).map { try attempts(spool, $0).map(\.delivery) }
        #expect(left == [[], [id(2, 1)], [id(3, 1)], [id(4), id(4, 1)], [id(5, 1)]])
        // Of what has left, or was never tried, nothing is kept.
        try spool.commit([.attempt(attempt(1, of: id(1))), .attempt(attempt(2, of: id(3)))])
        #expect(try attempts(spool).isEmpty && attempts(spool, 3).count == 1)
    }

    @Test(arguments: Engine.allCases) func routingTakesThemAlong(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil])), update(id(1), 1)])
        try spool.commit([.attempt(attempt(1))])
        try spool.commit([
            .route(
                id(1), into: [delivery(id(1, 1), destination: 5), delivery(id(1), destination: 6)])
        ])
        #expect(try attempts(spool) == (try attempts(spool)).sorted { $0.delivery < $1.delivery })
        #expect(try attempts(spool).map(\.delivery) == [id(1), id(1, 1)])
        try spool.commit([.route(id(1), into: [delivery(id(1, 2), destination: 7)])])
        #expect(try attempts(spool).map(\.delivery) == [id(1, 1), id(1, 2)])
    }
}
