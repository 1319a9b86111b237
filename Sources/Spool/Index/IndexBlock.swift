import Glibc

/// Some hundred deliveries in the order of their ids, and the text of their recipients.
///
/// Changed only by the index that holds the one reference to it; what a snapshot holds too is copied
/// first. That makes it safe to read from any thread.
final class IndexBlock: @unchecked Sendable {
    static let capacity = 512

    let rows: UnsafeMutablePointer<IndexRow>
    private(set) var count = 0
    private(set) var text: UnsafeMutablePointer<UInt8>
    private var textCapacity: Int
    private var textCount = 0
    /// Bytes of the text that belong to no row any more.
    private var dead = 0

    init(textCapacity: Int = 4096) {
        rows = .allocate(capacity: Self.capacity)
        text = .allocate(capacity: textCapacity)
        self.textCapacity = textCapacity
    }

    deinit {
        rows.deallocate()
        text.deallocate()
    }

    var firstID: Int64 { rows[0].id }
    var lastID: Int64 { rows[count - 1].id }
    var isFull: Bool { count == Self.capacity }

    /// Without the text that is dead.
    func copy() -> IndexBlock {
        let copy = IndexBlock(textCapacity: max(1024, textCount - dead))
        for index in 0..<count { copy.append(rows[index], textOf: self) }
        return copy
    }

    /// The first row whose id is not below.
    func index(of id: Int64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func insert(_ row: IndexRow, at index: Int, recipients: UnsafeRawBufferPointer) {
        memmove(
            rows + index + 1, rows + index, (count - index) * MemoryLayout<IndexRow>.stride)
        rows[index] = row
        count += 1
        write(recipients, to: index)
    }

    func setRecipients(_ recipients: UnsafeRawBufferPointer, at index: Int) {
        dead += bytes(of: rows[index])
        write(recipients, to: index)
    }

    func remove(at index: Int) {
        dead += bytes(of: rows[index])
        count -= 1
        memmove(
            rows + index, rows + index + 1, (count - index) * MemoryLayout<IndexRow>.stride)
        if dead > 1024, dead > textCount / 2 { compact() }
    }

    /// Takes what comes from `index` on into a block of its own.
    func split(at index: Int) -> IndexBlock {
        let rest = IndexBlock()
        for moved in index..<count {
            rest.append(rows[moved], textOf: self)
            dead += bytes(of: rows[moved])
        }
        count = index
        compact()
        return rest
    }

    /// Takes in all of a block whose ids are greater.
    func append(_ other: IndexBlock) {
        for index in 0..<other.count { append(other.rows[index], textOf: other) }
    }

    private func append(_ row: IndexRow, textOf other: IndexBlock) {
        rows[count] = row
        count += 1
        let length = bytes(of: row)
        rows[count - 1].text = UInt32(reserve(length))
        memcpy(text + Int(rows[count - 1].text), other.text + Int(row.text), length)
    }

    private func bytes(of row: IndexRow) -> Int {
        Int(row.textCount) << (row.hasFolded ? 1 : 0)
    }

    private func write(_ recipients: UnsafeRawBufferPointer, to index: Int) {
        let isFolded = !recipients.contains { $0 >= 0x41 && $0 <= 0x5A }
        let start = reserve(isFolded ? recipients.count : recipients.count * 2)
        rows[index].text = UInt32(start)
        rows[index].textCount = UInt32(recipients.count)
        rows[index].hasFolded = !isFolded
        guard let source = recipients.baseAddress else { return }
        memcpy(text + start, source, recipients.count)
        guard !isFolded else { return }
        for offset in 0..<recipients.count {
            text[start + recipients.count + offset] = Folding.folded(recipients[offset])
        }
    }

    private func reserve(_ length: Int) -> Int {
        if textCount + length > textCapacity {
            grow(to: max(textCount + length, textCapacity + textCapacity / 2))
        }
        defer { textCount += length }
        return textCount
    }

    private func grow(to capacity: Int) {
        let new = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        memcpy(new, text, textCount)
        text.deallocate()
        text = new
        textCapacity = capacity
    }

    private func compact() {
        let old = text
        let length = max(1024, textCount - dead)
        text = .allocate(capacity: length)
        textCapacity = length
        textCount = 0
        dead = 0
        for index in 0..<count {
            let length = bytes(of: rows[index])
            let start = reserve(length)
            memcpy(text + start, old + Int(rows[index].text), length)
            rows[index].text = UInt32(start)
        }
        old.deallocate()
    }

    // MARK: Reading

    func recipients(of row: borrowing IndexRow) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text + Int(row.text), count: Int(row.textCount))
    }

    /// With small letters.
    @inline(__always)
    func folded(_ row: UnsafePointer<IndexRow>) -> UnsafeBufferPointer<UInt8> {
        let start = Int(row.pointee.text) + (row.pointee.hasFolded ? Int(row.pointee.textCount) : 0)
        return UnsafeBufferPointer(start: text + start, count: Int(row.pointee.textCount))
    }
}

/// Small letters for capital ones, of ASCII only, as SQLite's NOCASE and LIKE have it.
enum Folding {
    @inline(__always)
    static func folded(_ byte: UInt8) -> UInt8 {
        byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
    }

    static func folded(_ text: String) -> [UInt8] { text.utf8.map(folded) }

    /// The order of SQLite's NOCASE.
    static func precedes(
        _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
    ) -> Int {
        let common = min(a.count, b.count)
        if common > 0, let a = a.baseAddress, let b = b.baseAddress {
            let order = memcmp(a, b, common)
            if order != 0 { return Int(order) }
        }
        return a.count - b.count
    }

    /// Eight bytes that order as the texts do, as far as they go.
    @inline(__always)
    static func prefix(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> UInt64 {
        var prefix: UInt64 = 0
        for offset in start..<start + 8 {
            prefix = prefix << 8 | (offset < bytes.count ? UInt64(bytes[offset]) : 0)
        }
        return prefix
    }
}
