import Control
import Foundation
import Glibc
import Mail
import PostgreSQL
import Testing

@testable import Testbed

extension Integration {
    /// What any node says of all, and what is done over any of them.
    @Suite struct OneViewTests {
        private typealias Rig = NodesTests.Rig

        /// Two nodes that have their shares of destinations that are paused, each with two messages.
        private func withMail(
            lease: String = "10m", undo: [String] = [],
            _ body: (Rig, Daemon, Daemon) async throws -> Void
        ) async throws {
            try await withRig(undo: undo) { rig in
                let a = try await rig.node("a", lease: lease)
                try await rig.pauseAll(over: a)
                try await rig.send(2, "m", over: a)
                let b = try await rig.node("b", lease: lease)
                for node in [a, b] {
                    try await waitUntil("each has its share, and tells it") {
                        let rows = try await node.control.nodes().rows
                        return rows.count == 2
                            && rows.allSatisfy {
                                $0.has == $0.share && $0.share > 0 && $0.staleSeconds == nil
                            } && rows.reduce(0) { $0 + ($1.queued ?? 0) } == 2 * Rig.count
                    }
                }
                try await body(rig, a, b)
            }
        }

        @Test func anyNodeAnswersForAll() async throws {
            try await withMail { rig, a, b in
                for node in [a, b] {
                    let all = try await node.control.destinations()
                    #expect(all.total == Rig.count && all.rows.count == Rig.count)
                    #expect(Set(all.rows.map(\.node)) == ["a", "b"])
                    #expect(all.rows.allSatisfy { $0.queued == 2 && $0.worker == 1 })
                    // In pages, in an order: as one list.
                    var names: [String] = []
                    for offset in stride(from: 0, to: Rig.count, by: 5) {
                        names += try await node.control.destinations(
                            sort: "name", limit: 5, offset: offset
                        ).rows.map(\.name)
                    }
                    #expect(names == (0..<Rig.count).map { "d\($0).test" }.sorted())
                    let last = try #require(names.last)
                    let around = try await node.control.destinations(
                        filter: nil, sort: "name", descending: false, limit: 4, offset: 0,
                        around: all.rows.first { $0.name == last }?.id)
                    #expect(around.rows.map(\.name).contains(last))
                    let status = try await node.control.status()
                    #expect(status.totals.deliveries == 2 * Rig.count)
                    try await waitUntil("it has counted the messages") {
                        try await node.control.status().totals.messages == 2 * Rig.count
                    }
                    #expect(status.totals.paused == Rig.count)
                    #expect(status.workers.map(\.node).count == 2)
                    #expect(Set(status.workers.map(\.node)) == ["a", "b"])
                    // One of each node, by its number and by its name.
                    for owner in ["a", "b"] {
                        let row = try #require(all.rows.first { $0.node == owner })
                        #expect(try await node.control.destination(row.id).node == owner)
                        #expect(try await node.control.destination(row.name).id == row.id)
                        let detail = try await node.control.detail(of: row.id)
                        #expect(detail.row.node == owner && detail.row.queued == 2)
                        let mail = try await node.control.messages(
                            filter: "destination = \(row.name) and why = paused")
                        #expect(mail.total == 2 && mail.rows.allSatisfy { $0.node == owner })
                        let named = try await node.control.destinations(
                            filter: "node = \(owner) and worker = 1")
                        #expect(named.total == all.rows.count { $0.node == owner })
                        let there = try await node.control.messages(filter: "node = \(owner)")
                        #expect(there.total == 2 * named.total)
                        let message = try await node.control.message(mail.rows[0].message)
                        #expect(message.deliveries[0].why.kind == "paused")
                    }
                    let ages = try await node.control.ages()
                    #expect(ages.destinations == Rig.count)
                    #expect(ages.totals.reduce(0, +) == 2 * Rig.count)
                    let schedule = try await node.control.schedule()
                    #expect(schedule.paused.deliveries == 2 * Rig.count)
                    await #expect(throws: APIError.self) {
                        try await node.control.destination("nowhere.test")
                    }
                }
                // One node's own part, for who wants that.
                let own = try await a.ownTotals().deliveries
                #expect(own > 0 && own < 2 * Rig.count)
            }
        }

        /// What happens at one node, and what it says to a receiver, as seen at another.
        @Test func eventsAndDialoguesOfOtherNodes() async throws {
            try await withMail { rig, a, b in
                let row = try #require(
                    try await b.control.destinations().rows.first { $0.node == "a" })
                let stream = b.control.events()
                let dialogue = b.control.trace(destination: row.id)
                let (seen, said) = (Shared(0), Shared(0))
                await withThrowingTaskGroup { group in
                    group.addTask {
                        for try await event in stream
                        where event.kind == "accepted" && event.node == "a" {
                            seen.value += 1
                        }
                    }
                    group.addTask {
                        for try await line in dialogue where line.text.hasPrefix("MAIL FROM") {
                            #expect(line.destination == row.id)
                            said.value += 1
                        }
                    }
                    group.addTask {
                        try await b.act(.resume, Selector(destinations: [row.id]))
                        // From when on they are followed is not known.
                        try await waitUntil("both are told") {
                            try await rig.scene.send(
                                [TestMail("e", to: "u@\(row.name)")], to: a.port)
                            return seen.value > 0 && said.value > 0
                        }
                        throw CancellationError()
                    }
                    // The streams have no end.
                    await #expect(throws: CancellationError.self) { try await group.next() }
                    group.cancelAll()
                }
            }
        }

        /// One plan, each part carried out by who has it, undone over another one as one.
        @Test func actionsReachWhoeverHasIt() async throws {
            try await withMail { rig, a, b in
                let everything = Selector(filter: "domain ~ test")
                let plan = try await a.control.plan(
                    PlanRequest(action: .purge, selector: everything))
                #expect(plan.counts.deliveries == 2 * Rig.count)
                #expect(plan.notes.filter { $0.hasPrefix("a: ") || $0.hasPrefix("b: ") }.count == 2)
                #expect(!plan.notes.contains { $0.contains("not among") }, "\(plan.notes)")
                let purge = try await a.control.apply(
                    plan.id, ApplyRequest(count: plan.counts.deliveries))
                #expect(purge.counts.deliveries == 2 * Rig.count)
                await #expect(throws: APIError.self) {
                    try await a.control.apply(
                        plan.id, ApplyRequest(count: plan.counts.deliveries))
                }
                let listed = try await b.control.actions(limit: 20).rows.filter {
                    $0.action == .purge
                }
                #expect(listed.count == 1 && listed[0].counts.deliveries == 2 * Rig.count)
                let undone = try await b.control.undo(listed[0].id)
                #expect(undone.state == .undone && undone.counts.deliveries == 2 * Rig.count)
                for node in [a, b] {
                    try await waitUntil("all of it is queued again") {
                        let totals = try await node.totals()
                        return totals.purging == 0 && totals.deliveries == 2 * Rig.count
                    }
                }
                // On destinations, of one node and of both.
                let rows = try await b.control.destinations().rows
                for owner in ["a", "b"] {
                    let row = try #require(rows.first { $0.node == owner })
                    let resume = try await a.act(.resume, Selector(destinations: [row.id]))
                    #expect(resume.counts.destinations == 1)
                    try await rig.scene.eventuallyDelivers(row.name, rig)
                    let back = try await b.control.undo(resume.id)
                    #expect(back.counts.destinations == 1)
                    #expect(try await a.control.destination(row.id).state == .paused)
                }
                let resume = try await b.act(.resume, Selector(filter: "queued > 0"))
                #expect(resume.counts.destinations == Rig.count - 2)
                try await rig.takes([(2, "m")])
                try await a.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
                // Workers are those of the named node, which refuses what it cannot do.
                for (node, code) in [("b", "last-worker"), ("x", "not-found")] {
                    do {
                        _ = try await a.control.plan(
                            PlanRequest(
                                action: .drain, selector: Selector(), worker: 1, node: node))
                        Issue.record("it was planned")
                    } catch let error as APIError {
                        #expect(error.code == code, "\(error.message)")
                    }
                }
                // What is wrong is said once.
                await #expect(throws: APIError.self) {
                    try await b.control.plan(
                        PlanRequest(action: .hold, selector: Selector(filter: "domain =")))
                }
                await #expect(throws: APIError.self) { try await a.control.undo("1-x") }
            }
        }

        /// What a node had is shown with its age while it cannot be asked; an action says that it is
        /// not among what it is about; and when another has taken over, it can be undone.
        @Test func whatCannotBeReachedIsShownWithItsAge() async throws {
            try await withMail(lease: "6s") { rig, a, b in
                let hold = try await a.act(.hold, Selector(filter: "domain ~ test"))
                #expect(hold.counts.deliveries == 2 * Rig.count)
                let before = try await a.control.destinations().rows.filter { $0.node == "b" }
                let database = try Connection(rig.database)
                try await waitUntil("what it has is published") {
                    _ = try await a.control.nodes()
                    let published = try database.run(
                        """
                        SELECT count(*) FROM sluice_cluster.figures
                        WHERE destinations LIKE '%"held":2%'
                        """, within: .seconds(60))
                    return published[0].int(0) == 2
                }
                let pids = [b.pid] + (try await workers(of: b))
                for pid in pids { kill(pid, SIGSTOP) }
                try await waitUntil("its rows have an age") {
                    let rows = try await a.control.destinations().rows
                    return rows.contains { $0.node == "b" && ($0.staleSeconds ?? 0) > 0 }
                }
                let status = try await a.control.status()
                let part = status.parts?.first { $0.name == "b" }
                if let part, !part.reached {
                    #expect(part.problem != nil)
                    let plan = try await a.control.plan(
                        PlanRequest(action: .release, selector: Selector(filter: "domain ~ test")))
                    // It may have been taken over by now.
                    #expect(
                        plan.counts.deliveries == 2 * Rig.count
                            || plan.notes.contains { $0.contains("node b") }, "\(plan.notes)")
                }
                try await waitUntil("the other one has everything") {
                    try await a.control.nodes().rows.first { $0.name == "a" }?.has == 1
                }
                try await waitUntil("all rows are its, and of now") {
                    let rows = try await a.control.destinations().rows
                    return rows.count == Rig.count
                        && rows.allSatisfy { $0.node == "a" && $0.staleSeconds == nil }
                }
                #expect(!before.isEmpty)
                // Both parts of the action are this node's now.
                let undone = try await a.control.undo(hold.id)
                #expect(undone.counts.deliveries == 2 * Rig.count, "\(undone)")
                try await waitUntil("nothing is held") {
                    let totals = try await a.totals()
                    return totals.held == 0 && totals.deliveries == 2 * Rig.count
                }
                try await a.act(.resume, Selector(filter: "queued > 0"))
                try await rig.takes([(2, "m")])
                for pid in pids { kill(pid, SIGCONT) }
                try await waitUntil("it is asked again") {
                    let parts = try await a.control.status().parts ?? []
                    return parts.count == 2 && parts.allSatisfy(\.reached)
                }
                try await b.awaitEmptyQueue()
                #expect(rig.duplicates == 0)
            }
        }

        /// What a dead node held is undone by whoever has the action now, and goes on with whoever has
        /// the mail.
        @Test func whatWentToSeveralNodesIsUndone() async throws {
            try await withMail(lease: "4s") { rig, a, b in
                let c = try await rig.node("c", lease: "4s")
                try await waitUntil("it has its share") {
                    let rows = try await a.control.nodes().rows
                    return rows.count == 3 && rows.allSatisfy { $0.has == $0.share }
                }
                let hold = try await c.act(.hold, Selector(filter: "domain ~ test"))
                #expect(hold.counts.deliveries == 2 * Rig.count)
                try await c.end(SIGKILL)
                try await waitUntil("the others have everything") {
                    let rows = try await a.control.nodes().rows
                    return rows.reduce(0) { $0 + ($1.name == "c" ? 0 : $1.has) } == 1
                }
                let undone = try await b.control.undo(hold.id)
                #expect(undone.counts.deliveries == 2 * Rig.count, "\(undone)")
                try await waitUntil("nothing is held") {
                    let totals = try await a.totals()
                    return totals.held == 0 && totals.deliveries == 2 * Rig.count
                }
                try await a.act(.resume, Selector(filter: "queued > 0"))
                try await rig.takes([(2, "m")])
                #expect(rig.duplicates == 0)
            }
        }

        /// The undo window of a node that died ends all the same.
        @Test func whatADeadNodePurgedIsDestroyed() async throws {
            try await withMail(lease: "4s", undo: ["purge_window = \"10s\""]) { _, a, b in
                let purge = try await a.act(.purge, Selector(filter: "domain ~ test"))
                #expect(purge.counts.deliveries == 2 * Rig.count)
                try await b.end(SIGKILL)
                try await waitUntil("nothing is left") {
                    try await a.control.messages().total == 0
                }
                try await waitUntil("it is told as done") {
                    let row = try await a.control.actions(limit: 20).rows.first {
                        $0.action == .purge
                    }
                    return row?.state == .done
                }
                try await waitUntil("nothing is counted any more") {
                    try await a.totals().purging == 0
                }
            }
        }

        private func workers(of node: Daemon) async throws -> [Int32] {
            try await node.control.nodeStatus().workers.compactMap { $0.pid.map(Int32.init) }
        }
    }
}

extension Scene {
    /// Both messages for a destination of the rig have come.
    fileprivate func eventuallyDelivers(
        _ domain: String, _ rig: Integration.NodesTests.Rig
    ) async throws {
        let number = try #require(Int(domain.dropFirst().prefix { $0 != "." }))
        try await waitUntil("its mail has come") {
            // And the one that made it known.
            rig.receivers[number].statistics.messages >= 3
        }
    }
}
