import Mail
import NIOCore
import Testing

@testable import Spool

@Suite("Spool: writes")
struct SpoolWriteTests {
    @Test(arguments: Engine.allCases) func acceptKeepsEverything(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let record = MessageRecord(
            id: MessageID(rawValue: 7), sender: "", receivedAt: noon,
            expiresAt: noon + .seconds(60), size: 5, eightBit: true, utf8: true,
            leadingDots: false, ret: "HDRS", envelopeID: "e=1", client: "mx [192.0.2.1]")
        let recipients = [
            StoredRecipient(
                address: "b@example.com", notify: "NEVER", originalRecipient: "rfc822;b+2Bx@y"),
            StoredRecipient(address: "\u{FC}@example.com", lastReply: "450 4.2.2 full\ttab\nline"),
        ]
        let body = ByteBuffer(bytes: [0, 0xFF, 0x0D, 0x0A, 0x2E])
        let deliveries = [
            NewDelivery(
                id: id(7, 0), destination: 3, domain: "example.com", recipients: recipients,
                nextAttemptAt: noon + .milliseconds(1)),
            NewDelivery(
                id: id(7, 9), destination: nil, domain: "", recipients: [], nextAttemptAt: noon),
        ]
        try spool.commit([.accept(NewMessage(record: record, body: body, deliveries: deliveries))])

        #expect(try spool.body(of: record.id) == body)
        #expect(try spool.message(record.id) == record)
        #expect(
            try spool.all() == [
                StoredDelivery(
                    id: id(7, 0), message: record, destination: 3, domain: "example.com",
                    recipients: recipients, state: .queued, attempts: 0,
                    nextAttemptAt: noon + .milliseconds(1), purgeAt: nil, lastReply: ""),
                StoredDelivery(
                    id: id(7, 9), message: record, destination: nil, domain: "", recipients: [],
                    state: .routing, attempts: 0, nextAttemptAt: noon, purgeAt: nil, lastReply: ""),
            ])
    }

    @Test(arguments: Engine.allCases) func emptyBody(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, body: ""))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == ByteBuffer())
        #expect(try spool.body(of: MessageID(rawValue: 2)) == nil)
    }

    @Test(arguments: Engine.allCases) func bodyOfManyPages(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let body = ByteBuffer(bytes: (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try spool.commit([
            .accept(NewMessage(record: record(1), body: body, deliveries: [delivery(id(1))]))
        ])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == body)
    }

    @Test(arguments: Engine.allCases) func aSliceOfABufferIsStoredWithoutItsSurroundings(
        _ engine: Engine
    ) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        var buffer = ByteBuffer(string: "before|body|after")
        buffer.moveReaderIndex(forwardBy: 7)
        let read = buffer.readSlice(length: 4)
        let slice = try #require(read)
        try spool.commit([
            .accept(NewMessage(record: record(1), body: slice, deliveries: [delivery(id(1))]))
        ])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == ByteBuffer(string: "body"))
    }

    @Test(arguments: Engine.allCases) func theLastDeliveryTakesTheMessageAlong(_ engine: Engine)
        throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [1, 2])), .accept(message(2))])
        try spool.commit([.remove(id(1, 0))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) != nil)
        #expect(try spool.message(MessageID(rawValue: 1)) != nil)
        try spool.commit([.remove(id(1, 1))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == nil)
        #expect(try spool.message(MessageID(rawValue: 1)) == nil)
        #expect(try spool.ids() == [id(2)])
        #expect(try spool.body(of: MessageID(rawValue: 2)) != nil)
    }

    @Test(arguments: Engine.allCases) func theLargestOrdinalBelongsToItsMessage(_ engine: Engine)
        throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let deliveries = [delivery(id(1, 0)), delivery(id(1, .max))]
        try spool.commit([
            .accept(
                NewMessage(
                    record: record(1), body: ByteBuffer(string: "x"), deliveries: deliveries)),
            .accept(message(2)),
        ])
        try spool.commit([.remove(id(1, 0))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) != nil)
        try spool.commit([.remove(id(1, .max))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == nil)
    }

    @Test(arguments: Engine.allCases) func removingWhatHasLeftDoesNothing(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        try spool.commit([.remove(id(1, 5)), .remove(id(9))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) != nil)
        #expect(try spool.ids() == [id(1)])
    }

    @Test(arguments: Engine.allCases) func acceptAndRemoveInOneBatch(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1)), .remove(id(1)), .accept(message(2))])
        #expect(try spool.ids() == [id(2)])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == nil)
    }

    @Test(arguments: Engine.allCases) func update(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([
            .accept(
                NewMessage(
                    record: record(1), body: ByteBuffer(string: "x"),
                    deliveries: [delivery(id(1), to: ["b@example.com", "c@example.com"])]))
        ])
        try spool.commit([
            .update(
                DeliveryUpdate(
                    id: id(1), attempts: 1, nextAttemptAt: noon + .seconds(60),
                    lastReply: "421 4.7.0 later", lastRule: "yahoo-tss", recipients: nil))
        ])
        var stored = try spool.one(id(1))
        #expect(stored.attempts == 1)
        #expect(stored.nextAttemptAt == noon + .seconds(60))
        #expect(stored.lastReply == "421 4.7.0 later" && stored.lastRule == "yahoo-tss")
        #expect(stored.recipients.map(\.address) == ["b@example.com", "c@example.com"])

        let left = StoredRecipient(address: "c@example.com", lastReply: "450 4.2.1 busy")
        try spool.commit([
            .update(
                DeliveryUpdate(
                    id: id(1), attempts: 2, nextAttemptAt: noon, lastReply: "", recipients: [left])
            )
        ])
        stored = try spool.one(id(1))
        #expect(stored.recipients == [left])
        #expect(stored.lastReply == "")
        #expect(stored.state == .queued)
    }

    @Test(arguments: Engine.allCases) func updateOfWhatHasLeft(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([
            .update(
                DeliveryUpdate(
                    id: id(1), attempts: 2, nextAttemptAt: noon, lastReply: "",
                    recipients: [StoredRecipient(address: "x@y")]))
        ])
        #expect(try spool.ids().isEmpty)
    }

    @Test(arguments: Engine.allCases) func routeIntoOthers(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil]))])
        let retried = DeliveryUpdate(
            id: id(1), attempts: 2, nextAttemptAt: noon, lastReply: "451 DNS", recipients: nil)
        try spool.commit([.update(retried)])
        let recipient = StoredRecipient(address: "c@example.net", notify: "FAILURE")
        try spool.commit([
            .route(
                id(1),
                into: [
                    delivery(id(1, 1), destination: 5, domain: "example.com", to: ["b@x"]),
                    NewDelivery(
                        id: id(1, 2), destination: 6, domain: "example.net",
                        recipients: [recipient], nextAttemptAt: noon + .seconds(1)),
                ])
        ])
        let stored = try spool.all()
        #expect(stored.map(\.id) == [id(1, 1), id(1, 2)])
        #expect(stored.map(\.destination) == [5, 6])
        #expect(stored.map(\.state) == [.queued, .queued])
        #expect(stored.map(\.message) == [record(1), record(1)])
        #expect(stored[1].recipients == [recipient])
        #expect(stored[1].domain == "example.net")
        #expect(stored[1].nextAttemptAt == noon + .seconds(1))
        #expect(stored.map(\.attempts) == [2, 2])
        #expect(stored.map(\.lastReply) == ["451 DNS", "451 DNS"])
        #expect(try spool.body(of: MessageID(rawValue: 1)) != nil)
    }

    @Test(arguments: Engine.allCases) func routeMayKeepTheIdAndLeaveSomeUnrouted(_ engine: Engine)
        throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil]))])
        try spool.commit([
            .route(
                id(1),
                into: [
                    delivery(id(1, 0), destination: 5, to: ["b@x"]),
                    delivery(id(1, 1), destination: nil, to: ["c@y"]),
                ])
        ])
        let stored = try spool.all()
        #expect(stored.map(\.id) == [id(1, 0), id(1, 1)])
        #expect(stored.map(\.destination) == [5, nil])
        #expect(stored.map(\.state) == [.queued, .routing])
        #expect(
            stored.map(\.recipients) == [
                [StoredRecipient(address: "b@x")], [StoredRecipient(address: "c@y")],
            ])
    }

    @Test(arguments: Engine.allCases) func routeIntoNothingRemoves(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil]))])
        try spool.commit([.route(id(1), into: [])])
        #expect(try spool.ids().isEmpty)
        #expect(try spool.body(of: MessageID(rawValue: 1)) == nil)
    }

    @Test(arguments: Engine.allCases) func routeOfWhatHasLeftDoesNothing(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.route(id(1), into: [delivery(id(1, 1)), delivery(id(1, 0))])])
        #expect(try spool.ids().isEmpty)
    }

    @Test(arguments: Engine.allCases) func routeKeepsAHold(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil]))])
        try spool.commit([.mark([id(1)], from: [.routing], to: .held, at: nil)])
        try spool.commit([.route(id(1), into: [delivery(id(1, 1)), delivery(id(1, 0))])])
        #expect(try spool.all().map(\.state) == [.held, .held])
    }

    @Test(arguments: Engine.allCases) func markChangesOnlyTheStatesItNames(_ engine: Engine) throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit((1...3).map { .accept(message($0)) })
        try spool.commit([.mark([id(1)], from: [.queued], to: .held, at: nil)])
        try spool.commit([
            .mark([id(1), id(2), id(9)], from: [.queued, .routing], to: .purging, at: noon)
        ])
        #expect(try spool.all().map(\.state) == [.held, .purging, .queued])
        #expect(try spool.all().map(\.purgeAt) == [nil, noon, nil])
        try spool.commit([.mark([id(2)], from: [.purging], to: .queued, at: nil)])
        #expect(try spool.one(id(2)).state == .queued)
        #expect(try spool.one(id(2)).purgeAt == nil)
    }

    @Test(arguments: Engine.allCases) func whatHasNoDestinationIsReleasedIntoRouting(
        _ engine: Engine
    ) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1, destinations: [nil]))])
        try spool.commit([.mark([id(1)], from: [.routing], to: .held, at: nil)])
        try spool.commit([.mark([id(1)], from: [.held], to: .queued, at: nil)])
        #expect(try spool.one(id(1)).state == .routing)
    }

    @Test(arguments: Engine.allCases) func removeAllLooksAtTheState(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit((1...3).map { .accept(message($0)) })
        try spool.commit([.mark([id(1), id(2)], from: [.queued], to: .purging, at: noon)])
        try spool.commit([.mark([id(2)], from: [.purging], to: .queued, at: nil)])
        try spool.commit([.removeAll([id(1), id(2), id(3)], in: .purging, countedFor: 7)])
        #expect(try spool.ids() == [id(2), id(3)])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == nil)
        #expect(try spool.body(of: MessageID(rawValue: 2)) != nil)
    }

    @Test(arguments: Engine.allCases) func reschedule(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1)), .accept(message(2))])
        try spool.commit([.reschedule([id(2), id(4)], at: noon + .seconds(9))])
        #expect(try spool.one(id(1)).nextAttemptAt == noon)
        #expect(try spool.one(id(2)).nextAttemptAt == noon + .seconds(9))
    }

    @Test(arguments: Engine.allCases) func destinations(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let full = DestinationRecord(
            id: 2, identity: "192.0.2.1,192.0.2.2:2526", name: "example.com +1",
            domains: ["example.com", "example.net"], pin: 3, pausedBy: "root (uid 0)",
            pausedUntil: noon, pauseReason: "maintenance", scheduler: [0, 255])
        let bare = DestinationRecord(id: 9, identity: "domain:x", name: "", domains: [])
        try spool.commit([.destination(bare), .destination(full)])
        #expect(try spool.destinations() == [full, bare])
        var changed = full
        changed.pin = nil
        changed.pausedBy = nil
        changed.pausedUntil = nil
        changed.identity = "192.0.2.3"
        changed.domains = [""]
        changed.scheduler = []
        try spool.commit([.destination(changed)])
        #expect(try spool.destinations() == [changed, bare])
    }

    @Test(arguments: Engine.allCases) func twoDestinationsCannotBeTheSame(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let first = DestinationRecord(id: 1, identity: "192.0.2.1", name: "a", domains: [])
        let second = DestinationRecord(id: 2, identity: "192.0.2.1", name: "b", domains: [])
        expectError(.refused) { try spool.commit([.destination(first), .destination(second)]) }
        #expect(try spool.destinations().isEmpty)
    }

    @Test(arguments: Engine.allCases) func aDestinationWithMailIsNotForgotten(_ engine: Engine)
        throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let record = DestinationRecord(id: 1, identity: "192.0.2.1", name: "a", domains: [])
        try spool.commit([.destination(record), .accept(message(1))])
        try spool.commit([.forgetDestination(1)])
        #expect(try spool.destinations() == [record])
        try spool.commit([.remove(id(1)), .forgetDestination(1)])
        #expect(try spool.destinations().isEmpty)
    }

    @Test(arguments: Engine.allCases) func actions(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        func action(_ id: Int64) -> ActionRecord {
            ActionRecord(
                id: id, kind: "purge", at: noon, by: "root", reason: "r", target: "t",
                state: "undoable", undoUntil: noon + .seconds(60), result: "", details: [1, 2])
        }
        try spool.commit((1...5).map { .action(action($0)) })
        var changed = action(4)
        changed.state = "done"
        changed.undoUntil = nil
        changed.details = []
        try spool.commit([.action(changed)])
        #expect(try spool.action(4) == changed)
        #expect(try spool.action(6) == nil)
        #expect(try spool.actions(limit: 2, offset: 1) == [changed, action(3)])
        #expect(try spool.actions(limit: 10, offset: 4) == [action(1)])
        #expect(try spool.actions(limit: -1, offset: -1).isEmpty)
    }

    @Test(arguments: [
        [SpoolWrite.accept(message(1))],
        [.accept(message(0))],
        [.accept(message(1 << 47))],
        [.accept(message(2, destinations: []))],
        [
            .accept(
                NewMessage(
                    record: record(2), body: ByteBuffer(string: "x"), deliveries: [delivery(id(3))])
            )
        ],
        [.route(id(1), into: [delivery(id(2, 1))])],
        [.route(id(1), into: [delivery(id(1, 1)), delivery(id(1, 1))])],
    ])
    func aRefusedWriteTakesItsWholeBatchAlong(_ bad: [SpoolWrite]) throws {
        for engine in Engine.allCases { try aRefusedWrite(bad, engine) }
    }

    private func aRefusedWrite(_ bad: [SpoolWrite], _ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        let before = try spool.all()
        expectError(.refused, mentions: engine.mention) {
            try spool.commit(
                [.accept(message(10)), .mark([id(1)], from: [.queued], to: .held, at: nil)] + bad
                    + [.remove(id(1))])
        }
        #expect(try spool.all() == before)
        #expect(try spool.body(of: MessageID(rawValue: 10)) == nil)
        try spool.commit([.accept(message(10))])
        #expect(try spool.ids() == [id(1), id(10)])
    }
}
