import DequeModule

/// The last lines of something that goes on, each with a number of its own, and where in them the
/// screen is. Bounded: the oldest lines go.
struct LogBuffer<Line: Sendable>: Sendable {
    struct Entry: Sendable {
        let number: Int
        let line: Line
    }

    let limit: Int
    private(set) var entries: Deque<Entry> = []
    /// Lines that came, gone ones included.
    private(set) var count = 0
    /// The number of the line under the cursor; nil: the screen follows the newest.
    private(set) var cursor: Int?

    init(limit: Int) {
        self.limit = limit
    }

    mutating func append(_ line: Line) {
        entries.append(Entry(number: count, line: line))
        count += 1
        if entries.count > limit { entries.removeFirst() }
    }

    var isFollowing: Bool { cursor == nil }

    /// Stays where it is: what comes is kept, and not shown.
    mutating func pause() {
        if cursor == nil { cursor = entries.last?.number }
    }

    mutating func follow() { cursor = nil }

    /// Stays at the last line that is so; above all others where none is.
    mutating func show(where isSo: (Line) -> Bool) {
        guard let first = entries.first else { return }
        cursor = entries.last { isSo($0.line) }?.number ?? first.number - 1
    }

    mutating func removeAll() {
        entries.removeAll()
        cursor = nil
    }

    /// Moves among the lines that `shows` lets through.
    mutating func move(by distance: Int, where shows: (Line) -> Bool) {
        let shown = entries.filter { shows($0.line) }
        guard let last = shown.last else { return }
        let at = cursor ?? last.number
        let place = shown.firstIndex { $0.number >= at } ?? shown.count - 1
        let (target, overflow) = place.addingReportingOverflow(distance)
        if overflow ? distance > 0 : target >= shown.count {
            // Beyond the newest line there is only what comes.
            cursor = nil
        } else {
            cursor = shown[max(0, overflow ? 0 : target)].number
        }
    }

    /// The lines on a screen of `rows`, with the cursor's among them, and how many newer ones are
    /// below.
    func window(rows: Int, where shows: (Line) -> Bool) -> (lines: [Entry], newer: Int) {
        var shown: [Entry] = []
        var newer = 0
        for entry in entries.reversed() where shows(entry.line) {
            if let cursor, entry.number > cursor {
                newer += 1
                continue
            }
            shown.append(entry)
            if shown.count == rows { break }
        }
        return (shown.reversed(), newer)
    }

    func entry(_ number: Int) -> Entry? {
        guard let first = entries.first?.number, number >= first, number < count else { return nil }
        return entries[number - first]
    }
}
