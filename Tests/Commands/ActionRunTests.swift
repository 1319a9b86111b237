import Commands
import Control
import Mail
import NIOCore
import Synchronization
import Testing

@Suite struct ActionRunTests {
    private let request = PlanRequest(action: .purge, selector: Selector(filter: "held"))

    private func run(
        _ api: FakeAPI, answers: [String] = [], interactive: Bool = true, dryRun: Bool = false,
        agreed: Bool = false, json: Bool = false, request: PlanRequest? = nil
    ) async -> (failure: CommandFailure?, recorder: Recorder) {
        let recorder = Recorder(answers: answers)
        let failure = await failure {
            try await ActionRun(isDryRun: dryRun, isAgreed: agreed, json: json).run(
                request ?? self.request, target: "messages with state = held", api,
                recorder.console(interactive: interactive))
        }
        return (failure, recorder)
    }

    private func applied(_ api: FakeAPI) -> [Int?] {
        api.asked.withLock { $0.applied.map(\.count) }
    }

    @Test func asksAndApplies() async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 2))
        let (failure, recorder) = await run(api, answers: ["yes"])
        #expect(failure == nil)
        #expect(applied(api) == [nil])
        #expect(recorder.text.contains("purge: messages with state = held"))
        #expect(recorder.text.contains("2 deliveries of 2 messages to 2 recipients"))
        #expect(recorder.text.contains("Do it? [y/N]"))
        #expect(recorder.text.hasSuffix("2 deliveries made due\nTo undo it: sluice undo 9\n"))
    }

    @Test(arguments: [[], [""], ["n"], ["purge"], ["yes please"]])
    func anythingElseIsNo(answers: [String]) async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 2))
        let (failure, _) = await run(api, answers: answers)
        #expect(failure?.status == ExitStatus.refused)
        #expect(applied(api) == [])
    }

    @Test(arguments: [("1240", true), ("1,240", true), ("y", false), ("124", false), ("", false)])
    func typesTheCount(answer: String, goes: Bool) async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 1240), mustTypeCount: true)
        let (failure, _) = await run(api, answers: [answer])
        #expect((failure == nil) == goes)
        #expect(applied(api) == (goes ? [1240] : []))
    }

    @Test func withoutATerminal() async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 2))
        let (failure, _) = await run(api, interactive: false)
        #expect(failure?.status == ExitStatus.refused)
        #expect(failure?.message.contains("--yes") == true)
        #expect(api.asked.withLock { $0.plans.isEmpty })
    }

    @Test func agreedInAdvance() async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 7), mustTypeCount: true)
        let (failure, recorder) = await run(api, interactive: false, agreed: true)
        #expect(failure == nil)
        #expect(applied(api) == [7])
        #expect(!recorder.text.contains("?"))
    }

    @Test func dryRun() async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 7))
        let (failure, recorder) = await run(api, interactive: false, dryRun: true)
        #expect(failure == nil)
        #expect(applied(api) == [])
        #expect(recorder.text.hasSuffix("Nothing was done (--dry-run).\n"))
    }

    @Test func nothingMatches() async {
        let api = FakeAPI()
        let (failure, _) = await run(api, agreed: true)
        #expect(failure?.status == ExitStatus.refused)
        #expect(failure?.message.hasPrefix("nothing matched") == true)
        #expect(applied(api) == [])
        // Destinations without mail can be paused.
        let idle = FakeAPI(counts: .of(destinations: 1))
        let pause = PlanRequest(action: .pause, selector: Selector(destinations: ["1"]))
        #expect(await run(idle, agreed: true, request: pause).failure == nil)
    }

    @Test func failedAction() async {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 1), outcome: .failed)
        let (failure, recorder) = await run(api, agreed: true)
        #expect(failure?.status == ExitStatus.refused && failure?.message == "")
        #expect(recorder.text == "2 deliveries made due\n")
    }

    @Test func jsonDocument() async throws {
        let api = FakeAPI(counts: .of(destinations: 1, deliveries: 2))
        let (failure, recorder) = await run(api, answers: ["y"], json: true)
        #expect(failure == nil)
        let document: ActionDocument = try JSON.decode(from: ByteBuffer(string: recorder.text))
        #expect(document.version == 1 && document.plan?.id == "p1" && document.action?.id == "9")
        #expect(recorder.warnings.withLock { $0 }.contains("Do it?"))
    }

    @Test func undoTakesTheLatest() async {
        let api = FakeAPI(actions: [
            .sample("5", state: .undone, at: .start + .seconds(9)),
            .sample("4", state: .undoable, at: .start, undoUntil: .start),
            .sample("3", state: .undoable, at: .start),
            .sample("2", state: .undoable, at: .start + .seconds(-9)),
        ])
        let recorder = Recorder()
        #expect(
            await failure {
                try await ActionRun.undo(nil, json: false, api, recorder.console())
            } == nil)
        #expect(api.asked.withLock { $0.undone } == ["3"])
        let none = await failure {
            try await ActionRun.undo(nil, json: false, FakeAPI(), recorder.console())
        }
        #expect(none?.status == ExitStatus.refused)
    }

    @Test func planForAnotherNumberOfWorkers() {
        var plan = Plan(
            id: "p", request: PlanRequest(action: .workers, selector: Selector(), worker: 3),
            at: .start, expiresAt: .start, counts: Counts(), effect: "3 workers instead of 2")
        plan.counts.destinations = 12
        plan.counts.deliveries = 1340
        plan.topDomains = [NamedCount(name: "example.com", count: 900)]
        plan.notes = ["12 of 40 destinations with mail move"]
        #expect(
            PlanText.lines(plan, target: "3") == [
                "workers: 3",
                "  moves    12 destinations with 1,340 deliveries",
                "  domains  example.com 900",
                "  note     12 of 40 destinations with mail move",
                "  effect   3 workers instead of 2",
            ])
    }

    @Test func planShowsWhatItTouches() {
        var plan = Plan(
            id: "p", request: request, at: .start, expiresAt: .start,
            counts: .of(destinations: 2, deliveries: 1240), effect: "deletes\u{1B} them")
        plan.oldestAt = UnixTime(milliseconds: UnixTime.start.milliseconds - 7_200_000)
        plan.topDomains = [NamedCount(name: "example.com", count: 1200)]
        plan.topSenders = [NamedCount(name: "", count: 3)]
        plan.samples = [.sample("1a2b.0"), .sample("1a2c.0")]
        plan.notes = ["3 are held"]
        plan.drainSeconds = 248
        plan.drainPerSecond = 5
        plan.drainSlowest = "slow.test"
        plan.undoSeconds = 30
        #expect(
            PlanText.lines(plan, target: "x") == [
                "purge: x",
                "  touches  1,240 deliveries of 1,240 messages to 1,240 recipients at 2 destinations",
                "  oldest   2h",
                "  domains  example.com 1,200",
                "  senders  <> 3",
                "  such as  1a2b.0  a@example.org to b@example.com, 0s",
                "           1a2c.0  a@example.org to b@example.com, 0s",
                "  drain    done in about 4m8s at 5/s, by the present limits (slow.test takes longest)",
                "  note     3 are held",
                "  effect   deletes␛ them",
                "  undo     possible for 30s",
            ])
    }
}
