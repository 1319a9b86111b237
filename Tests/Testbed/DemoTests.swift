import Foundation
import NIOCore
import NIOPosix
import Settings
import Synchronization
import Testing

@testable import Testbed

/// Stands in for the daemon: takes the same arguments, listens on the control socket and the intake
/// of its configuration, and takes mail without looking at it.
private let standIn = """
    #!/usr/bin/env python3
    import re, socket, socketserver, sys, threading
    configuration = open(sys.argv[2]).read()
    assert sys.argv[1] == "--config"
    class Intake(socketserver.StreamRequestHandler):
        def handle(self):
            inData = False
            self.wfile.write(b"220 x\\r\\n")
            for line in self.rfile:
                if inData and line != b".\\r\\n": continue
                self.wfile.write(b"354 x\\r\\n" if line == b"DATA\\r\\n" else b"250 x\\r\\n")
                inData = line == b"DATA\\r\\n"
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
    port = int(re.search(r'listen = \\["127.0.0.1:(\\d+)"\\]', configuration)[1])
    server = Server(("127.0.0.1", port), Intake)
    control = socket.socket(socket.AF_UNIX)
    control.bind(re.search(r'control_socket = "(.*)"', configuration)[1])
    control.listen(5)
    print("up", file=sys.stderr)
    server.serve_forever()
    """

@Suite(.timeLimit(.minutes(15))) struct DemoTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func options() -> Demo.Options {
        var options = Demo.Options()
        options.tail = 5
        options.rate = 500
        return options
    }

    private func withStandIn(_ body: (String) async throws -> Void) async throws {
        let directory = try TemporaryDirectory(prefix: "sluice-test")
        let program = directory.file("daemon")
        try write(standIn, to: program)
        chmod(program, 0o700)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(program))
        } catch {
            result = .failure(error)
        }
        directory.remove()
        try result.get()
    }

    @Test func runsTheMonitorAndLeavesNothingBehind() async throws {
        try await withStandIn { program in
            let seen = Mutex<String?>(nil)
            try await Demo(group: group, options: options()).run(daemonPath: program) { socket in
                #expect(accepts(socket: socket))
                seen.withLock { $0 = socket }
            }
            let socket = try #require(seen.withLock { $0 })
            #expect(!accepts(socket: socket))
            let directory = String(socket.dropLast("/control.sock".count))
            #expect(directory.hasPrefix("/tmp/sluice-demo-"))
            #expect(access(directory, F_OK) != 0)
        }
    }

    @Test func cancelEndsIt() async throws {
        try await withStandIn { program in
            let demo = Demo(group: group, options: options())
            let directory = Mutex("")
            try await demo.run(daemonPath: program) { socket in
                directory.withLock { $0 = String(socket.dropLast("/control.sock".count)) }
                demo.cancel()
                while !Task.isCancelled {
                    await Task.yield()
                }
            }
            #expect(access(directory.withLock { $0 }, F_OK) != 0)
        }
    }

    @Test func theMonitorsErrorComesThrough() async throws {
        struct Oops: Error {}
        try await withStandIn { program in
            await #expect(throws: Oops.self) {
                try await Demo(group: group, options: options()).run(daemonPath: program) { _ in
                    throw Oops()
                }
            }
        }
    }

    @Test func aDaemonThatDoesNotStartIsReportedWithItsLog() async throws {
        do {
            // It takes --config for a file that does not exist, says so and ends.
            try await Demo(group: group, options: options()).run(daemonPath: "/bin/ls") { _ in }
            Issue.record("it started")
        } catch TestbedError.daemon(let what, let log, let lines) {
            #expect(what.contains("exit status 2"))
            #expect(lines.contains { $0.contains("--config") })
            #expect(access(log, R_OK) == 0)
            try FileManager.default.removeItem(
                atPath: String(log.dropLast("/sluiced.log".count)))
        }
    }

    @Test func aProgramThatDoesNotExist() async throws {
        await #expect(throws: TestbedError.self) {
            try await Demo(group: group, options: options())
                .run(daemonPath: "/nonexistent/sluiced") { _ in }
        }
    }

    @Test func theConfigurationIsSoundAndRoutesEveryDomain() async throws {
        let internet = try await Internet.start(group: group, tail: 5)
        let directory = try DemoDirectory(routes: internet.staticRoutes)
        let check = Configuration.check(path: directory.configuration)
        #expect(check.problems.isEmpty, "\(check.problems)")
        let configuration = try #require(check.configuration)
        #expect(configuration.controlSocket == directory.controlSocket)
        #expect(configuration.intake.listen.map(\.port) == [directory.intakePort])
        let statics = configuration.routing.statics.map { "\($0.pattern) \($0.route)" }
        #expect(Set(statics) == Set(internet.staticRoutes.map { "\($0.domain) \($0.route)" }))

        let mode = try FileManager.default.attributesOfItem(atPath: directory.path)
        #expect((mode[.posixPermissions] as? NSNumber)?.intValue == 0o700)
        directory.remove()
        #expect(access(directory.path, F_OK) != 0)
        await internet.shutDown()
    }
}

@Suite(.timeLimit(.minutes(15))) struct DaemonProcessTests {
    private let eventLoop = MultiThreadedEventLoopGroup.singleton.next()

    @Test func endsOnSIGTERM() async throws {
        let daemon = try DaemonProcess(
            path: "/bin/sleep", arguments: ["1000"], log: "/dev/null", eventLoop: eventLoop)
        #expect(daemon.ending == nil)
        await daemon.terminate(grace: .seconds(600))
        #expect(daemon.ending == .signal(SIGTERM))
    }

    @Test func isKilledWithItsChildrenWhenItDoesNotListen() async throws {
        let directory = try TemporaryDirectory(prefix: "sluice-test")
        let log = directory.file("log")
        let daemon = try DaemonProcess(
            path: "/bin/sh", arguments: ["-c", "trap '' TERM; sleep 1000 & echo $!; wait"],
            log: log, eventLoop: eventLoop)
        while lastLines(of: log, count: 1).isEmpty {
            await Task.yield()
        }
        let child = try #require(lastLines(of: log, count: 1).first.flatMap { pid_t($0) })
        await daemon.terminate(grace: .milliseconds(50))
        #expect(daemon.ending == .signal(SIGKILL))
        while isRunning(child) {
            await Task.yield()
        }
        directory.remove()
    }

    /// A zombie, which init has yet to reap, is not running.
    private func isRunning(_ pid: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else {
            return false
        }
        return !stat.contains(") Z") && !stat.contains(") X")
    }

    @Test func inheritsNoDescriptors() async throws {
        // Not close-on-exec. Other tests open descriptors meanwhile: only this one is looked for.
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        let directory = try TemporaryDirectory(prefix: "sluice-test")
        let log = directory.file("log")
        let daemon = try DaemonProcess(
            path: "/bin/ls", arguments: ["/proc/self/fd"], log: log, eventLoop: eventLoop)
        while daemon.ending == nil {
            await Task.yield()
        }
        let inherited = lastLines(of: log, count: 10_000)
        #expect(inherited.prefix(3) == ["0", "1", "2"])
        #expect(!inherited.contains("\(descriptor)"))
        directory.remove()
    }
}

@Suite struct TemporaryDirectoryTests {
    @Test func removesItsTreeAndFollowsNoLink() throws {
        let kept = try TemporaryDirectory(prefix: "sluice-test")
        let removed = try TemporaryDirectory(prefix: "sluice-test")
        try write("x", to: kept.file("precious"))
        #expect(mkdir(removed.file("sub"), 0o700) == 0)
        try write("y", to: removed.file("sub/file"))
        #expect(symlink(kept.path, removed.file("sub/link")) == 0)
        removed.remove()
        #expect(access(removed.path, F_OK) != 0)
        #expect(access(kept.file("precious"), F_OK) == 0)
        kept.remove()
    }
}
