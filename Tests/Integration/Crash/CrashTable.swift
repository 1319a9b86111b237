import Faults
import Foundation
import Synchronization

/// The crash matrix as a table for people; kept in a file where `SLUICE_CRASH_TABLE` names one.
enum CrashTable {
    private static let rows = Mutex<[(crash: CrashCase, account: Account)]>([])
    private static let storms = Mutex<[String]>([])

    static func add(_ crash: CrashCase, _ account: Account) {
        rows.withLock { $0.append((crash, account)) }
        write()
    }

    static func add(storm line: String) {
        storms.withLock { $0.append(line) }
        write()
    }

    private static func write() {
        guard let path = ProcessInfo.processInfo.environment["SLUICE_CRASH_TABLE"] else { return }
        try? text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private static var text: String {
        let order = Dictionary(
            uniqueKeysWithValues: FaultPoint.allCases.enumerated().map { ($1, $0) })
        let rows = rows.withLock { $0 }.sorted {
            (order[$0.crash.point]!, $0.crash.victims.order)
                < (order[$1.crash.point]!, $1.crash.victims.order)
        }
        var total = Account()
        for (_, account) in rows {
            total.accepted += account.accepted
            total.delivered += account.delivered
            total.bounced += account.bounced
            total.queued += account.queued
            total.purged += account.purged
            total.lost += account.lost
            total.duplicated += account.duplicated
            total.forced += account.forced
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
        for (crash, account) in rows {
            lines.append(
                "| \(crash.point.rawValue) | \(crash.turn) | \(crash.scenario.rawValue) "
                    + "| \(crash.victims.rawValue) | " + cells(account))
        }
        lines.append("| \(rows.count) crashes | | | | " + cells(total))
        let storms = storms.withLock { $0 }
        if !storms.isEmpty {
            lines += [
                "", "## Storms", "", "Random kills under load, see durability.md.", "",
                "| seed | kills | of which | accepted | delivered | bounced | queued | lost "
                    + "| duplicated | forced |",
                "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|",
            ]
            lines += storms
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func cells(_ account: Account) -> String {
        [
            account.accepted, account.delivered, account.bounced, account.queued, account.purged,
            account.lost.count, account.duplicated, account.forced,
        ].map(String.init).joined(separator: " | ") + " |"
    }
}

extension FaultPlan.Victims {
    fileprivate var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
