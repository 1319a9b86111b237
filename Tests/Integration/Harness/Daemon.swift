import Control
import Foundation
import Glibc
import NIOPosix
import Synchronization
import Testbed
import Testing

/// The real `sluiced`, its files in a scene's directory.
final class Daemon: Sendable {
    let configuration: String
    let dataDirectory: String
    /// What it says on standard error.
    let log: String
    /// Where it has its log, if not there.
    private let logFile: String?
    let control: ControlClient
    private let run = Mutex<Run?>(nil)

    private struct Run {
        var process: DaemonProcess
        var port: Int
    }

    /// For the processes that are started from now on, in addition to this one's.
    var environment: [String: String] {
        get { variables.withLock { $0 } }
        set { variables.withLock { $0 = newValue } }
    }
    private let variables = Mutex<[String: String]>([:])

    /// What starts the program, where it is not started by itself: a path and arguments, of which
    /// the program is the last.
    var launcher: [String]? {
        get { starter.withLock { $0 } }
        set { starter.withLock { $0 = newValue } }
    }
    private let starter = Mutex<[String]?>(nil)

    let socket: String
    var pid: Int32 { run.withLock { $0?.process.pid ?? 0 } }
    /// Where it takes mail; another one after each start.
    var port: Int { run.withLock { $0?.port ?? 0 } }
    var ending: DaemonProcess.Ending? { run.withLock { $0?.process.ending } }

    init(
        name: String, in directory: TemporaryDirectory, _ settings: DaemonSettings,
        logFile: String? = nil
    ) throws {
        self.logFile = logFile
        configuration = directory.file("\(name).toml")
        dataDirectory = directory.file(name)
        log = directory.file("\(name).log")
        socket = directory.file("\(name).sock")
        control = ControlClient(socket: socket, timeout: .seconds(300))
        mkdir(dataDirectory, 0o700)
        try configure(settings)
    }

    /// Writes the configuration; a running daemon reads it when it is told to reload.
    func configure(_ settings: DaemonSettings) throws {
        let text = settings.text(dataDirectory: dataDirectory, socket: socket)
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
    }

    /// Returns when it takes mail and answers on its socket.
    func start() async throws {
        let log = logFile ?? log
        // What a long life has said is not read again at each start.
        let before = size(of: log)
        let process = try spawn()
        run.withLock { $0 = Run(process: process, port: 0) }
        let port: Int = try await eventually("\(configuration): ready") {
            if let ending = process.ending { throw failure("sluiced ended: \(ending)") }
            let new = contents(log, from: before)
            guard new.contains("control socket ready"),
                let line = new.split(separator: "\n").first(where: {
                    $0.contains("intake ready")
                }), let colon = line.lastIndex(of: ":")
            else { return nil }
            return Int(line[colon...].dropFirst().prefix { $0.isNumber })
        }
        run.withLock { $0?.port = port }
    }

    /// Starts one that is expected to end by itself; its exit status and what it said.
    func startInVain() async throws -> (ending: DaemonProcess.Ending, said: String) {
        let before = size(of: log)
        let process = try spawn()
        do {
            let ending = try await eventually("\(configuration): gives up") { process.ending }
            return (ending, contents(log, from: before))
        } catch {
            await process.terminate(grace: .zero)
            throw error
        }
    }

    private func spawn() throws -> DaemonProcess {
        let words = try launcher ?? [Program.sluiced]
        return try DaemonProcess(
            path: words[0], arguments: words.dropFirst() + ["--config", configuration], log: log,
            environment: environment, eventLoop: MultiThreadedEventLoopGroup.singleton.next())
    }

    var logText: String { contents(log) }

    /// The error with the last lines of the log.
    func failure(_ what: String) -> TestbedError {
        let lines = logText.split(separator: "\n").suffix(15).map(String.init)
        return .daemon(what, log: log, lastLines: lines)
    }

    /// Sends a signal and waits for the manager's end.
    @discardableResult
    func end(_ signal: Int32) async throws -> DaemonProcess.Ending {
        guard let process = run.withLock({ $0?.process }) else { return .exit(0) }
        if process.ending == nil { kill(process.pid, signal) }
        let ending = try await eventually("the daemon ends after signal \(signal)") {
            process.ending
        }
        control.close()
        return ending
    }

    /// Whatever state it is in, nothing of it is left afterwards.
    func tearDown() async {
        let process = run.withLock { run in
            defer { run = nil }
            return run?.process
        }
        await process?.terminate(grace: .seconds(10))
        control.close()
        let log = logText
        // A program that trapped says so there, however well everything looked from outside.
        if log.contains("Fatal error") || log.contains("Crash") {
            Issue.record("a process of the daemon crashed:\n\(log.suffix(4000))")
        }
    }

    // MARK: What it says

    func totals() async throws -> Totals { try await control.status().totals }

    /// Where it is one of several nodes: without the others.
    func ownTotals() async throws -> Totals { try await control.nodeStatus().totals }

    /// Returns when nothing is queued, for whatever state it is in.
    func awaitEmptyQueue() async throws {
        do {
            try await waitUntil("an empty queue") {
                let stored = try await control.messages().total
                return try await totals().deliveries == 0 && stored == 0
            }
        } catch let error as Overdue {
            let rows = try await control.messages(limit: 5).rows
            throw failure(
                "\(error); \(try await totals()); first: "
                    + rows.map { "\($0.id) \($0.state) \($0.why.text)" }.joined(separator: ", "))
        }
    }

    /// The only destination of a domain, as soon as there is one.
    func destination(_ domain: String) async throws -> DestinationRow {
        try await eventually("a destination for \(domain)") {
            try await control.destinations(filter: "domain = \(domain)").rows.first
        }
    }

    /// Plans and applies.
    @discardableResult
    func act(
        _ action: ActionKind, _ selector: Selector, worker: Int? = nil, reason: String = ""
    ) async throws -> ActionRow {
        let plan = try await control.plan(
            PlanRequest(action: action, selector: selector, reason: reason, worker: worker))
        return try await control.apply(
            plan.id, ApplyRequest(count: plan.mustTypeCount ? plan.counts.deliveries : nil))
    }
}
