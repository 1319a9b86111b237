import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// `sluice backup` while mail comes in and goes out, and what is made of the copy.
    @Suite struct BackupTests {
        private func sluice(_ daemon: Daemon, _ arguments: String...) async throws
            -> Program.Result
        {
            try await Program.run(
                try Program.sluice, arguments, environment: ["SLUICE_SOCKET": daemon.socket])
        }

        /// Everything that was accepted before the call is in the copy, or had arrived; a daemon
        /// on the copy delivers what is in it, once.
        @Test func underLoad() async throws {
            try await withScene { scene in
                var manner = ReceiverManner.fast
                manner.delays.endOfData = .milliseconds(20)
                let quick = try await scene.receiver("quick", manner, keep: .deliveries)
                let grey = try await scene.receiver(
                    "grey", .greylisting(for: .seconds(3600)), keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["quick.test": quick.route, "grey.test": grey.route]
                settings.limits = ["rate = \"off\""]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                var options = Traffic.Options()
                options.rate = 300
                options.limit = 500
                options.keepsAccepted = true
                let traffic = Traffic(
                    MailStream(domains: ["grey.test", "quick.test"]), port: daemon.port,
                    group: scene.group, options: options)
                let file = scene.directory.file("copy.db")

                let (before, arrived) = try await withThrowingTaskGroup { group in
                    group.addTask { await traffic.run() }
                    try await waitUntil("mail flows") {
                        traffic.statistics.messages >= 150 && quick.statistics.messages > 10
                    }
                    let before = traffic.statistics.accepted
                    let result = try await sluice(daemon, "backup", file)
                    #expect(result.status == 0, "\(result.errors)")
                    let arrived = quick.statistics.deliveries
                    try await group.waitForAll()
                    return (before, arrived)
                }
                #expect(before.count >= 150)
                #expect(try await daemon.end(SIGTERM) == .exit(0))

                // A second daemon, on the copy, with receivers of its own that take everything.
                let second = try await scene.receiver("second", keep: .deliveries)
                settings.routes = ["*": second.route]
                let restored = try scene.idleDaemon(settings, name: "restored")
                try FileManager.default.copyItem(
                    atPath: file, toPath: restored.dataDirectory + "/spool.db")
                let fsck = try await Program.run(
                    try Program.sluiced, ["fsck", "--config", restored.configuration])
                #expect(fsck.status == 0 && fsck.output.hasSuffix("good\n"), "\(fsck.output)")
                try await restored.start()
                try await restored.act(.retry, Selector(filter: "age >= 0s"))
                try await restored.awaitEmptyQueue()

                let delivered = second.statistics.deliveries
                #expect(second.statistics.duplicates == 0)
                let lost = before.flatMap { id, recipients in
                    recipients.map { ReceivedDelivery(id: id, recipient: $0) }
                }.filter { delivered[$0] == nil && arrived[$0] == nil }
                #expect(lost == [])
            }
        }

        /// Ctrl-C and its like, while the daemon is slow to answer: nothing is left behind.
        @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
        func interrupted(signal: Int32) async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                let folder = scene.directory.file("copies")
                #expect(mkdir(folder, 0o700) == 0)
                #expect(kill(daemon.pid, SIGSTOP) == 0)
                let backup = try scene.process(
                    try Program.sluice,
                    ["backup", "\(folder)/copy.db", "--socket", daemon.socket], log: "backup.log")
                try await waitUntil("it is under way") { !entries(of: folder).isEmpty }
                #expect(kill(backup.pid, signal) == 0)
                let ending = try await eventually("it ends") { backup.ending }
                #expect(ending == .exit(128 + signal))
                #expect(entries(of: folder) == [])
                #expect(kill(daemon.pid, SIGCONT) == 0)
                let again = try await sluice(daemon, "backup", "\(folder)/copy.db")
                #expect(again.status == 0, "\(again.errors)")
                #expect(entries(of: folder) == ["copy.db"])
            }
        }

        @Test func badTargets() async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                let missing = try await sluice(
                    daemon, "backup", scene.directory.file("nowhere/copy.db"))
                #expect(missing.status == 1)
                #expect(missing.errors.contains("nowhere/copy.db: No such file or directory"))
                let folder = try await sluice(daemon, "backup", scene.directory.path)
                #expect(folder.status == 1 && folder.errors.contains("is no file"))
                let full = try await sluice(daemon, "backup", "--force", "/dev/full")
                #expect(full.status == 1 && full.errors.contains("is no file"))

                // Nothing is left where the daemon keeps its spool either.
                let names = try FileManager.default.contentsOfDirectory(
                    atPath: daemon.dataDirectory)
                #expect(names.filter { $0.hasPrefix("backup-") } == [])
                try await daemon.end(SIGTERM)
                let gone = try await sluice(
                    daemon, "backup", scene.directory.file("copy.db"))
                #expect(gone.status == 3)
                let left = try FileManager.default.contentsOfDirectory(
                    atPath: scene.directory.path)
                #expect(left.filter { $0.hasPrefix("copy.db") } == [])
            }
        }
    }
}
