import Control
import Glibc
import Testbed
import Testing

extension Integration {
    @Suite struct RetryTests {
        @Test func greylistingPasses() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver(
                    "grey", .greylisting(for: .milliseconds(800)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                let mails = (0..<20).map { TestMail("grey-\($0)", to: "user\($0)@rcpt.test") }
                try await scene.send(mails, to: daemon.port)
                let waiting = try await eventually("a delivery that was tried") {
                    try await daemon.control.messages(filter: "attempts > 0").rows.first
                }
                #expect(waiting.lastReply?.contains("Greylisted") == true)
                #expect(["delayed", "ready", "delivering"].contains(waiting.state.rawValue))
                try await receiver.takes(20)
                try await daemon.awaitEmptyQueue()
                let seen = receiver.statistics
                #expect(seen.duplicates == 0)
                #expect(seen.deliveries.count == 20)
                // Each was put off once at least, and nobody tried without waiting.
                #expect(try await daemon.totals().deferred >= 20)
                #expect(seen.transactions <= 20 * 10)
            }
        }

        @Test func serverThatComesBack() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("down", .dead)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<30).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") },
                    to: daemon.port)
                try await waitUntil("the destination backs off") {
                    try await daemon.totals().backoff == 1
                }
                let row = try await daemon.destination("rcpt.test")
                #expect(row.queued == 30)
                #expect(row.failures > 0)
                try await receiver.comeUp()
                try await receiver.takes(30)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.duplicates == 0)
            }
        }

        /// A connection that is torn after the message was taken: the one duplicate that SMTP
        /// forces. Everywhere else a torn connection makes none.
        @Test func tornConnections() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("drops", .dropping(odds: 0.4), seed: 3)
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = [
                    "first = \"50ms\"", "cap = \"200ms\"", "breaker_first = \"50ms\"",
                    "breaker_cap = \"100ms\"",
                ]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<30).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") },
                    to: daemon.port)
                try await receiver.takes(30)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.drops > 0)
                #expect(receiver.statistics.duplicates == 0)
                #expect(receiver.statistics.deliveries.count == 30)
            }
        }

        /// What this host cannot do says nothing about the receiver, and is no attempt.
        @Test func ownTroubleIsNoAttempt() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                // An address for documentation (RFC 5737): not one of this host's.
                settings.delivery = ["local_addresses = [\"192.0.2.1\"]"]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail.many(8), to: daemon.port)
                let row = try await eventually("it says what is wrong") {
                    let row = try await daemon.destination("rcpt.test")
                    // Before, a worker that has only just taken it over says so.
                    let isSaid = row.waits.first?.text.hasSuffix("Cannot assign requested address")
                    return isSaid == true ? row : nil
                }
                #expect(row.waits[0].kind == "worker")
                #expect(row.breaker == .closed && row.failures == 0 && row.window >= 5)
                let mails = try await daemon.control.messages().rows
                #expect(mails.count == 8 && mails.allSatisfy { $0.attempts == 0 })
                settings.delivery = []
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await receiver.takes(8)
                try await daemon.awaitEmptyQueue()
            }
        }

        /// Attempts and times are on disk: a restart neither forgets nor hurries.
        @Test func attemptsSurviveARestart() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<5).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") },
                    to: daemon.port)
                @Sendable func rows() async throws -> [MessageRow] {
                    try await daemon.control.messages(
                        filter: "attempts = 1 and state = delayed", sort: "id"
                    ).rows
                }
                let before = try await eventually("all were tried") {
                    let rows = try await rows()
                    return rows.count == 5 ? rows : nil
                }
                let history = try await daemon.control.message(before[0].message).history
                let first = try #require(history.first)
                #expect(history.count == 1 && first.number == 1 && first.worker != nil)
                #expect(first.reply.contains("Greylisted") && first.remote != nil)
                try await daemon.end(SIGKILL)
                try await daemon.start()
                let after = try await rows()
                #expect(try await daemon.control.message(before[0].message).history == history)
                #expect(after.map(\.id) == before.map(\.id))
                #expect(after.map(\.nextAttemptAt) == before.map(\.nextAttemptAt))
                #expect(after.map(\.lastReply) == before.map(\.lastReply))
                #expect(receiver.statistics.transactions == 5)
            }
        }
    }
}
