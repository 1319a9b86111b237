import Control
import Testbed
import Testing

extension Integration {
    @Suite struct LimitTests {
        @Test func concurrencyIsNeverExceeded() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.endOfData = .milliseconds(10)
                let receiver = try await scene.receiver("mx", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 3", "rate = \"off\"", "initial_window = 3"]
                settings.workers = 3
                let daemon = try await scene.daemon(settings)
                let mails = (0..<600).map { TestMail("m\($0)", to: "user\($0)@d\($0 % 40).test") }
                async let sent: Void = scene.send(mails, to: daemon.port)
                // Meanwhile it goes from worker to worker, and the limit goes with it.
                try await receiver.takes(50)
                let id = try await daemon.destination("d0.test").id
                for worker in [1, 2, 3, 1] {
                    let before = receiver.statistics.messages
                    try await daemon.act(.reassign, Selector(destinations: [id]), worker: worker)
                    try await waitUntil("worker \(worker) delivers") {
                        try await daemon.control.destination(id).worker == worker
                            && (receiver.statistics.messages > before
                                || receiver.statistics.messages == 600)
                    }
                }
                try await sent
                try await receiver.takes(600)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                #expect((1...3).contains(seen.transactionsMax))
                #expect(seen.duplicates == 0)
                #expect(seen.deliveries.count == 600)
            }
        }

        @Test func rateIsNeverExceeded() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 10", "rate = \"100/s\"", "burst = 20"]
                let daemon = try await scene.daemon(settings)
                let start = ContinuousClock.now
                try await scene.send(
                    (0..<500).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") },
                    to: daemon.port)
                try await receiver.takes(500)
                // 20 at once and 480 at 100 per second. No delay on the way can make it faster.
                #expect(ContinuousClock.now - start >= .seconds(4.8))
                // Seen from outside, mail that was started in time can arrive together: half a
                // second of it, on a machine as busy as one that runs tests.
                #expect(receiver.statistics.transactionsInBusiestSecond <= 20 + 100 + 50)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.duplicates == 0)
            }
        }

        /// What a provider says about its rate is heeded without a limit of our own.
        @Test func receiverThatRefusesAboveItsRate() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver(
                    "strict", .rateLimited(perSecond: 50, burst: 20), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 10", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<100).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") },
                    to: daemon.port)
                try await receiver.takes(100)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.duplicates == 0)
                #expect(receiver.statistics.deliveries.count == 100)
                #expect(try await daemon.totals().bounced == 0)
            }
        }
    }
}
