import Mail
import NIOCore
import Testing

@testable import Spool

/// Random batches of all kinds of writes, applied to both implementations: afterwards the two hold
/// the same, and what one refuses the other refuses.
@Suite("Spools agree")
struct EngineAgreementTests {
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func onRandomWrites(_ seed: UInt64) throws {
        let places = try Engine.allCases.map { try $0.place() }
        defer { for place in places { place.remove() } }
        let spools = try places.map { try $0.open() }
        var random = SplitMix(state: seed)
        var refusals = 0
        for round in 0..<60 {
            let writes = (0...random.below(12)).map { _ in Self.write(&random, round: round) }
            let results = spools.map { spool in
                Result { () throws(SpoolError) in try spool.commit(writes) }.failureCode
            }
            try #require(results[0] == results[1], "\(writes)")
            refusals += results[0] == nil ? 0 : 1
            let all = try spools.map { try $0.all() }
            try #require(all[0] == all[1], "\(writes)")
            let counts = try spools.map { try $0.messageCount() }
            try #require(counts[0] == counts[1], "\(writes)")
        }
        #expect(refusals > 0 && refusals < 50)
        for action in 0..<3 as Range<Int64> {
            let removed = try spools.map { try $0.removed(for: action) }
            #expect(removed[0] == removed[1])
        }
        let ids = try spools[0].ids() + [id(99)]
        let figures = try spools.map { try $0.figures(ids.reversed()) }
        #expect(figures[0] == figures[1] && figures[0].count == ids.count - 1)
        let destinations = try spools.map { try $0.destinations() }
        #expect(destinations[0] == destinations[1])
        let actions = try spools.map { try $0.actions(limit: 100, offset: 0) }
        #expect(actions[0] == actions[1])
        let tallies = try spools.map { try $0.tallies() }
        #expect(tallies[0] == tallies[1])
        let census = try spools.map { spool in
            try spool.census(ages: [60, 300], due: [5, 60], at: noon + .seconds(60)).tallies
                .map { "\($0)" }.sorted()
        }
        #expect(census[0] == census[1])
        for number in Self.numbers {
            let message = MessageID(rawValue: number)
            let bodies = try spools.map { try $0.body(of: message) }
            #expect(bodies[0] == bodies[1])
            let attempts = try spools.map { try $0.attempts(of: message) }
            #expect(attempts[0] == attempts[1])
        }
    }

    private static let numbers: ClosedRange<Int64> = 1...8

    private static func write(_ random: inout SplitMix, round: Int) -> SpoolWrite {
        let number = random.below(8) + 1
        func some() -> DeliveryID { id(random.below(8) + 1, UInt16(random.below(4))) }
        let one = id(number, UInt16(random.below(4)))
        let states = StoredState.allCases
        let time = noon + .seconds(random.below(4) * 40)
        let destination = random.below(3) == 0 ? nil : random.below(3) + 1
        let addresses = (0..<random.below(3)).map { "r\($0)\(random.below(9))@x.example" }
        switch random.below(18) {
        case 0, 1, 2:
            var mail = message(
                number, destinations: (0...random.below(2)).map { _ in destination },
                body: "round \(round)")
            mail.record.receivedAt = time
            mail.record.sender = random.below(3) == 0 ? "" : "s@x.example"
            mail.record.expiresAt = time + .seconds(random.below(3) * 50_000)
            return .accept(mail)
        case 3, 4:
            let into = (0..<random.below(3)).map { _ in
                delivery(
                    id(number, UInt16(random.below(4))), destination: destination, to: addresses)
            }
            return .route(one, into: into)
        case 5: return .remove(one)
        case 6, 7:
            return .update(
                DeliveryUpdate(
                    id: one, attempts: Int(random.below(5)), nextAttemptAt: time,
                    lastReply: "45\(random.below(9)) later", lastRule: "r\(random.below(3))",
                    recipients: random.below(2) == 0
                        ? nil : addresses.map { StoredRecipient(address: $0, notify: "NEVER") }))
        case 8:
            return .mark(
                [one, some(), some()], from: [random.pick(states), random.pick(states)],
                to: random.pick(states), at: random.below(2) == 0 ? nil : time)
        case 9:
            return .removeAll(
                [one, some(), some()], in: random.pick(states),
                countedFor: random.below(2) == 0 ? nil : random.below(3))
        case 10: return .reschedule([one, some()], at: time)
        case 11:
            return .destination(
                DestinationRecord(
                    id: random.below(3) + 1, identity: "i\(random.below(6))", name: "n\(round)",
                    domains: addresses, pin: destination.map(Int.init), scheduler: [UInt8(round)]))
        case 15, 16, 17:
            return .attempt(
                StoredAttempt(
                    delivery: one, number: Int(random.below(24)),
                    at: noon + .seconds(random.below(4)), reply: "\(round)"))
        case 14: return .forgetCount(of: random.below(3))
        case 12:
            return random.below(2) == 0 ? .forgetDestination(random.below(3) + 1) : .warned(one)
        default:
            return .action(
                ActionRecord(
                    id: random.below(5), kind: "hold", at: time, by: "b", reason: "\(round)",
                    target: "t", state: "done", undoUntil: nil, result: "", details: [1]))
        }
    }
}

extension Result where Failure == SpoolError {
    fileprivate var failureCode: SpoolError.Code? {
        if case .failure(let error) = self { error.code } else { nil }
    }
}
