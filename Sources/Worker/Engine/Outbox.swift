import Control
import DequeModule

/// Results on their way to the manager, kept until it has recorded them.
struct Outbox {
    private var last: UInt64 = 0
    private var fresh: [AttemptReport] = []
    /// In the order of their numbers, which have no gaps.
    private var unrecorded: Deque<AttemptReport> = []

    mutating func add(_ report: AttemptReport) -> UInt64 {
        var report = report
        last += 1
        report.number = last
        fresh.append(report)
        unrecorded.append(report)
        return last
    }

    mutating func takeNew() -> [AttemptReport] {
        defer { fresh = [] }
        return fresh
    }

    mutating func recorded(upTo number: UInt64) {
        while let first = unrecorded.first, first.number <= number { unrecorded.removeFirst() }
    }

    var isEmpty: Bool { unrecorded.isEmpty }
    var allUnrecorded: [AttemptReport] { Array(unrecorded) }
}
