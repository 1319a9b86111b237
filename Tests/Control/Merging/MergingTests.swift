import Control
import Mail
import NIOCore
import Testing

@Suite struct MergingTests {
    private static func time(_ seconds: Double) -> UnixTime { UnixTime(seconds: seconds) }

    private static func status(_ deliveries: Int, _ history: [Int]) -> Status {
        var totals = Totals()
        totals.deliveries = deliveries
        totals.connections = 1
        var rates = Rates()
        rates.delivered = 2.5
        rates.history = history
        return Status(
            at: time(Double(deliveries)), hostname: "h", pid: 1, startedAt: time(0), totals: totals,
            rates: rates, workers: [WorkerRow(id: 1, state: .running)], mayOperate: true)
    }

    // MARK: Ids

    @Test(arguments: ["mx1/17", "17", "root@[::1]/a.0", "ssh://u@h:22/3"])
    func qualifiedIDsComeBack(text: String) {
        #expect(QualifiedID(text).description == text)
        #expect(!QualifiedID(text).id.contains("/"))
    }

    @Test func jointIDsComeBack() {
        let joint = JointID("ssh://u@h:22/3,mx2/4")
        #expect(joint.parts == [QualifiedID(host: "ssh://u@h:22", id: "3"), QualifiedID("mx2/4")])
        #expect(joint.description == "ssh://u@h:22/3,mx2/4")
    }

    // MARK: Status

    @Test func statusAddsUp() throws {
        var second = Self.status(5, [1, 2, 3])
        second.warning = "nearly full"
        second.mayOperate = false
        second.mayNotOperateBecause = "not in the group"
        let merged = try #require(
            Status.merged([
                (StatusPart(name: "mx1", reached: true), Self.status(3, [10])),
                (StatusPart(name: "mx2", reached: true), second),
            ]))
        #expect(merged.totals.deliveries == 8 && merged.totals.connections == 2)
        #expect(merged.rates.delivered == 5 && merged.rates.history == [1, 2, 13])
        #expect(merged.workers.count == 2 && merged.hostname == "mx1, mx2")
        #expect(merged.warning == "mx2: nearly full" && merged.spoolError == nil)
        #expect(merged.mayOperate && merged.mayNotOperateBecause == "mx2: not in the group")
        #expect(merged.parts?.map(\.name) == ["mx1", "mx2"])
    }

    /// What it counted last is counted; what it does now is not known.
    @Test func aLostPartCountsAsItWas() throws {
        let merged = try #require(
            Status.merged([
                (StatusPart(name: "mx1", reached: true), Self.status(3, [10])),
                (
                    StatusPart(name: "mx2", reached: false, staleSeconds: 9, problem: "gone"),
                    Self.status(5, [1, 2, 3])
                ),
                (StatusPart(name: "mx3", reached: false, problem: "never"), nil),
            ]))
        #expect(merged.totals.deliveries == 8 && merged.rates.delivered == 2.5)
        #expect(merged.rates.history == [10])
        #expect(merged.parts?.map(\.reached) == [true, false, false])
        #expect(Status.merged([(StatusPart(name: "a", reached: false), nil)]) == nil)
    }

    @Test func textsSayWhose() {
        #expect(PartTexts.joined([("a", "full"), ("b", "full")]) == "full")
        #expect(PartTexts.joined([("a", "full"), ("b", nil), ("c", "full")]) == "a, c: full")
        #expect(PartTexts.joined([("a", "x"), ("b", "y")]) == "a: x; b: y")
        #expect(PartTexts.joined([("a", nil), ("b", "")]) == nil)
        #expect(PartTexts.joined([("a", ["x", "y"])]) == ["x", "y"])
        #expect(PartTexts.joined([("a", ["x"]), ("b", ["x", "y"])]) == ["a, b: x", "b: y"])
    }

    /// What daemons of before say can still be read.
    @Test func oldDocumentsDecode() throws {
        let status: Status = try JSON.decode(from: try JSON.encode(Self.status(1, [])))
        #expect(status.parts == nil && status.workers[0].host == nil)
        let text = """
            {"at":1,"kind":"spool","text":"x"}
            """
        let event: Event = try JSON.decode(from: ByteBuffer(string: text))
        #expect(event.host == nil && event.node == nil)
        let request: PlanRequest = try JSON.decode(from: ByteBuffer(string: #"{"action":"drain"}"#))
        #expect(request.node == nil && request.host == nil)
    }

    // MARK: Plans and actions

    private static func plan(_ deliveries: Int, seconds: Double?, notes: [String] = []) -> Plan {
        var counts = Counts()
        counts.deliveries = deliveries
        var plan = Plan(
            id: "7", request: request, at: time(1), expiresAt: time(Double(100 + deliveries)),
            counts: counts, effect: "deletes")
        plan.notes = notes
        plan.drainSeconds = seconds
        plan.drainSlowest = "slow.example"
        plan.topSenders = [
            NamedCount(name: "a@x", count: deliveries), NamedCount(name: "b", count: 1),
        ]
        return plan
    }

    private static let request = PlanRequest(action: .purge, selector: Selector(filter: "age > 1h"))

    @Test func plansAddUp() {
        var second = Self.plan(1, seconds: 60, notes: ["3 not touched: held"])
        second.mustTypeCount = true
        let merged = Plan.merged(
            [("mx1", Self.plan(1240, seconds: 5)), ("mx2", second)], id: "mx1/7,mx2/7",
            request: Self.request)
        #expect(merged.id == "mx1/7,mx2/7" && merged.counts.deliveries == 1241)
        #expect(
            merged.notes
                == ["mx1: 1,240 deliveries", "mx2: 1 delivery", "mx2: 3 not touched: held"])
        #expect(merged.effect == "on each: deletes" && merged.mustTypeCount)
        #expect(merged.drainSeconds == 60 && merged.drainSlowest == "slow.example on mx2")
        #expect(merged.expiresAt == Self.time(101))
        #expect(merged.topSenders.map(\.count) == [1241, 2])
        let one = Plan.merged(
            [("mx1", Self.plan(3, seconds: 5, notes: ["n"]))], id: "mx1/7", request: Self.request)
        #expect(one.notes == ["n"] && one.drainSlowest == "slow.example")
    }

    private static func action(
        _ deliveries: Int, _ state: ActionState, _ result: String, undoUntil: Double?
    ) -> ActionRow {
        var counts = Counts()
        counts.deliveries = deliveries
        return ActionRow(
            id: "7", action: .purge, at: time(1), by: "root", reason: "r", target: "t",
            counts: counts, state: state, undoUntil: undoUntil.map(time), result: result)
    }

    @Test func actionsAddUp() {
        let merged = ActionRow.merged(
            [
                ("mx1", Self.action(3, .undoable, "3 purged", undoUntil: 60)),
                ("mx2", Self.action(4, .undoable, "4 purged", undoUntil: 50)),
                ("mx3", Self.action(0, .done, "nothing", undoUntil: 10)),
            ], id: "x")
        #expect(merged.counts.deliveries == 7 && merged.state == .undoable)
        #expect(merged.result == "mx1: 3 purged; mx2: 4 purged; mx3: nothing")
        #expect(merged.by == "root" && merged.undoUntil == Self.time(50))
        let undone = ActionRow.merged(
            [
                ("mx1", Self.action(3, .undone, "a", undoUntil: nil)),
                ("mx2", Self.action(4, .undone, "b", undoUntil: nil)),
            ], id: "x")
        #expect(undone.state == .undone && undone.undoUntil == nil)
    }

    // MARK: Maps

    @Test func agesAddUp() {
        func map(_ host: String, _ counts: [Int], countedAt: Double) -> AgeMap {
            var row = AgeRow(id: "\(host)/1", name: host, state: .idle, counts: counts)
            row.host = host
            return AgeMap(
                at: Self.time(9), countedAt: Self.time(countedAt), bounds: [15], totals: counts,
                destinations: 1, rows: [row])
        }
        let merged = AgeMap.merged(
            [map("a", [1, 2], countedAt: 5), map("b", [3, 4], countedAt: 4)], limit: 1)
        #expect(merged.totals == [4, 6] && merged.destinations == 2)
        #expect(merged.rows.map(\.id) == ["b/1"] && merged.countedAt == Self.time(4))
    }

    @Test func schedulesAddUp() {
        var (a, b) = (
            Schedule(at: Self.time(9), countedAt: Self.time(8)),
            Schedule(at: Self.time(9), countedAt: Self.time(7))
        )
        a.due[1].deliveries = 3
        b.due[1].deliveries = 4
        a.ready.destinations = 1
        b.ready.destinations = 1
        for (index, at) in [3.0, 1].enumerated() {
            let row = ProbeRow(
                id: "\(at)", name: "", at: Self.time(at), queued: 0, failures: 0, lastReply: nil)
            if index == 0 { a.probes.append(row) } else { b.probes.append(row) }
        }
        a.expiring = [ExpiringRow(id: "1", name: "", inHour: 1, inDay: 2, firstAt: Self.time(1))]
        b.expiring = [ExpiringRow(id: "2", name: "", inHour: 0, inDay: 7, firstAt: Self.time(1))]
        let merged = Schedule.merged([a, b], limit: 10)
        #expect(merged.due[1].deliveries == 7 && merged.due[1].within == 600)
        #expect(merged.ready.destinations == 2 && merged.countedAt == Self.time(7))
        #expect(merged.probes.map(\.id) == ["1.0", "3.0"])
        #expect(merged.expiring.map(\.id) == ["2", "1"])
    }
}
