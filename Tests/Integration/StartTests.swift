import Control
import Foundation
import Glibc
import Testbed
import Testing

extension Integration {
    /// What a daemon says when it cannot start, and what it does not break then.
    @Suite struct StartTests {
        @Test func malformedConfiguration() async throws {
            try await withScene { scene in
                let file = scene.directory.file("bad.toml")
                for (text, line, word) in [
                    ("hostname = \"a.test\"\n[limits]\nconcurency = 3\n", 3, "concurency"),
                    ("[limits]\nrate = \"fast\"\n", 2, "rate"),
                    ("workers = 0\n", 1, "workers"),
                    ("hostname = \"a.test\n", 1, "string"),
                    ("[retry]\nfirst = \"2h\"\ncap = \"1h\"\n", 2, "cap"),
                ] {
                    try text.write(toFile: file, atomically: true, encoding: .utf8)
                    let run = try await Program.run(try Program.sluiced, ["--config", file])
                    #expect(run.status == 2)
                    #expect(run.errors.contains("\(file):\(line):"), "\(run.errors)")
                    #expect(run.errors.contains(word))
                    let check = try await Program.run(
                        try Program.sluiced, ["check", "--config", file])
                    #expect(check.status == 1)
                    #expect(check.errors.contains("\(file):\(line):"), "\(check.errors)")
                }
                let missing = try await Program.run(
                    try Program.sluiced, ["--config", scene.directory.file("none.toml")])
                #expect(missing.status == 2)
                #expect(missing.errors.contains("none.toml"))
            }
        }

        @Test func goodConfiguration() async throws {
            try await withScene { scene in
                let daemon = try scene.idleDaemon(DaemonSettings())
                let check = try await Program.run(
                    try Program.sluiced, ["check", "--config", daemon.configuration])
                #expect(check.status == 0, "\(check.errors)")
            }
        }

        /// As it runs on servers: by a user who may do nothing but that.
        @Test(.enabled("only root can become somebody else") { getuid() == 0 })
        func asAnotherUser() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try scene.idleDaemon(settings)
                let nobody: uid_t = 65534
                // Where it was built others may not look.
                let program = scene.directory.file("sluiced")
                try FileManager.default.copyItem(atPath: Program.sluiced, toPath: program)
                chmod(program, 0o755)
                for path in [scene.directory.path, daemon.dataDirectory, daemon.configuration] {
                    #expect(chown(path, nobody, nobody) == 0)
                }
                daemon.launcher = [
                    try Program.find("setpriv", package: "util-linux"), "--reuid=\(nobody)",
                    "--regid=\(nobody)", "--clear-groups", program,
                ]
                try await daemon.start()
                try await scene.send(TestMail("m", to: "u@a.test"), to: daemon.port)
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == 1)

                // Its directory is taken from it, and given back.
                #expect(chmod(daemon.dataDirectory, 0) == 0)
                let status = try await eventually("the status says so") {
                    let status = try await daemon.control.status()
                    return status.spoolError
                }
                #expect(status.contains("Permission denied"), "\(status)")
                #expect(chmod(daemon.dataDirectory, 0o700) == 0)
                try await waitUntil("it records again") {
                    try await daemon.control.status().spoolError == nil
                }
                try await daemon.end(SIGTERM)
            }
        }

        @Test func dataDirectoryInUse() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let first = try await scene.daemon(settings, name: "first")
                let second = try scene.idleDaemon(settings, name: "second")
                rmdir(second.dataDirectory)
                symlink(first.dataDirectory, second.dataDirectory)
                let (ending, said) = try await second.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains("\(first.pid)"), "\(said)")
                #expect(said.contains(second.dataDirectory), "\(said)")
                try await scene.send(TestMail("m", to: "user@rcpt.test"), to: first.port)
                try await receiver.takes(1)
                unlink(second.dataDirectory)
            }
        }

        @Test func socketOfAnotherDaemon() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let first = try await scene.daemon(settings, name: "first")
                let second = try scene.idleDaemon(settings, name: "second")
                let text = settings.text(
                    dataDirectory: second.dataDirectory, socket: first.socket)
                try text.write(toFile: second.configuration, atomically: true, encoding: .utf8)
                let (ending, said) = try await second.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains(first.socket), "\(said)")
                // The first one keeps its socket.
                #expect(try await first.control.status().pid == Int(first.pid))
                try await scene.send(TestMail("m", to: "user@rcpt.test"), to: first.port)
                try await receiver.takes(1)
            }
        }

        @Test func staleSocketIsReplaced() async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                try await daemon.end(SIGKILL)
                var info = stat()
                #expect(stat(daemon.socket, &info) == 0)
                try await daemon.start()
                #expect(try await daemon.control.status().pid == Int(daemon.pid))
                #expect(stat(daemon.socket, &info) == 0)
                #expect(info.st_mode & 0o777 == 0o660)
            }
        }

        @Test func fileInPlaceOfTheSocket() async throws {
            try await withScene { scene in
                let daemon = try scene.idleDaemon(DaemonSettings())
                try "precious".write(
                    toFile: daemon.socket, atomically: true, encoding: .utf8)
                let (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains(daemon.socket), "\(said)")
                #expect(contents(daemon.socket) == "precious")
            }
        }

        @Test func fileInPlaceOfTheDataDirectory() async throws {
            try await withScene { scene in
                let daemon = try scene.idleDaemon(DaemonSettings())
                rmdir(daemon.dataDirectory)
                try "precious".write(
                    toFile: daemon.dataDirectory, atomically: true, encoding: .utf8)
                var (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains(daemon.dataDirectory), "\(said)")
                unlink(daemon.dataDirectory)
                (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains(daemon.dataDirectory), "\(said)")
            }
        }

        @Test func intakePortInUse() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.listen = receiver.route
                let daemon = try scene.idleDaemon(settings)
                let (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1))
                #expect(said.contains(receiver.route), "\(said)")
            }
        }

        @Test func reload() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 4"]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
                try await waitUntil("the limit is shown") {
                    try await daemon.destination("rcpt.test").limit == 4
                }
                settings.limits = ["concurrency = 0"]
                try daemon.configure(settings)
                await #expect(throws: (any Error).self) { try await daemon.control.reload() }
                #expect(try await daemon.destination("rcpt.test").limit == 4)
                settings.limits = ["concurrency = 7"]
                try daemon.configure(settings)
                #expect(kill(daemon.pid, SIGHUP) == 0)
                try await waitUntil("the new limit is in force") {
                    try await daemon.destination("rcpt.test").limit == 7
                }
            }
        }
    }
}
