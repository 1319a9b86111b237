import Control
import Foundation
import Mail
import NIOCore
import Testing

@testable import Testbed

extension Integration {
    @Suite struct ControlTests {
        /// A daemon with mail that stays: everything is greylisted for an hour and not tried again
        /// before that. "now.test" takes what it gets.
        private func withQueue(
            _ count: Int, undo: [String] = [], workers: Int = 2,
            _ body: (Scene, Daemon, _ grey: Receiver, _ senders: Receiver) async throws -> Void
        ) async throws {
            try await withScene { scene in
                let grey = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.workers = workers
                settings.undo = undo
                settings.routes = ["*": grey.route, "sender.test": senders.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<count).map {
                        TestMail("m\($0)", to: "user\($0)@\($0 % 2 == 0 ? "even" : "odd").test")
                    }, to: daemon.port)
                try await waitUntil("all were tried once") {
                    try await daemon.control.messages(
                        filter: "attempts = 1 and state = delayed"
                    ).total == count
                }
                try await body(scene, daemon, grey, senders)
            }
        }

        @Test func pauseAndResume() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("first", to: "user@now.test"), to: daemon.port)
                try await receiver.takes(1)
                let id = try await daemon.destination("now.test").id
                let action = try await daemon.act(
                    .pause, Selector(destinations: [id]), reason: "their mail server is on fire")
                #expect(action.counts.destinations == 1)
                try await scene.send(
                    (0..<10).map { TestMail("p\($0)", to: "user@now.test") }, to: daemon.port)
                let paused = try await daemon.control.destination(id)
                #expect(paused.state == .paused)
                #expect(paused.queued == 10)
                #expect(paused.why.text.contains("on fire"))
                // A pause outlasts the daemon, even one that is killed.
                try await daemon.end(SIGKILL)
                try await daemon.start()
                #expect(try await daemon.control.destination(id).state == .paused)
                #expect(receiver.statistics.messages == 1)
                try await daemon.act(.resume, Selector(destinations: [id]))
                try await receiver.takes(11)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.duplicates == 0)
            }
        }

        @Test func retryNow() async throws {
            try await withQueue(10) { scene, daemon, grey, _ in
                let plan = try await daemon.control.plan(
                    PlanRequest(action: .retry, selector: Selector(filter: "domain = even.test")))
                #expect(plan.counts.deliveries == 5)
                #expect(plan.topDomains.first?.name == "even.test")
                let row = try await daemon.control.apply(plan.id, ApplyRequest())
                #expect(row.counts.deliveries == 5)
                try await waitUntil("five were tried twice, and only they") {
                    try await daemon.control.messages(
                        filter: "attempts = 2 and state = delayed"
                    ).total == 5
                }
                #expect(grey.statistics.transactions == 15)
                let odd = try await daemon.control.messages(filter: "domain = odd.test")
                #expect(odd.rows.allSatisfy { $0.attempts == 1 })
            }
        }

        @Test func purgeAndUndo() async throws {
            try await withQueue(6) { scene, daemon, grey, senders in
                let before = try await daemon.control.messages(sort: "id").rows
                let row = try await daemon.act(.purge, Selector(filter: "domain = odd.test"))
                #expect(row.state == .undoable)
                #expect(row.counts.deliveries == 3)
                var totals = try await daemon.totals()
                #expect(totals.purging == 3)
                #expect(totals.deliveries == 6)
                let undone = try await daemon.control.undo(row.id)
                #expect(undone.state == .undone)
                let after = try await daemon.control.messages(sort: "id").rows
                #expect(after.map(\.id) == before.map(\.id))
                #expect(after.map(\.attempts) == before.map(\.attempts))
                #expect(after.map(\.nextAttemptAt) == before.map(\.nextAttemptAt))
                totals = try await daemon.totals()
                #expect(totals.purging == 0)
                // Once undone, twice is refused.
                await #expect(throws: APIError.self) { try await daemon.control.undo(row.id) }
                #expect(grey.statistics.transactions == 6)
                #expect(senders.statistics.messages == 0)
            }
        }

        @Test func purgeIsCarriedOut() async throws {
            try await withQueue(6, undo: ["purge_window = \"1s\""]) { _, daemon, grey, senders in
                let row = try await daemon.act(.purge, Selector(filter: "domain = odd.test"))
                try await waitUntil("the odd half is gone") {
                    try await daemon.totals().deliveries == 3
                }
                let rows = try await daemon.control.messages().rows
                #expect(rows.map(\.domain) == ["even.test", "even.test", "even.test"])
                await #expect(throws: APIError.self) { try await daemon.control.undo(row.id) }
                try await waitUntil("the messages are counted again") {
                    try await daemon.totals().messages == 3
                }
                // Nobody is told, and what is gone stays gone.
                #expect(senders.statistics.messages == 0)
                try await daemon.end(SIGKILL)
                try await daemon.start()
                #expect(try await daemon.control.messages().total == 3)
            }
        }

        @Test func holdAndRelease() async throws {
            try await withQueue(4) { _, daemon, grey, _ in
                let held = try await daemon.act(.hold, Selector(filter: "domain = odd.test"))
                #expect(held.counts.deliveries == 2)
                let rows = try await daemon.control.messages(filter: "state = held").rows
                #expect(rows.map(\.domain) == ["odd.test", "odd.test"])
                // What is held is not retried.
                let retry = try await daemon.control.plan(
                    PlanRequest(action: .retry, selector: Selector(filter: "attempts > 0")))
                #expect(retry.counts.deliveries == 2)
                #expect(retry.notes.contains { $0.contains("held") })
                _ = try await daemon.control.apply(retry.id, ApplyRequest())
                try await waitUntil("only the others were tried") {
                    try await daemon.control.messages(filter: "attempts = 2").total == 2
                }
                try await daemon.end(SIGTERM)
                try await daemon.start()
                #expect(try await daemon.control.messages(filter: "state = held").total == 2)
                let released = try await daemon.act(.release, Selector(filter: "state = held"))
                #expect(released.counts.deliveries == 2)
                #expect(try await daemon.control.messages(filter: "state = held").total == 0)
                #expect(try await daemon.totals().deliveries == 4)
            }
        }

        @Test func bounceReportsToTheSender() async throws {
            try await withQueue(3, undo: ["purge_window = \"100ms\""]) { _, daemon, _, senders in
                let id = try #require(
                    try await daemon.control.messages(filter: "domain = odd.test").rows.first?.id)
                let row = try await daemon.act(
                    .bounce, Selector(messages: [id]), reason: "wrong list")
                #expect(row.counts.deliveries == 1)
                try await senders.takes(1)
                #expect(senders.captured[0].sender == "")
                #expect(senders.captured[0].text.contains("user1@odd.test"))
                #expect(senders.captured[0].text.contains("wrong list"))
                try await waitUntil("the other two remain") {
                    try await daemon.totals().deliveries == 2
                }
            }
        }

        @Test func reassignAndBack() async throws {
            try await withQueue(4) { _, daemon, grey, _ in
                let row = try await daemon.destination("even.test")
                let home = try #require(row.worker)
                let other = 3 - home
                let action = try await daemon.act(
                    .reassign, Selector(destinations: [row.id]), worker: other)
                #expect(action.counts.destinations == 1)
                let moved = try await eventually("worker \(other) has it") {
                    let now = try await daemon.control.destination(row.id)
                    return now.worker == other && now.why.kind != "worker" ? now : nil
                }
                #expect(moved.pin == other)
                #expect(moved.queued == 4)
                // A pin is kept.
                try await daemon.end(SIGTERM)
                try await daemon.start()
                try await waitUntil("pinned after a restart") {
                    try await daemon.control.destination(row.id).worker == other
                }
                _ = try await daemon.control.undo(action.id)
                try await waitUntil("back home") {
                    let now = try await daemon.control.destination(row.id)
                    return now.worker == home && now.pin == nil
                }
                #expect(try await daemon.control.messages(filter: "attempts = 1").total == 4)
                #expect(grey.statistics.transactions == 4)
                await #expect(throws: APIError.self) {
                    try await daemon.act(.reassign, Selector(destinations: [row.id]), worker: 99)
                }
            }
        }

        @Test func moreAndFewerWorkers() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.groupBy = "domain"
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                for count in [3, 1, 2] {
                    async let mail: Void = scene.send(
                        (0..<40).map { TestMail("s\(count)-\($0)", to: "user@d\($0).test") },
                        to: daemon.port)
                    let row = try await daemon.act(.workers, Selector(), worker: count)
                    #expect(row.action == .workers)
                    try await mail
                    try await waitUntil("\(count) workers run") {
                        let rows = try await daemon.control.workers().rows
                        return rows.count == count && rows.allSatisfy { $0.state == .running }
                    }
                    try await daemon.awaitEmptyQueue()
                    #expect(children(of: daemon.pid).count == count)
                }
                #expect(receiver.statistics.deliveries.count == 120)
                #expect(receiver.statistics.duplicates == 0)
            }
        }

        /// A filter over destinations means all their mail, and nobody else's.
        @Test func mailIsSelectedByItsDestinations() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.groupBy = "domain"
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                for domain in ["one.test", "two.test", "two.test"] {
                    try await scene.send(TestMail("m", to: "user@\(domain)"), to: daemon.port)
                }
                try await waitUntil("all were tried") {
                    try await daemon.control.messages(filter: "attempts = 1").total == 3
                }
                func count(_ action: ActionKind, _ filter: String) async throws -> Counts {
                    try await daemon.control.plan(
                        PlanRequest(
                            action: action, selector: Selector(destinationFilter: filter))
                    ).counts
                }
                #expect(try await count(.hold, "domain = two.test").deliveries == 2)
                #expect(try await count(.hold, "id >= 0").deliveries == 3)
                #expect(try await count(.hold, "paused").deliveries == 0)
                #expect(try await count(.pause, "domain = two.test").destinations == 1)
                let held = try await daemon.act(
                    .hold, Selector(destinationFilter: "domain = two.test"))
                #expect(held.target == "destinations with domain = two.test")
                #expect(try await daemon.totals().held == 2)
                await #expect(throws: APIError.self) { try await count(.hold, "nonsense = 1") }
            }
        }

        @Test func plansAreConfirmedAndEnd() async throws {
            try await withQueue(6, undo: ["confirm_above = 5"]) { _, daemon, _, _ in
                let control = daemon.control
                let request = PlanRequest(action: .purge, selector: Selector(filter: "age > 0s"))
                let plan = try await control.plan(request)
                #expect(plan.mustTypeCount)
                for count in [nil, 5] {
                    let error = await #expect(throws: APIError.self) {
                        try await control.apply(plan.id, ApplyRequest(count: count))
                    }
                    #expect(error?.code == "count-required")
                }
                #expect(try await daemon.totals().purging == 0)
                let row = try await control.apply(
                    plan.id, ApplyRequest(count: 6, reason: "typed it"))
                #expect(row.counts.deliveries == 6)
                #expect(row.reason == "typed it")
                // Applied once.
                for id in [plan.id, "p999", "no/such plan"] {
                    let error = await #expect(throws: APIError.self) {
                        try await control.apply(id, ApplyRequest(count: 6))
                    }
                    #expect(error?.code == "no-such-plan")
                }
                // A plan of a daemon that is gone is not another plan of the next one.
                let late = try await control.plan(request)
                try await daemon.end(SIGTERM)
                try await daemon.start()
                let error = await #expect(throws: APIError.self) {
                    try await control.apply(late.id, ApplyRequest(count: 6))
                }
                #expect(error?.code == "no-such-plan")
            }
        }

        @Test func everyActionIsRecorded() async throws {
            try await withQueue(2) { _, daemon, _, _ in
                let selector = Selector(filter: "attempts > 0")
                try await daemon.act(.retry, selector, reason: "one")
                let held = try await daemon.act(.hold, selector, reason: "two")
                _ = try await daemon.control.undo(held.id)
                func check() async throws {
                    let page = try await daemon.control.actions()
                    #expect(page.total == 2)
                    #expect(page.rows.map(\.action) == [.hold, .retry])
                    #expect(page.rows.map(\.reason) == ["two", "one"])
                    #expect(page.rows.map(\.state) == [.undone, .done])
                    #expect(page.rows.allSatisfy { $0.by.contains("uid \(getuid())") })
                    #expect(page.rows.allSatisfy { $0.counts.deliveries == 2 })
                    #expect(page.rows.allSatisfy { $0.target == "attempts > 0" })
                }
                try await check()
                try await daemon.end(SIGKILL)
                try await daemon.start()
                try await check()
            }
        }

        @Test func filtersSortAndPages() async throws {
            try await withQueue(25) { _, daemon, _, _ in
                let control = daemon.control
                let all = try await control.messages(sort: "id", limit: 1000)
                #expect(all.total == 25)
                let ids = all.rows.map(\.id)
                #expect(Set(ids).count == 25)
                var paged: [String] = []
                for offset in stride(from: 0, to: 30, by: 10) {
                    let page = try await control.messages(sort: "id", limit: 10, offset: offset)
                    #expect(page.total == 25)
                    #expect(page.offset == offset)
                    paged += page.rows.map(\.id)
                }
                #expect(paged == ids)
                let reversed = try await control.messages(sort: "id", descending: true, limit: 1000)
                #expect(reversed.rows.map(\.id) == ids.reversed())
                let checks: [(String, Int)] = [
                    ("domain = even.test", 13), ("recipient = user7@odd.test", 1),
                    ("code = 4xx and attempts = 1", 25), ("code = 450", 25), ("code = 5xx", 0),
                    ("age < 1h and not domain = odd.test", 13), ("reply ~ Greylisted", 25),
                    ("user1*@odd.test", 6), ("age > 1h", 0), ("size > 100", 25),
                ]
                for (filter, count) in checks {
                    #expect(try await control.messages(filter: filter).total == count, "\(filter)")
                }
                let destinations = try await control.destinations(filter: "queued > 10")
                #expect(destinations.rows.count == 1)
                let row = try #require(destinations.rows.first)
                #expect(row.queued == row.ready + row.delayed + row.held + row.delivering)
                #expect(try await control.messages(filter: "destination = \(row.id)").total == 25)
            }
        }

        @Test func mistakesAreExplained() async throws {
            try await withQueue(1) { _, daemon, _, _ in
                let control = daemon.control
                let filter = await #expect(throws: APIError.self) {
                    try await control.messages(filter: "domain = a.test and colour = red")
                }
                #expect(filter?.code == "bad-filter")
                #expect(filter?.position == 20)
                let sort = await #expect(throws: APIError.self) {
                    try await control.messages(sort: "colour")
                }
                #expect(sort?.code == "bad-sort")
                for id in ["ffff", "nonsense!", "../../etc/passwd", "1a2b.9999999999"] {
                    let error = await #expect(throws: APIError.self) {
                        try await control.message(id)
                    }
                    #expect(error?.code == "not-found", "\(id)")
                }
                let destination = await #expect(throws: APIError.self) {
                    try await control.destination("424242")
                }
                #expect(destination?.code == "not-found")
                let undo = await #expect(throws: APIError.self) { try await control.undo("77") }
                #expect(undo?.code == "not-found")
                let limit = await #expect(throws: APIError.self) {
                    try await control.messages(limit: -1)
                }
                #expect(limit?.code == "bad-request")
            }
        }

        /// What is not HTTP, not JSON, or too much: an answer, and a daemon that is still there.
        @Test func garbageOnTheSocket() async throws {
            try await withQueue(1) { scene, daemon, _, _ in
                let attempts = [
                    "\u{0}\u{1}\u{2}garbage\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                    "POST /v1/plans HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nnot json!",
                    "POST /v1/plans HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
                    "GET /v1/\(String(repeating: "x", count: 200_000)) HTTP/1.1\r\n\r\n",
                    "DELETE /v1/messages HTTP/1.1\r\nhost: x\r\n\r\n",
                    "GET /v1/messages?limit=x HTTP/1.1\r\nhost: x\r\n\r\n",
                    "POST /v1/plans HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                ]
                for text in attempts {
                    let answer = try await RawSocket.exchange(daemon.socket, Array(text.utf8))
                    // Either a refusal or a closed connection.
                    #expect(
                        answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"),
                        "\(text.prefix(40).debugDescription): \(answer.prefix(200))")
                    #expect(daemon.ending == nil)
                }
                let large =
                    Array(
                        "POST /v1/plans HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n"
                            .utf8)
                    + [UInt8](repeating: 0x20, count: 20_000_000)
                let answer = try await RawSocket.exchange(daemon.socket, large)
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(answer.prefix(200))")
                #expect(try await daemon.totals().deliveries == 1)
            }
        }

        @Test func countsAddUpUnderLoad() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .counts)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                async let sent: Void = scene.send(
                    (0..<400).map { TestMail("m\($0)", to: "u@d\($0 % 7).test") }, to: daemon.port)
                while receiver.statistics.messages < 400 {
                    let totals = try await daemon.totals()
                    let parts =
                        totals.routing + totals.ready + totals.delivering + totals.delayed
                        + totals.held + totals.purging
                    #expect(totals.deliveries == parts)
                    #expect(totals.delivered + totals.deliveries <= 400)
                    for row in try await daemon.control.destinations().rows {
                        #expect(
                            row.queued == row.ready + row.delayed + row.held + row.delivering)
                    }
                }
                try await sent
                try await daemon.awaitEmptyQueue()
                #expect(try await daemon.totals().delivered == 400)
            }
        }
    }
}
