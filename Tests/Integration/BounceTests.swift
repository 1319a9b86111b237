import Control
import Testing

@testable import Testbed

extension Integration {
    @Suite struct BounceTests {
        /// Mailboxes that the receiver knows, and one that it does not.
        private func mailboxes(
            _ domain: String, share: Double, seed: UInt64
        ) throws -> (known: [String], unknown: String) {
            let all = (0..<100).map { "user\($0)@\(domain)" }
            let known = all.filter { stableShare($0, salt: seed) >= share }
            let unknown = all.first { stableShare($0, salt: seed) < share }
            return (Array(known.prefix(2)), try #require(unknown))
        }

        @Test func onlyTheUnknownRecipientBounces() async throws {
            try await withScene { scene in
                let a = try await scene.receiver("a", .unknownUsers(share: 0.3), seed: 7)
                let b = try await scene.receiver("b")
                let senders = try await scene.receiver("senders")
                let (known, unknown) = try mailboxes("a.test", share: 0.3, seed: 7)
                var settings = DaemonSettings()
                settings.routes = [
                    "a.test": a.route, "b.test": b.route, "sender.test": senders.route,
                ]
                let daemon = try await scene.daemon(settings)
                let others = ["one@b.test", "two@b.test"]
                try await scene.send(
                    TestMail("mixed", to: known + [unknown] + others), to: daemon.port)
                try await senders.takes(1)
                try await daemon.awaitEmptyQueue()

                // Several recipients of one destination: one transaction.
                #expect(a.captured.map(\.recipients) == [known])
                #expect(b.captured.map(\.recipients) == [others])

                #expect(senders.statistics.messages == 1)
                let report = senders.captured[0]
                #expect(report.sender == "")
                #expect(report.recipients == ["app@sender.test"])
                let text = report.text
                #expect(text.contains("multipart/report"))
                #expect(text.contains("report-type=delivery-status"))
                #expect(text.contains("Action: failed"))
                #expect(text.contains("Status: 5.1.1"))
                #expect(text.contains("rfc822; \(unknown)") || text.contains("rfc822;\(unknown)"))
                #expect(text.contains("Message-ID: <mixed@sender.test>"))
                for recipient in known + others {
                    #expect(!text.contains("Final-Recipient: rfc822; \(recipient)"))
                }
                let totals = try await daemon.totals()
                #expect(totals.bounced == 1)
            }
        }

        @Test func aNullSenderGetsNoReport() async throws {
            try await withScene { scene in
                let nobody = try await scene.receiver("nobody", .unknownUsers(share: 1))
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["a.test": nobody.route, "*": senders.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    [
                        TestMail("null", from: "", to: "user@a.test"),
                        TestMail("named", from: "app@sender.test", to: "user@a.test"),
                    ], to: daemon.port)
                // The second message's report shows that the first one's would be here as well.
                try await senders.takes(1)
                try await daemon.awaitEmptyQueue()
                #expect(senders.captured.map(\.recipients) == [["app@sender.test"]])
                #expect(try await daemon.totals().bounced == 2)
            }
        }

        /// A report that cannot be delivered makes no further one.
        @Test func aReportIsNotReportedOn() async throws {
            try await withScene { scene in
                let nobody = try await scene.receiver("nobody", .unknownUsers(share: 1))
                var settings = DaemonSettings()
                settings.routes = ["*": nobody.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("loop", to: "user@a.test"), to: daemon.port)
                try await waitUntil("message and report are both refused") {
                    try await daemon.totals().bounced == 2
                }
                try await daemon.awaitEmptyQueue()
                #expect(nobody.statistics.transactions == 2)
            }
        }

        @Test func mailThatIsTooOldGoesBack() async throws {
            try await withScene { scene in
                let dead = try await scene.receiver("dead", .dead)
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["a.test": dead.route, "sender.test": senders.route]
                settings.retry.append("max_age = \"2s\"")
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("old", to: "user@a.test"), to: daemon.port)
                try await senders.takes(1)
                #expect(senders.captured[0].text.contains("Status: 4.4.7"))
                try await daemon.awaitEmptyQueue()
            }
        }
    }
}
