/// The word that was probably meant.
enum Suggestion {
    /// The candidate nearest to `word`, if it is near enough that a typing error explains it.
    static func nearest(to word: String, in candidates: [String]) -> String? {
        let word = Array(word.lowercased().unicodeScalars.prefix(40))
        guard !word.isEmpty else { return nil }
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(word, Array(candidate.unicodeScalars))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        if let best, best.distance <= max(1, word.count / 3) { return best.candidate }
        guard word.count >= 2 else { return nil }
        return candidates.first { $0.unicodeScalars.starts(with: word) }
    }

    /// Edits (insert, delete, replace, swap of neighbours) that turn one into the other: the
    /// optimal string alignment distance.
    private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
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
