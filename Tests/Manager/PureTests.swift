import Control
import Filter
import Foundation
import Glibc
import Mail
import NIOCore
import Scheduler
import Synchronization
import Testing

@testable import Manager
@testable import Spool

private func second(_ seconds: Int64) -> UnixTime { UnixTime(milliseconds: seconds * 1000) }
private func instant(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

@Suite struct ClockWatchTests {
    @Test func onlyWhatIsSetIsAJump() {
        let wall = Mutex(second(1_000_000))
        let monotonic = Mutex(instant(50))
        let clocks = Clocks(
            wall: { wall.withLock { $0 } }, monotonic: { monotonic.withLock { $0 } })
        func pass(_ seconds: Int, shown: Int) {
            monotonic.withLock { $0 = $0 + .seconds(seconds) }
            wall.withLock { $0 = $0 + .seconds(shown) }
        }
        var watch = ClockWatch(clocks)
        #expect(watch.jump(clocks) == nil)
        // A tick that was late by an hour, and a clock that is slewed.
        pass(3600, shown: 3600)
        #expect(watch.jump(clocks) == nil)
        pass(10, shown: 12)
        #expect(watch.jump(clocks) == nil)
        pass(1, shown: 3601)
        #expect(watch.jump(clocks) == .seconds(3600))
        #expect(watch.jump(clocks) == nil)
        pass(1, shown: -3599)
        #expect(watch.jump(clocks) == .seconds(-3600))
    }
}

@Suite struct RoutingTableTests {
    @Test func anAnswerHoldsForItsTimeAndLongerWhileThereIsMail() {
        var table = RoutingTable()
        let id = table.number(identity: "192.0.2.1")
        #expect(table.number(identity: "192.0.2.1") == id)
        table.learn(domain: "a.test", destination: id, ttl: .seconds(100), at: instant(0))
        #expect(table.destination(of: "a.test", at: instant(99)) { _ in false } == id)
        #expect(table.destination(of: "a.test", at: instant(100)) { _ in false } == nil)
        #expect(table.destination(of: "a.test", at: instant(100)) { $0 == id } == id)
        #expect(table.destination(of: "b.test", at: instant(0)) { _ in true } == nil)
    }

    /// Nodes that do not ask each other give the same numbers, and keep those that there were.
    @Test func nodesAgreeOnNumbers() {
        var first = RoutingTable()
        var second = RoutingTable()
        first.isShared = true
        second.isShared = true
        _ = first.number(identity: "192.0.2.9")
        let numbers = (1...2000).map { first.number(identity: "192.0.2.\($0)") }
        #expect((1...2000).map { second.number(identity: "192.0.2.\($0)") } == numbers)
        #expect(Set(numbers).count == 2000)
        #expect(numbers.allSatisfy { $0 >= 1 << 61 && $0 < 1 << 62 })
        second.restore(identity: "old.test", id: 7, domains: [])
        #expect(second.number(identity: "old.test") == 7)
    }

    @Test func timesToLiveHaveBounds() {
        var table = RoutingTable()
        table.learn(domain: "a.test", destination: 1, ttl: .zero, at: instant(0))
        table.learn(domain: "b.test", destination: 1, ttl: .seconds(86_400), at: instant(0))
        table.learn(domain: "c.test", destination: 1, ttl: nil, at: instant(0))
        #expect(table.destination(of: "a.test", at: instant(59)) { _ in false } == 1)
        #expect(table.destination(of: "b.test", at: instant(3600)) { _ in false } == nil)
        #expect(table.destination(of: "c.test", at: instant(1 << 30)) { _ in false } == 1)
        table.forgetAnswers()
        #expect(table.destination(of: "c.test", at: instant(0)) { _ in false } == nil)
    }

    @Test func restoredIdsAreNotGivenOutAgain() {
        var table = RoutingTable()
        table.restore(identity: "x", id: 41, domains: ["a.test"])
        #expect(table.destination(of: "a.test", at: instant(0)) { _ in false } == nil)
        #expect(table.destination(of: "a.test", at: instant(0)) { _ in true } == 41)
        #expect(table.number(identity: "y") == 42)
        table.forget(destination: 41, identity: "x")
        #expect(table.destination(of: "a.test", at: instant(0)) { _ in true } == nil)
        #expect(table.number(identity: "x") == 43)
    }
}

@Suite struct SmallPartsTests {
    @Test func acknowledgementsTellTheUnbrokenRun() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<200 {
            var acknowledgement = Acknowledgement()
            var seen: Set<UInt64> = []
            var told: UInt64 = 0
            for number in (1...UInt64(20)).shuffled(using: &random) {
                seen.insert(number)
                let run = acknowledgement.record(number)
                let expected = (1...UInt64(20)).prefix { seen.contains($0) }.last ?? 0
                #expect(run == (expected > told ? expected : nil))
                told = max(told, expected)
                // Twice is no harm.
                #expect(acknowledgement.record(number) == nil)
            }
            #expect(told == 20)
        }
    }

    @Test func secondsAreCountedThroughGapsAndClocksSetBack() {
        var counts = SecondCounts(slots: 6)
        #expect(counts.values(at: second(100)).isEmpty)
        #expect(counts.rate(at: second(100)) == 0)
        counts.add(2, at: second(100))
        counts.add(3, at: second(102))
        #expect(counts.values(at: second(103)) == [0, 0, 2, 0, 3])
        // The clock is set back: it belongs to the last second seen.
        counts.add(4, at: second(98))
        #expect(counts.values(at: second(103)) == [0, 0, 2, 0, 7])
        #expect(counts.rate(at: second(103)) == 9.0 / 5)
        #expect(counts.values(at: second(200)) == [0, 0, 0, 0, 0])
        counts.add(1, at: second(500))
        #expect(counts.values(at: second(501)) == [0, 0, 0, 0, 1])
        #expect(counts.values(at: second(40)).allSatisfy { $0 == 0 })
        // By more than is kept: nothing is counted into a future that is an hour away.
        counts.add(6, at: second(60))
        #expect(counts.values(at: second(61)) == [0, 0, 0, 0, 6])
    }

    @Test func idsComeFromTheNextBlockWhenOneIsUsedUp() {
        var ids = MessageIDs(1..<4)
        #expect(ids.needsRefill() == true)
        #expect(ids.needsRefill() == false)
        #expect((1...3).allSatisfy { ids.take()?.rawValue == $0 })
        #expect(ids.take() == nil)
        ids.refill(nil)
        #expect(ids.needsRefill() == true)
        ids.refill(100..<102)
        #expect(!ids.isRefilling)
        #expect(ids.take()?.rawValue == 100)
        #expect(ids.take()?.rawValue == 101)
        #expect(ids.take() == nil)
        var full = MessageIDs(1..<Int64(MessageIDs.block))
        #expect(full.needsRefill() == false)
        _ = full.take()
    }

    private func bound(_ id: String, at: Int64) -> BoundPlan {
        BoundPlan(
            plan: Plan(
                id: id, request: PlanRequest(action: .purge, selector: Selector()),
                at: second(at), expiresAt: second(at) + ActionTable.planLife, counts: Counts(),
                effect: ""))
    }

    @Test func plansAreAppliedOnceAndNotTooLate() {
        var table = ActionTable()
        #expect(table.newPlanID() == "p1")
        table.keep(bound("a", at: 0), at: second(0))
        #expect(table.take("a", at: second(600)) == nil)
        #expect(table.take("a", at: second(599))?.plan.id == "a")
        #expect(table.take("a", at: second(1)) == nil)
        for number in 0...ActionTable.maximumPlans {
            table.keep(bound("\(number)", at: Int64(number)), at: second(Int64(number)))
        }
        #expect(table.plan("0") == nil)
        #expect(table.plan("1") != nil)
        table.keep(bound("late", at: 5000), at: second(5000))
        #expect(table.plan("1") == nil)
    }

    private func instant(_ seconds: Int64) -> Instant {
        Instant(nanoseconds: seconds * 1_000_000_000)
    }

    /// By the clock that nobody sets.
    @Test func whatIsDoomedIsTakenWhenDueUnlessSpared() {
        var table = ActionTable()
        table.restore(lastAction: 7)
        #expect(table.newActionID(in: nil) == 8)
        func doomed(_ at: Int64) -> ActionTable.Doomed {
            ActionTable.Doomed(
                at: second(at), due: instant(at), kind: .purge, deliveries: [], reason: "")
        }
        table.doom(1, doomed(10))
        table.doom(2, doomed(10))
        table.doom(3, doomed(11))
        #expect(table.takeDue(at: instant(9)).isEmpty)
        #expect(table.spare(2) != nil)
        #expect(table.spare(2) == nil)
        #expect(table.takeDue(at: instant(10)).map(\.0) == [1])
        #expect(table.spare(1) == nil)
        #expect(table.takeDue(at: instant(12)).map(\.0) == [3])
    }

    @Test func actionsApplyToTheStatesThatTheyMakeSenseFor() {
        func states(_ kind: ActionKind) -> Set<StoredState> {
            Set(StoredState.allCases.filter { kind.applies(to: $0) })
        }
        #expect(states(.retry) == [.queued])
        #expect(states(.hold) == [.queued])
        #expect(states(.release) == [.held])
        #expect(states(.purge) == [.queued, .held, .routing])
        #expect(states(.bounce) == [.queued, .held, .routing])
        for kind in [ActionKind.pause, .resume, .reassign, .workers] {
            #expect(states(kind).isEmpty)
        }
    }

    @Test func statusCodesAreFoundInReplies() {
        #expect(Dispatcher.status(in: "550 5.1.1 no such user") == "5.1.1")
        #expect(Dispatcher.status(in: "5.1.10 null MX") == "5.1.10")
        #expect(Dispatcher.status(in: "550 no such user") == "5.0.0")
        #expect(Dispatcher.status(in: "") == "5.0.0")
        #expect(Dispatcher.status(in: "550") == "5.0.0")
    }

    @Test func storedRepliesAreReadBack() {
        let reply = Reply(stored: "550 5.1.1 no such user")
        #expect(reply.code == 550)
        #expect(reply.enhanced == EnhancedCode(5, 1, 1))
        #expect(reply.lines == ["no such user"])
        #expect(Reply(stored: "Connection refused").code == 0)
        #expect(Reply(stored: "999 what").code == 0)
        #expect(Reply(stored: "").lines == [""])
    }

    @Test func metricsAreInThePrometheusFormat() {
        var totals = Totals()
        totals.accepted = 7
        totals.delayed = 3
        let status = Status(
            at: second(1), hostname: "h", pid: 1, startedAt: second(0), totals: totals,
            rates: Rates(), workers: [WorkerRow(id: 2, state: .running)], mayOperate: true)
        let lines = Metrics.text(status, droppedLines: 12).split(separator: "\n")
        #expect(lines.contains("sluice_accepted_total 7.0"))
        #expect(lines.contains("sluice_deliveries{state=\"delayed\"} 3"))
        #expect(lines.contains("sluice_worker_up{worker=\"2\"} 1"))
        #expect(lines.contains("sluice_spool_healthy 1.0"))
        #expect(lines.contains("sluice_log_lines_dropped_total 12.0"))
        let samples = lines.filter { !$0.hasPrefix("#") }
        for sample in samples {
            let name = sample.prefix { $0 != "{" && $0 != " " }
            #expect(lines.contains { $0.hasPrefix("# TYPE \(name) ") })
            #expect(Double(sample.split(separator: " ").last ?? "") != nil)
        }
    }
}

@Suite struct FilePartsTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/sluice-m-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func journalsAreReadUpToATornEnd() throws {
        func report(_ number: UInt64) -> AttemptReport {
            AttemptReport(
                number: number, delivery: DeliveryID(rawValue: 1), destination: 1,
                disposition: .settled, attempts: 1, due: second(0), remote: "", tls: "",
                milliseconds: 0, recipients: [], reply: "", at: second(0))
        }
        try withDirectory { path in
            var buffer = ByteBuffer()
            Frame.results([report(1), report(2)]).write(to: &buffer)
            Frame.results([report(3)]).write(to: &buffer)
            let whole = buffer.readableBytes
            for cut in 0..<40 {
                let bytes = Data(buffer.readableBytesView.prefix(whole - cut))
                try bytes.write(to: URL(fileURLWithPath: path + "/worker-1-77.journal"))
                try Data().write(to: URL(fileURLWithPath: path + "/worker-2.other"))
                let journals = try WorkerJournals(directory: path).read()
                #expect(journals.count == 1)
                #expect(journals[0].reports.map(\.number) == (cut == 0 ? [1, 2, 3] : [1, 2]))
            }
            let journals = WorkerJournals(directory: path)
            journals.remove(try journals.read()[0])
            #expect(try journals.read().isEmpty)
            #expect(try WorkerJournals(directory: path + "/none").read().isEmpty)
        }
    }

    @Test func onlyAStaleControlSocketIsRemoved() throws {
        try withDirectory { path in
            let socketPath = path + "/c.sock"
            func prepare(_ path: String) -> String? {
                do throws(APIError) {
                    try ControlSocket.prepare(path)
                    return nil
                } catch {
                    return error.code
                }
            }
            #expect(prepare(socketPath) == nil)
            #expect(prepare("/" + String(repeating: "x", count: 120)) == "socket-path")
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8) }
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(bound == 0)
            #expect(listen(descriptor, 1) == 0)
            #expect(prepare(socketPath) == "socket-in-use")
            #expect(FileManager.default.fileExists(atPath: socketPath))
            close(descriptor)
            #expect(prepare(socketPath) == nil)
            #expect(!FileManager.default.fileExists(atPath: socketPath))
            try Data([1]).write(to: URL(fileURLWithPath: socketPath))
            #expect(prepare(socketPath) == "socket-path")
            #expect(FileManager.default.fileExists(atPath: socketPath))
        }
    }
}

@Suite struct LoadQueueTests {
    private func groups(_ queue: inout LoadQueue) -> [[Int64]] {
        var groups: [[Int64]] = []
        while let group = queue.next() {
            groups.append(group.map(\.destination))
            queue.running -= 1
        }
        return groups
    }

    @Test func littleMailGoesFirstAndMuchMailAlone() {
        var queue = LoadQueue()
        for (destination, count) in [(1, 60_000), (2, 1), (3, 15_000), (4, 900_000), (5, 0)] {
            queue.add(
                QueueLoad(destination: Int64(destination), generation: 1, count: count))
        }
        #expect(groups(&queue) == [[5, 2, 3], [1], [4]])
        #expect(queue.next() == nil)
    }

    @Test func whatComesLaterIsSortedIn() {
        var queue = LoadQueue()
        for destination in 1...3 as ClosedRange<Int64> {
            queue.add(QueueLoad(destination: destination, generation: 1, count: 50_000))
        }
        #expect(queue.next()?.map(\.destination) == [1])
        #expect(queue.next()?.map(\.destination) == [2])
        queue.add(QueueLoad(destination: 9, generation: 4, count: 1))
        // As many are being read as may be.
        #expect(queue.next() == nil)
        queue.running -= 1
        #expect(queue.next()?.map(\.destination) == [9])
        queue.running -= 2
        #expect(queue.next()?.map(\.destination) == [3])
    }

    @Test func aLongQueueIsReadInFewGroups() {
        var queue = LoadQueue()
        for destination in 1...1000 as ClosedRange<Int64> {
            queue.add(QueueLoad(destination: destination, generation: 1, count: 10_000))
        }
        let groups = groups(&queue)
        #expect(groups.count < 100 && groups.flatMap { $0 } == Array(1...1000))
    }
}
