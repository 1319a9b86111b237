import Glibc
import Mail

/// The order of a page. Rows that are equal in it are in the order of ids.
struct IndexOrder {
    enum Key: Hashable {
        case id, next, received, expires, size, attempts, priority, code, state
        case domain, sender, reply, destination, recipients
    }

    let key: Key
    private let descending: Bool
    private let snapshot: IndexSnapshot
    private let now: Int64
    private let running: [Int: RowMask]
    /// For each text of the pool its place among them; nil where there are too many to sort.
    private let ranks: [UInt32]?

    /// Texts that are sorted beforehand: some milliseconds.
    private static let sortable = 20_000

    init(_ query: DeliveryQuery, _ snapshot: IndexSnapshot, _ filter: IndexFilter) {
        self.snapshot = snapshot
        now = filter.now
        running = filter.running
        var descending = query.descending
        switch query.sort {
        case "domain": key = .domain
        case "sender": key = .sender
        case "recipient": key = .recipients
        case "reply": key = .reply
        case "size": key = .size
        case "attempts": key = .attempts
        case "priority": key = .priority
        case "next": key = .next
        case "expires": key = .expires
        case "code": key = .code
        case "age":
            // The youngest came last.
            key = .received
            descending.toggle()
        case "state": key = .state
        case "destination": key = .destination
        default: key = .id
        }
        self.descending = descending
        let texts: [String?]? =
            switch key {
            case .domain: snapshot.domains
            case .sender: snapshot.senders
            case .reply: snapshot.replies
            case .destination: snapshot.destinations.names
            default: nil
            }
        if let texts, texts.count <= Self.sortable || key == .destination {
            ranks = Self.ranks(texts)
        } else {
            ranks = nil
        }
    }

    /// nil is first, as NULL is in SQL; texts that differ in capital letters are equal.
    private static func ranks(_ texts: [String?]) -> [UInt32] {
        let folded = texts.map { $0.map(Folding.folded) }
        let order = texts.indices.sorted { a, b in
            guard let b = folded[b] else { return false }
            guard let a = folded[a] else { return true }
            return a.lexicographicallyPrecedes(b)
        }
        var ranks = [UInt32](repeating: 0, count: texts.count)
        var rank: UInt32 = 0
        for (place, index) in order.enumerated() {
            if place > 0, folded[order[place - 1]] != folded[index] { rank += 1 }
            ranks[index] = rank
        }
        return ranks
    }

    /// A number that orders as the rows do; where `isExact` is false, as far as it goes.
    @inline(__always)
    func number(_ row: UnsafePointer<IndexRow>, _ block: IndexBlock, _ isRunning: Bool) -> UInt64 {
        @inline(__always)
        func signed(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ 1 << 63 }
        let value: UInt64
        switch key {
        case .id: value = signed(row.pointee.id)
        case .next: value = signed(row.pointee.next)
        case .received: value = signed(row.pointee.received)
        case .expires: value = signed(row.pointee.expires)
        case .size: value = UInt64(row.pointee.size)
        case .attempts: value = signed(Int64(row.pointee.attempts))
        case .priority: value = signed(Int64(row.pointee.priority))
        case .code: value = UInt64(row.pointee.code)
        case .state:
            value =
                switch row.pointee.state {
                case _ where isRunning: 3
                case 0: 1
                case 1: row.pointee.next <= now ? 2 : 4
                case 2: 5
                case 3, 4: 6
                default: 0
                }
        case .domain: value = pooled(row.pointee.domain, snapshot.domains)
        case .sender: value = pooled(row.pointee.sender, snapshot.senders)
        case .reply: value = pooled(row.pointee.reply, snapshot.replies)
        case .destination: value = UInt64(ranks?[Int(row.pointee.destination)] ?? 0)
        case .recipients: value = Folding.prefix(block.folded(row), from: 1)
        }
        return descending ? ~value : value
    }

    private func pooled(_ number: UInt32, _ texts: [String]) -> UInt64 {
        if let ranks { return UInt64(ranks[Int(number)]) }
        var text = texts[Int(number)]
        return text.withUTF8 { bytes in
            var prefix: UInt64 = 0
            for offset in 0..<8 {
                prefix =
                    prefix << 8
                    | (offset < bytes.count ? UInt64(Folding.folded(bytes[offset])) : 0)
            }
            return prefix
        }
    }

    private var isExact: Bool {
        switch key {
        case .recipients: false
        case .domain, .sender, .reply: ranks != nil
        default: true
        }
    }

    @inline(__always)
    func precedes(_ a: IndexCandidate, _ b: IndexCandidate) -> Bool {
        if a.number != b.number { return a.number < b.number }
        if !isExact {
            let order = compareTexts(a, b)
            if order != 0 { return descending ? order > 0 : order < 0 }
        }
        return a.id < b.id
    }

    private func compareTexts(_ a: IndexCandidate, _ b: IndexCandidate) -> Int {
        let (left, right) = (snapshot.blocks[Int(a.block)], snapshot.blocks[Int(b.block)])
        let (one, other) = (left.rows + Int(a.row), right.rows + Int(b.row))
        func compare(_ a: UInt32, _ b: UInt32, _ texts: [String]) -> Int {
            if a == b { return 0 }
            return Folding.folded(texts[Int(a)]).withUnsafeBufferPointer { a in
                Folding.folded(texts[Int(b)]).withUnsafeBufferPointer { Folding.precedes(a, $0) }
            }
        }
        switch key {
        case .recipients:
            return Folding.precedes(left.folded(one), right.folded(other))
        case .domain: return compare(one.pointee.domain, other.pointee.domain, snapshot.domains)
        case .sender: return compare(one.pointee.sender, other.pointee.sender, snapshot.senders)
        default: return compare(one.pointee.reply, other.pointee.reply, snapshot.replies)
        }
    }

    func isRunning(_ block: Int) -> RowMask { running[block] ?? .none }
}

/// A row that may be on the page.
struct IndexCandidate {
    var number: UInt64
    var id: Int64
    var block: UInt32
    var row: UInt32
}

/// Finds the rows of a page among all that match, in time that grows with their number and not with
/// its logarithm: what is beyond the page is put aside unsorted.
struct IndexSelection {
    private let offset: Int
    private let wanted: Int
    private let order: IndexOrder
    private var kept: [IndexCandidate] = []
    /// The last of those that may be on the page, once there are enough.
    private var worst: IndexCandidate?

    init(offset: Int, limit: Int, order: IndexOrder) {
        self.offset = offset
        wanted = offset.addingReportingOverflow(limit).overflow ? .max : offset + limit
        self.order = order
    }

    mutating func add(_ block: IndexBlock, _ number: Int, _ mask: RowMask) {
        let running = order.isRunning(number)
        let room = wanted > 1 << 40 ? Int.max : wanted * 2 + 2048
        mask.forEach { row in
            let pointer = UnsafePointer(block.rows) + row
            let isRunning = running[row >> 6] >> UInt64(row & 63) & 1 == 1
            let key = order.number(pointer, block, isRunning)
            if let worst, key > worst.number { return }
            let candidate = IndexCandidate(
                number: key, id: pointer.pointee.id, block: UInt32(number), row: UInt32(row))
            if let worst, !order.precedes(candidate, worst) { return }
            kept.append(candidate)
            if kept.count >= room { cut() }
        }
    }

    /// Keeps only as many as can be on the page.
    private mutating func cut() {
        guard kept.count > wanted else { return }
        partition(at: wanted)
        kept.removeSubrange(wanted...)
        worst = kept.max { order.precedes($0, $1) }
    }

    mutating func finish() -> ArraySlice<IndexCandidate> {
        cut()
        guard offset < kept.count else { return [] }
        partition(at: offset)
        kept.removeSubrange(..<offset)
        kept.sort { order.precedes($0, $1) }
        return kept[...]
    }

    /// Brings those that come first before the place, and the others behind it (Hoare's selection).
    private mutating func partition(at place: Int) {
        guard place > 0, place < kept.count else { return }
        let order = order
        kept.withUnsafeMutableBufferPointer { all in
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
