import Foundation
import Testing

@testable import Terminal

@Suite(.serialized) struct TerminalGroundTests {
    private static let dark = "\u{1B}]11;rgb:1e1e/1e1e/2e2e\u{1B}\\"
    private static let deviceAttributes = "\u{1B}[?62;22c"

    private func reply(_ text: String) -> GroundReply {
        var reply = GroundReply()
        reply.feed(Array(text.utf8))
        return reply
    }

    @Test func anAnswerIsReadWhereverItIsSplit() throws {
        let bytes = Array(("j" + Self.dark + Self.deviceAttributes).utf8)
        for split in 0...bytes.count {
            var reply = GroundReply()
            reply.feed(bytes[..<split])
            #expect(reply.isComplete == (split == bytes.count))
            reply.feed(bytes[split...])
            #expect(reply.isComplete)
            #expect(reply.typed == Array("j".utf8))
            let ground = try #require(reply.ground)
            #expect(
                TerminalGround(red: ground.red, green: ground.green, blue: ground.blue) == .dark)
        }
    }

    @Test func formsOfTheAnswer() {
        for (text, expected) in [
            ("\u{1B}]11;rgb:ffff/ffff/ffff\u{07}", TerminalGround.light),
            ("\u{1B}]11;rgb:f/f/d\u{07}", .light),
            ("\u{1B}]11;rgb:fd/f6/e3\u{1B}\\", .light),
            ("\u{1B}]11;rgba:0000/2b2b/3636/ffff\u{07}", .dark),
        ] {
            let ground = reply(text + Self.deviceAttributes).ground
            #expect(
                ground.map { TerminalGround(red: $0.red, green: $0.green, blue: $0.blue) }
                    == expected, "\(text)")
        }
        for text in [
            "", "\u{1B}]11;rgb:zz/00/00\u{07}", "\u{1B}]11;rgb:00/00\u{07}",
            "\u{1B}]10;rgb:0/0/0\u{07}",
            "\u{1B}]11;rgb:00000/0/0\u{07}", "\u{1B}]11;#ffffff\u{07}",
        ] {
            let answer = reply(text + Self.deviceAttributes)
            #expect(answer.ground == nil, "\(text)")
            #expect(answer.isComplete, "\(text)")
        }
    }

    @Test func whatIsNoAnswerWasTyped() {
        #expect(reply("jk\u{1B}[Aq" + Self.deviceAttributes).typed == Array("jk\u{1B}[Aq".utf8))
        #expect(reply(Self.deviceAttributes + "q").typed == Array("q".utf8))
        var silent = reply("q\u{1B}]11;rg")
        #expect(!silent.isComplete)
        silent.giveUp()
        #expect(silent.typed == Array("q\u{1B}]11;rg".utf8))
        #expect(reply(String(repeating: "\u{1B}]", count: 4000)).typed.count == 8000)
    }

    @Test func theEnvironmentIsTheSecondChoice() {
        #expect(TerminalGround(colorfgbg: "0;15") == .light)
        #expect(TerminalGround(colorfgbg: "0;default;7") == .light)
        #expect(TerminalGround(colorfgbg: "15;0") == .dark)
        #expect(TerminalGround(colorfgbg: "7;8") == .dark)
        for text in ["", "15", ";", "0;default", "0;16", "0;-1"] where text != "15" {
            #expect(TerminalGround(colorfgbg: text) == nil, "\(text)")
        }
    }

    /// The answer lies there already: a terminal that answers at once.
    @Test func aTerminalIsAskedAndKeepsItsModes() async throws {
        let lock = try await TerminalLock()
        let pty = try Pseudoterminal(columns: 20, rows: 4)
        let before = pty.modes
        pty.type("q\u{1B}]11;rgb:ffff/ffff/ffff\u{1B}\\" + Self.deviceAttributes)
        let terminal = try Terminal(
            name: "xterm-256color", input: pty.slave, output: pty.slave, unicode: true,
            asksGround: true, colorfgbg: "15;0", waker: #require(Waker()))
        #expect(terminal.ground == .light)
        #expect(pty.read().contains("\u{1B}]11;?"))
        // What was typed meanwhile is not lost.
        #expect(terminal.wait(until: .now + .seconds(600)) == [.key(.character("q"))])
        terminal.close()
        #expect(pty.modes == before)
        // One that does not answer is not waited for without end.
        let silent = TerminalGround.ask(
            name: "xterm", input: pty.slave, output: pty.slave, colorfgbg: "0;15", patience: 1)
        #expect(silent.ground == .light)
        #expect(silent.typed == [])
        #expect(pty.modes == before)
        _ = lock
    }
}
