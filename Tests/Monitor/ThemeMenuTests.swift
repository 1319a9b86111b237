import Terminal
import Testing

@testable import Monitor

struct ThemeMenuTests {
    private func session() -> Session {
        var session = Session.ready(
            options: Model.Options(themes: ["dark", "light", "nord"]))
        session.press(":")
        session.type("theme")
        session.press(.enter)
        return session
    }

    private func themes(_ session: Session) -> [String] {
        session.effects.compactMap { if case .theme(let name) = $0 { name } else { nil } }
    }

    private func kept(_ session: Session) -> [String] {
        session.effects.compactMap { if case .keepTheme(let name) = $0 { name } else { nil } }
    }

    @Test func aThemeIsSeenWhileItIsChosen() throws {
        var session = session()
        #expect(try session.screen().text.contains("nord"))
        session.press(.down, .down, .up)
        #expect(themes(session) == ["light", "nord", "light"])
        #expect(kept(session) == [])
        session.press(.enter)
        #expect(kept(session) == ["light"])
        #expect(session.model.theme == "light")
        #expect(session.model.overlay == nil)
    }

    @Test func escapeBringsTheOldOneBack() {
        var session = session()
        session.press(.down, .down, .escape)
        #expect(themes(session).last == "dark")
        #expect(session.model.theme == "dark")
        #expect(kept(session) == [])
    }

    @Test func withoutThemesItSaysSo() {
        var session = Session.ready()
        session.press(":")
        session.type("theme")
        session.press(.enter)
        #expect(session.model.overlay == nil)
        #expect(session.model.feedback?.text == "no theme was found")
    }
}
