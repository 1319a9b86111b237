import Control
import Mail
import Testing

@testable import Manager

/// What the daemon remembers of destinations and deliveries.
struct PastTests {
    private let start = UnixTime(milliseconds: 1_767_323_040_000)

    private func after(_ seconds: Double) -> UnixTime {
        UnixTime(seconds: start.seconds + seconds)
    }

    @Test(arguments: [
        ("250 2.0.0 Ok: queued as 4F2A", "250 2.0.0 Ok: queued as 99BC"),
        (
            "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted",
            "450 4.2.0 <c@b.example>: Recipient address rejected: Greylisted"
        ),
        ("421 4.7.28 [192.0.2.1] too much", "421 4.7.28 [192.0.2.77] too much"),
    ])
    func repliesThatDifferInIdsAreAlike(a: String, b: String) {
        #expect(ReplyPattern.pattern(of: a) == ReplyPattern.pattern(of: b))
    }

    @Test(arguments: [
        ("450 4.2.0 Greylisted", "451 4.2.0 Greylisted"), ("550 5.1.1 no", "550 5.7.1 no"),
        ("Connection refused", "Connection timed out"), ("250 Ok", "250 Okay"),
    ])
    func repliesThatMeanSomethingElseAreNot(a: String, b: String) {
        #expect(ReplyPattern.pattern(of: a) != ReplyPattern.pattern(of: b))
    }

    @Test func repliesAreCountedForAnHour() {
        var past = DestinationPast()
        for second in 0..<90 {
            past.ended(
                delivered: 1, deferred: 0, bounced: 0, reply: "250 Ok: queued as \(second)",
                at: after(Double(second)))
        }
        past.ended(
            delivered: 0, deferred: 1, bounced: 0, reply: "450 4.2.0 Greylisted", at: after(1800))
        let counts = past.replyCounts(at: after(1800))
        #expect(counts.map(\.count) == [90, 1])
        #expect(counts.first?.reply == "250 Ok: queued as 89")
        #expect(counts.first?.lastAt == after(89))
        #expect(past.replyCounts(at: after(4200)).map(\.count) == [1])
        #expect(past.replyCounts(at: after(90_000)).isEmpty)
    }

    @Test func theRarestRepliesGiveWay() {
        var past = DestinationPast()
        // Letters, as digits are what replies of one kind differ in.
        for index in 0..<40 {
            let word = String(repeating: "x", count: index + 1)
            past.ended(
                delivered: 0, deferred: 1, bounced: 0, reply: "450 \(word)",
                at: after(Double(index)))
        }
        #expect(past.replyCounts(at: after(40)).count == 16)
    }

    @Test func minutesAddUp() {
        var past = DestinationPast()
        for second in 0..<150 {
            past.ended(
                delivered: 2, deferred: 1, bounced: 0, reply: "250 Ok", at: after(Double(second)))
        }
        let rows = past.minuteRows(at: after(150))
        #expect(rows.map(\.delivered) == [120, 120, 60])
        #expect(rows.map(\.deferred) == [60, 60, 30])
        #expect(rows.first?.at == start)
        #expect(past.minuteRows(at: after(7200)).isEmpty)
        for minute in 0..<200 {
            past.ended(
                delivered: 1, deferred: 0, bounced: 0, reply: "",
                at: after(Double(600 + minute * 60)))
        }
        #expect(past.minuteRows(at: after(600 + 199 * 60)).count == 60)
    }

    @Test func theBreakersLastChangesAreKept() {
        var past = DestinationPast()
        for index in 0..<40 {
            past.breakerChanged(
                to: index % 2 == 0 ? .open : .closed, reason: "\(index)", at: after(Double(index)))
        }
        #expect(past.breakerChanges.count == 16)
        #expect(past.breakerChanges.first?.reason == "39")
    }
}
