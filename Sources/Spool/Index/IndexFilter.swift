import Filter
import Mail

/// A row of bits for the rows of a block.
typealias RowMask = SIMD8<UInt64>

extension RowMask {
    static let none = RowMask(repeating: 0)

    /// The first so many.
    static func first(_ count: Int) -> RowMask {
        var mask = RowMask.none
        for word in 0..<8 {
            let bits = Swift.min(64, Swift.max(0, count - word * 64))
            mask[word] = bits == 64 ? .max : (1 << UInt64(bits)) - 1
        }
        return mask
    }

    mutating func set(_ bit: Int) { self[bit >> 6] |= 1 << UInt64(bit & 63) }

    var isEmpty: Bool { self == .none }

    var count: Int {
        var count = 0
        for word in 0..<8 { count += self[word].nonzeroBitCount }
        return count
    }

    @inline(__always)
    func forEach(_ body: (Int) -> Void) {
        for word in 0..<8 {
            var rest = self[word]
            while rest != 0 {
                body(word * 64 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }
}

/// A filter over the index: what `FilterSQL` is over the table, and it must select the same. Every
/// comparison of a number is a range, and one of a text that many have in common is worked out once
/// for each text.
struct IndexFilter {
    enum Column { case next, received, expires, size, attempts, priority, code, id }

    enum Pool { case domain, sender, reply, destination }

    indirect enum Node {
        case none
        case range(Column, Int64, Int64)
        case pooled(Pool, [Bool])
        case recipient(RecipientTest)
        case identifier(TextTest, ofMessage: Bool)
        case states(wanted: UInt8, running: Bool)
        case not(Node)
        case and([Node])
        case or([Node])
    }

    let root: Node?
    /// The deliveries of which a transaction runs, by block.
    let running: [Int: RowMask]
    let now: Int64

    init(_ query: DeliveryQuery, _ snapshot: IndexSnapshot) throws(SpoolError) {
        now = query.now.milliseconds
        running = snapshot.masks(of: query.running())
        guard let filter = query.filter else {
            root = nil
            return
        }
        try FilterSQL.check(filter)
        let compiler = IndexFilterCompiler(query: query, snapshot: snapshot)
        root = compiler.node(filter)
    }

    /// Which of the rows of a block it selects.
    func select(_ block: IndexBlock, number: Int) -> RowMask {
        let all = RowMask.first(block.count)
        guard let root else { return all }
        return evaluate(root, block, number, all)
    }

    /// Looks at no row that is not a candidate.
    private func evaluate(
        _ node: Node, _ block: IndexBlock, _ number: Int, _ candidates: RowMask
    ) -> RowMask {
        if candidates.isEmpty { return candidates }
        switch node {
        case .none: return .none
        case .not(let inner):
            return candidates & ~evaluate(inner, block, number, candidates)
        case .and(let parts):
            var left = candidates
            for part in parts { left = evaluate(part, block, number, left) }
            return left
        case .or(let parts):
            var (found, left) = (RowMask.none, candidates)
            for part in parts {
                let more = evaluate(part, block, number, left)
                found |= more
                left &= ~more
            }
            return found
        case .range(let column, let low, let high):
            return range(column, low, high, block, candidates)
        case .pooled(let pool, let holds):
            return pooled(pool, holds, block, candidates)
        case .recipient(let test):
            return Self.rows(block, candidates) { test.holds(block.folded($0)) }
        case .identifier(let test, let ofMessage):
            return identifiers(test, ofMessage, block, candidates)
        case .states(let wanted, let isRunning):
            let run = running[number] ?? .none
            let now = now
            let others = Self.rows(block, candidates & ~run) { row in
                let rank: UInt8 =
                    switch row.pointee.state {
                    case 0: 0
                    case 1: row.pointee.next <= now ? 1 : 3
                    case 2: 4
                    case 3, 4: 5
                    default: 7
                    }
                return wanted >> rank & 1 == 1
            }
            return isRunning ? others | (candidates & run) : others
        }
    }

    @inline(__always)
    private static func rows(
        _ block: IndexBlock, _ candidates: RowMask, _ holds: (UnsafePointer<IndexRow>) -> Bool
    ) -> RowMask {
        let rows = UnsafePointer(block.rows)
        var mask = RowMask.none
        for word in 0..<8 where candidates[word] != 0 {
            var bits: UInt64 = 0
            if candidates[word] == .max {
                for bit in 0..<64 {
                    bits |= (holds(rows + (word * 64 + bit)) ? 1 : 0) << UInt64(bit)
                }
            } else {
                var rest = candidates[word]
                while rest != 0 {
                    let bit = rest.trailingZeroBitCount
                    if holds(rows + (word * 64 + bit)) { bits |= 1 << UInt64(bit) }
                    rest &= rest - 1
                }
            }
            mask[word] = bits
        }
        return mask
    }

    private func range(
        _ column: Column, _ low: Int64, _ high: Int64, _ block: IndexBlock, _ candidates: RowMask
    ) -> RowMask {
        @inline(__always)
        func within(_ value: (UnsafePointer<IndexRow>) -> Int64) -> RowMask {
            Self.rows(block, candidates) { row in
                let value = value(row)
                return value >= low && value <= high
            }
        }
        switch column {
        case .next: return within { $0.pointee.next }
        case .received: return within { $0.pointee.received }
        case .expires: return within { $0.pointee.expires }
        case .size: return within { Int64($0.pointee.size) }
        case .attempts: return within { Int64($0.pointee.attempts) }
        case .priority: return within { Int64($0.pointee.priority) }
        case .code: return within { Int64($0.pointee.code) }
        case .id: return within { $0.pointee.id }
        }
    }

    private func pooled(
        _ pool: Pool, _ holds: [Bool], _ block: IndexBlock, _ candidates: RowMask
    ) -> RowMask {
        holds.withUnsafeBufferPointer { holds in
            switch pool {
            case .domain: Self.rows(block, candidates) { holds[Int($0.pointee.domain)] }
            case .sender: Self.rows(block, candidates) { holds[Int($0.pointee.sender)] }
            case .reply: Self.rows(block, candidates) { holds[Int($0.pointee.reply)] }
            case .destination: Self.rows(block, candidates) { holds[Int($0.pointee.destination)] }
            }
        }
    }

    private func identifiers(
        _ test: TextTest, _ ofMessage: Bool, _ block: IndexBlock, _ candidates: RowMask
    ) -> RowMask {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            Self.rows(block, candidates) { row in
                let count = Self.write(row.pointee.id, ofMessage: ofMessage, to: buffer)
                return test.holds(UnsafeBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    /// As in SQL: `printf('%llx.%d', id >> 16, id & 65535)`.
    private static func write(
        _ id: Int64, ofMessage: Bool, to buffer: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var count = 0
        func append(_ number: UInt64, radix: UInt64) {
            var divisor: UInt64 = 1
            while number / divisor >= radix { divisor *= radix }
            while divisor > 0 {
                let digit = UInt8(number / divisor % radix)
                buffer[count] = digit < 10 ? 0x30 + digit : 0x57 + digit
                count += 1
                divisor /= radix
            }
        }
        append(UInt64(bitPattern: id >> 16), radix: 16)
        if ofMessage { return count }
        buffer[count] = UInt8(ascii: ".")
        count += 1
        append(UInt64(id & 65535), radix: 10)
        return count
    }
}
