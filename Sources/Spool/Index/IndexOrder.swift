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

    /// A number that orders as the rows do, for each row of the mask in turn; where `isExact` is
    /// false, as far as eight bytes of the text go.
    ///
    /// - Parameter depth: which eight bytes: 0, 1, … Rows are equal in those before.
    func numbers(
        _ block: IndexBlock, _ number: Int, _ mask: RowMask, depth: Int,
        into numbers: UnsafeMutablePointer<UInt64>
    ) {
        let rows = UnsafePointer(block.rows)
        let flip: UInt64 = descending ? .max : 0
        @inline(__always)
        func each(_ value: (UnsafePointer<IndexRow>) -> UInt64) {
            var next = numbers
            mask.forEach { row in
                next.pointee = value(rows + row) ^ flip
                next += 1
            }
        }
        @inline(__always)
        func signed(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ 1 << 63 }
        @inline(__always)
        func pooled(_ texts: [String], _ number: (UnsafePointer<IndexRow>) -> UInt32) {
            guard let ranks else {
                return each { prefix(of: texts[Int(number($0))], depth: depth) }
            }
            ranks.withUnsafeBufferPointer { ranks in each { UInt64(ranks[Int(number($0))]) } }
        }
        switch key {
        case .id: each { signed($0.pointee.id) }
        case .next: each { signed($0.pointee.next) }
        case .received: each { signed($0.pointee.received) }
        case .expires: each { signed($0.pointee.expires) }
        case .size: each { UInt64($0.pointee.size) }
        case .attempts: each { signed(Int64($0.pointee.attempts)) }
        case .priority: each { signed(Int64($0.pointee.priority)) }
        case .code: each { UInt64($0.pointee.code) }
        case .state:
            let (running, now) = (running[number] ?? .none, now)
            var next = numbers
            mask.forEach { row in
                let isRunning = running[row >> 6] >> UInt64(row & 63) & 1 == 1
                next.pointee = Self.state(rows + row, isRunning, now) ^ flip
                next += 1
            }
        case .domain: pooled(snapshot.domains) { $0.pointee.domain }
        case .sender: pooled(snapshot.senders) { $0.pointee.sender }
        case .reply: pooled(snapshot.replies) { $0.pointee.reply }
        case .destination: pooled([]) { $0.pointee.destination }
        case .recipients: each { Folding.prefix(block.folded($0), from: 1 + depth * 8) }
        }
    }

    @inline(__always)
    private static func state(
        _ row: UnsafePointer<IndexRow>, _ isRunning: Bool, _ now: Int64
    ) -> UInt64 {
        if isRunning { return 3 }
        return switch row.pointee.state {
        case 0: 1
        case 1: row.pointee.next <= now ? 2 : 4
        case 2: 5
        case 3, 4: 6
        default: 0
        }
    }

    private func prefix(of text: String, depth: Int) -> UInt64 {
        var text = text
        return text.withUTF8 { bytes in
            var prefix: UInt64 = 0
            for offset in depth * 8..<depth * 8 + 8 {
                prefix =
                    prefix << 8
                    | (offset < bytes.count ? UInt64(Folding.folded(bytes[offset])) : 0)
            }
            return prefix
        }
    }

    /// False where the numbers are only the beginnings of texts.
    var isExact: Bool {
        switch key {
        case .recipients: false
        case .domain, .sender, .reply: ranks != nil
        default: true
        }
    }

    /// The texts of rows with this number have no bytes here: where they were the same so far, they
    /// are the same.
    func isEnd(_ number: UInt64) -> Bool { number == (descending ? .max : 0) }

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
}
