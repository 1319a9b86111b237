import Mail
import Testing

@testable import Scheduler

@Suite struct HistoryTests {
    /// Random histories, of different lengths: limits hold, nothing is lost, doubled or starved,
    /// attempts only grow, counts add up, no timer is missing.
    @Test(arguments: 0..<Self.batches)
    func everythingHolds(batch: UInt64) {
        for seed in batch * Self.each..<(batch + 1) * Self.each {
            var history = History(seed: seed)
            history.run(steps: seed % 20 == 0 ? 300 : 20 + Int(seed % 7) * 10)
            history.finish()
            for problem in history.problems.prefix(5) {
                Issue.record("seed \(seed): \(problem)")
            }
        }
    }

    /// Three thousand, in parts that run beside each other.
    private static let batches: UInt64 = 30
    private static let each: UInt64 = 100

    /// The histories come by everything that they are to check.
    @Test func historiesAreVaried() {
        let log = (UInt64(0)..<30).flatMap { seed in
            var history = History(seed: seed)
            history.run(steps: 300)
            return history.log
        }
        for (word, least) in [
            ("start", 1500), ("reuse", 500), ("true", 20), ("expired", 50), ("gone", 500),
            ("retry", 500), ("changed", 20), ("moved", 40), ("wake", 1), ("yield", 10),
            ("suspended", 50), ("learned", 10), ("flush", 20), ("lowered", 20),
            ("connections", 20),
        ] {
            let count = log.count { $0.contains(word) }
            #expect(count >= least, "\(word): \(count)")
        }
    }

    @Test(arguments: 0..<20)
    func sameSeedSameDecisions(seed: UInt64) {
        var (a, b) = (History(seed: seed), History(seed: seed))
        a.run(steps: 200)
        b.run(steps: 200)
        #expect(a.log == b.log && !a.log.isEmpty)
    }

    /// A destination handed over goes on as if it had stayed.
    @Test(arguments: 0..<100)
    func handOverPreservesState(seed: UInt64) throws {
        var history = History(seed: seed)
        history.run(steps: 200)
        history.settleRunning()
        let now = history.now
        for id in history.destinations {
            guard let status = history.scheduler.status(id, at: now) else { continue }
            var stay = Scheduler(seed: 1)
            var moved = Scheduler(seed: 2)
            let there = Instant(nanoseconds: 777)
            var policy = history.policies[id]!
            policy.retry.maxAge = .seconds(1_000_000_000)
            let snapshot = try #require(history.scheduler.snapshot(id, at: now))
            stay = history.scheduler
            stay.configure(id, policy: policy, at: now)
            for other in history.destinations where other != id {
                _ = stay.remove(other, at: now)
            }
            for _ in 0..<status.idle { stay.idleConnectionClosed(id, at: now) }
            for _ in 0..<(status.connections - status.idle - status.running) {
                stay.leavingConnectionClosed(id, at: now)
            }
            stay.setCapacity(.max)
            stay.setRecording(true, at: now)
            stay.resume(id, at: now)
            moved.add(
                id, policy: policy, snapshot: DestinationSnapshot(decoding: snapshot.encoded),
                at: there)
            for entry in history.entries(of: id) {
                var entry = entry
                entry.due = there + (entry.due - now)
                entry.received = there + (entry.received - now)
                moved.enqueue(entry, at: there)
            }
            let ready = moved.status(id, at: there)!.ready
            let a = Self.rhythm(&stay, from: now)
            let b = Self.rhythm(&moved, from: there)
            // Which one goes when may differ, and what a success wakes early; the limits' part
            // of the behaviour is the same as long as mail is there.
            let common = min(a.count, b.count, status.ready, ready)
            #expect(Array(a.prefix(common)) == Array(b.prefix(common)), "seed \(seed)")
        }
    }

    /// When starts happen, relative to `start`, if each takes a second and succeeds.
    private static func rhythm(_ scheduler: inout Scheduler, from start: Instant) -> [Duration] {
        var now = start
        var times: [Duration] = []
        var running: [(Start, Instant)] = []
        while now - start < .seconds(4000) {
            while let (first, end) = running.first, end <= now {
                running.removeFirst()
                _ = scheduler.finished(
                    first.delivery, of: first.destination, .settled, connection: .closed,
                    at: now)
            }
            while let start_ = scheduler.next(at: now) {
                times.append(now - start)
                running.append((start_, now + .seconds(1)))
            }
            let wake = scheduler.nextWake(after: now) ?? .distantFuture
            let next = min(wake, running.first?.1 ?? .distantFuture)
            guard next < .distantFuture, next > now else { break }
            now = next
        }
        return times
    }
}
