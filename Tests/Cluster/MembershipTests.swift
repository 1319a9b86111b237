import Cluster
import Scheduler
import Testing

@Suite struct MembershipTests {
    private let times = Membership.Times(lease: .seconds(4))
    private let a = NodeID(1)
    private let b = NodeID(2)

    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    @Test func aliveFromTheSendingOfARenewal() throws {
        var members = Members(timeline: 1)
        var node = Membership(node: a, times: times)
        node.joined(life: try members.join(a, home: 1), in: members, at: at(10))
        #expect(!node.isAlive(at: at(10)))
        node.renewed(sentAt: at(11))
        #expect(node.isAlive(at: at(14)))
        #expect(!node.isAlive(at: at(15)))
        // Answers may come in another order than the requests went out.
        node.renewed(sentAt: at(10))
        #expect(node.isAlive(at: at(14)))
    }

    @Test func anotherIsOverdueAfterFiveQuartersOfTheLease() throws {
        var members = Members(timeline: 1)
        let life = try members.join(b, home: 2)
        var node = Membership(node: a, times: times)
        node.joined(life: try members.join(a, home: 1), in: members, at: at(0))
        #expect(node.overdue(in: members, at: at(4)).isEmpty)
        let overdue = node.overdue(in: members, at: at(5))
        #expect(overdue.map(\.node) == [b])
        // A sign of life since then.
        try members.renew(
            Members.Request(node: b, life: life, timeline: 1), hasSettled: true)
        let seen = try #require(overdue.first)
        let isDead = try members.declareDead(
            b, life: seen.life, beat: seen.beat, by: try #require(node.request))
        #expect(!isDead)
        node.saw(members, at: at(5))
        #expect(node.overdue(in: members, at: at(9)).isEmpty)
        #expect(node.overdue(in: members, at: at(10)).map(\.node) == [b])
    }

    @Test func aDeadOnesRequestsAreRefused() throws {
        var members = Members(timeline: 1)
        let first = Members.Request(
            node: a, life: try members.join(a, home: 1), timeline: 1)
        let second = Members.Request(
            node: b, life: try members.join(b, home: 2), timeline: 1)
        var tenure = Tenure()
        #expect(try tenure.claim(seen: 0, by: first, in: members) == 1)
        #expect(try tenure.claim(seen: 1, by: second, in: members) == nil)
        #expect(try members.declareDead(a, life: first.life, beat: 1, by: second))
        #expect(throws: Members.Over.self) { try members.renew(first, hasSettled: true) }
        #expect(throws: Members.Over.self) {
            try tenure.release(number: 1, by: first, in: members)
        }
        #expect(try tenure.claim(seen: 1, by: second, in: members) == 2)
        // Its next life is another one.
        let next = Members.Request(
            node: a, life: try members.join(a, home: 1), timeline: 1)
        #expect(try tenure.claim(seen: 2, by: next, in: members) == nil)
    }

    @Test func aNameBelongsToOnePlace() throws {
        var members = Members(timeline: 1)
        let life = try members.join(a, home: 1)
        #expect(throws: Members.NameInUse.self) { try members.join(a, home: 2) }
        #expect(try members.join(a, home: 1) == life + 1)
        try members.leave(Members.Request(node: a, life: life + 1, timeline: 1))
        #expect(try members.join(a, home: 2) == life + 2)
    }

    @Test func afterAFailOverOneWaitsForThoseOfTheLastTimeline() throws {
        var members = Members(timeline: 1)
        let old = Members.Request(node: a, life: try members.join(a, home: 1), timeline: 1)
        members.timeline = 2
        #expect(throws: Members.Over.self) { try members.renew(old, hasSettled: true) }
        var node = Membership(node: b, times: times)
        node.joined(life: try members.join(b, home: 2), in: members, at: at(0))
        let request = try #require(node.request)
        var tenure = Tenure(owner: a, life: old.life, number: 3)
        #expect(try tenure.claim(seen: 3, by: request, in: members) == nil)
        node.renewed(sentAt: at(4))
        #expect(!node.mayClaim(at: at(4)))
        #expect(node.mayClaim(at: at(5)))
        try members.renew(request, hasSettled: node.hasSettled(at: at(5)))
        #expect(try tenure.claim(seen: 3, by: request, in: members) == 4)
    }

    @Test func anAnswerAfterTheLeaseIsNone() {
        var tenancy = Tenancy.claiming(seen: 1)
        tenancy.claimAnswered(2, isAlive: false)
        #expect(tenancy == .none)
        tenancy = .claiming(seen: 1)
        tenancy.claimAnswered(2, isAlive: true)
        #expect(tenancy == .held(2))
        tenancy.stopped()
        #expect(tenancy == .releasing(2))
        tenancy.releaseAnswered()
        #expect(tenancy == .none)
    }
}
