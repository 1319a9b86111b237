import Control
import Foundation
import Mail
import NIOCore
import Settings
import Testing

@testable import Manager
@testable import Spool

/// What senders are told of mail that is late, or that was passed on.
@Suite(.timeLimit(.minutes(15))) struct WarningTests {
    private static func soon(_ configuration: inout Configuration) {
        configuration.retry.delayWarning = .on(.seconds(0))
    }

    /// The reports in the spool, as text.
    private func reports(_ rig: Rig) throws -> [String] {
        let ids = Set(
            try rig.stored().filter {
                $0.message.client.hasPrefix("report on ") || $0.message.client.hasPrefix("bounce")
            }.map(\.id.message))
        return try ids.sorted().compactMap { id in
            try rig.spool.body(of: id).map { String(buffer: $0) }
        }
    }

    private func look(_ rig: Rig) async throws {
        try await rig.on { $0.dispatcher.warnLate() }
        try await rig.drain()
    }

    @Test func theSenderIsToldOnce() async throws {
        try await withRig(Self.soon) { rig in
            let id = try await rig.on { stage in
                stage.addWorker(1)
                return stage.accept(["u@a.test", "v@a.test"])
            }
            try await rig.drain()
            try await look(rig)
            let report = try #require(try reports(rig).first)
            #expect(report.contains("Subject: Delayed mail"))
            #expect(report.contains("Final-Recipient: rfc822; u@a.test\r\nAction: delayed\r\n"))
            #expect(report.contains("Status: 4.4.0\r\n"))
            #expect(report.contains("Will-Retry-Until: "))
            let stored = try rig.stored().filter { $0.id.message == id }
            #expect(stored.allSatisfy { $0.isWarned })
            // Neither again, nor by the next manager, which begins at the beginning.
            try await look(rig)
            try await rig.on { $0.dispatcher.late = LateMail() }
            try await look(rig)
            #expect(try reports(rig).count == 1)
        }
    }

    @Test func notBeforeItsTime() async throws {
        try await withRig { rig in
            _ = try await rig.on { stage in
                stage.addWorker(1)
                return stage.accept(["u@a.test"])
            }
            try await rig.drain()
            try await look(rig)
            #expect(try reports(rig).isEmpty)
            #expect(try rig.stored().allSatisfy { !$0.isWarned })
        }
    }

    @Test func switchedOffForADestination() async throws {
        let read = try Configuration.load(
            text: """
                [retry]
                delay_warning = "1s"
                [[shaping]]
                match = "quiet.test"
                delay_warning = "off"
                """, file: "/s.toml")
        try await withRig({
            $0.retry.delayWarning = .on(.seconds(0))
            $0.shaping = read.shaping
        }) { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                stage.dispatcher.learn(domain: "quiet.test", identity: "192.0.2.1", ttl: nil)
                stage.dispatcher.learn(domain: "loud.test", identity: "192.0.2.2", ttl: nil)
                _ = stage.accept(["u@quiet.test"])
                _ = stage.accept(["u@loud.test"])
            }
            try await rig.drain()
            try await look(rig)
            let told = try reports(rig)
            #expect(told.count == 1)
            #expect(told.first?.contains("u@loud.test") == true)
        }
    }

    @Test func whoIsNotTold() async throws {
        try await withRig(Self.soon) { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                _ = stage.accept(["u@a.test"], sender: "")
                _ = stage.accept([("v@a.test", "FAILURE")])
                _ = stage.accept([("w@a.test", "NEVER"), ("x@a.test", "DELAY")])
            }
            try await rig.drain()
            try await look(rig)
            let told = try reports(rig)
            #expect(told.count == 1)
            #expect(told.first?.contains("Final-Recipient: rfc822; x@a.test") == true)
            for other in ["u@a.test", "v@a.test", "w@a.test"] {
                #expect(told.first?.contains("Final-Recipient: rfc822; \(other)") == false)
            }
        }
    }

    /// A report is lost with its mark, or neither is.
    @Test func aSpoolThatFailsLosesNoWarning() async throws {
        try await withRig(Self.soon) { rig in
            _ = try await rig.on { stage in
                stage.addWorker(1)
                return stage.accept(["u@a.test"])
            }
            try await rig.drain()
            rig.spool.failCommits(true)
            try await look(rig)
            #expect(try reports(rig).isEmpty)
            #expect(try rig.stored().map(\.isWarned) == [false])
            #expect(try await rig.on { $0.dispatcher.unrecorded.count } == 1)
        }
    }

    // MARK: Success

    @Test func relayedMailIsReportedWhereItWasAskedFor() async throws {
        try await withRig { rig in
            let id = try await rig.on { stage in
                stage.addWorker(1)
                stage.dispatcher.learn(domain: "a.test", identity: "192.0.2.1", ttl: nil)
                return DeliveryID(
                    message: stage.accept([("u@a.test", "SUCCESS"), ("v@a.test", "")]), ordinal: 0)
            }
            try await rig.drain()
            try await rig.on { stage in
                stage.report(id, of: 1, [.relayed, .delivered], from: 1)
            }
            try await rig.drain()
            #expect(try rig.stored().filter { $0.id == id }.isEmpty)
            let report = try #require(try reports(rig).first)
            #expect(report.contains("Subject: Relayed mail"))
            #expect(report.contains("rfc822; u@a.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n"))
            #expect(!report.contains("v@a.test"))
            #expect(try await rig.on { $0.dispatcher.totals.delivered } == 2)
            #expect(try await rig.on { $0.recorded(1) } == 1)
        }
    }

    @Test func oneReportForRelayedAndFailed() async throws {
        try await withRig { rig in
            let id = try await rig.on { stage in
                stage.addWorker(1)
                stage.dispatcher.learn(domain: "a.test", identity: "192.0.2.1", ttl: nil)
                return DeliveryID(
                    message: stage.accept([
                        ("u@a.test", "SUCCESS"), ("v@a.test", "FAILURE,SUCCESS"),
                    ]), ordinal: 0)
            }
            try await rig.drain()
            try await rig.on { $0.report(id, of: 1, [.relayed, .failed], from: 1) }
            try await rig.drain()
            let told = try reports(rig)
            #expect(told.count == 1)
            #expect(told.first?.contains("Action: relayed") == true)
            #expect(told.first?.contains("Action: failed") == true)
        }
    }
}
