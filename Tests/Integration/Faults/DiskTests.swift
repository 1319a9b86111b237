import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// A spool that cannot record: nothing is taken in, nothing is sent, everybody can see why, and
    /// all of it ends by itself.
    @Suite struct DiskTests {
        private struct Rig {
            let daemon: Daemon
            let receiver: Receiver
            let grey: Receiver
            let faults: FaultySystemControl

            init(in scene: Scene) async throws {
                receiver = try await scene.receiver("mx", keep: .deliveries)
                grey = try await scene.receiver(
                    "grey", .greylisting(for: .milliseconds(1)), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route, "grey.test": grey.route]
                daemon = try scene.idleDaemon(settings)
                faults = try FaultySystemControl(for: daemon)
                try await daemon.start()
            }

            var copies: [ReceivedDelivery: Int] {
                receiver.statistics.deliveries.merging(grey.statistics.deliveries) { $0 + $1 }
            }
        }

        /// What the intake says to a message, from MAIL to the end.
        private func reply(to mail: TestMail, of daemon: Daemon, _ scene: Scene) async throws -> Int
        {
            try await Conversation.with(
                host: "127.0.0.1", port: daemon.port, group: scene.group
            ) { client in
                try await client.greet(as: "app.sender.test")
                let outcome = try await client.send(
                    from: mail.sender, to: mail.recipients, mail.content)
                switch outcome {
                case .taken: return 250
                case .refused(let reply): return reply.code
                }
            }
        }

        @Test(arguments: FaultySystemControl.Fault.allCases.filter { $0 != .none })
        func aSpoolThatCannotRecord(_ fault: FaultySystemControl.Fault) async throws {
            try await withScene { scene in
                let rig = try await Rig(in: scene)
                let first = (0..<8).map { TestMail("first-\($0)", to: "u\($0)@a.test") }
                try await scene.send(first, to: rig.daemon.port)
                try await rig.receiver.takes(8)
                // The mail that waits for its second try is there when the disk fails.
                let waiting = (0..<4).map { TestMail("waiting-\($0)", to: "u\($0)@grey.test") }
                try await scene.send(waiting, to: rig.daemon.port)
                try await waitUntil("all are put off") {
                    rig.grey.statistics.replies[450] ?? 0 >= 4
                }

                try rig.faults.set(fault)
                try await checkPause(rig, scene)
                // What is due by now stays where it is: its result could not be recorded.
                try await waitUntil("mail waits for the disk") {
                    try await rig.daemon.destination("grey.test").why.kind == "spool"
                }
                let transactions = rig.grey.statistics.transactions
                // The last one's result may not have come to the disk.
                let before = try await rows(rig).map(\.attempts)
                #expect(before.count == 4 && before.allSatisfy { $0 <= 1 })
                _ = try await reply(to: TestMail("third", to: "u@a.test"), of: rig.daemon, scene)
                #expect(rig.grey.statistics.transactions == transactions)
                let after = try await rows(rig)
                #expect(after.map(\.attempts) == before, "waiting for the disk is no attempt")
                #expect(after.allSatisfy { $0.waits.contains { $0.kind == "spool" } })
                try rig.faults.set(.none)

                try await checkRecovery(rig, scene)
                #expect(rig.copies.count == 13)
                #expect(rig.copies.values.allSatisfy { $0 == 1 })
            }
        }

        private func rows(_ rig: Rig) async throws -> [MessageRow] {
            try await rig.daemon.control.messages(filter: "domain = grey.test", sort: "id").rows
        }

        private func checkPause(_ rig: Rig, _ scene: Scene) async throws {
            let code = try await reply(
                to: TestMail("refused", to: "u@a.test"), of: rig.daemon, scene)
            #expect(code == 452)
            let status = try await eventually("the status says so") {
                let status = try await rig.daemon.control.status()
                return status.spoolError == nil ? nil : status
            }
            #expect(status.spoolError?.contains("spool.db") == true)
            try await waitUntil("the log says so") {
                rig.daemon.logText.contains("the spool cannot record")
            }
            // Refused before the message is sent, from now on.
            #expect(
                try await reply(to: TestMail("again", to: "u@a.test"), of: rig.daemon, scene) == 452
            )
            let screen = try await Program.run(
                try Program.sluice, ["top", "--once", "--socket", rig.daemon.socket])
            #expect(screen.output.lowercased().contains("cannot record"), "\(screen)")
            let text = try await Program.run(
                try Program.sluice, ["status", "--socket", rig.daemon.socket])
            #expect(text.output.lowercased().contains("cannot record"), "\(text.output)")
        }

        private func checkRecovery(_ rig: Rig, _ scene: Scene) async throws {
            try await waitUntil("it records again") {
                try await rig.daemon.control.status().spoolError == nil
            }
            #expect(rig.daemon.logText.contains("the spool records again"))
            try await scene.send(TestMail("last", to: "u@a.test"), to: rig.daemon.port)
            try await rig.daemon.awaitEmptyQueue()
        }

        /// The disk is full at any write, however little of a commit was written before: what was
        /// answered 250 by then is delivered once, what was not is refused, and all goes on.
        @Test func fullAtAnyWrite() async throws {
            try await withScene { scene in
                let rig = try await Rig(in: scene)
                var taken: [TestMail] = []
                for writes in 0..<24 {
                    try rig.faults.set(.fullDisk, after: writes)
                    // Each takes some writes: one of them is in the way of the fault.
                    var code = 250
                    for number in 0..<40 where code == 250 {
                        let mail = TestMail("m-\(writes)-\(number)", to: "u@a.test")
                        code = try await reply(to: mail, of: rig.daemon, scene)
                        if code == 250 { taken.append(mail) }
                    }
                    #expect(code == 452, "after \(writes) writes")
                    try rig.faults.set(.none)
                    try await waitUntil("it records again") {
                        try await rig.daemon.control.status().spoolError == nil
                    }
                }
                try await rig.daemon.awaitEmptyQueue()
                #expect(!taken.isEmpty)
                let keys = taken.map {
                    ReceivedDelivery(id: $0.id, recipient: $0.recipients[0])
                }
                #expect(Set(rig.copies.keys) == Set(keys))
                #expect(rig.copies.values.allSatisfy { $0 == 1 })
            }
        }

        /// What cannot be recorded must not keep the daemon from ending; and nothing is lost by it.
        @Test func itEndsWithoutItsDirectory() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                settings.more = """
                    [supervision]
                    shutdown_timeout = "1s"
                    """
                let daemon = try scene.idleDaemon(settings)
                try await daemon.start()
                try await scene.send(TestMail("before", to: "u@a.test"), to: daemon.port)
                try await daemon.awaitEmptyQueue()
                await receiver.goDown()
                try await scene.send(TestMail("waiting", to: "v@a.test"), to: daemon.port)
                let away = daemon.dataDirectory + ".away"
                #expect(rename(daemon.dataDirectory, away) == 0)
                try await waitUntil("it is noticed") {
                    daemon.logText.contains("the spool cannot record")
                }
                try await daemon.end(SIGTERM)
                #expect(daemon.logText.contains("ending although the spool cannot record"))
                #expect(rename(away, daemon.dataDirectory) == 0)
                try await receiver.comeUp()
                try await daemon.start()
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == 2)
                #expect(receiver.statistics.deliveries.values.allSatisfy { $0 == 1 })
            }
        }

        /// The files are open still, and whatever is written into them is gone with the daemon: it
        /// must not say 250 then.
        @Test func aVanishedDirectory() async throws {
            try await withScene { scene in
                let rig = try await Rig(in: scene)
                try await scene.send(TestMail("before", to: "u@a.test"), to: rig.daemon.port)
                try await rig.daemon.awaitEmptyQueue()
                let away = rig.daemon.dataDirectory + ".away"
                #expect(rename(rig.daemon.dataDirectory, away) == 0)
                try await checkPause(rig, scene)
                #expect(rename(away, rig.daemon.dataDirectory) == 0)
                try await checkRecovery(rig, scene)
                #expect(rig.copies.count == 2)
                #expect(rig.copies.values.allSatisfy { $0 == 1 })
            }
        }
    }
}
