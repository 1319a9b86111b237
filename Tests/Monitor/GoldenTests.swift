import Control
import Terminal
import Testing

@testable import Monitor

/// The screens cell by cell. What they show is in Goldens/, to be read by people.
struct GoldenTests {
    private static let sizes = [(40, 8), (80, 24), (200, 60)]

    private func name(
        _ screen: String, _ columns: Int, _ rows: Int, _ depth: ColorDepth, _ unicode: Bool
    ) -> String {
        "\(screen)-\(columns)x\(rows)-\(unicode ? "utf8" : "ascii")-\(depth.rawValue)"
    }

    @Test(arguments: ColorDepth.allCases, [true, false])
    func table(depth: ColorDepth, unicode: Bool) throws {
        for (columns, rows) in Self.sizes {
            var session = Session.ready(columns: columns, rows: rows)
            session.press("j", "j")
            try Golden.check(
                session.screen(depth, unicode: unicode),
                name("table", columns, rows, depth, unicode))
        }
    }

    @Test(arguments: ColorDepth.allCases, [true, false])
    func preview(depth: ColorDepth, unicode: Bool) throws {
        for (columns, rows) in Self.sizes {
            var session = Session.ready(columns: columns, rows: rows)
            session.press("D")
            session.answerPlan()
            try Golden.check(
                session.screen(depth, unicode: unicode),
                name("purge", columns, rows, depth, unicode))
        }
    }

    @Test func otherScreens() throws {
        for (columns, rows) in Self.sizes {
            for (screen, prepare) in Self.screens {
                var session = Session.ready(columns: columns, rows: rows)
                prepare(&session)
                for depth in ColorDepth.allCases {
                    for unicode in [true, false] {
                        try Golden.check(
                            session.screen(depth, unicode: unicode),
                            name(screen, columns, rows, depth, unicode))
                    }
                }
            }
        }
    }

    private static let screens: [(String, @Sendable (inout Session) -> Void)] = [
        ("help", { $0.press("?") }),
        (
            "destination",
            {
                $0.press("j", "j", .enter)
                $0.answer()
            }
        ),
        (
            "queue",
            {
                $0.press("3")
                $0.answer()
                $0.press("j")
            }
        ),
        (
            "message",
            {
                $0.press("3")
                $0.answer()
                $0.press("j", "j", "j", .enter)
                $0.answer()
            }
        ),
        (
            "body",
            {
                $0.press("3")
                $0.answer()
                $0.press("j", "j", "j", .enter)
                $0.answer()
                $0.press("b")
                $0.answer()
                $0.press("G")
            }
        ),
        (
            "backoff",
            {
                $0.press("5")
                $0.answer()
                $0.press("j")
            }
        ),
        (
            "ages",
            {
                $0.press("6")
                $0.answer()
                $0.press("j", "l", "l")
            }
        ),
        (
            "workers",
            {
                $0.press("7")
                $0.answer()
            }
        ),
        (
            "events",
            {
                $0.press("8")
                $0.stream(Fixture.events.map { .event($0) })
                $0.press("k", "k")
            }
        ),
        (
            "trace",
            {
                $0.press("9")
                $0.stream(Fixture.trace.map { .trace($0) })
            }
        ),
        (
            "actions",
            {
                $0.press("0")
                $0.answer()
            }
        ),
        ("palette", { $0.press(":", "p", "a") }),
        (
            "past",
            {
                for _ in 0..<3 {
                    $0.press("[")
                    $0.answer()
                }
            }
        ),
        ("time", { $0.press("t", "9") }),
        ("sort", { $0.press("S", "j") }),
        ("columns", { $0.press("c", "j", "j", "j", "j", " ", "j", " ") }),
        (
            "views",
            {
                $0.model.kept.make(
                    .keep(SavedView(name: "stuck", rows: .messages, filter: "age > 1h")))
                $0.model.kept.make(
                    .keep(
                        SavedView(
                            name: "refused", rows: .destinations, filter: "state = backoff",
                            sort: "queued", descending: true)))
                $0.press("V", "j")
            }
        ),
        (
            "completion",
            {
                $0.press("/")
                $0.type("state = ")
                $0.press(.tab)
            }
        ),
        (
            "drain",
            {
                $0.press("7")
                $0.answer()
                $0.press("d")
                $0.answerPlan()
            }
        ),
        ("reassign", { $0.press("R") }),
        (
            "filter",
            {
                $0.press("/")
                $0.type("state = bakoff")
            }
        ),
        (
            "lost",
            {
                $0.tick(1)
                $0.answer(with: Failure(code: nil, message: "/run/sluice.sock: nobody listens"))
                $0.tick(4)
            }
        ),
        (
            "planning",
            {
                $0.press("D")
                $0.tick(2)
                let name = $0.preview?.progressName("monitor") ?? ""
                $0.model.status?.running = [
                    RunningAction(
                        id: name, action: .purge,
                        by: "uid 0", since: Fixture.now, phase: .planning, done: 412_000,
                        total: 1_000_000)
                ]
            }
        ),
        (
            "undoing",
            {
                $0.model.undoable = Fixture.action(.purge, undoFor: 30)
                $0.press("u")
                $0.tick(2)
                let name = $0.model.undoing?.action ?? ""
                $0.model.status?.running = [
                    RunningAction(
                        id: name, action: .purge, by: "uid 0",
                        since: Fixture.now, phase: .changing, done: 412_000, total: 1_000_000)
                ]
            }
        ),
        (
            "done",
            {
                $0.press(" ", " ", "P")
                $0.answerPlan()
                $0.press(.enter)
                if let applied = $0.applied {
                    $0.send(
                        .applied(
                            ticket: applied.ticket,
                            .success(Fixture.action(.pause, undoFor: 30))))
                }
                $0.answer()
            }
        ),
    ]

    @Test func nodes() throws {
        for (columns, rows) in Self.sizes {
            var session = Session.ready(columns: columns, rows: rows, nodes: Fixture.nodes)
            session.press("N", "j", "j")
            session.answer()
            for depth in ColorDepth.allCases {
                for unicode in [true, false] {
                    try Golden.check(
                        session.screen(depth, unicode: unicode),
                        name("nodes", columns, rows, depth, unicode))
                }
            }
        }
    }

    @Test func themes() throws {
        for (columns, rows) in Self.sizes {
            var session = Session.ready(
                columns: columns, rows: rows,
                options: Model.Options(
                    themes: ["default", "daylight", "contrast", "mono", "terminal"]))
            session.press(":")
            session.type("theme")
            session.press(.enter, "j")
            for depth in ColorDepth.allCases {
                for unicode in [true, false] {
                    try Golden.check(
                        session.screen(depth, unicode: unicode),
                        name("themes", columns, rows, depth, unicode))
                }
            }
        }
    }

    @Test func beforeTheFirstAnswer() throws {
        var session = Session()
        session.tick()
        try Golden.check(session.screen(), "connecting-80x24-utf8-256")
    }

    @Test func everySizeIsDrawn() throws {
        for columns in [0, 1, 2, 3, 7, 12, 20, 39, 56, 79, 81, 120, 300] {
            for rows in [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 15, 16, 19, 20, 29, 30, 100] {
                for prepare in [{ _ in }] + Self.screens.map(\.1) {
                    var session = Session.ready(columns: columns, rows: rows)
                    prepare(&session)
                    let grid = try session.screen()
                    #expect(grid.size == Size(columns: columns, rows: rows))
                }
            }
        }
    }
}
