import Control
import Scheduler
import Testbed
import Testing

extension Integration {
    /// The scenarios of the simulator with the real daemon, scaled in time. What the receivers
    /// counted is the proof.
    @Suite struct ScenarioTests {
        /// A receiver that turns connections away above a number: the number is found, and hardly
        /// anything is turned away after that.
        @Test func connectionLimitIsFound() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.connectionLimit = 4
                manner.delays.recipient = .milliseconds(10)
                let receiver = try await scene.receiver("mx", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 20", "rate = \"off\"", "initial_window = 10"]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(1000), at: daemon)
                try await receiver.takes(200)
                let start = receiver.statistics
                try await receiver.takes(1001)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                #expect(start.turnedAway > 0)
                #expect(seen.turnedAway - start.turnedAway <= 800 * 3 / 100)
                #expect(seen.duplicates == 0 && seen.deliveries.count == 1001)
                let row = try await daemon.destination("rcpt.test")
                #expect((3...4).contains(row.window))
                #expect(seen.connectionsMax <= 4 && seen.transactionsMax <= 4)
            }
        }

        /// A receiver that answers 421 above a rate, told by nobody: the rate is learned, said as
        /// what the mail waits for, and hardly anything is refused after that.
        @Test func rateIsLearned() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver(
                    "strict", .rateLimited(perSecond: 2, burst: 20), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 5", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(40), at: daemon)
                let row = try await eventually("the learned rate keeps mail waiting") {
                    let row = try await daemon.destination("rcpt.test")
                    return row.waits.contains { $0.kind == "learned-rate" } ? row : nil
                }
                let start = receiver.statistics
                let why = try #require(row.waits.first { $0.kind == "learned-rate" })
                #expect(why.text.hasPrefix("the receiver bears "))
                #expect(why.detail?.rate == row.learnedRate)
                #expect(row.learnedRate.map { (0.5...4).contains($0) } == true)
                try await receiver.takes(41)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                let refused = seen.replies[421, default: 0] - start.replies[421, default: 0]
                #expect(refused <= 6, "of about twenty")
                #expect(seen.duplicates == 0 && seen.deliveries.count == 41)
                #expect(try await daemon.totals().bounced == 0)
            }
        }

        /// One machine of four is broken: each connection to it costs one attempt, and neither
        /// the breaker nor the window take it for the whole. At least 70 % of what goes to a pool
        /// that is well goes to this one, in connections at a time. (`sluice simulate` has all pairs.)
        @Test(arguments: zip(ReceiverManner.Brokenness.allCases, [1, 5]))
        func oneBrokenBackend(_ brokenness: ReceiverManner.Brokenness, perConnection: Int)
            async throws
        {
            let (well, _) = try await pool(.fast, perConnection: perConnection)
            let (seen, deferred) = try await pool(
                .oneBroken(of: 4, brokenness), perConnection: perConnection)
            #expect(seen.broken > 20)
            #expect(deferred <= seen.broken)
            #expect(seen.transactionsMean >= 0.7 * well.transactionsMean)
            #expect(well.transactionsMax <= 10 && seen.transactionsMax <= 10)
        }

        /// What such a receiver saw of two thousand messages, and how many attempts failed. Of one
        /// thousand the first second, in which the window finds out, would decide.
        private func pool(
            _ manner: ReceiverManner, perConnection: Int
        ) async throws -> (ReceiverStatistics, deferred: Int) {
            var result: (ReceiverStatistics, Int)?
            try await withScene { scene in
                var manner = manner
                manner.delays.recipient = .milliseconds(20)
                let receiver = try await scene.receiver("pool", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = [
                    "concurrency = 10", "rate = \"off\"",
                    "messages_per_connection = \(perConnection)",
                ]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(2000), at: daemon)
                try await receiver.takes(2001)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                #expect(seen.duplicates == 0 && seen.deliveries.count == 2001)
                result = (seen, try await daemon.totals().deferred)
            }
            return try #require(result)
        }

        /// Four exchangers, of which one refuses or answers 421: what meets it goes to another one in
        /// the same attempt, and no attempt fails.
        @Test(arguments: [true, false])
        func oneBrokenAddress(_ refuses: Bool) async throws {
            let net = "127.\(Int.random(in: 60...250)).\(Int.random(in: 1...250))"
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(10)
                var receivers: [Receiver] = []
                for number in 1...3 {
                    receivers.append(
                        try await scene.receiver(
                            "mx\(number)", manner, host: "\(net).\(number)", port: 25,
                            keep: .deliveries))
                }
                let broken = try await scene.receiver(
                    "mx4", refuses ? .dead : .oneBroken(of: 1), host: "\(net).4", port: 25)
                let dns = try DNSServer(
                    (1...4).flatMap { number -> [DNSServer.Record] in
                        [
                            .mx("rcpt.test", host: "mx\(number).rcpt.test", preference: 1),
                            .addresses("mx\(number).rcpt.test", ["\(net).\(number)"]),
                        ]
                    })
                var settings = DaemonSettings()
                settings.dns = dns.port
                settings.limits = [
                    "concurrency = 10", "rate = \"off\"", "messages_per_connection = 2",
                ]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(TestMail.many(300), at: daemon)
                try await daemon.awaitEmptyQueue()
                let seen = receivers.map(\.statistics)
                #expect(seen.reduce(0) { $0 + $1.messages } == 301)
                #expect(seen.allSatisfy { $0.duplicates == 0 })
                #expect(try await daemon.totals().deferred == 0)
                #expect(refuses || broken.statistics.broken > 10)
                let row = try await daemon.destination("rcpt.test")
                #expect(row.window >= 5 && row.breaker == .closed && row.failures == 0)
            }
        }

        /// Mail for a dead host costs one attempt for each time that the breaker lets one go;
        /// when the host is back a ramp follows, not a burst.
        @Test func outageAndRecovery() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(5)
                let receiver = try await scene.receiver("mx", manner, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 10", "rate = \"off\""]
                settings.retry = [
                    "first = \"200ms\"", "cap = \"1s\"", "breaker_first = \"200ms\"",
                    "breaker_cap = \"400ms\"",
                ]
                let daemon = try await scene.daemon(settings)
                try await scene.prepare(daemon)
                await receiver.goDown()
                try await scene.release(TestMail.many(500), at: daemon)
                let row = try await eventually("several probes") {
                    let row = try await daemon.destination("rcpt.test")
                    return row.failures >= 16 && row.queued == 500 ? row : nil
                }
                #expect(row.breaker != .closed)
                // Ten of the first cohort and those that ran with them, then one by one.
                let attempts = try await daemon.totals().deferred
                let failures = try await daemon.destination("rcpt.test").failures
                #expect(attempts <= failures + 20)
                try await receiver.comeUp()
                try await receiver.takes(501)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                seen.expectRamp()
                #expect(seen.transactionsMax <= 10)
                #expect(seen.duplicates == 0 && seen.deliveries.count == 501)
            }
        }

        /// Who asks for patience gets it: everything goes at its second attempt, and nothing is
        /// slowed down by it.
        @Test func greylistingCostsOneAttempt() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver(
                    "grey", .greylisting(for: .milliseconds(700)), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1s\"", "cap = \"4s\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail.many(100), to: daemon.port)
                try await receiver.takes(100)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.transactions == 200)
                #expect(receiver.statistics.deliveries.count == 100)
                #expect(receiver.statistics.duplicates == 0)
                let row = try await daemon.destination("rcpt.test")
                #expect(row.failures == 0 && row.window >= 5 && row.breaker == .closed)
            }
        }

        @Test func fullMailboxesWaitAlone() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver(
                    "full", .fullMailboxes(share: 0.05), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail.many(400), to: daemon.port)
                let left = try await eventually("all were tried once") {
                    let rows = try await daemon.control.messages(limit: 200).rows
                    return receiver.statistics.transactions == 400
                        && rows.allSatisfy { $0.state == .delayed } ? rows : nil
                }
                #expect((4...50).contains(left.count))
                #expect(receiver.statistics.deliveries.count == 400 - left.count)
                for row in left {
                    #expect(row.attempts == 1)
                    #expect(row.waits.map(\.kind) == ["schedule"])
                    #expect(row.why.text.contains("452 4.2.2"))
                    #expect(row.why.detail?.reply?.contains("Mailbox full") == true)
                }
                let row = try await eventually("the destination's report") {
                    let row = try await daemon.destination("rcpt.test")
                    return row.delayed == left.count ? row : nil
                }
                #expect(row.breaker == .closed && row.failures == 0 && row.window >= 5)
                #expect(row.state == .scheduled && row.drainBound == "schedule")
            }
        }

        /// One that answers nothing keeps its own connections busy and nothing else.
        @Test func slowReceiverHoldsUpNobodyElse() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .seconds(3600)
                let slow = try await scene.receiver("slow", manner)
                let fast = try await scene.receiver("fast", keep: .deliveries)
                var settings = DaemonSettings()
                settings.workers = 1
                settings.routes = ["slow.test": slow.route, "fast.test": fast.route]
                settings.limits = ["concurrency = 3", "initial_window = 3", "rate = \"off\""]
                settings.more = "[supervision]\nshutdown_timeout = \"0s\""
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail.many(50, domain: "slow.test"), to: daemon.port)
                try await scene.send(TestMail.many(200, domain: "fast.test"), to: daemon.port)
                try await fast.takes(200)
                #expect(fast.statistics.deliveries.count == 200)
                #expect(slow.statistics.messages == 0)
                let row = try await eventually("its window is full") {
                    let row = try await daemon.destination("slow.test")
                    return row.delivering == 3 && row.waits.map(\.kind) == ["window"] ? row : nil
                }
                #expect(row.why.text == "window 3 of 3 busy")
                #expect(row.why.detail?.busy == 3 && row.why.detail?.limit == 3)
                #expect(slow.statistics.transactionsMax == 3)
            }
        }

        /// Few connections and many destinations: the one with much mail makes room for the others.
        @Test func scarceConnectionsAreShared() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(5)
                let receiver = try await scene.receiver("mx", manner)
                var settings = DaemonSettings()
                settings.workers = 1
                settings.groupBy = "domain"
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 20", "initial_window = 20", "rate = \"off\""]
                settings.delivery = ["max_connections = 3"]
                let daemon = try await scene.daemon(settings)
                try await scene.prepare(daemon, domain: "big.test")
                try await scene.send(TestMail.many(500, domain: "big.test"), to: daemon.port)
                let big = try await daemon.destination("big.test")
                try await daemon.act(.resume, Selector(destinations: [big.id]))
                try await receiver.takes(20)
                let waiting = try await daemon.destination("big.test")
                #expect(waiting.connections <= 3)
                let mails = (0..<12).map { TestMail("s\($0)", to: "user@d\($0).test") }
                try await scene.send(mails, to: daemon.port)
                let sent = receiver.statistics.messages
                try await receiver.takes(513)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.transactionsMax <= 3)
                #expect(receiver.statistics.duplicates == 0)
                let recipients = receiver.captured.map { $0.recipients[0] }
                let last = try #require(recipients.lastIndex { !$0.hasSuffix("@big.test") })
                // Each waits for a turn or two of the others, not for the end of the big one.
                #expect(last < sent + 150)
            }
        }

        /// Ten messages behind a bulk run of four hundred to the same destination do not wait
        /// for its end.
        @Test func bulkDoesNotBlockOthers() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.recipient = .milliseconds(2)
                let receiver = try await scene.receiver("mx", manner)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 2", "initial_window = 2", "rate = \"off\""]
                let daemon = try await scene.daemon(settings)
                try await scene.queue(
                    TestMail.many(400, from: "news@bulk.test") + TestMail.many(10, prefix: "t"),
                    at: daemon)
                try await receiver.takes(411)
                let senders = receiver.captured.map(\.sender)
                let last = try #require(senders.lastIndex(of: "app@sender.test"))
                // One for each of the other run's, the two that were on their way, and the first.
                #expect(last <= 30)
            }
        }
    }
}
