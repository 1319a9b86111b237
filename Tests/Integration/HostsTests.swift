import Control
import Foundation
import Glibc
import NIOCore
import Testbed
import Testing

extension Integration {
    /// Several daemons that are no cluster, each behind an ssh of its own, as one.
    @Suite struct HostsTests {
        /// Two daemons with the same ids, what is used as ssh, and where that reads what becomes of
        /// a host.
        private struct Hosts {
            var daemons: [Daemon]
            var ssh: String
            var directory: TemporaryDirectory
            static let names = ["mx1", "mx2"]
            static let both = names.flatMap { ["--ssh", $0] }

            /// - Parameter to: what ssh does for that host: "up", "dead" or "hangs".
            func turn(_ host: String, to state: String) throws {
                // In one step: a script may be reading.
                let file = directory.file("state-\(host)")
                try state.write(toFile: file, atomically: true, encoding: .utf8)
            }

            func sluice(_ arguments: [String]) async throws -> Program.Result {
                try await Program.run(
                    try Program.sluice, arguments,
                    environment: ["SLUICE_SSH": ssh, "SLUICE_SOCKET": "/nonexistent"])
            }

            func rows(_ arguments: [String]) async throws -> Page<DestinationRow> {
                let result = try await sluice(["destinations", "--json"] + arguments)
                return try JSON.decode(from: ByteBuffer(string: result.output))
            }
        }

        private func withHosts(_ body: (Scene, Hosts) async throws -> Void) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.groupBy = "domain"
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                var hosts = Hosts(daemons: [], ssh: "", directory: scene.directory)
                for name in Hosts.names {
                    let daemon = try await scene.daemon(settings, name: name)
                    try await scene.send(
                        [
                            TestMail("m", to: "user@\(name).test"),
                            TestMail("b", to: "user@both.test"),
                        ],
                        to: daemon.port)
                    try await waitUntil("it was tried") {
                        try await daemon.control.messages(filter: "attempts = 1").total == 2
                    }
                    hosts.daemons.append(daemon)
                    try hosts.turn(name, to: "up")
                }
                hosts.ssh = scene.directory.file("ssh")
                let sockets = zip(Hosts.names, hosts.daemons).map { name, daemon in
                    "\(name)) socket=\(daemon.socket) ;;"
                }
                // What sshd would start on the host.
                try """
                #!/bin/sh
                while [ "$1" != "--" ]; do shift; done
                case "$2" in
                \(sockets.joined(separator: "\n"))
                esac
                case $(cat "\(scene.directory.file("state-"))$2") in
                up) exec "\(try Program.sluice)" proxy --socket "$socket" ;;
                hangs) exec sleep 100000 ;;
                *) echo "ssh: no route to $2" >&2; exit 255 ;;
                esac

                """.write(toFile: hosts.ssh, atomically: true, encoding: .utf8)
                chmod(hosts.ssh, 0o755)
                try await body(scene, hosts)
            }
        }

        @Test func areShownAndActedOnAsOne() async throws {
            try await withHosts { _, hosts in
                let page = try await hosts.rows(Hosts.both + ["--sort", "name"])
                #expect(page.total == 4)
                #expect(
                    page.rows.map(\.name) == ["both.test", "both.test", "mx1.test", "mx2.test"])
                #expect(page.rows.map(\.host) == ["mx1", "mx2", "mx1", "mx2"])
                #expect(Set(page.rows.map(\.id)).count == 4)
                let table = try await hosts.sluice(["destinations"] + Hosts.both)
                #expect(table.output.contains("HOST"), "\(table.output)")
                let alone = try await hosts.sluice(["destinations", "--ssh", "mx1"])
                #expect(!alone.output.contains("HOST"))
                #expect(try await hosts.rows(Hosts.both + ["--filter", "host = mx2"]).total == 2)

                let purged = try await hosts.sluice(
                    ["purge", "both.test", "--yes", "--json"] + Hosts.both)
                #expect(purged.status == 0, "\(purged.errors)")
                for daemon in hosts.daemons {
                    #expect(try await daemon.control.messages(filter: "state = purging").total == 1)
                }
                let undone = try await hosts.sluice(["undo"] + Hosts.both)
                #expect(undone.status == 0, "\(undone.errors)")
                for daemon in hosts.daemons {
                    #expect(try await daemon.control.messages(filter: "state = purging").total == 0)
                }
                // The same id on both: the one that is named.
                let id = try #require(page.rows.first { $0.host == "mx2" }?.id)
                let held = try await hosts.sluice(
                    ["hold", "destination = \(id)", "--yes"] + Hosts.both)
                #expect(held.status == 0, "\(held.errors)")
                #expect(
                    try await hosts.daemons[0].control.messages(filter: "state = held").total == 0)
                #expect(
                    try await hosts.daemons[1].control.messages(filter: "state = held").total == 1)
                for command in [["reload"], ["workers", "drain", "1", "-y"], ["backup", "x"]] {
                    let refused = try await hosts.sluice(command + Hosts.both)
                    #expect(refused.status == 2 && refused.errors.contains("is for one host"))
                }
                let twice = try await hosts.sluice(["status", "--ssh", "mx1", "--ssh", "mx1"])
                #expect(twice.status == 2 && twice.errors.contains("named twice"))
            }
        }

        @Test(arguments: ["dead", "hangs"]) func oneThatIsAwayIsToldOf(state: String) async throws {
            try await withHosts { _, hosts in
                try hosts.turn("mx2", to: state)
                let reason = state == "dead" ? "ssh: no route to mx2" : "no answer in time"
                let status = try await hosts.sluice(["status"] + Hosts.both)
                #expect(status.status == 3)
                #expect(status.output.contains("NOT REACHED: mx2 (\(reason)"), "\(status.output)")
                let held = try await hosts.sluice(["hold", "both.test", "--yes"] + Hosts.both)
                #expect(
                    held.errors.contains("mx2 cannot be reached (\(reason)")
                        && held.errors.contains("nothing was done there"), "\(held.errors)")
                #expect(held.status == 3)
                // Each look at one that hangs takes its time.
                guard state == "dead" else { return }
                let all = try await hosts.sluice(
                    ["hold", "domain = mx1.test", "--yes"] + Hosts.both)
                #expect(all.output.contains("mx2 cannot be reached (\(reason)"), "\(all.output)")
                #expect(all.status == 3)
                #expect(
                    try await hosts.daemons[0].control.messages(filter: "state = held").total == 2)
            }
        }

        @Test(arguments: [(24, 80), (50, 160)])
        func theMonitorShowsThem(rows: Int, columns: Int) async throws {
            try await withHosts { _, hosts in
                let terminal = try PseudoTerminal(rows: rows, columns: columns)
                try terminal.start(
                    try Program.sluice, ["top", "--interval", "0.2"] + Hosts.both,
                    environment: [
                        "TERM=xterm-256color", "LANG=C.UTF-8", "HOME=/nonexistent",
                        "PATH=/usr/bin:/bin", "SLUICE_SSH=\(hosts.ssh)",
                    ])
                try await terminal.awaitScreen("mx2.test")
                try await terminal.awaitScreen("HOST")
                try await terminal.awaitScreen("2 hosts")
                // A worker of the second host, by the row under the cursor.
                terminal.type("7")
                try await terminal.awaitScreen("worker 1 of mx1")
                terminal.type("jjd")
                try await terminal.awaitScreen("─ Drain worker")
                try await terminal.awaitScreen("│ worker 1 of mx2")
                terminal.type("\u{1b}")
                try await terminal.awaitScreen(without: "─ Drain worker")
                terminal.type("1")
                try hosts.turn("mx2", to: "dead")
                // Its connections end with it.
                for pid in children(of: terminal.pid)
                where commandLine(of: pid).contains(
                    hosts.daemons[1].socket)
                {
                    kill(pid, SIGKILL)
                }
                try await terminal.awaitScreen("mx2 not reached")
                try hosts.turn("mx2", to: "up")
                try await terminal.awaitScreen(without: "mx2 not reached")
                terminal.type("q")
                #expect(try await terminal.end() == 0)
            }
        }
    }
}
