import Control
import Foundation
import Glibc
import Testbed
import Testing

extension Integration {
    /// The monitor at a real terminal, and the demonstration without one.
    @Suite struct TerminalTests {
        private func withMonitor(
            rows: Int = 30, columns: Int = 120, environment: [String] = [],
            _ body: (Daemon, PseudoTerminal) async throws -> Void
        ) async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@monitored.test"), to: daemon.port)
                try await waitUntil("it was tried") {
                    try await daemon.control.messages(filter: "attempts = 1").total == 1
                }
                let terminal = try PseudoTerminal(rows: rows, columns: columns)
                let before = terminal.attributes
                let variables =
                    environment.isEmpty
                    ? ["TERM=xterm-256color", "LANG=C.UTF-8"] : environment
                try terminal.start(
                    try Program.sluice, ["--socket", daemon.socket],
                    environment: variables + ["PATH=/usr/bin:/bin", "HOME=/nonexistent"])
                try await terminal.awaitScreen("monitored.test")
                #expect(terminal.attributes != before)
                try await body(daemon, terminal)
                #expect(terminal.attributes == before)
            }
        }

        @Test func showsAndQuits() async throws {
            try await withMonitor { _, terminal in
                terminal.type("q")
                #expect(try await terminal.end() == 0)
                // Out of the alternate screen, the cursor visible again.
                let end = terminal.text
                #expect(end.contains("\u{1b}[?1049h"))
                #expect(end.suffix(200).contains("\u{1b}[?1049l"))
                let hidden = try #require(end.range(of: "\u{1b}[?25l", options: .backwards))
                #expect(end[hidden.upperBound...].contains("\u{1b}[?25h"))
            }
        }

        @Test(arguments: [SIGTERM, SIGHUP, SIGINT])
        func signalsGiveTheTerminalBack(_ signal: Int32) async throws {
            try await withMonitor { _, terminal in
                #expect(kill(terminal.pid, signal) == 0)
                let status = try await terminal.end()
                #expect(status == 128 + signal)
                #expect(terminal.text.suffix(200).contains("\u{1b}[?1049l"))
            }
        }

        @Test func resizesAndOutlivesTheDaemon() async throws {
            try await withMonitor(rows: 60, columns: 200) { daemon, terminal in
                terminal.resize(rows: 8, columns: 40)
                kill(terminal.pid, SIGWINCH)
                terminal.type("?")
                try await daemon.end(SIGTERM)
                #expect(isRunning(terminal.pid))
                terminal.resize(rows: 24, columns: 80)
                kill(terminal.pid, SIGWINCH)
                try await daemon.start()
                // The first of them may only close the help.
                try await waitUntil("q ends it") {
                    terminal.type("q")
                    _ = terminal.text
                    return !isRunning(terminal.pid)
                }
                #expect(try await terminal.end() == 0)
            }
        }

        /// Also where it dies of a fault of its own.
        @Test(arguments: [
            SIGSEGV, SIGABRT, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGUSR1, SIGALRM, SIGXCPU,
        ])
        func aCrashGivesTheTerminalBack(_ signal: Int32) async throws {
            try await withMonitor { _, terminal in
                #expect(kill(terminal.pid, signal) == 0)
                #expect(try await terminal.end() == -signal)
                let end = terminal.text
                #expect(end.suffix(200).contains("\u{1b}[?1049l"))
                let hidden = try #require(end.range(of: "\u{1b}[?25l", options: .backwards))
                #expect(end[hidden.upperBound...].contains("\u{1b}[?25h"))
                #expect(end.suffix(200).contains("\u{1b}[?2004l"))
            }
        }

        @Test func aDaemonThatIsGoneIsSaidToBeAndComesBack() async throws {
            try await withMonitor { daemon, terminal in
                try await daemon.end(SIGTERM)
                try await terminal.awaitScreen("no daemon, data ")
                try await terminal.awaitScreen(", try")
                terminal.type("?")
                try await terminal.awaitScreen("retry now: make waiting mail due")
                terminal.type("q")
                try await daemon.start()
                try await terminal.awaitScreen(" live")
                terminal.type("q")
                #expect(try await terminal.end() == 0)
            }
        }

        @Test func aDaemonThatHangsBlocksNoKey() async throws {
            try await withMonitor { daemon, terminal in
                #expect(kill(daemon.pid, SIGSTOP) == 0)
                defer { kill(daemon.pid, SIGCONT) }
                try await terminal.awaitScreen("no answer, data ")
                terminal.type("?")
                try await terminal.awaitScreen("retry now: make waiting mail due")
                terminal.type("q/")
                terminal.type("state = ")
                try await terminal.awaitScreen("state =")
                terminal.type("\u{1b}")
                // Even to leave it one does not wait for an answer.
                try await waitUntil("q ends it") {
                    terminal.type("q")
                    _ = terminal.text
                    return !isRunning(terminal.pid)
                }
                #expect(try await terminal.end() == 0)
            }
        }

        @Test func shrinksToACellAndBack() async throws {
            try await withMonitor { _, terminal in
                for (rows, columns) in [(1, 1), (2, 1), (1, 80), (24, 1), (3, 3), (24, 80)] {
                    terminal.resize(rows: rows, columns: columns)
                    kill(terminal.pid, SIGWINCH)
                    terminal.type("jk?jq3q5q")
                    #expect(isRunning(terminal.pid))
                }
                try await terminal.awaitScreen("monitored.test")
                terminal.type("q")
                #expect(try await terminal.end() == 0)
            }
        }

        /// Ctrl-Z and `fg`, as in a shell with jobs.
        @Test func stopsAndGoesOnAsAJob() async throws {
            try await withScene { scene in
                let daemon = try await scene.daemon(DaemonSettings())
                let terminal = try PseudoTerminal(rows: 24, columns: 80)
                let script =
                    "set -m; \(try Program.sluice) --socket \(daemon.socket); echo STOPPED; "
                    + "read line; fg >/dev/null; echo \"ENDED $?\""
                try terminal.start(
                    "/bin/bash", ["-c", script],
                    environment: [
                        "TERM=xterm-256color", "LANG=C.UTF-8", "PATH=/usr/bin:/bin",
                        "HOME=/nonexistent",
                    ])
                try await terminal.awaitScreen("nothing is queued")
                terminal.type("\u{1a}")
                try await terminal.awaitScreen("STOPPED")
                let stopped = terminal.text
                let left = try #require(
                    stopped.range(of: "\u{1b}[?1049l", options: .backwards))
                #expect(stopped[left.upperBound...].contains("STOPPED"))
                terminal.type("\r")
                try await terminal.awaitScreen("nothing is queued")
                terminal.type("q")
                try await terminal.awaitScreen("ENDED 0")
                #expect(try await terminal.end() == 0)
            }
        }

        /// Pasted text never acts, in one piece or in many.
        @Test func whatIsPastedIsNotTyped() async throws {
            try await withMonitor { daemon, terminal in
                terminal.type("\u{1b}[200~")
                for byte in "Aqq\rF\rD\r\u{3}P\r".unicodeScalars {
                    terminal.type(String(byte))
                    _ = terminal.text
                }
                terminal.type("\u{1b}[201~")
                try await terminal.awaitScreen("monitored.test")
                #expect(isRunning(terminal.pid))
                #expect(try await daemon.totals().paused == 0)
                #expect(try await daemon.control.actions().rows.isEmpty)
                // In a prompt it is text.
                terminal.type("/\u{1b}[200~name = x\r\nq\u{1b}[201~")
                try await terminal.awaitScreen("name = x")
                terminal.type("\u{1b}")
                try await waitUntil("q ends it") {
                    terminal.type("q")
                    _ = terminal.text
                    return !isRunning(terminal.pid)
                }
                #expect(try await terminal.end() == 0)
            }
        }

        private func bytes(of file: String) -> Data {
            (try? Data(contentsOf: URL(fileURLWithPath: file))) ?? Data()
        }

        /// A recording is made of a running daemon and shown without one.
        @Test func recordsAndReplays() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@recorded.test"), to: daemon.port)
                let file = scene.directory.file("monday.rec")
                let variables = [
                    "TERM=xterm-256color", "LANG=C.UTF-8", "PATH=/usr/bin:/bin",
                    "HOME=/nonexistent",
                ]
                let recorder = try PseudoTerminal(rows: 24, columns: 100)
                try recorder.start(
                    try Program.sluice,
                    ["--socket", daemon.socket, "--record", file, "--interval", "0.2"],
                    environment: variables)
                try await recorder.awaitScreen("recorded.test")
                try await recorder.awaitScreen("rec  ")
                // More than one moment, so that one is left when the last is cut off.
                let first = bytes(of: file).count
                try await waitUntil("more is recorded") { bytes(of: file).count > first }
                // The past of the running one.
                recorder.type("[")
                try await recorder.awaitScreen("PAST ")
                recorder.type("F")
                try await recorder.awaitScreen("this is the past: nothing can be done there")
                recorder.type("\u{1b}\u{1b}")
                recorder.type("q")
                try await waitUntil("q ends it") {
                    recorder.type("q")
                    _ = recorder.text
                    return !isRunning(recorder.pid)
                }
                #expect(try await recorder.end() == 0)
                try await daemon.end(SIGTERM)

                let player = try PseudoTerminal(rows: 24, columns: 100)
                try player.start(
                    try Program.sluice, ["--replay", file], environment: variables)
                try await player.awaitScreen("REPLAY ")
                try await player.awaitScreen("recorded.test")
                player.type("q")
                #expect(try await player.end() == 0)

                // Cut off in the middle of a record: it is said, and shown as far as it goes.
                try bytes(of: file).dropLast(7).write(to: URL(fileURLWithPath: file))
                let again = try PseudoTerminal(rows: 24, columns: 100)
                try again.start(
                    try Program.sluice, ["--replay", file], environment: variables)
                try await again.awaitScreen("it ends within a record, at byte ")
                try await again.awaitScreen("recorded.test")
                again.type("q")
                #expect(try await again.end() == 0)
            }
        }

        @Test func plainTerminals() async throws {
            for variables in [["TERM=vt100", "LANG=C"], ["TERM=linux", "LANG=C.UTF-8"]] {
                try await withMonitor(environment: variables) { _, terminal in
                    terminal.type("q")
                    let status = try await terminal.end()
                    #expect(status == 0)
                    if variables[1] == "LANG=C" {
                        #expect(terminal.text.utf8.allSatisfy { $0 < 0x80 })
                    }
                }
            }
        }

        /// An operator's way through a purge: preview, confirmation, and it is done.
        @Test func actsAfterAPreview() async throws {
            try await withMonitor { daemon, terminal in
                terminal.type("P")
                try await terminal.awaitScreen("keeps")
                #expect(try await daemon.totals().paused == 0)
                terminal.type("\r")
                // Until the result is shown the preview is open, and takes no key.
                try await terminal.awaitScreen("destination paused")
                #expect(try await daemon.totals().paused == 1)
                terminal.type("q")
                #expect(try await terminal.end() == 0)
            }
        }

        /// By name, on all that match; Enter twice does not confirm; and undone.
        @Test func holdsAllThatMatchAndUndoes() async throws {
            try await withMonitor { daemon, terminal in
                terminal.type("A:hold\r")
                try await terminal.awaitScreen("keeps")
                terminal.type("\u{1b}[C\r")
                try await waitUntil("all is held") { try await daemon.totals().held == 1 }
                try await terminal.awaitScreen("undoes")
                terminal.type("u")
                try await waitUntil("nothing is held") { try await daemon.totals().held == 0 }
                terminal.type("A:hold\r")
                try await terminal.awaitScreen("keeps")
                terminal.type("\r")
                terminal.type("q")
                #expect(try await terminal.end() == 0)
                #expect(try await daemon.totals().held == 0)
            }
        }

        @Test func demoLeavesNothingBehind() async throws {
            try await withScene { scene in
                let demo = try scene.process(
                    try Program.sluice, ["demo", "--duration", "6"], log: "demo.log")
                let daemon = try await eventually("the demo's daemon") {
                    if let ending = demo.ending {
                        throw Overdue(
                            description: "the demo ended early (\(ending)):\n"
                                + contents(scene.directory.file("demo.log")))
                    }
                    return children(of: demo.pid).first { commandLine(of: $0).count == 3 }
                }
                let configuration = try #require(commandLine(of: daemon).last)
                #expect(configuration.hasPrefix("/tmp/sluice-demo-"))
                let ending = try await eventually("the demo ends by itself") { demo.ending }
                #expect(ending == .exit(0), "\(contents(scene.directory.file("demo.log")))")
                let directory = (configuration as NSString).deletingLastPathComponent
                #expect(!FileManager.default.fileExists(atPath: directory))
                // The daemon had its workers in its process group.
                #expect(kill(-daemon, 0) == -1 && errno == ESRCH)
                let said = contents(scene.directory.file("demo.log"))
                #expect(said.contains("gmail.test"), "\(said)")
                #expect(!said.contains("\u{1b}"))
            }
        }
    }
}
