import Faults
import Foundation
import Synchronization

/// The crash matrix as a table for people; kept in a file where `SLUICE_CRASH_TABLE` names one.
///
/// A run of all cases writes it anew. A run of some of them, or of a storm alone, takes the place of
/// their own lines, and leaves the others as they are.
enum CrashTable {
    /// The cells of a line, without the totals.
    private typealias Line = [String]

    private struct State {
        var rows: [Line] = []
        var storms: [Line] = []
    }

    private static let state = Mutex<State>(read())
    private static let environment = ProcessInfo.processInfo.environment
    private static let path = environment["SLUICE_CRASH_TABLE"]
    /// Cells that say which line it is.
    private static let rowKey = 4
    private static let stormKey = 2
    /// A line of the matrix has these cells, one of the storms fewer.
    private static let rowCells = 12
    private static let stormCells = 10

    static func add(_ crash: CrashCase, _ account: Account) {
        let line =
            [
                crash.point.rawValue, String(crash.turn), crash.scenario.rawValue,
                crash.victims.rawValue,
            ]
            + [
                account.accepted, account.delivered, account.bounced, account.queued,
                account.purged, account.lost.count, account.duplicated, account.forced,
            ].map(String.init)
        state.withLock { state in
            replace(line, key: rowKey, in: &state.rows)
            write(state)
        }
    }

    static func add(storm seed: UInt64, kills: Int, _ summary: String, _ account: Account) {
        let line =
            [String(seed), String(kills), summary]
            + [
                account.accepted, account.delivered, account.bounced, account.queued,
                account.lost.count, account.duplicated, account.forced,
            ].map(String.init)
        state.withLock { state in
            replace(line, key: stormKey, in: &state.storms)
            write(state)
        }
    }

    private static func replace(_ line: Line, key: Int, in lines: inout [Line]) {
        let own = line.prefix(key)
        lines.removeAll { $0.prefix(key) == own }
        lines.append(line)
    }

    /// What the file has, unless all of it comes anew. Lines of points that are no more are left
    /// out.
    private static func read() -> State {
        var state = State()
        guard let path, environment["SLUICE_CRASH"] == nil,
            let text = try? String(contentsOfFile: path, encoding: .utf8)
        else { return state }
        for line in text.split(separator: "\n") where line.hasPrefix("|") {
            let cells = line.dropFirst().dropLast().split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            if cells.count == rowCells, CrashCase.all.contains(where: { $0.isOf(cells) }) {
                state.rows.append(cells)
            } else if cells.count == stormCells, UInt64(cells[0]) != nil {
                state.storms.append(cells)
            }
        }
        return state
    }

    private static func write(_ state: State) {
        guard let path else { return }
        try? text(state).write(toFile: path, atomically: true, encoding: .utf8)
    }

    private static func text(_ state: State) -> String {
        let order = Dictionary(
            uniqueKeysWithValues: CrashCase.all.enumerated().map { ($1.key, $0) })
        let rows = state.rows.sorted {
            order[Array($0.prefix(rowKey)), default: 0]
                < order[Array($1.prefix(rowKey)), default: 0]
        }
        let totals = (rowKey..<rowCells).map { column in
            String(rows.reduce(0) { $0 + (Int($1[column]) ?? 0) })
        }
        var lines = [
            "# The crash matrix", "",
            "Written by `make crash`; what the points are and how to read this: "
                + "[durability.md](durability.md).", "",
            "Recipients. *Killed* with SIGKILL at the point; at a point of the manager, `worker` "
                + "means all its workers. *Duplicated* are copies beyond the first; *forced* are "
                + "those of them that SMTP leaves no choice about.", "",
            "| point | turn | under way | killed | accepted | delivered | bounced | queued | purged "
                + "| lost | duplicated | forced |",
            "|---|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        lines += rows.map(shown)
        lines.append(shown(["\(rows.count) crashes", "", "", ""] + totals))
        if !state.storms.isEmpty {
            lines += [
                "", "## Storms", "", "Random kills under load, see durability.md.", "",
                "| seed | kills | of which | accepted | delivered | bounced | queued | lost "
                    + "| duplicated | forced |",
                "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|",
            ]
            lines += state.storms.map(shown)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func shown(_ cells: Line) -> String {
        "| " + cells.joined(separator: " | ") + " |"
    }
}

extension CrashCase {
    fileprivate var key: [String] {
        [point.rawValue, String(turn), scenario.rawValue, victims.rawValue]
    }

    fileprivate func isOf(_ cells: [String]) -> Bool { key == Array(cells.prefix(4)) }
}
