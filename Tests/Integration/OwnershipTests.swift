import Control
import Glibc
import Testbed
import Testing

extension Integration {
    /// One owner, and limits that hold whatever happens to the workers.
    @Suite struct OwnershipTests {
        /// Ends the worker that has a destination, and waits for the next owner.
        private func killOwner(of id: String, _ daemon: Daemon) async throws {
            let pid = try await eventually("an owner") {
                let owner = try await daemon.control.destination(id).worker
                return try await daemon.control.workers().rows.first { $0.id == owner }?.pid
            }
            kill(pid_t(pid), SIGKILL)
            try await waitUntil("worker process \(pid) is gone") {
                try await daemon.control.workers().rows.allSatisfy { $0.pid != pid }
            }
        }

        @Test func concurrencyHoldsThroughDeathsReassignmentsAndReloads() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(10)
                let receiver = try await scene.receiver("mx", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.workers = 3
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 4", "initial_window = 4", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(900), at: daemon)
                let id = try await daemon.destination("rcpt.test").id

                try await receiver.takes(100)
                try await killOwner(of: id, daemon)
                try await receiver.takes(250)
                for worker in [1, 2, 3] {
                    let before = receiver.statistics.messages
                    try await daemon.act(.reassign, Selector(destinations: [id]), worker: worker)
                    try await receiver.takes(before + 30)
                }
                try await killOwner(of: id, daemon)
                try await receiver.takes(600)
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await receiver.takes(901)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                #expect(seen.transactionsMax <= 4)
                #expect(seen.deliveries.count == 901)
                // What each killed worker had sent and not reported.
                #expect(seen.duplicates <= 8)
                let row = try await daemon.control.destination(id)
                #expect(row.pin == 3)
                try await daemon.act(.reassign, Selector(destinations: [id]))
                #expect(try await daemon.control.destination(id).pin == nil)
            }
        }

        /// A worker's death does not fill the bucket again.
        @Test func rateHoldsThroughADeath() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 5", "rate = \"20/s\"", "burst = 60"]
                let daemon = try await scene.daemon(settings)
                let begin = ContinuousClock.now
                try await scene.queue(TestMail.many(160), at: daemon)
                try await receiver.takes(70)
                try await killOwner(of: daemon.destination("rcpt.test").id, daemon)
                try await receiver.takes(90)
                let row = try await daemon.destination("rcpt.test")
                #expect(row.tokens.map { $0 < 30 } == true)
                try await receiver.takes(161)
                try await daemon.awaitEmptyQueue()
                // 60 at once and 100 at 20 per second. No delay on the way can make it faster.
                #expect(ContinuousClock.now - begin >= .seconds(5))
            }
        }

        /// Nor does a restart of everything: not even of a destination that nobody has heard of, so
        /// that nothing of it was written when all ended.
        @Test(arguments: [false, true])
        func rateHoldsThroughARestart(isNew: Bool) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 5", "rate = \"5/s\"", "burst = 60"]
                let daemon = try await scene.daemon(settings)
                if isNew {
                    try await scene.send(TestMail.many(85), to: daemon.port)
                } else {
                    try await scene.queue(TestMail.many(84), at: daemon)
                }
                try await receiver.takes(62)
                // All that goes from here on goes at the rate, whoever sends it: there are no tokens
                // but those that come, and what has taken one and is on its way.
                let begin = ContinuousClock.now
                let left = 85 - receiver.statistics.deliveries.count
                try await daemon.end(SIGKILL)
                try await daemon.start()
                try await waitUntil("all the rest") {
                    receiver.statistics.deliveries.count == 85
                }
                #expect(ContinuousClock.now - begin >= .seconds(Double(left - 6) / 5))
                try await daemon.awaitEmptyQueue()
            }
        }

        /// DNS says another address while mail is queued: the queue is not divided, and when it is
        /// empty the domain is at the new address's destination.
        @Test func keyIsSticky() async throws {
            let net = "127.\(Int.random(in: 60...250)).\(Int.random(in: 1...250))"
            try await withScene { scene in
                let old = try await scene.receiver("old", host: "\(net).1", port: 25)
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(20)
                let new = try await scene.receiver(
                    "new", manner, host: "\(net).2", port: 25, keep: .deliveries)
                func records(_ address: String) -> [DNSServer.Record] {
                    [
                        .mx("rcpt.test", host: "mx.rcpt.test", preference: 1),
                        .addresses("mx.rcpt.test", [address]),
                    ]
                }
                let first = try DNSServer(records("\(net).1"))
                let second = try DNSServer(records("\(net).2"))
                var settings = DaemonSettings()
                settings.dns = first.port
                settings.limits = ["concurrency = 2", "initial_window = 2", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.prepare(daemon)
                #expect(old.statistics.messages == 1)
                try await scene.send(TestMail.many(10, prefix: "a"), to: daemon.port)
                settings.dns = second.port
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await scene.send(TestMail.many(10, prefix: "b"), to: daemon.port)

                let rows = try await daemon.control.destinations(filter: "domain = rcpt.test").rows
                #expect(rows.map(\.queued) == [20])
                try await daemon.act(.resume, Selector(destinations: rows.map(\.id)))
                try await new.takes(20)
                try await daemon.awaitEmptyQueue()
                #expect(new.statistics.transactionsMax <= 2)
                #expect(new.statistics.duplicates == 0 && old.statistics.messages == 1)

                try await scene.send(TestMail("last", to: "last@rcpt.test"), to: daemon.port)
                try await new.takes(21)
                let after = try await daemon.control.destinations(filter: "domain = rcpt.test")
                    .rows
                #expect(after.count == 2)
                #expect(after.contains { $0.id != rows[0].id && $0.delivered == 1 })
            }
        }

        /// A drained worker hands over, stays empty through a restart, and gets its share again.
        @Test func drainedWorkersStayEmpty() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("down", .dead)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.groupBy = "domain"
                settings.workers = 2
                let daemon = try await scene.daemon(settings)
                let mails = (0..<30).map { TestMail("m\($0)", to: "user@d\($0).test") }
                try await scene.send(mails, to: daemon.port)
                func worker(_ number: Int) async throws -> WorkerRow? {
                    try await daemon.control.workers().rows.first { $0.id == number }
                }
                func act(_ action: ActionKind) async throws -> Plan {
                    let plan = try await daemon.control.plan(
                        PlanRequest(action: action, selector: Selector(), worker: 2))
                    _ = try await daemon.control.apply(plan.id, ApplyRequest())
                    return plan
                }
                try await waitUntil("both have some") {
                    let rows = try await daemon.control.workers().rows
                    return rows.reduce(0) { $0 + $1.destinations } == 30
                        && rows.allSatisfy { $0.destinations > 0 }
                }
                let had = try await worker(2)?.destinations
                let plan = try await act(.drain)
                #expect(plan.counts.destinations == had)
                try await waitUntil("the second is empty") {
                    let left = try await worker(2)?.destinations
                    let taken = try await worker(1)?.destinations
                    return left == 0 && taken == 30
                }
                #expect(try await worker(2)?.share == 0)
                try await daemon.end(SIGKILL)
                try await daemon.start()
                try await waitUntil("the first has all again") {
                    try await worker(1)?.destinations == 30
                }
                #expect(try await worker(2)?.drainedBy != nil)
                #expect(try await worker(2)?.destinations == 0)
                _ = try await act(.undrain)
                try await waitUntil("the second has its share") {
                    try await worker(2)?.destinations == had
                }
            }
        }

        /// A lower limit while connections are open: those end with what they are doing, and no new
        /// one is opened before there are fewer than the limit.
        @Test func aLowerLimitIsFallenTo() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(30)
                let receiver = try await scene.receiver("mx", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.workers = 2
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 12", "initial_window = 12", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(900), at: daemon)
                let opened = try await eventually("all are open") {
                    let seen = receiver.statistics
                    return seen.connectionsNow == 12 ? seen.connections : nil
                }
                settings.limits = ["concurrency = 3", "rate = \"off\""]
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await waitUntil("it has fallen") {
                    receiver.statistics.connectionsNow <= 3
                }
                #expect(receiver.statistics.connections == opened, "none was opened on the way")
                let before = receiver.statistics
                #expect(before.messages < 800, "there is mail left to show it")
                for count in stride(from: before.messages + 20, to: 850, by: 40) {
                    try await receiver.takes(count)
                    #expect(receiver.statistics.connectionsNow <= 3)
                }
                let row = try await daemon.destination("rcpt.test")
                #expect(row.limit == 3 && row.connections <= 3)
                try await receiver.takes(901)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.duplicates == 0)
            }
        }

        /// An operator's word outlasts a worker, a reload with other weights and a restart.
        @Test func pinsHold() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("down", .dead)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.groupBy = "domain"
                settings.workers = 3
                settings.top = ["worker_weights = [1, 1, 0]"]
                settings.retry = ["breaker_first = \"1h\"", "breaker_cap = \"2h\""]
                settings.more = "[supervision]\nrestart_first = \"10ms\"\n"
                let daemon = try await scene.daemon(settings)
                let mails = (0..<30).map { TestMail("m\($0)", to: "user@d\($0).test") }
                try await scene.send(mails, to: daemon.port)
                func owners() async throws -> [String: Int?] {
                    let rows = try await daemon.control.destinations(limit: 100).rows
                    return Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0.worker) })
                }
                func settled(_ what: String) async throws -> [String: Int?] {
                    try await eventually(what) {
                        let now = try await owners()
                        return now.count == 30 && now.values.allSatisfy { $0 != nil } ? now : nil
                    }
                }
                let first = try await settled("all have an owner")
                #expect(!first.values.contains(3), "a worker of weight 0 gets nothing by itself")
                let pinned = try await daemon.destination("d7.test")
                try await daemon.act(.reassign, Selector(destinations: [pinned.id]), worker: 3)
                try await waitUntil("it is there") {
                    try await daemon.destination("d7.test").worker == 3
                }
                try await killOwner(of: pinned.id, daemon)
                try await waitUntil("it is there again") {
                    try await daemon.destination("d7.test").worker == 3
                }
                settings.top = ["worker_weights = [1, 0, 0]"]
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await waitUntil("the second has none") {
                    let now = try await owners()
                    return now.allSatisfy { $0.value == ($0.key == "d7.test" ? 3 : 1) }
                }
                try await daemon.end(SIGKILL)
                try await daemon.start()
                try await waitUntil("and after a restart") {
                    let now = try await owners()
                    return now.count == 30
                        && now.allSatisfy { $0.value == ($0.key == "d7.test" ? 3 : 1) }
                }
                #expect(try await daemon.destination("d7.test").pin == 3)
            }
        }

        /// Weights, and what another number of workers moves, as an operator sees them.
        @Test func weightsAndPlans() async throws {
            try await withScene { scene in
                // Nobody is there: the mail stays.
                let receiver = try await scene.receiver("down", .dead)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.groupBy = "domain"
                settings.workers = 2
                settings.top = ["worker_weights = [1, 3]"]
                let daemon = try await scene.daemon(settings)
                let mails = (0..<60).map { TestMail("m\($0)", to: "user@d\($0).test") }
                try await scene.send(mails, to: daemon.port)
                let rows = try await daemon.control.workers().rows
                #expect(rows.map(\.weight) == [1, 3])
                #expect(abs(rows[1].share - 0.75) < 0.05)
                #expect(rows[1].destinations > rows[0].destinations)

                let plan = try await daemon.control.plan(
                    PlanRequest(action: .workers, selector: Selector(), worker: 3))
                #expect((1..<60).contains(plan.counts.destinations))
                #expect(plan.counts.deliveries == plan.counts.destinations)
                #expect(plan.notes.contains { $0.contains("of 60 destinations with mail move") })
                _ = try await daemon.control.apply(plan.id, ApplyRequest())
                try await waitUntil("the third has what was foretold") {
                    let third = try await daemon.control.workers().rows.first { $0.id == 3 }
                    return third?.destinations == plan.counts.destinations
                }
                // The same weights again: nothing moves. Others: only towards the heavier one.
                let before = try await daemon.control.destinations(limit: 100).rows
                settings.top = ["worker_weights = [1, 3, 3]"]
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await waitUntil("nothing is under way") {
                    let now = try await daemon.control.destinations(limit: 100).rows
                    return now.allSatisfy { !$0.waits.contains { $0.kind == "worker" } }
                }
                let after = try await daemon.control.destinations(limit: 100).rows
                let owners = Dictionary(
                    uniqueKeysWithValues: before.map { ($0.id, $0.worker) })
                let moved = after.filter { owners[$0.id] != $0.worker }
                #expect(moved.allSatisfy { $0.worker == 3 })
                #expect(!moved.isEmpty)
            }
        }
    }
}
