import Mail
import Testing

@testable import Scheduler

/// Connections that are scarce, and who gets them.
@Suite struct CapacityTests {
    /// A worker in little: starts, ends after a second, closes what is to be closed.
    private struct Worker {
        var scheduler = Scheduler(seed: 1)
        var now = Instant(nanoseconds: 0)
        var running: [Start] = []
        /// Destinations in the order in which they were started.
        var log: [Int64] = []
        var most = 0
        private var last: Int64 = 0

        init(capacity: Int, destinations: Int, concurrency: Int = 20) {
            scheduler.setCapacity(capacity)
            for number in 1...destinations {
                scheduler.add(
                    DestinationID(rawValue: Int64(number)),
                    policy: DestinationPolicy(
                        limits: Limits(concurrency: concurrency, initialWindow: concurrency)),
                    snapshot: nil, at: now)
            }
        }

        mutating func enqueue(_ count: Int, to destination: Int64) {
            for _ in 0..<count {
                last += 1
                scheduler.enqueue(
                    Entry(
                        id: DeliveryID(message: MessageID(rawValue: last), ordinal: 0),
                        destination: DestinationID(rawValue: destination), due: now, received: now,
                        attempts: 0, size: 1, sender: 1), at: now)
            }
        }

        var connections: Int {
            scheduler.numbers.keys.reduce(0) {
                $0 + (scheduler.status($1, at: now)?.connections ?? 0)
            }
        }

        /// Ends what runs, closes what is to be yielded, starts what can be. False at the end.
        mutating func round() -> Bool {
            now = now + .seconds(1)
            for start in running {
                _ = scheduler.finished(
                    start.delivery, of: start.destination, .settled, connection: .idle, at: now)
            }
            running = []
            var leaving: [DestinationID] = []
            while let id = scheduler.nextToYield() {
                scheduler.idleConnectionLeaving(id, at: now)
                leaving.append(id)
            }
            start()
            for id in leaving { scheduler.leavingConnectionClosed(id, at: now) }
            start()
            most = max(most, connections)
            #expect(connections == scheduler.connections)
            return !running.isEmpty
        }

        private mutating func start() {
            while let start = scheduler.next(at: now) {
                running.append(start)
                log.append(start.destination.rawValue)
            }
        }
    }

    @Test func neverMoreAndNobodyStarves() {
        var worker = Worker(capacity: 10, destinations: 100)
        for destination in 1...100 { worker.enqueue(30, to: Int64(destination)) }
        while worker.round() {}
        #expect(worker.most == 10)
        #expect(worker.log.count == 3000 && worker.scheduler.count == 0)
        // Each comes before any has had more than two turns.
        let first = worker.log.prefix(100 * 30 * 3 / 4)
        #expect(Set(first).count == 100)
    }

    /// One that has them all gives them up to those who come.
    @Test func aBigOneMakesRoom() {
        var worker = Worker(capacity: 10, destinations: 11)
        worker.enqueue(1000, to: 1)
        for _ in 0..<5 { _ = worker.round() }
        #expect(worker.running.count == 10 && Set(worker.log) == [1])
        for destination in 2...11 { worker.enqueue(1, to: Int64(destination)) }
        let begin = worker.log.count
        for _ in 0..<4 { _ = worker.round() }
        #expect(Set(worker.log[begin...]).count == 11)
        while worker.round() {}
        #expect(worker.log.count == 1010 && worker.most == 10)
    }

    /// Kept connections of those with nothing to send are the first to go.
    @Test func idleOnesMakeRoom() {
        var worker = Worker(capacity: 5, destinations: 3)
        worker.enqueue(5, to: 1)
        _ = worker.round()
        _ = worker.round()
        #expect(worker.connections == 5 && worker.running.isEmpty)
        worker.enqueue(3, to: 2)
        for _ in 0..<4 { _ = worker.round() }
        #expect(worker.log.suffix(3) == [2, 2, 2] && worker.scheduler.count == 0)
        #expect(worker.most == 5)
    }

    @Test func itIsSaid() {
        var worker = Worker(capacity: 2, destinations: 2)
        worker.enqueue(9, to: 1)
        _ = worker.round()
        worker.enqueue(1, to: 2)
        let none = worker.scheduler.next(at: worker.now)
        #expect(none == nil)
        let two = DestinationID(rawValue: 2)
        let wait = worker.scheduler.explain(two, at: worker.now)
        #expect(wait.kind == .connections && wait.text == "all 2 connections of the worker busy")
        #expect(wait.facts.busy == 2 && wait.facts.limit == 2)
        // More of them are there at once.
        worker.scheduler.setCapacity(4)
        let starts = [
            worker.scheduler.next(at: worker.now), worker.scheduler.next(at: worker.now),
        ]
        #expect(starts.map { $0?.destination.rawValue } == [1, 2])
    }

    /// A connection that is being closed still counts, and is not used.
    @Test func closingOnesCount() {
        var bench = Bench(Limits(concurrency: 2, initialWindow: 2))
        bench.enqueue(2)
        for start in bench.start() { bench.finish(start, .settled, .idle) }
        bench.enqueue(3)
        bench.scheduler.idleConnectionLeaving(Bench.one, at: bench.now)
        bench.scheduler.idleConnectionLeaving(Bench.one, at: bench.now)
        #expect(bench.start().isEmpty && bench.status.connections == 2)
        #expect(bench.why.kind == .window)
        bench.scheduler.leavingConnectionClosed(Bench.one, at: bench.now)
        #expect(bench.start().map(\.connection) == [.open])
        bench.scheduler.leavingConnectionClosed(Bench.one, at: bench.now)
        #expect(bench.start().map(\.connection) == [.open])
        #expect(bench.status.connections == 2)
    }

    @Test func destinationsThatGoGiveTheirsBack() {
        var worker = Worker(capacity: 4, destinations: 2)
        worker.enqueue(4, to: 1)
        _ = worker.round()
        worker.enqueue(4, to: 2)
        let none = worker.scheduler.next(at: worker.now)
        #expect(none == nil)
        let one = DestinationID(rawValue: 1)
        // Two end before it goes, and two after.
        for start in worker.running.prefix(2) {
            _ = worker.scheduler.finished(
                start.delivery, of: one, .settled, connection: .idle, at: worker.now)
        }
        _ = worker.scheduler.remove(one, at: worker.now)
        #expect(worker.scheduler.connections == 2)
        for start in worker.running.suffix(2) {
            _ = worker.scheduler.finished(
                start.delivery, of: one, .settled, connection: .idle, at: worker.now)
        }
        worker.running = []
        #expect(worker.scheduler.connections == 0 && worker.scheduler.holders == 0)
        _ = worker.round()
        #expect(worker.running.count == 4)
    }
}
