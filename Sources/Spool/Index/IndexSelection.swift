/// A row that may be on the page.
struct IndexCandidate {
    var number: UInt64
    var id: Int64
    var block: UInt32
    var row: UInt32
}

/// Finds the rows of a page among all that match, in time that grows with their number and neither
/// with its logarithm nor with the offset: counting the numbers by which rows are ordered says
/// between which two of them the page lies, and only rows between those are sorted.
struct IndexSelection {
    let order: IndexOrder
    let snapshot: IndexSnapshot
    /// So many rows are compared with each other; of more it is first looked where the page lies.
    var few = 4096

    /// Texts are told apart by their first 64 bytes before they are compared as a whole.
    private static let maxDepth = 8

    /// The rows at some places of the order, in it. `masks`: what matches of each block.
    func rows(of masks: [RowMask], at places: Range<Int>) -> [IndexCandidate] {
        let total = masks.reduce(0) { $0 + $1.count }
        return rows(of: masks, total, at: places.clamped(to: 0..<total), depth: 0)
    }

    /// - Parameter depth: as many times eight bytes of the rows' texts are the same.
    private func rows(
        of masks: [RowMask], _ total: Int, at places: Range<Int>, depth: Int
    ) -> [IndexCandidate] {
        guard !places.isEmpty else { return [] }
        let numbers = numbers(masks, total, depth)
        var rows: [IndexCandidate] = []
        for part in NumberRange.of(numbers, at: places, few: few) {
            let here = places.clamped(to: part.before..<part.before + part.count)
            let wanted = here.lowerBound - part.before..<here.upperBound - part.before
            if part.low == part.high, order.isExact || order.isEnd(part.low) {
                // Equal ones are in the order of their ids, in which they lie.
                rows += candidates(masks, numbers, part)[wanted]
            } else if part.low == part.high, part.count > few, depth < Self.maxDepth {
                rows += self.rows(
                    of: narrowed(masks, numbers, to: part.low), part.count, at: wanted,
                    depth: depth + 1)
            } else {
                rows += chosen(candidates(masks, numbers, part), wanted)
            }
        }
        return rows
    }

    /// How many rows come before one of them.
    func place(of wanted: (block: Int, row: Int), in masks: [RowMask]) -> Int? {
        let numbers = numbers(masks, masks.reduce(0) { $0 + $1.count }, 0)
        var index = masks[..<wanted.block].reduce(0) { $0 + $1.count }
        masks[wanted.block].forEach { if $0 < wanted.row { index += 1 } }
        guard index < numbers.count else { return nil }
        let number = numbers[index]
        var place = numbers.reduce(0) { $1 < number ? $0 + 1 : $0 }
        let equal = candidates(
            masks, numbers, NumberRange(low: number, high: number, before: place, count: 0))
        guard
            let target = equal.first(where: {
                Int($0.block) == wanted.block && Int($0.row) == wanted.row
            })
        else { return nil }
        for other in equal where order.precedes(other, target) { place += 1 }
        return place
    }

    /// Those by which the rows of the masks are ordered, as they lie.
    private func numbers(_ masks: [RowMask], _ total: Int, _ depth: Int) -> [UInt64] {
        var starts: [Int] = []
        starts.reserveCapacity(masks.count)
        var start = 0
        for mask in masks {
            starts.append(start)
            start += mask.count
        }
        return [UInt64](unsafeUninitializedCapacity: total) { numbers, initialized in
            let first = numbers.baseAddress
            Halves.each(masks.count) { number in
                guard let first, !masks[number].isEmpty else { return }
                order.numbers(
                    snapshot.blocks[number], number, masks[number], depth: depth,
                    into: first + starts[number])
            }
            initialized = total
        }
    }

    /// The rows whose numbers are in a range, as they lie.
    private func candidates(
        _ masks: [RowMask], _ numbers: [UInt64], _ part: NumberRange
    ) -> [IndexCandidate] {
        var found: [IndexCandidate] = []
        found.reserveCapacity(part.count)
        forEach(masks, numbers, part) { block, row, number in
            found.append(
                IndexCandidate(
                    number: number, id: snapshot.blocks[block].rows[row].id, block: UInt32(block),
                    row: UInt32(row)))
        }
        return found
    }

    private func narrowed(
        _ masks: [RowMask], _ numbers: [UInt64], to number: UInt64
    ) -> [RowMask] {
        var narrowed = [RowMask](repeating: .none, count: masks.count)
        let part = NumberRange(low: number, high: number, before: 0, count: 0)
        forEach(masks, numbers, part) { block, row, _ in narrowed[block].set(row) }
        return narrowed
    }

    @inline(__always)
    private func forEach(
        _ masks: [RowMask], _ numbers: [UInt64], _ part: NumberRange,
        _ body: (_ block: Int, _ row: Int, _ number: UInt64) -> Void
    ) {
        let span = part.high - part.low
        numbers.withUnsafeBufferPointer { numbers in
            var start = 0
            for (block, mask) in masks.enumerated() {
                let count = mask.count
                defer { start += count }
                // Most blocks have none: looking is faster than going through the bits.
                var isAny = false
                for index in start..<start + count where numbers[index] &- part.low <= span {
                    isAny = true
                    break
                }
                guard isAny else { continue }
                var index = start
                mask.forEach { row in
                    if numbers[index] &- part.low <= span { body(block, row, numbers[index]) }
                    index += 1
                }
            }
        }
    }

    // MARK: Comparing

    private func chosen(
        _ candidates: [IndexCandidate], _ places: Range<Int>
    ) -> ArraySlice<IndexCandidate> {
        var candidates = candidates
        partition(&candidates, at: places.upperBound)
        candidates.removeSubrange(places.upperBound...)
        partition(&candidates, at: places.lowerBound)
        candidates.removeSubrange(..<places.lowerBound)
        candidates.sort { order.precedes($0, $1) }
        return candidates[...]
    }

    /// Brings those that come first before the place, and the others behind it (Hoare's selection).
    private func partition(_ candidates: inout [IndexCandidate], at place: Int) {
        guard place > 0, place < candidates.count else { return }
        candidates.withUnsafeMutableBufferPointer { all in
            var (low, high) = (0, all.count - 1)
            while high > low {
                // The middle one of three: what comes sorted is not the worst case.
                let middle = low + (high - low) / 2
                if order.precedes(all[middle], all[low]) { all.swapAt(middle, low) }
                if order.precedes(all[high], all[low]) { all.swapAt(high, low) }
                if order.precedes(all[high], all[middle]) { all.swapAt(high, middle) }
                let pivot = all[middle]
                var (left, right) = (low, high)
                while left <= right {
                    while order.precedes(all[left], pivot) { left += 1 }
                    while order.precedes(pivot, all[right]) { right -= 1 }
                    if left <= right {
                        all.swapAt(left, right)
                        left += 1
                        right -= 1
                    }
                }
                if place <= right {
                    high = right
                } else if place >= left {
                    low = left
                } else {
                    return
                }
            }
        }
    }
}

/// Rows next to each other in an order: all whose numbers are not outside.
struct NumberRange {
    let low: UInt64
    let high: UInt64
    /// Rows that come before them.
    let before: Int
    let count: Int

    /// Bits of a number that are looked at in one go: their counts fit into the fastest cache.
    private static let bits = 11

    /// The ranges that together hold some places of the order, ascending. Each holds few rows, or
    /// those of one number, unless so many places are wanted.
    static func of(_ numbers: [UInt64], at places: Range<Int>, few: Int) -> [NumberRange] {
        guard let low = numbers.min(), let high = numbers.max() else { return [] }
        var ranges: [NumberRange] = []
        let all = NumberRange(low: low, high: high, before: 0, count: numbers.count)
        all.split(numbers, at: places, few, into: &ranges)
        return ranges
    }

    private func split(
        _ numbers: [UInt64], at places: Range<Int>, _ few: Int, into ranges: inout [NumberRange]
    ) {
        if low == high || count <= few || places.count > few / 2 {
            return ranges.append(self)
        }
        let span = high - low
        let shift = UInt64(max(0, UInt64.bitWidth - span.leadingZeroBitCount - Self.bits))
        var counts = [Int32](repeating: 0, count: 1 << Self.bits)
        counts.withUnsafeMutableBufferPointer { counts in
            for number in numbers {
                let distance = number &- low
                if distance <= span { counts[Int(distance >> shift)] &+= 1 }
            }
        }
        /// Those of which every row is wanted, together.
        var whole: NumberRange?
        var before = before
        for (index, count) in counts.enumerated() where count > 0 {
            let here = before..<before + Int(count)
            before = here.upperBound
            let wanted = places.clamped(to: here)
            if wanted.isEmpty { continue }
            let start = UInt64(index) << shift
            let part = NumberRange(
                low: low + start, high: low + min(span, start + ((1 << shift) - 1)),
                before: here.lowerBound, count: Int(count))
            if wanted == here {
                whole =
                    whole.map {
                        NumberRange(
                            low: $0.low, high: part.high, before: $0.before,
                            count: $0.count + part.count)
                    } ?? part
                continue
            }
            if let range = whole { ranges.append(range) }
            whole = nil
            part.split(numbers, at: wanted, few, into: &ranges)
        }
        if let range = whole { ranges.append(range) }
    }
}
