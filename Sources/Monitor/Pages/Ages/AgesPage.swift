import Control
import Terminal

extension AgeRow: ListedRow {
    package var rowID: String { id }
}

/// Destinations by ages: where old mail lies, as `qshape` shows it, and live.
struct AgesPage: ListPage {
    var list = Listing<AgeRow>()
    private(set) var map: AgeMap?
    /// The bucket that the cursor was moved to; nil: all of the row.
    private var chosen: Int?

    var kind: PageKind { .ages }
    var crumb: Label { PageKind.ages.title }

    private static let limit = 200

    func question(in model: Model) -> Question? { .ages(limit: Self.limit) }

    mutating func take(_ answer: Answer, to question: Question, in model: Model) {
        guard case .ages(let map) = answer else { return }
        self.map = map
        list.take(map.rows, askedBy: list.query, lines: model.layout.tableRows)
    }

    mutating func moveSideways(by distance: Int, in model: Model) {
        let shown = buckets(columns: model.size.columns)
        guard !shown.isEmpty else { return }
        let places = [nil] + shown.map(Optional.some)
        let place = (places.firstIndex(of: column(in: shown)) ?? 0) + distance
        chosen = places[min(max(0, place), places.count - 1)]
    }

    /// The bucket under the cursor; what moved out of the screen is in the first that is there.
    func column(in shown: [Int]) -> Int? {
        guard let chosen, let first = shown.first, let last = shown.last else { return nil }
        return min(max(chosen, first), last)
    }

    /// The buckets that a column of the screen stands for: the first has all that is younger, too.
    func part(_ bucket: Int, of shown: [Int]) -> ClosedRange<Int> {
        (bucket == shown.first ? 0 : bucket)...bucket
    }

    var movesSideways: Bool { true }

    func opened(in model: Model) -> (any MonitorPage)? {
        guard let row = list.current, let map else { return nil }
        var filter = "destination = \(row.id)"
        let shown = buckets(columns: model.size.columns)
        if let column = column(in: shown) {
            let part = part(column, of: shown)
            if part.lowerBound > 0 {
                filter += " and age >= \(Int(map.bounds[part.lowerBound - 1]))s"
            }
            if column < map.bounds.count { filter += " and age < \(Int(map.bounds[column]))s" }
        }
        return QueuePage(filter: filter)
    }

    var destinationTarget: Target? { list.current.map { Target(id: $0.id, name: $0.name) } }
    var target: Target? { destinationTarget }

    /// The buckets that are shown: from the youngest to the oldest that hold anything, the old
    /// ones first to stay.
    func buckets(columns: Int) -> [Int] {
        guard let map else { return [] }
        let used = map.totals.indices.filter { map.totals[$0] > 0 }
        guard let first = used.first, let last = used.last else { return [] }
        let room = max(1, (columns - AgesView.nameColumns(columns) - 11) / AgesView.cellColumns)
        return Array((first...last).suffix(room))
    }
}
