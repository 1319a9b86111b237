/// A consistent-hash ring: which worker owns a key.
///
/// Every worker sits at many points of a circle of 64 bits; a key belongs to the first point at
/// or after its own place. A worker that comes takes its share from all the others, one that
/// goes leaves its keys to its points' neighbours, and no other key moves.
package struct Ring: Sendable, Hashable {
    private struct Point: Hashable {
        let place: UInt64
        let worker: Int
    }

    /// The share of a worker varies by about 1/√points around its mean: 3 % here, so that the
    /// heaviest of eight stays within 1.15 of the mean. 40 × 4 as in Ketama would give 8 %.
    private static let pointsPerWeight = 1024.0

    private let points: [Point]

    /// Workers by number, with their weights relative to 1, which should lie between 1/64 and 64.
    /// A worker whose weight is not positive gets nothing.
    package init(workers: [Int: Double]) {
        var points: [Point] = []
        for (worker, weight) in workers where weight > 0 {
            let count = max(1, Int((min(weight, 64) * Self.pointsPerWeight).rounded()))
            let base = SplitMix64.mix(UInt64(bitPattern: Int64(worker)) &+ 0x9E37_79B9_7F4A_7C15)
            for number in 0..<count {
                points.append(
                    Point(place: SplitMix64.mix(base &+ UInt64(number)), worker: worker))
            }
        }
        points.sort { ($0.place, $0.worker) < ($1.place, $1.worker) }
        self.points = points
    }

    /// The part of the circle, 0…1, that each worker has.
    package var shares: [Int: Double] {
        var shares: [Int: Double] = [:]
        var before = points.last.map { Double($0.place) - 0x1p64 } ?? 0
        for point in points {
            shares[point.worker, default: 0] += (Double(point.place) - before) / 0x1p64
            before = Double(point.place)
        }
        return shares
    }

    /// nil if there is no worker.
    package func owner(of key: UInt32) -> Int? {
        guard let first = points.first else { return nil }
        // CRCs of similar texts lie in regular patterns; mixed, they do not.
        let place = SplitMix64.mix(UInt64(key) &+ 0xD1B5_4A32_D192_ED03)
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return low < points.count ? points[low].worker : first.worker
    }
}
