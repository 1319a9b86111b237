import Control
import Foundation
import Glibc
import Testing

@testable import Testbed

extension Integration {
    /// File systems that are really full: small ones in memory. Where this process may not mount
    /// any, these tests are left out.
    @Suite(.enabled("needs the right to mount a file system") { SmallFileSystem.isPossible })
    struct FullDiskTests {
        /// What the daemon keeps its spool on is full: the intake says 452, what is queued stays,
        /// the copy for a backup fails without harm; with room again all goes on by itself.
        @Test func theSpools() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", .dead, keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try scene.idleDaemon(settings)
                let disk = try SmallFileSystem(at: daemon.dataDirectory, bytes: 96 << 20)
                defer { disk.unmount() }
                try await daemon.start()
                // 40 messages of 64 KiB: their copy has no room beside them and their log.
                let line = String(repeating: "x", count: 62) + "\r\n"
                let mails = (0..<40).map {
                    TestMail(
                        "big-\($0)", to: "u\($0)@a.test", body: String(repeating: line, count: 1024)
                    )
                }
                try await scene.send(mails, to: daemon.port)
                try disk.fill(leaving: 1 << 20)
                let folder = scene.directory.file("copies")
                #expect(mkdir(folder, 0o700) == 0)
                let copy = try await backup(daemon, to: "\(folder)/copy.db")
                #expect(copy.status == 1, "\(copy)")
                #expect(copy.errors.contains("full"), "\(copy.errors)")
                #expect(entries(of: folder) == [])
                #expect(!entries(of: daemon.dataDirectory).contains { $0.hasPrefix("backup-") })
                try disk.fill(leaving: 0)
                let code = try await eventually("it is refused") {
                    let code = try await reply(to: mails[0], of: daemon, scene)
                    return code == 250 ? nil : code
                }
                #expect(code == 452)
                let status = try await Program.run(
                    try Program.sluice, ["status", "--socket", daemon.socket])
                #expect(status.output.lowercased().contains("full"), "\(status.output)")
                disk.empty()
                // Also more room than the intake leaves to what is there already (64 MiB).
                try await waitUntil("it records again") {
                    let status = try await daemon.control.status()
                    return status.spoolError == nil && status.intakeError == nil
                }
                try await receiver.comeUp()
                try await daemon.awaitEmptyQueue()
                for mail in mails {
                    let key = ReceivedDelivery(id: mail.id, recipient: mail.recipients[0])
                    #expect((receiver.statistics.deliveries[key] ?? 0) >= 1, "\(key)")
                }
                #expect(try await backup(daemon, to: "\(folder)/copy.db").status == 0)
                try await daemon.end(SIGTERM)
            }
        }

        /// What the copy goes to is full: it says so, and leaves nothing there.
        @Test func theCopys() async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                let folder = scene.directory.file("copies")
                #expect(mkdir(folder, 0o700) == 0)
                let disk = try SmallFileSystem(at: folder, bytes: 1 << 20)
                defer { disk.unmount() }
                try disk.fill(leaving: 16 << 10)
                let copy = try await backup(daemon, to: "\(folder)/copy.db")
                #expect(copy.status == 1, "\(copy)")
                #expect(
                    copy.errors.contains("No space left on device: name a place with more room"))
                #expect(entries(of: folder) == [SmallFileSystem.ballast])
                disk.empty()
                #expect(try await backup(daemon, to: "\(folder)/copy.db").status == 0)
                #expect(entries(of: folder) == ["copy.db"])
            }
        }

        private func backup(_ daemon: Daemon, to file: String) async throws -> Program.Result {
            try await Program.run(
                try Program.sluice, ["backup", file, "--socket", daemon.socket])
        }

        private func reply(to mail: TestMail, of daemon: Daemon, _ scene: Scene) async throws -> Int
        {
            try await Conversation.with(
                host: "127.0.0.1", port: daemon.port, group: scene.group
            ) { client in
                try await client.greet(as: "app.sender.test")
                switch try await client.send(
                    from: mail.sender, to: mail.recipients, mail.content)
                {
                case .taken: return 250
                case .refused(let reply): return reply.code
                }
            }
        }
    }
}

/// A file system in memory of a given size, over a directory.
private struct SmallFileSystem {
    static let ballast = "ballast"
    let path: String

    /// Whether this process may have one.
    static let isPossible: Bool = {
        guard let directory = try? TemporaryDirectory(prefix: "sluice-mount") else { return false }
        defer { directory.remove() }
        guard let disk = try? SmallFileSystem(at: directory.path, bytes: 1 << 20) else {
            return false
        }
        disk.unmount()
        return true
    }()

    init(at path: String, bytes: Int) throws {
        guard mount("sluice-test", path, "tmpfs", 0, "size=\(bytes),mode=0700") == 0 else {
            throw TestbedError.system("mount", errno)
        }
        self.path = path
    }

    /// Detached, whoever still uses it.
    func unmount() { umount2(path, Int32(MNT_DETACH)) }

    func fill(leaving bytes: Int) throws {
        let file = open("\(path)/\(Self.ballast)", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw TestbedError.system("open", errno) }
        defer { close(file) }
        while true {
            var status = statvfs()
            statvfs(path, &status)
            let room = Int(status.f_bavail) * Int(status.f_bsize) - bytes
            guard room > 0 else { return }
            let block = [UInt8](repeating: 0, count: min(room, 64 << 10))
            guard write(file, block, block.count) > 0 else { return }
        }
    }

    func empty() { unlink("\(path)/\(Self.ballast)") }
}
