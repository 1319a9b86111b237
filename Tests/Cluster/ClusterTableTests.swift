import Cluster
import DatabaseServer
import PostgreSQL
import Scheduler
import SharedSpool
import Testing

/// The database's functions against the rules that the explorer has checked.
@Suite struct ClusterTableTests {
    private let answer = Duration.seconds(30)

    private func database() throws -> DatabaseAddress {
        try DatabaseServer.shared.get().createDatabase()
    }

    /// Random requests, of lives that are and lives that are over, with numbers and beats that are
    /// right and wrong: the same answers, and the same tables after each.
    @Test(arguments: [UInt64(1), 2, 3, 4]) func agreesWithTheRules(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let table = try ClusterTable(try database(), answer: answer)
        let first = try table.join(name: "node0", home: 0)
        var members = Members(timeline: first.request.timeline)
        #expect(try members.join(first.request.node, home: 0) == first.request.life)
        var names = ["node0": first.request.node]
        var requests = [first.request]
        var tenures: [Int64: Tenure] = [1: Tenure(), 2: Tenure()]
        var effects: [String: Int] = [:]

        /// Runs a request on both sides.
        func both<Answer: Equatable>(
            _ kind: String, _ real: () throws -> Answer, _ rule: () throws -> Answer
        ) throws {
            let expected = Result { try rule() }
            let got = Result { try real() }
            switch (expected, got) {
            case (.success(let a), .success(let b)):
                #expect(a == b, "\(kind)")
                effects["\(kind) \(a)", default: 0] += 1
            case (.failure(let a), .failure(let b)):
                #expect(type(of: a) == type(of: b), "\(kind): \(a), \(b)")
                effects["\(kind) \(type(of: a))", default: 0] += 1
            default: Issue.record("\(kind): \(expected), but \(got)")
            }
        }

        for _ in 0..<400 {
            let request = requests[
                Int.random(in: max(0, requests.count - 6)..<requests.count, using: &random)]
            let key = Int64.random(in: 1...2, using: &random)
            var tenure = tenures[key]!
            let number = tenure.number - (Int.random(in: 0..<5, using: &random) == 0 ? 1 : 0)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1:
                let name = "node\(Int.random(in: 0..<3, using: &random))"
                let home = Int64.random(in: 0..<5, using: &random) == 0 ? Int64(7) : Int64(0)
                let known = names[name]
                do {
                    let joined = try table.join(name: name, home: home).request
                    #expect(known == nil || known == joined.node)
                    names[name] = joined.node
                    #expect(try members.join(joined.node, home: home) == joined.life)
                    requests.append(joined)
                } catch is Members.NameInUse {
                    effects["join refused", default: 0] += 1
                    let id = try #require(known)
                    #expect(throws: Members.NameInUse.self) { try members.join(id, home: home) }
                }
            case 2, 3, 4:
                try both("renew") {
                    try table.renew(request, hasSettled: true)
                } _: {
                    try members.renew(request, hasSettled: true)
                    return members
                }
            case 5:
                let seen = members.members.randomElement(using: &random)!
                let beat = seen.beat - (Bool.random(using: &random) ? 1 : 0)
                try both("declare dead") {
                    try table.declareDead(seen.id, life: seen.life, beat: beat, by: request)
                } _: {
                    try members.declareDead(seen.id, life: seen.life, beat: beat, by: request)
                }
            case 6 where Bool.random(using: &random):
                try both("leave") {
                    try table.leave(request)
                    return true
                } _: {
                    try members.leave(request)
                    return true
                }
            case 6, 7, 8, 9:
                try both("claim") {
                    try table.claim(key, seen: number, by: request) != nil
                } _: {
                    try tenure.claim(seen: number, by: request, in: members) != nil
                }
            default:
                try both("release") {
                    try table.release(key, number: number, by: request)
                } _: {
                    try tenure.release(number: number, by: request, in: members)
                }
            }
            tenures[key] = tenure
            #expect(try table.tenure(of: key) == tenure)
        }
        // Every answer has come up.
        for kind in [
            "join refused", "renew Over", "declare dead true", "declare dead false",
            "declare dead Over", "leave true", "leave Over", "claim true", "claim false",
            "claim Over", "release true", "release false", "release Over",
        ] {
            #expect(effects[kind] ?? 0 > 0, "\(kind): \(effects)")
        }
    }

    /// The owner of the database need not be a superuser.
    @Test func anOrdinaryUserIsEnough() throws {
        let user = DatabaseServer.lockedUser
        var address = try DatabaseServer.shared.get().createDatabase(owner: user)
        address.url += "&password=open%20sesame"
        let table = try ClusterTable(address, answer: answer)
        let request = try table.join(name: "a", home: 1).request
        #expect(try table.claim(1, seen: 0, by: request) == 1)
    }

    @Test func whoWaitsIsWoken() throws {
        let address = try database()
        let table = try ClusterTable(address, answer: answer)
        let request = try table.join(name: "a", home: 1).request
        let other = try ClusterTable(address, answer: answer)
        #expect(try !other.awaitChange(for: .zero))
        #expect(try table.claim(1, seen: 0, by: request) == 1)
        #expect(try table.release(1, number: 1, by: request))
        #expect(try other.awaitChange(for: .seconds(60)))
        try table.leave(request)
        #expect(try other.awaitChange(for: .seconds(60)))
        #expect(try !other.awaitChange(for: .zero))
    }

    /// Two connections claim at once: one of them gets it.
    @Test func oneOfTwoClaims() throws {
        let address = try database()
        let a = try ClusterTable(address, answer: answer)
        let b = try ClusterTable(address, answer: answer)
        let first = try a.join(name: "a", home: 1).request
        let second = try b.join(name: "b", home: 2).request
        for key in Int64(1)...20 {
            let granted = [
                try a.claim(key, seen: 0, by: first), try b.claim(key, seen: 0, by: second),
            ]
            #expect(granted == [1, nil])
        }
    }

    /// A standby is promoted: nothing of the old timeline counts, and nobody claims before one has
    /// waited.
    @Test func aFailOver() throws {
        let primary = try DatabaseServer()
        defer { primary.end() }
        try primary.execute("CREATE DATABASE mail TEMPLATE template0")
        let standby = try DatabaseServer(standbyOf: primary)
        defer { standby.end() }
        try primary.awaitStandby()
        let before = try ClusterTable(primary.address(of: "mail"), answer: answer)
        let old = try before.join(name: "a", home: 1).request
        #expect(try before.claim(1, seen: 0, by: old) == 1)
        try primary.stop(.immediate)
        try standby.promote()

        let after = try ClusterTable(standby.address(of: "mail"), answer: answer)
        #expect(throws: Members.Over.self) { try after.renew(old, hasSettled: true) }
        let (request, members) = try after.join(name: "b", home: 2)
        #expect(request.timeline != old.timeline)
        #expect(members.isSettling)
        #expect(members.members.map(\.isLive) == [false, true])
        let seen = try after.tenure(of: 1).number
        #expect(try after.claim(1, seen: seen, by: request) == nil)
        #expect(try after.renew(request, hasSettled: false).isSettling)
        #expect(try !after.renew(request, hasSettled: true).isSettling)
        #expect(try after.claim(1, seen: seen, by: request) == seen + 1)
    }
}
