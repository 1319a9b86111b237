import Foundation
import Mail
import Testing

@testable import Terminal

@Suite(.serialized) struct TerminalTests {
    private func open(
        _ pty: Pseudoterminal, name: String = "xterm-256color", depth: ColorDepth? = nil,
        noColor: Bool = false
    ) throws -> Terminal {
        let waker = try #require(Waker())
        return try Terminal(
            name: name, input: pty.slave, output: pty.slave, depth: depth, unicode: true,
            noColor: noColor, waker: waker)
    }

    private func grid(_ label: Label, _ terminal: Terminal, _ ink: Ink = .none) -> Grid {
        var grid = Grid(size: terminal.size, unicode: true, style: Style())
        grid.put(label, row: 1, column: 2, ink)
        return grid
    }

    private var soon: ContinuousClock.Instant { .now + .seconds(60) }

    @Test func takesTheTerminalAndGivesItBack() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 40, rows: 8)
        let before = pty.modes
        let terminal = try open(pty)
        #expect(terminal.size == Size(columns: 40, rows: 8))
        #expect(terminal.capabilities.depth == .full)
        #expect(pty.modes != before)
        terminal.present(grid("hello", terminal))
        let shown = pty.read()
        #expect(shown.contains("\u{1B}[?1049h"))
        #expect(shown.contains("hello"))
        terminal.close()
        let closing = pty.read()
        #expect(closing.contains("\u{1B}[?1049l"))
        #expect(closing.contains("\u{1B}[?2004l"))
        #expect(closing.contains("\u{1B}[?1000l"))
        #expect(pty.modes == before)
        _ = lock
    }

    @Test func sendsOnlyWhatDiffersInsideOfMarkers() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 40, rows: 8)
        let terminal = try open(pty)
        terminal.present(grid("hello", terminal))
        _ = pty.read()
        terminal.present(grid("hello", terminal))
        #expect(pty.read() == "")
        terminal.present(grid("hellx", terminal))
        let update = pty.read()
        #expect(update.hasPrefix("\u{1B}[?2026h"))
        #expect(update.hasSuffix("\u{1B}[?2026l"))
        #expect(update.contains("x"))
        #expect(!update.contains("hell"))
        _ = lock
    }

    @Test func coloursByDepth() async throws {
        let lock = try await TerminalLock()
        let ink = Ink(foreground: Color(203), background: Color(235), attributes: .bold)
        do {
            let pty = try Pseudoterminal(columns: 20, rows: 4)
            let terminal = try open(pty)
            terminal.present(grid("red", terminal, ink))
            let shown = pty.read()
            #expect(shown.contains("38;5;203m"))
            #expect(shown.contains("48;5;235m"))
        }
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let terminal = try open(pty, noColor: true)
        #expect(terminal.capabilities.depth == .mono)
        terminal.present(grid("red", terminal, Ink(attributes: .bold)))
        let shown = pty.read()
        #expect(!shown.contains("38;5"))
        #expect(shown.contains("red"))
        _ = lock
    }

    @Test func keysArriveWhateverTheirPackets() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let terminal = try open(pty)
        pty.type("qq\u{1B}[A")
        #expect(
            terminal.wait(until: soon) == [
                .key(.character("q")), .key(.character("q")), .key(.up),
            ])
        pty.type("\u{1B}")
        #expect(terminal.wait(until: soon) == [])
        // Nothing follows: it was the key.
        #expect(terminal.wait(until: soon) == [.key(.escape)])
        _ = lock
    }

    @Test func wakesUp() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let terminal = try open(pty)
        terminal.waker.wake()
        terminal.waker.wake()
        #expect(terminal.wait(until: soon) == [.wake])
        #expect(terminal.wait(until: .now) == [])
        _ = lock
    }

    @Test func resizesWhenTold() async throws {
        let lock = try await TerminalLock()
        try resize()
        _ = lock
    }

    /// Without a suspension: signals go to the thread that raised them.
    private func resize() throws {
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let terminal = try open(pty)
        terminal.present(grid("hello", terminal))
        _ = pty.read()
        for (columns, rows) in [(60, 20), (1, 1), (20, 4)] {
            pty.resize(columns: columns, rows: rows)
            raise(SIGWINCH)
            let size = Size(columns: columns, rows: rows)
            #expect(terminal.wait(until: soon) == [.resize(size)])
            #expect(terminal.size == size)
            terminal.present(grid("hello", terminal))
        }
        #expect(pty.read().contains("hello"))
    }

    @Test func signalsAreEvents() async throws {
        let lock = try await TerminalLock()
        try raiseSignals()
        _ = lock
    }

    private func raiseSignals() throws {
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let terminal = try open(pty)
        for signal in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] {
            raise(signal)
            #expect(terminal.wait(until: soon) == [.terminate(signal: signal)])
        }
        raise(SIGTSTP)
        #expect(terminal.wait(until: soon) == [.stop])
        raise(SIGCONT)
        #expect(terminal.wait(until: soon) == [.resize(terminal.size)])
        // By their keys.
        for (key, event) in [
            ("\u{03}", Terminal.Event.terminate(signal: SIGINT)),
            ("\u{1C}", .terminate(signal: SIGQUIT)), ("\u{1A}", .stop),
        ] {
            pty.type(key)
            var events: [Terminal.Event] = []
            while events.isEmpty { events = terminal.wait(until: soon) }
            #expect(events == [event])
        }
        // Pasted they are text.
        pty.type("\u{1B}[200~a\u{03}\u{1A}\u{1C}\u{13}\u{1B}[201~")
        var events: [Terminal.Event] = []
        while events.isEmpty { events = terminal.wait(until: soon) }
        #expect(events == [.key(.paste("a\u{03}\u{1A}\u{1C}\u{13}"))])
        terminal.close()
    }

    @Test func refusesWhatCannotShowIt() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        #expect(throws: TerminalError.notCapable("dumb")) { try open(pty, name: "dumb") }
        #expect(throws: TerminalError.unknown("no-such-terminal")) {
            try open(pty, name: "no-such-terminal")
        }
        #expect(throws: TerminalError.unknown("")) { try open(pty, name: "") }
        let waker = try #require(Waker())
        let file = Foundation.open("/dev/null", O_RDWR)
        defer { close(file) }
        #expect(throws: TerminalError.notATerminal) {
            try Terminal(name: "xterm", input: file, output: file, waker: waker)
        }
        #expect(pty.read() == "")
        _ = lock
    }

    @Test func aHungUpTerminalIsNoticed() async throws {
        let lock = try await TerminalLock()
        var pty: Pseudoterminal? = try Pseudoterminal(columns: 20, rows: 4)
        // Own descriptors: the pseudoterminal closes its own.
        let slave = dup(try #require(pty).slave)
        defer { close(slave) }
        let terminal = try Terminal(
            name: "xterm", input: slave, output: slave, waker: #require(Waker()))
        pty = nil
        #expect(terminal.wait(until: soon).contains(.hangup))
        _ = lock
    }

    @Test func depthFromTerminalAndEnvironment() {
        #expect(ColorDepth(terminalColors: 256, noColor: false) == .full)
        #expect(ColorDepth(terminalColors: 16, noColor: false) == .ansi16)
        #expect(ColorDepth(terminalColors: 8, noColor: false) == .ansi16)
        #expect(ColorDepth(terminalColors: 0, noColor: false) == .mono)
        #expect(ColorDepth(terminalColors: 256, noColor: true) == .mono)
    }
}
