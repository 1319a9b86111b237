import Mail

/// Events counted in the seconds in which they happened, for the last few seconds.
struct SecondCounts {
    private var counts: [UInt32]
    private let slots: Int
    private var latest: Int64 = 0

    /// Memory is taken with the first event: most destinations of a large table are idle.
    init(slots: Int) {
        self.slots = slots
        counts = []
    }

    private mutating func advance(to second: Int64) {
        if counts.isEmpty { counts = [UInt32](repeating: 0, count: slots) }
        // A clock that was set back by more than is kept: what was counted lies in the future.
        if second < latest - Int64(slots) {
            counts = [UInt32](repeating: 0, count: slots)
            latest = second
        }
        guard second > latest else { return }
        let steps = min(second - latest, Int64(slots))
        for step in 0..<steps {
            counts[Int((second - step) % Int64(slots))] = 0
        }
        latest = second
    }

    mutating func add(_ count: Int, at time: UnixTime) {
        let second = time.milliseconds / 1000
        advance(to: second)
        // A clock that was set back: the event belongs to the last second that was seen.
        counts[Int(max(second, latest) % Int64(slots))] &+= UInt32(clamping: count)
    }

    /// Oldest first; the running second is left out, as it is not over. Empty if nothing ever
    /// happened.
    func values(at time: UnixTime) -> [Int] {
        guard !counts.isEmpty else { return [] }
        let now = time.milliseconds / 1000
        return (1..<Int64(slots)).reversed().map { age in
            let second = now - age
            guard second <= latest, second > latest - Int64(slots), second >= 0 else { return 0 }
            return Int(counts[Int(second % Int64(slots))])
        }
    }

    /// Per second over the last five whole seconds.
    func rate(at time: UnixTime) -> Double {
        let recent = values(at: time).suffix(5)
        return recent.isEmpty ? 0 : Double(recent.reduce(0, +)) / 5
    }

    /// Whether the rate is nought, and stays so until something is added.
    func isQuiet(at time: UnixTime) -> Bool {
        counts.isEmpty || latest + 6 < time.milliseconds / 1000
    }
}
