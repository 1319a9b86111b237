import Mail
import NIOCore
import Testing

@testable import Spool

@Suite("Spool: closed and opened again")
struct ReopeningTests {
    @Test(arguments: Engine.allCases) func everythingIsThere(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        var spool = try place.open()
        let destination = DestinationRecord(
            id: 3, identity: "192.0.2.1", name: "a", domains: ["a.example"], scheduler: [1, 2])
        try spool.commit([
            .destination(destination), .accept(message(1, destinations: [3, nil])),
            .accept(message(2)), .mark([id(2)], from: [.queued], to: .held, at: nil),
            .warned(id(1)),
        ])
        let before = try spool.all()
        spool.close()
        spool = try place.open()
        #expect(try spool.all() == before)
        #expect(try spool.one(id(1)).isWarned)
        #expect(try spool.messageCount() == 2)
        #expect(try spool.destinations() == [destination])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == ByteBuffer(string: "Hi there.\r\n"))
    }

    @Test(arguments: Engine.allCases) func messageIDsAreNeverUsedAgain(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        var used: Set<Int64> = []
        for count in [1, 1000, 7] {
            let spool = try place.open()
            let ids = try spool.reserveMessageIDs(count)
            #expect(ids.count == count && ids.lowerBound > 0)
            #expect(used.isDisjoint(with: ids))
            used.formUnion(ids)
            spool.close()
        }
        // Nor those of mail that somebody brought in from elsewhere.
        let spool = try place.open()
        try spool.commit([.accept(message(5000))])
        spool.close()
        #expect(try place.open().reserveMessageIDs(1).lowerBound > 5000)
    }

    @Test(arguments: Engine.allCases) func aSecondDaemonIsRefused(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        expectError(.inUse, mentions: engine == .sqlite ? "spool.lock" : engine.mention, "pid") {
            _ = try place.open()
        }
        try spool.commit([.accept(message(2))])
        spool.close()
        #expect(try place.open().ids() == [id(1), id(2)])
    }

    @Test(arguments: Engine.allCases) func closedIsClosed(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        spool.close()
        spool.close()
        expectError(.unusable) { try spool.commit([.accept(message(1))]) }
        expectError(.unusable) { _ = try spool.deliveries([id(1)]) }
    }
}
