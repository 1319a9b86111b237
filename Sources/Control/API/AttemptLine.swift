/// What there is to say of the attempts at a delivery, one line each.
package enum AttemptLine: Hashable, Sendable {
    /// One that does not count has the number of the one before it, or 0.
    case attempt(AttemptRow, isCounted: Bool)
    /// So many that nothing is known of any more.
    case gap(Int)
}

extension MessageDetail {
    /// In the order in which they were made.
    package func attemptLines(of row: MessageRow) -> [AttemptLine] {
        var lines: [AttemptLine] = []
        var last = 0
        for attempt in history where attempt.delivery == row.id {
            if attempt.number > last + 1 { lines.append(.gap(attempt.number - last - 1)) }
            lines.append(.attempt(attempt, isCounted: attempt.number > last))
            last = max(last, attempt.number)
        }
        if row.attempts > last { lines.append(.gap(row.attempts - last)) }
        return lines
    }
}
