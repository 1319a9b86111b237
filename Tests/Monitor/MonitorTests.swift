import Control
import Foundation
import Mail
import Synchronization
import Terminal
import Testing

@testable import Monitor

/// A daemon in the process.
private final class Daemon: MonitorSource {
    enum Manner { case answers, hangs, gone }

    private struct State {
        var applied: [(plan: String, ApplyRequest)] = []
        var undone: [String] = []
    }

    private struct Gone: Error {}

    private let manner: Manner
    private let state = Mutex(State())

    init(_ manner: Manner = .answers) {
        self.manner = manner
    }

    var applied: [String] { state.withLock { $0.applied.map(\.plan) } }
    var undone: [String] { state.withLock { $0.undone } }

    private func pass() async throws {
        switch manner {
        case .answers: break
        case .hangs: try await Task.sleep(for: .seconds(3600))
        case .gone: throw Gone()
        }
    }

    func status() async throws -> Status {
        try await pass()
        return Fixture.status()
    }

    func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<DestinationRow> {
        Page(
            at: Fixture.now, total: Fixture.rows.count, offset: offset,
            rows: Array(Fixture.rows.dropFirst(offset).prefix(limit)))
    }

    func detail(of destination: String) async throws -> DestinationDetail {
        throw APIError(code: "not-found", message: "gone")
    }

    func body(of message: String, lines: Int) async throws -> MessageBody {
        throw APIError(code: "forbidden", message: "not you")
    }

    func ages(limit: Int) async throws -> AgeMap { Fixture.ages }

    func schedule(limit: Int) async throws -> Schedule { Fixture.schedule }

    func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<MessageRow> {
        Page(
            at: Fixture.now, total: Fixture.messages.count, offset: offset,
            rows: Array(Fixture.messages.dropFirst(offset).prefix(limit)))
    }

    func message(_ id: String) async throws -> MessageDetail {
        guard let detail = Fixture.message(id) else {
            throw APIError(code: "not-found", message: "gone")
        }
        return detail
    }

    func actions(limit: Int) async throws -> Page<ActionRow> {
        Page(
            at: Fixture.now, total: Fixture.actions.count, offset: 0,
            rows: Array(Fixture.actions.prefix(limit)))
    }

    func follow(
        _ subject: StreamSubject, _ receive: @escaping @Sendable (StreamItem) -> Void
    ) async throws {
        switch subject {
        case .events: for event in Fixture.events { receive(.event(event)) }
        case .trace: for line in Fixture.trace { receive(.trace(line)) }
        }
        try await Task.sleep(for: .seconds(3600))
    }

    func plan(_ request: PlanRequest) async throws -> Plan { Fixture.plan(request) }

    func apply(_ planID: String, _ request: ApplyRequest) async throws -> ActionRow {
        state.withLock { $0.applied.append((planID, request)) }
        return Fixture.action(.retry, undoFor: 3600)
    }

    func undo(_ actionID: String) async throws -> ActionRow {
        state.withLock { $0.undone.append(actionID) }
        var action = Fixture.action(.retry)
        action.result = "all is as it was"
        return action
    }
}

/// The whole of it on a terminal.
@Suite(.serialized) struct MonitorTests {
    private func configuration(_ pty: Pseudoterminal) throws -> Monitor.Configuration {
        Monitor.Configuration(
            theme: try ThemeFinder(folders: []).theme(named: nil), terminal: "xterm-256color",
            unicode: true, input: pty.slave, output: pty.slave)
    }

    private final class Outcome: Sendable {
        let ending = Mutex<Result<Monitor.Ending, any Error>?>(nil)
    }

    /// Runs the monitor beside a script, then reads what it shows until it has ended: a terminal
    /// that nobody reads blocks whoever writes to it. Returns how it ended and what came last.
    private func session(
        _ pty: Pseudoterminal, _ daemon: Daemon, cancelled: Bool = false,
        _ script: () async -> Void
    ) async throws -> (ending: Monitor.Ending, last: String) {
        let configuration = try configuration(pty)
        let outcome = Outcome()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    let ending = try await Monitor.run(
                        configuration: configuration, source: daemon)
                    outcome.ending.withLock { $0 = .success(ending) }
                } catch {
                    outcome.ending.withLock { $0 = .failure(error) }
                }
            }
            await script()
            if cancelled { group.cancelAll() }
            var last = ""
            // A script that went astray may leave it open.
            let patience = ContinuousClock.now + .seconds(600)
            while true {
                let ending = outcome.ending.withLock { $0 }
                last += pty.read()
                if let ending { return (try ending.get(), last) }
                if ContinuousClock.now > patience { group.cancelAll() }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    @Test func aSessionWithKeys() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 100, rows: 30)
        let modes = pty.modes
        let daemon = Daemon()
        let (ending, last) = try await session(pty, daemon) {
            #expect(await pty.shows("gmail.example"))
            // A key and its consequences in one packet, and one that is split.
            pty.type("jjF")
            #expect(await pty.shows("1,240 deliveries"))
            pty.type("\r")
            #expect(await pty.shows("3 had left the queue."))
            #expect(daemon.applied == ["p1"])
            pty.type("u")
            #expect(await pty.shows("all is as it was"))
            #expect(daemon.undone == ["a7"])
            pty.type("\u{1B}[")
            pty.type("Bq")
        }
        #expect(ending == .quit)
        #expect(last.contains("\u{1B}[?1049l"))
        #expect(pty.modes == modes)
        _ = lock
    }

    @Test func aDaemonThatHangsBlocksNoKey() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 80, rows: 24)
        let (ending, _) = try await session(pty, Daemon(.hangs)) {
            #expect(await pty.shows("connecting"))
            pty.type("?")
            #expect(await pty.shows("show some only"))
            pty.type("qq")
        }
        #expect(ending == .quit)
        _ = lock
    }

    @Test func aDaemonThatIsGoneIsSaidToBe() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 80, rows: 24)
        let (ending, _) = try await session(pty, Daemon(.gone)) {
            #expect(await pty.shows("no daemon"))
            pty.type("q")
        }
        #expect(ending == .quit)
        _ = lock
    }

    @Test func cancellingEndsIt() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 80, rows: 24)
        let modes = pty.modes
        let (ending, _) = try await session(pty, Daemon(), cancelled: true) {
            #expect(await pty.shows("gmail.example"))
        }
        #expect(ending == .cancelled)
        #expect(pty.modes == modes)
        _ = lock
    }

    @Test func withoutATerminalItSaysSo() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 80, rows: 24)
        var configuration = try configuration(pty)
        configuration.terminal = "dumb"
        await #expect(throws: TerminalError.notCapable("dumb")) {
            try await Monitor.run(configuration: configuration, source: Daemon())
        }
        _ = lock
    }
}
