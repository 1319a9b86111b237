import Cluster
import Scheduler
import Testing

/// Nodes that renew at their pace, on a database that answers after a while, in virtual time.
@Suite struct TakeOverTests {
    private struct Node {
        var membership: Membership
        var nextAt: Instant
        var isDead = false
    }

    /// Kills a node at any time: another has its destination within two lease times.
    @Test(arguments: 0..<200) func withinTwoLeases(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let lease = Duration.seconds(5)
        let times = Membership.Times(lease: lease)
        var members = Members(timeline: 1)
        var tenure = Tenure()
        var now = Instant(nanoseconds: 0)
        var nodes: [Node] = []
        for number in 0..<3 {
            let id = NodeID(Int64(number))
            var membership = Membership(node: id, times: times)
            membership.joined(life: try members.join(id, home: 0), in: members, at: now)
            let first = Duration.milliseconds(Int.random(in: 0..<1000, using: &random))
            nodes.append(Node(membership: membership, nextAt: now + first))
        }
        let death =
            Instant(nanoseconds: 0) + .milliseconds(Int.random(in: 8000..<16_000, using: &random))
        var diedAt: Instant?
        var takenAt: Instant?
        var wasAliveAfterwards = false
        while takenAt == nil, now < death + .seconds(60) {
            let index = nodes.indices.filter { !nodes[$0].isDead }
                .min { nodes[$0].nextAt < nodes[$1].nextAt }!
            now = nodes[index].nextAt
            let sentAt = now
            // What the database takes for a round of requests.
            now = now + .milliseconds(Int.random(in: 1..<200, using: &random))
            nodes[index].nextAt = max(now, sentAt + times.pace)
            let request = try #require(nodes[index].membership.request)
            if diedAt == nil, sentAt >= death, tenure.owner == request.node {
                // Its last renewal still takes effect.
                try members.renew(request, hasSettled: true)
                nodes[index].isDead = true
                diedAt = now
                continue
            }
            try members.renew(request, hasSettled: true)
            nodes[index].membership.renewed(sentAt: sentAt)
            nodes[index].membership.saw(members, at: now)
            for seen in nodes[index].membership.overdue(in: members, at: now) {
                _ = try members.declareDead(
                    seen.node, life: seen.life, beat: seen.beat, by: request)
            }
            if nodes[index].membership.mayClaim(at: now), tenure.isFree(in: members),
                try tenure.claim(seen: tenure.number, by: request, in: members) != nil,
                diedAt != nil
            {
                takenAt = now
                wasAliveAfterwards = nodes.contains {
                    $0.isDead && $0.membership.isAlive(at: now)
                }
            }
        }
        let time = try #require(takenAt) - (try #require(diedAt))
        #expect(time <= lease * 2)
        #expect(!wasAliveAfterwards)
    }
}
