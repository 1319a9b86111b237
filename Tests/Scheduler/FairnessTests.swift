import Mail
import Testing

@testable import Scheduler

@Suite struct FairnessTests {
    @Test func destinationsTakeTurns() {
        var bench = Bench()
        bench.scheduler.add(Bench.two, policy: DestinationPolicy(), snapshot: nil, at: bench.now)
        bench.enqueue(100)
        bench.enqueue(2, to: Bench.two)
        let order = bench.start().map(\.destination)
        #expect(order == [1, 2, 1, 2, 1, 1, 1].map { DestinationID(rawValue: $0) })
    }

    /// A password reset does not wait for the bulk run that came before it.
    @Test func sendersTakeTurns() {
        var bench = Bench(Limits(concurrency: 1))
        bench.enqueue(1000, sender: 1)
        let reset = bench.enqueue(1, sender: 2)[0]
        var position = 0
        while let start = bench.start().first, start.delivery != reset {
            position += 1
            bench.finish(start)
        }
        #expect(position <= 2, "after \(position) of the bulk run")
    }

    @Test func eachSendersMailStaysInOrder() {
        var bench = Bench(Limits(concurrency: 1))
        var queued: [UInt32: [DeliveryID]] = [:]
        for step in 0..<300 {
            let sender = UInt32(step % 7 % 3)
            queued[sender, default: []] += bench.enqueue(1, sender: sender)
        }
        var started: [DeliveryID] = []
        while let start = bench.start().first {
            started.append(start.delivery)
            bench.finish(start)
        }
        for ids in queued.values { #expect(started.filter(ids.contains) == ids) }
    }

    @Test func newAndRetriedMailShare() {
        var bench = Bench(Limits(concurrency: 1))
        bench.enqueue(400)
        bench.enqueue(400, attempts: 3)
        var retries: [Bool] = []
        for _ in 0..<400 {
            let start = bench.start()[0]
            retries.append(start.attempts > 0)
            bench.finish(start)
        }
        #expect(retries.count { $0 } == 100)
        #expect(retries.prefix(40).count { $0 } == 10)
    }

    @Test func priorityIsAWeight() {
        var bench = Bench(Limits(concurrency: 1))
        bench.enqueue(600, sender: 1)
        let urgent = Set(bench.enqueue(600, sender: 2, priority: 2))
        var count = 0
        for _ in 0..<500 {
            let start = bench.start()[0]
            if urgent.contains(start.delivery) { count += 1 }
            bench.finish(start)
        }
        #expect(385...415 ~= count, "four times the share: \(count) of 500")
    }

    /// Mail of ever new senders does not starve an old one.
    @Test func nobodyStarves() {
        var bench = Bench(Limits(concurrency: 1))
        bench.enqueue(30, sender: 1)
        var left = 30
        for step in 0..<500 {
            bench.enqueue(1, sender: UInt32(100 + step))
            let start = bench.start()[0]
            if start.delivery.rawValue <= 30 << 16 { left -= 1 }
            bench.finish(start)
        }
        #expect(left == 0)
    }
}
