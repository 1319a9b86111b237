import Control
import Filter
import Mail
import Synchronization
import Testing

@Suite struct MergedHostsTests {
    private static func row(_ id: Int, queued: Int, name: String = "d") -> DestinationRow {
        var row = DestinationRow(id: "\(id)", key: 0, name: name)
        row.domains = [name]
        row.queued = queued
        return row
    }

    private static func message(_ id: String) -> MessageRow {
        let message = String(id.prefix { $0 != "." })
        return MessageRow(
            id: id, message: message, sender: "", recipients: ["a@b"], domain: "b", size: 1,
            receivedAt: FakeHost.now, expiresAt: FakeHost.now, state: .ready, attempts: 0,
            why: Why(kind: "nothing", text: ""))
    }

    private struct Scene: Sendable {
        let one = FakeHost(
            "mx1", destinations: [row(1, queued: 5, name: "a.test"), row(2, queued: 1)],
            messages: [message("a.0"), message("b.0")])
        let two = FakeHost(
            "mx2", destinations: [row(1, queued: 3, name: "b.test")], messages: [message("a.0")])
        let seconds = Mutex2(0)

        /// Whoever hangs is not waited for; the others are for as long as they take.
        func with(_ body: (MergedHosts) async throws -> Void) async throws {
            let (one, two, seconds) = (one, two, seconds)
            try await MergedHosts.with(
                [("mx1", one), ("mx2", two)],
                patience: { name in
                    let host = name == "mx1" ? one : two
                    if host.mode != .hangs { try? await Task.sleep(for: .seconds(3600)) }
                },
                clock: { .seconds(seconds.value) }, wall: { FakeHost.now }, body)
        }
    }

    /// A number that the test moves on.
    private final class Mutex2: Sendable {
        private let number: Mutex<Int>
        init(_ value: Int) { number = Mutex(value) }
        var value: Int {
            get { number.withLock { $0 } }
            set { number.withLock { $0 = newValue } }
        }
    }

    private func destinations(
        _ hosts: MergedHosts, filter: String? = nil, sort: String? = nil, limit: Int = 100,
        offset: Int = 0, around: String? = nil
    ) async throws -> Page<DestinationRow> {
        try await hosts.destinations(
            filter: filter, sort: sort, descending: sort == "queued", limit: limit,
            offset: offset, around: around)
    }

    // MARK: Lists

    @Test func rowsSayWhoseTheyAre() async throws {
        try await Scene().with { hosts in
            let page = try await destinations(hosts)
            #expect(page.rows.map(\.id) == ["mx1/1", "mx2/1", "mx1/2"] && page.total == 3)
            #expect(page.rows.map(\.host) == ["mx1", "mx2", "mx1"])
            let messages = try await hosts.messages(
                filter: nil, sort: nil, descending: false, limit: 2, offset: 1, around: nil)
            #expect(messages.rows.map(\.id) == ["mx2/a.0", "mx1/b.0"])
            #expect(messages.rows.map(\.message) == ["mx2/a", "mx1/b"] && messages.total == 3)
            let status = try await hosts.status()
            #expect(
                status.totals.destinations == 3 && status.workers.map(\.host) == ["mx1", "mx2"])
            #expect(try await hosts.workers().rows.map(\.host) == ["mx1", "mx2"])
            #expect(try await hosts.actions(limit: 9).rows.map(\.id) == ["mx1/7", "mx2/7"])
            #expect(try await hosts.ages(limit: 9).rows.map(\.id) == ["mx1/1", "mx2/1"])
        }
    }

    @Test func filtersOverHostsAreSplit() async throws {
        let scene = Scene()
        try await scene.with { hosts in
            let own = try await destinations(hosts, filter: "host = mx2")
            #expect(own.rows.map(\.id) == ["mx2/1"] && own.total == 1)
            let asked = scene.one.state.withLock(\.asked)
            #expect(asked == 0, "mx1 need not be asked")
            let some = try await destinations(hosts, filter: "queued > 2 and not host = mx2")
            #expect(some.rows.map(\.id) == ["mx1/1"])
            let message = try await hosts.messages(
                filter: "message = mx2/a", sort: nil, descending: false, limit: 9, offset: 0,
                around: nil)
            #expect(message.rows.map(\.id) == ["mx2/a.0"])
            let byHost = try await destinations(hosts, sort: "host")
            #expect(byHost.rows.map(\.id) == ["mx1/1", "mx1/2", "mx2/1"])
            await #expect(throws: APIError.self) {
                _ = try await destinations(hosts, filter: "nonsense = 1")
            }
        }
    }

    /// The place is found without reading what comes before.
    @Test func longListsHaveTheSamePages() async throws {
        let (one, two) = (
            FakeHost("mx1", destinations: (1...900).map { Self.row($0, queued: $0 * 7 % 109) }),
            FakeHost("mx2", destinations: (1...600).map { Self.row($0, queued: $0 * 5 % 203) })
        )
        try await MergedHosts.with(
            [("mx1", one), ("mx2", two)],
            patience: { _ in try? await Task.sleep(for: .seconds(3600)) }, clock: { .zero },
            wall: { FakeHost.now }
        ) { hosts in
            let whole = try await destinations(hosts, sort: "queued", limit: 1500)
            #expect(whole.rows.count == 1500 && Set(whole.rows.map(\.id)).count == 1500)
            let ids = whole.rows.map(\.id)
            for offset in [501, 1100, 1490] {
                let page = try await destinations(
                    hosts, sort: "queued", limit: 20, offset: offset)
                #expect(page.rows.map(\.id) == Array(ids.dropFirst(offset).prefix(20)))
            }
            for place in [0, 7, 777, 1400] {
                let page = try await destinations(
                    hosts, sort: "queued", limit: 20, around: ids[place])
                #expect(page.offset == max(0, place - 10), "\(place)")
                #expect(page.rows.map(\.id) == Array(ids.dropFirst(page.offset).prefix(20)))
            }
        }
    }

    @Test func whatIsOnSeveralHostsHasToBeNamed() async throws {
        try await Scene().with { hosts in
            let named = try await hosts.destination("mx2/1")
            #expect(named.name == "b.test")
            #expect(try await hosts.destination("2").id == "mx1/2")
            let error = await #expect(throws: APIError.self) {
                _ = try await hosts.destination("1")
            }
            #expect(error?.code == "ambiguous" && error?.message.contains("mx1/1 or mx2/1") == true)
            let other = await #expect(throws: APIError.self) {
                _ = try await hosts.destination("mx9/1")
            }
            #expect(other?.code == "not-found")
            #expect(try await hosts.message("mx2/a").deliveries.map(\.id) == ["mx2/a.0"])
            #expect(try await hosts.detail(of: "mx1/2").row.id == "mx1/2")
        }
    }

    // MARK: Hosts that are away

    @Test func aLostHostIsShownAsItWas() async throws {
        let scene = Scene()
        try await scene.with { hosts in
            _ = try await destinations(hosts)
            _ = try await hosts.status()
            scene.two.mode = .down
            scene.seconds.value = 12
            let page = try await destinations(hosts)
            #expect(page.rows.map(\.id) == ["mx1/1", "mx2/1", "mx1/2"])
            #expect(page.rows.map(\.staleSeconds) == [nil, 12, nil])
            // Another question is answered from what is known.
            let other = try await destinations(hosts, filter: "queued > 2", sort: "name")
            #expect(other.rows.map(\.id) == ["mx1/1", "mx2/1"] && other.total == 2)
            #expect(try await destinations(hosts, filter: "queued > 3").total == 1)
            let status = try await hosts.status()
            #expect(status.totals.destinations == 3)
            #expect(status.workers.map(\.staleSeconds) == [nil, 12])
            let part = try #require(status.parts?.last)
            #expect(!part.reached && part.staleSeconds == 12 && part.problem == "nobody is home")
            #expect(hosts.unreached.map(\.host) == ["mx2"])

            scene.one.mode = .down
            let error = await #expect(throws: ControlError.self) { _ = try await hosts.status() }
            #expect(error?.message.contains("mx1 cannot be reached (nobody is home)") == true)

            scene.one.mode = .up
            scene.two.mode = .up
            // Each question looks whether it is back.
            while !hosts.unreached.isEmpty {
                scene.seconds.value += 2
                _ = try? await hosts.status()
                await Task.yield()
            }
            #expect(try await destinations(hosts).rows.allSatisfy { $0.staleSeconds == nil })
        }
    }

    @Test func aHostThatHangsHoldsUpNobody() async throws {
        let scene = Scene()
        scene.two.mode = .hangs
        try await scene.with { hosts in
            let page = try await destinations(hosts)
            #expect(page.rows.map(\.id) == ["mx1/1", "mx1/2"])
            let status = try await hosts.status()
            #expect(status.parts?.map(\.reached) == [true, false])
            #expect(status.parts?.last?.problem == "no answer in time")
        }
    }

    // MARK: Actions

    @Test func actionsGoWhereTheirTargetsAre() async throws {
        let scene = Scene()
        try await scene.with { hosts in
            let plan = try await hosts.plan(
                PlanRequest(
                    action: .purge, selector: Selector(destinations: ["mx2/1"], messages: [])))
            #expect(plan.id == "mx2/p1" && plan.counts.deliveries == 2)
            #expect(scene.one.state.withLock(\.plans).isEmpty)
            #expect(scene.two.state.withLock(\.plans).first?.selector.destinations == ["1"])

            let both = try await hosts.plan(
                PlanRequest(action: .purge, selector: Selector(filter: "age > 1h")))
            #expect(both.id == "mx1/p1,mx2/p2" && both.counts.deliveries == 4)
            #expect(both.notes == ["mx1: 2 deliveries", "mx2: 2 deliveries"])
            let action = try await hosts.apply(both.id, ApplyRequest())
            #expect(action.id == "mx1/7,mx2/7" && action.state == .undoable)
            #expect(action.result == "mx1: deleted; mx2: deleted")
            let undone = try await hosts.undo(action.id)
            #expect(undone.state == .undone)
            #expect(scene.one.state.withLock(\.undone) == ["7"])
            #expect(scene.two.state.withLock(\.undone) == ["7"])

            let one = try await hosts.plan(
                PlanRequest(
                    action: .purge, selector: Selector(filter: "age > 1h and host = mx1")))
            #expect(one.id == "mx1/p2")
            #expect(scene.one.state.withLock(\.plans).last?.selector.filter == "age > 1h")
        }
    }

    @Test func countsAreTypedOnce() async throws {
        let scene = Scene()
        scene.two.state.withLock { $0.mustTypeCount = true }
        try await scene.with { hosts in
            let plan = try await hosts.plan(
                PlanRequest(action: .purge, selector: Selector(filter: "age > 1h")))
            #expect(plan.mustTypeCount)
            await #expect(throws: APIError.self) {
                _ = try await hosts.apply(plan.id, ApplyRequest(count: 2))
            }
            _ = try await hosts.apply(plan.id, ApplyRequest(count: 4))
            #expect(scene.one.state.withLock(\.applied).map(\.count) == [nil])
            #expect(scene.two.state.withLock(\.applied).map(\.count) == [2])
        }
    }

    @Test func whereNothingMatchesNothingIsDone() async throws {
        let scene = Scene()
        scene.two.state.withLock { $0.deliveries = 0 }
        try await scene.with { hosts in
            let plan = try await hosts.plan(
                PlanRequest(action: .purge, selector: Selector(filter: "age > 1h")))
            #expect(plan.id == "mx1/p1" && plan.effect == "on mx1: deletes")
            #expect(plan.notes == ["mx2: nothing there matches"])
            _ = try await hosts.apply(plan.id, ApplyRequest())
            #expect(scene.two.state.withLock(\.applied).isEmpty)
        }
    }

    @Test func anActionSaysWhereNothingWasDone() async throws {
        let scene = Scene()
        scene.two.mode = .down
        let request = PlanRequest(action: .purge, selector: Selector(filter: "age > 1h"))
        try await scene.with { hosts in
            let plan = try await hosts.plan(request)
            let away = "mx2 cannot be reached (nobody is home)"
            #expect(plan.id == "mx1/p1" && plan.notes == ["\(away): nothing is done there"])
            let action = try await hosts.apply(plan.id, ApplyRequest())
            #expect(action.result == "mx1: deleted; \(away): nothing was done there")
        }
        scene.two.mode = .up
        try await scene.with { hosts in
            let plan = try await hosts.plan(request)
            scene.two.mode = .hangs
            let action = try await hosts.apply(plan.id, ApplyRequest())
            #expect(
                action.result
                    == "mx1: deleted; mx2 cannot be reached (no answer in time): "
                    + "nothing was done there")
            #expect(action.id == "mx1/7" && action.state == .undoable)
        }
    }

    @Test func workersBelongToOneHost() async throws {
        let scene = Scene()
        try await scene.with { hosts in
            var request = PlanRequest(action: .drain, selector: Selector(), worker: 1)
            let error = await #expect(throws: APIError.self) { _ = try await hosts.plan(request) }
            #expect(error?.code == "host-needed")
            request.host = "mx2"
            let plan = try await hosts.plan(request)
            #expect(plan.id == "mx2/p1")
            #expect(scene.two.state.withLock(\.plans).map(\.worker) == [1])
            let unnamed = await #expect(throws: APIError.self) {
                _ = try await hosts.plan(
                    PlanRequest(action: .purge, selector: Selector(destinations: ["1"])))
            }
            #expect(unnamed?.code == "host-needed")
        }
    }

    /// What a preview is being made of is found under the name that was given to it.
    @Test func progressIsAddedUp() async throws {
        let scene = Scene()
        for host in [scene.one, scene.two] {
            host.state.withLock {
                $0.running = [
                    RunningAction(
                        id: "5", action: .purge, by: "", since: FakeHost.now, phase: .changing,
                        done: 1, total: 10)
                ]
            }
        }
        try await scene.with { hosts in
            let running = try #require(try await hosts.status().running)
            #expect(
                running.map(\.id) == ["mx1/5", "mx2/5"] && running.map(\.host) == ["mx1", "mx2"])
        }
    }

    // MARK: Streams

    @Test func eventsOfAllHostsCome() async throws {
        let heard = Mutex<[Event]>([])
        try await Scene().with { hosts in
            let error = await #expect(throws: ControlError.self) {
                try await hosts.events { event in heard.withLock { $0.append(event) } }
            }
            #expect(error?.message.contains("gone") == true)
        }
        let events = heard.withLock { $0 }
        let own = events.filter { $0.kind == "delivered" }
        #expect(Set(own.map(\.destination)) == ["mx1/3", "mx2/3"])
        #expect(Set(own.map(\.host)) == ["mx1", "mx2"])
        let lines = Mutex<[TraceLine]>([])
        try await Scene().with { hosts in
            try await hosts.trace(destination: "mx2/1", content: false) { line in
                lines.withLock { $0.append(line) }
            }
        }
        #expect(lines.withLock { $0 }.map(\.destination) == ["mx2/1"])
    }

    // MARK: Filters

    @Test(arguments: [
        ("host = mx1", "all"), ("host = mx2", "none"), ("host != mx2", "all"),
        ("host ~ mx and age > 1h", "age > 1h"), ("host = mx2 or age > 1h", "age > 1h"),
        ("not (host = mx1 and age > 1h)", "not age > 1h"),
        ("destination = mx1/7", "destination = 7"),
        ("destination = mx2/7", "none"), ("destination != mx2/7", "all"),
        ("destination = a/b", "destination = a/b"), ("host = mx2 and age > 1h", "none"),
    ]) func filtersAreDecidedForAHost(text: String, left: String) throws {
        let filter = try FilterExpression.parse(text, fields: FilterFields.messages.withHost)
        let own = HostFilter(filter, for: "mx1", among: ["mx1", "mx2"])
        switch own {
        case .everything: #expect(left == "all")
        case .nothing: #expect(left == "none")
        case .part(let expression): #expect(expression.description == left)
        }
    }
}
