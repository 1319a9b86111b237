/// "Did you mean …?"
enum Suggestion {
    /// The candidate nearest to what was written, if it is near enough to have been meant: at
    /// most one slip in three characters.
    static func nearest(to written: String, among candidates: [String]) -> String? {
        let text = written.lowercased().map { $0 == "-" ? "_" : $0 }
        let allowance = max(1, text.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(text, candidate.map { $0 == "-" ? "_" : $0 })
            if distance <= allowance && distance < best?.distance ?? .max {
                best = (candidate, distance)
            }
        }
        return best?.candidate
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other
    /// (optimal string alignment).
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), row[j] + 1, last[j + 1] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
