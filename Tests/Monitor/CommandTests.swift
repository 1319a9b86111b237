import Control
import Terminal
import Testing

@testable import Monitor

struct CommandTests {
    @Test func everyCommandHasOneRowAndItsOwnKeys() {
        #expect(Set(Command.all.map(\.id)) == Set(Command.ID.allCases))
        #expect(Command.all.count == Command.ID.allCases.count)
        let keys = Command.all.flatMap(\.keys)
        #expect(Set(keys).count == keys.count)
        let ranks = Command.all.compactMap(\.rank)
        #expect(Set(ranks).count == ranks.count)
    }

    private static func places(of command: Command) -> [[Key]] {
        command.group == .time
            ? [["["]] : [["3"], ["3", "4"], ["6", "l"], ["7"], ["9"]]
    }

    /// Each key does something where it can, and says why where it cannot.
    @Test(arguments: Command.ID.allCases)
    func everyKeyIsAlive(id: Command.ID) throws {
        let command = try #require(Command.with(id))
        for key in command.keys {
            // Of some daemons there are several.
            var session = Session.ready(nodes: id == .showNodes ? Fixture.nodes : nil)
            // Something to undo, to untag, to move from and to close.
            session.press("j", "j", " ")
            session.answer()
            // Some belong to another page.
            for keys: [Key] in Self.places(of: command)
            where command.availability(session.model) != .yes {
                session.press("1")
                for key in keys {
                    session.press(key)
                    session.answer()
                }
                session.stream(Fixture.trace.map { .trace($0) })
            }
            session.model.undoable = Fixture.action(.pause, undoFor: 60)
            // Only a drain that there is can be ended.
            if id == .undrainWorker {
                session.press("1", "7")
                session.answer()
                session.model.drain(1)
            }
            let before = session
            #expect(command.availability(session.model) == .yes, "\(key)")
            session.press(key)
            let changed =
                session.effects.count != before.effects.count
                || "\(session.model)" != "\(before.model)"
            #expect(changed, "\(id) \(key) did nothing")

            var empty = Session()
            empty.press(key)
            if case .no(let reason) = command.availability(Session().model) {
                #expect(empty.model.feedback?.text == reason, "\(key)")
                #expect(!reason.isEmpty)
            }
        }
    }

    @Test func everyKeyIsHarmlessEverywhere() throws {
        let overlays: [[Key]] = [
            [], ["?"], ["S"], ["R"], ["/"], ["F"], ["D"], [.enter], ["z"], [" ", "D"], ["3"],
            ["3", "S"], ["3", " ", "D"], ["3", .enter], ["3", .enter, "F"],
            ["5"], ["5", .enter], ["6"], ["6", "l", .enter], ["7"], ["7", "+"], ["8"], ["9"], ["0"],
            ["8", "k", .enter], ["c"], ["V"], ["3", "c"], ["7", "c"], ["7", "d"], ["9", "b"],
        ]
        let keys =
            Command.all.flatMap(\.keys)
            + [.tab, .backTab, .left, .right, .insert, .delete, .function(9), .backspace]
        for overlay in overlays {
            for key in keys {
                var session = Session.ready()
                for opening in overlay {
                    session.press(opening)
                    session.answer()
                }
                session.answerPlan()
                session.press(key)
                _ = try session.screen()
            }
        }
    }

    @Test func helpNamesAll() throws {
        let model = Session.ready(nodes: Fixture.nodes).model
        let lines = HelpText.lines(model, glyphs: .unicode)
        // What is long goes on in the next line.
        let text = lines.map(\.label.text).joined(separator: " ").split(separator: " ")
            .joined(separator: " ")
        for command in Command.all {
            #expect(text.contains(command.help.text), "\(command.id)")
            for key in command.keys { #expect(text.contains(KeyName.label(key).text)) }
        }
        for state in DestinationState.allCases { #expect(text.contains(state.rawValue)) }
    }

    @Test func readOnlyHasNoActionKeys() throws {
        var refused = Session(columns: 100)
        refused.tick()
        if case .fetch(let request)? = refused.pending.first {
            var snapshot = Fixture.snapshot(request)
            snapshot.status = Fixture.status(mayOperate: false)
            refused.send(.fetched(request, .success(snapshot)))
        }
        let readOnly = Session.ready(columns: 100, options: Model.Options(readOnly: true))
        for var session in [refused, readOnly] {
            let footer = try session.screen().text(row: 23)
            for command in Command.all where command.operates {
                #expect(!footer.contains(command.title.text), "\(command.id)")
                for key in command.keys {
                    session.press(key)
                    #expect(session.model.overlay == nil)
                    let feedback = try #require(session.model.feedback)
                    #expect(
                        feedback.text.text.contains("read only")
                            || feedback.text.text.contains("uid 1000"))
                }
            }
            #expect(session.planned == nil)
            #expect(footer.contains("quit"))
        }
    }

    @Test func theFooterAlwaysSaysHowToLeave() throws {
        for columns in 24...200 {
            let session = Session.ready(columns: columns)
            let footer = try session.screen().text(row: 23)
            #expect(footer.contains("q quit"), "\(columns)")
            #expect(footer.contains("? help"), "\(columns)")
        }
    }
}

extension Model {
    /// As the daemon would say it.
    fileprivate mutating func drain(_ worker: Int) {
        guard var status, let index = status.workers.firstIndex(where: { $0.id == worker })
        else { return }
        status.workers[index].drainedBy = "ann"
        self.status = status
        let seen = self
        pages.changeAll { $0.take(status, in: seen) }
    }
}
