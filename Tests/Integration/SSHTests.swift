import Control
import Foundation
import NIOCore
import Testbed
import Testing

extension Integration {
    /// The daemon of another host, through a real ssh.
    @Suite struct SSHTests {
        private func withHost(
            _ body: (Scene, Daemon, SSHServer) async throws -> Void
        ) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@remote.test"), to: daemon.port)
                try await waitUntil("it was tried") {
                    try await daemon.control.messages(filter: "attempts = 1").total == 1
                }
                try await body(scene, daemon, try await SSHServer.start(in: scene))
            }
        }

        private func sluice(
            _ server: SSHServer, _ arguments: [String]
        ) async throws -> Program.Result {
            try await Program.run(
                try Program.sluice, arguments,
                environment: ["SLUICE_SSH": server.client, "SLUICE_SOCKET": "/nonexistent"])
        }

        @Test func asksAndActs() async throws {
            try await withHost { scene, daemon, server in
                let there = ["--ssh", SSHServer.host, "--socket", daemon.socket]
                let status = try await sluice(server, ["status", "--json"] + there)
                #expect(status.status == 0, "\(status.errors)")
                #expect(
                    try JSON.decode(Status.self, from: ByteBuffer(string: status.output)).pid
                        == daemon.pid)
                let held = try await sluice(
                    server, ["hold", "domain = remote.test", "--yes"] + there)
                #expect(held.status == 0, "\(held.errors)")
                #expect(try await daemon.control.messages(filter: "state = held").total == 1)
                let top = try await sluice(server, ["--once"] + there)
                #expect(top.output.contains("remote.test"), "\(top.errors)")
                // A path is one word for the shell there, whatever is in it.
                let odd = try await sluice(
                    server, ["status", "--ssh", SSHServer.host, "--socket", "/it's; $(no) such"])
                #expect(odd.status == 3)
                #expect(
                    odd.errors.contains("/it's; $(no) such: there is no such socket"),
                    "\(odd.errors)")
            }
        }

        @Test func whatSSHSaysIsShown() async throws {
            try await withHost { _, daemon, server in
                // What ssh says of a connection that ends at once, and whether, is a matter of luck.
                for (host, words) in [
                    (SSHServer.closedTo, "Permission denied"),
                    (SSHServer.away, "does 'ssh \(SSHServer.away) sluice status' work"),
                ] {
                    for command in [["status"], ["events"], ["pause", "remote.test", "--yes"]] {
                        let result = try await sluice(
                            server, command + ["--ssh", host, "--socket", daemon.socket])
                        #expect(result.status == 3, "\(command)")
                        #expect(
                            result.errors.contains("\(host): ") && result.errors.contains(words),
                            "\(command): \(result.errors)")
                    }
                }
                let wrong = try await sluice(server, ["status", "--ssh=-oProxyCommand=true"])
                #expect(wrong.status == 2 && wrong.errors.contains("--ssh needs a host"))
                let missing = try await Program.run(
                    try Program.sluice, ["status", "--ssh", "x"],
                    environment: ["SLUICE_SSH": "/nonexistent/ssh"])
                #expect(missing.status == 3 && missing.errors.contains("cannot start ssh"))
            }
        }

        /// Each connection of the monitor ends with it; one that breaks is made again.
        @Test func theMonitorOutlivesAConnection() async throws {
            try await withHost { _, daemon, server in
                let terminal = try PseudoTerminal(rows: 30, columns: 120)
                try terminal.start(
                    try Program.sluice,
                    ["--ssh", SSHServer.host, "--socket", daemon.socket, "--interval", "0.2"],
                    environment: [
                        "TERM=xterm-256color", "LANG=C.UTF-8", "HOME=/nonexistent",
                        "PATH=/usr/bin:/bin", "SLUICE_SSH=\(server.client)",
                    ])
                try await terminal.awaitScreen("remote.test")
                let first = children(of: server.pid)
                #expect(!first.isEmpty)
                for connection in first { kill(connection, SIGKILL) }
                try await waitUntil("it has another connection") {
                    _ = terminal.text
                    return children(of: server.pid).contains { !first.contains($0) }
                }
                terminal.type("q")
                #expect(try await terminal.end() == 0)
                try await waitUntil("no connection is left") {
                    children(of: server.pid).isEmpty
                }
            }
        }
    }
}
