import Control
import Glibc
import Scheduler
import Testbed
import Testing

extension Integration {
    /// "Retry now": mail becomes due and an open breaker lets one probe go; every limit holds.
    @Suite struct FlushTests {
        /// Nothing goes by itself for an hour.
        private func settings(_ receiver: Receiver) -> DaemonSettings {
            var settings = DaemonSettings()
            settings.routes = ["*": receiver.route]
            settings.limits = ["concurrency = 5", "rate = \"50/s\"", "burst = 5"]
            settings.retry = [
                "first = \"1h\"", "cap = \"2h\"", "breaker_first = \"1h\"", "breaker_cap = \"2h\"",
            ]
            return settings
        }

        @Test func oneProbeThenARampWithinTheLimits() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                let daemon = try await scene.daemon(settings(receiver))
                try await scene.prepare(daemon)
                await receiver.goDown()
                try await scene.release(TestMail.many(200), at: daemon)
                let open = try await eventually("the breaker is open") {
                    let row = try await daemon.destination("rcpt.test")
                    return row.breaker == .open && row.delivering == 0 ? row : nil
                }
                #expect(open.why.kind == "breaker" && open.waits.count >= 1)
                #expect(open.why.detail?.attempts == open.failures)
                let spent = try await daemon.totals().deferred
                let selector = Selector(destinations: [open.id])

                // In vain: one attempt, and the breaker is open again.
                let plan = try await daemon.control.plan(
                    PlanRequest(action: .retry, selector: selector))
                #expect(plan.counts.deliveries == 200)
                // Five at once, and the rest at fifty a second.
                #expect(plan.drainSeconds.map { $0 >= 3.8 && $0 < 60 } == true)
                // What its transactions take is measured, so that a busy machine promises less.
                #expect(plan.drainPerSecond.map { $0 > 0 && $0 <= 50 } == true)
                #expect(plan.drainSlowest == open.name)
                _ = try await daemon.control.apply(plan.id, ApplyRequest(count: 200))
                try await waitUntil("the probe failed") {
                    let row = try await daemon.destination("rcpt.test")
                    return row.failures == open.failures + 1 && row.breaker == .open
                }
                #expect(try await daemon.totals().deferred == spent + 1)

                try await receiver.comeUp()
                let dry = try await Program.run(
                    try Program.sluice, ["retry", "rcpt.test", "--dry-run"], input: "",
                    environment: ["SLUICE_SOCKET": daemon.socket])
                #expect(dry.status == 0, "\(dry.errors)")
                #expect(dry.output.contains("200 deliveries"))
                #expect(dry.output.contains("/s"), "\(dry.output)")
                #expect(receiver.statistics.messages == 1, "a dry run does nothing")

                let before = ContinuousClock.now
                try await daemon.act(.retry, selector)
                try await receiver.takes(201)
                try await daemon.awaitEmptyQueue()
                // 5 at once and 195 at 50 per second. No delay on the way can make it faster.
                #expect(ContinuousClock.now - before >= .seconds(3.8))
                let seen = receiver.statistics
                seen.expectRamp()
                #expect(seen.transactionsMax <= 5)
                #expect(seen.duplicates == 0 && seen.deliveries.count == 201)
            }
        }

        /// A pause and a hold are the operator's own: a retry does not end them.
        @Test func pauseAndHoldOutlastIt() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                let daemon = try await scene.daemon(settings(receiver))
                try await scene.prepare(daemon)
                try await scene.send(TestMail.many(3), to: daemon.port)
                let id = try await daemon.destination("rcpt.test").id
                let rows = try await daemon.control.messages().rows
                try await daemon.act(.hold, Selector(messages: [rows[0].id]), reason: "ticket 7")
                let plan = try await daemon.control.plan(
                    PlanRequest(action: .retry, selector: Selector(destinations: [id])))
                #expect(plan.counts.deliveries == 2)
                #expect(plan.notes.contains { $0.contains("not touched") })
                #expect(plan.notes.contains { $0.contains("paused") })
                #expect(plan.drainSeconds == nil)
                _ = try await daemon.control.apply(plan.id, ApplyRequest())
                let row = try await daemon.destination("rcpt.test")
                #expect(row.why.kind == "paused" && row.drainSeconds == nil)
                #expect(receiver.statistics.messages == 1)
                try await daemon.act(.resume, Selector(destinations: [id]))
                try await receiver.takes(3)
                let held = try await eventually("only the held one is left") {
                    let left = try await daemon.control.messages().rows
                    return left.count == 1 ? left[0] : nil
                }
                #expect(held.id == rows[0].id && held.why.kind == "held")
                #expect(held.why.text.hasSuffix(": ticket 7") && held.why.detail?.by != nil)
                // Who and why survive a restart.
                try await daemon.end(SIGTERM)
                try await daemon.start()
                #expect(try await daemon.control.messages().rows.map(\.why) == [held.why])
            }
        }
    }
}
