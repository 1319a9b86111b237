import Control
import DatabaseServer
import Foundation
import Glibc
import PostgreSQL
import Testing

@testable import Testbed

extension Integration {
    /// The daemon with its spool in PostgreSQL.
    @Suite struct SharedSpoolTests {
        /// A server of the test's own, a daemon on it, and two receivers: one that takes
        /// everything, one that first puts everything off.
        private struct Rig {
            let server: DatabaseServer
            let receiver: Receiver
            let grey: Receiver
            let daemon: Daemon

            init(in scene: Scene, listen: String = "127.0.0.1:0") async throws {
                server = try DatabaseServer()
                let database = try server.createDatabase()
                receiver = try await scene.receiver("mx", keep: .deliveries)
                grey = try await scene.receiver(
                    "grey", .greylisting(for: .milliseconds(500)), keep: .deliveries)
                var settings = DaemonSettings()
                settings.listen = listen
                settings.routes = ["a.test": receiver.route, "grey.test": grey.route]
                settings.limits = ["rate = \"off\""]
                settings.more = "[spool]\nurl = \"\(database.url)\""
                daemon = try await scene.daemon(settings)
            }

            var copies: [ReceivedDelivery: Int] {
                receiver.statistics.deliveries.merging(grey.statistics.deliveries) { $0 + $1 }
            }
        }

        private func withRig(
            listen: String = "127.0.0.1:0", _ body: (Rig, Scene) async throws -> Void
        ) async throws {
            try await withScene { scene in
                let rig = try await Rig(in: scene, listen: listen)
                defer { rig.server.end() }
                try await body(rig, scene)
            }
        }

        @Test func acceptDeferDeliverAndStartAgain() async throws {
            try await withRig { rig, scene in
                try await scene.send(TestMail.many(10, domain: "a.test"), to: rig.daemon.port)
                try await rig.receiver.takes(10)
                try await rig.daemon.awaitEmptyQueue()
                try await scene.send(
                    TestMail.many(5, prefix: "g", domain: "grey.test"), to: rig.daemon.port)
                try await waitUntil("all are put off") {
                    try await rig.daemon.totals().deferred >= 5
                }
                // What is queued is in the database and nowhere else.
                let files = try FileManager.default.contentsOfDirectory(
                    atPath: rig.daemon.dataDirectory)
                #expect(!files.contains("spool.db"), "\(files)")
                #expect(try await rig.daemon.end(SIGTERM) == .exit(0))
                try await rig.daemon.start()
                try await rig.grey.takes(5)
                try await rig.daemon.awaitEmptyQueue()
                #expect(rig.copies.count == 15)
                #expect(rig.copies.values.allSatisfy { $0 == 1 })
            }
        }

        @Test func actionsAndPages() async throws {
            try await withRig { rig, scene in
                try await scene.prepare(rig.daemon, domain: "a.test")
                try await scene.send(TestMail.many(20, domain: "a.test"), to: rig.daemon.port)
                let client = rig.daemon.control
                let page = try await client.messages(
                    filter: "recipient = m1*@a.test and state != held", sort: "recipient", limit: 5)
                #expect(page.total == 11 && page.rows.count == 5)
                let held = try await rig.daemon.act(
                    .hold, Selector(filter: "recipient = m1@a.test"))
                #expect(held.counts.deliveries == 1)
                #expect(try await client.messages(filter: "state = held").total == 1)
                // It survives a kill.
                try await rig.daemon.end(SIGKILL)
                try await rig.daemon.start()
                #expect(try await client.messages(filter: "state = held").total == 1)
                #expect(try await client.messages().total == 20)
                let backup = try await Program.run(
                    try Program.sluice,
                    [
                        "backup", scene.directory.file("copy.db"), "--socket", rig.daemon.socket,
                    ])
                #expect(backup.status == 1 && backup.errors.contains("pg_dump"), "\(backup)")
                let fsck = try await Program.run(
                    try Program.sluiced, ["fsck", "--config", rig.daemon.configuration])
                #expect(fsck.status == 1 && fsck.errors.contains("pg_amcheck"), "\(fsck)")
            }
        }

        /// The intake says 4xx, delivery pauses, everybody can see why, and it ends by itself.
        @Test func aDatabaseThatIsGone() async throws {
            try await withRig { rig, scene in
                try await scene.send(TestMail.many(5, domain: "a.test"), to: rig.daemon.port)
                try await rig.receiver.takes(5)
                try await scene.send(
                    TestMail.many(5, prefix: "g", domain: "grey.test"), to: rig.daemon.port)
                try await waitUntil("all are put off") {
                    try await rig.daemon.totals().deferred >= 5
                }
                try rig.server.stop(.fast)
                let outcome = try await Conversation.with(
                    host: "127.0.0.1", port: rig.daemon.port, group: scene.group
                ) { client in
                    try await client.greet(as: "app.sender.test")
                    let mail = TestMail("refused", to: "u@a.test")
                    return try await client.send(
                        from: mail.sender, to: mail.recipients, mail.content)
                }
                guard case .refused(let reply) = outcome else {
                    Issue.record("taken without a database: \(outcome)")
                    return
                }
                #expect(reply.code == 452)
                let status = try await eventually("the status says so") {
                    let status = try await rig.daemon.control.status()
                    return status.spoolError == nil ? nil : status
                }
                #expect(status.spoolError?.contains("postgresql://") == true)
                try rig.server.start()
                try await waitUntil("it records again") {
                    try await rig.daemon.control.status().spoolError == nil
                }
                try await scene.send(TestMail("last", to: "last@a.test"), to: rig.daemon.port)
                try await rig.grey.takes(5)
                try await rig.daemon.awaitEmptyQueue()
                #expect(rig.copies.count == 11)
                #expect(rig.copies.values.allSatisfy { $0 == 1 })
            }
        }

        /// Under load the server crashes and recovers, then the manager is killed: nothing that was
        /// accepted is lost, and nothing comes twice.
        @Test func theServerAndTheManagerAreKilledUnderLoad() async throws {
            let port = try PortReservation.freePort()
            try await withRig(listen: "127.0.0.1:\(port)") { rig, scene in
                var options = Traffic.Options()
                options.rate = 300
                options.limit = 600
                options.keepsAccepted = true
                let traffic = Traffic(
                    MailStream(domains: ["a.test", "grey.test"]), port: port, group: scene.group,
                    options: options)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await traffic.run() }
                    group.addTask {
                        try await waitUntil("100 deliveries") { rig.copies.count >= 100 }
                        try rig.server.restart(.immediate)
                        try await waitUntil("200 deliveries") { rig.copies.count >= 200 }
                        try await rig.daemon.end(SIGKILL)
                        try await rig.daemon.start()
                        try await waitUntil("300 deliveries") { rig.copies.count >= 300 }
                        try rig.server.restart(.fast)
                    }
                    try await group.waitForAll()
                }
                try await rig.daemon.awaitEmptyQueue()
                let arrived = rig.copies
                let accepted = traffic.statistics.accepted.flatMap { id, recipients in
                    recipients.map { ReceivedDelivery(id: id, recipient: $0) }
                }
                #expect(accepted.count >= 300)
                #expect(accepted.filter { arrived[$0] == nil } == [])
                // A message whose client was told 4xx may come twice, as the client sends it again.
                #expect(accepted.filter { arrived[$0]! > 1 } == [])
            }
        }

        @Test func twoDaemonsOnOneDatabase() async throws {
            try await withRig { rig, scene in
                let text = try String(contentsOfFile: rig.daemon.configuration, encoding: .utf8)
                let line = try #require(
                    text.split(separator: "\n").first { $0.hasPrefix("url = ") })
                var settings = DaemonSettings()
                settings.more = "[spool]\n\(line)"
                let second = try scene.idleDaemon(settings, name: "second")
                let (ending, said) = try await second.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains("spool-in-use") && said.contains("pid"), "\(said)")
            }
        }

        @Test func theConfigurationIsChecked() async throws {
            try await withScene { scene in
                let file = scene.directory.file("bad.toml")
                let text = """
                    hostname = "mta1.example.net"
                    data_dir = "\(scene.directory.path)"
                    control_socket = "\(scene.directory.file("c.sock"))"
                    [spool]
                    url = "postgresql://db1/sluice?sslmod=require"
                    password_file = "missing"
                    """
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                let wrong = try await Program.run(
                    try Program.sluiced, ["check", "--config", file])
                #expect(wrong.status == 1)
                #expect(wrong.errors.contains("bad.toml:5: spool.url"), "\(wrong.errors)")
                #expect(wrong.errors.contains("sslmod"), "\(wrong.errors)")
                try text.replacing("sslmod=", with: "sslmode=").write(
                    toFile: file, atomically: true, encoding: .utf8)
                let missing = try await Program.run(
                    try Program.sluiced, ["check", "--config", file])
                #expect(missing.status == 1)
                #expect(missing.errors.contains("bad.toml:6: spool.password_file"))
                #expect(missing.errors.contains("No such file"), "\(missing.errors)")
            }
        }
    }
}
