/// Deliveries in ascending order, in a byte or two each: what plans, actions and their records hold
/// of half a million of them.
///
/// Each is written as the distance of its message from the one before, doubled, as a number in
/// groups of seven bits (LEB128); an odd number says that the ordinal follows, which is 0 otherwise.
package struct DeliverySet: Hashable, Sendable {
    private struct Mark: Hashable {
        var id: DeliveryID
        /// Where the one after it stands.
        var offset: Int
    }

    private var bytes: [UInt8] = []
    /// Every 256th, so that `contains` reads few.
    private var marks: [Mark] = []
    package private(set) var count = 0
    package private(set) var last: DeliveryID?

    private static let stride = 256

    package init() {}

    /// In any order, also more than once.
    package init(_ ids: some Sequence<DeliveryID>) {
        for id in ids.sorted() where id != last { append(id) }
    }

    package var isEmpty: Bool { count == 0 }

    /// - Parameter id: greater than `last`, and of a message with a positive number.
    package mutating func append(_ id: DeliveryID) {
        precondition(id.rawValue > (last?.rawValue ?? 65535), "ids must ascend")
        let distance = UInt64(id.message.rawValue - (last?.message.rawValue ?? 0))
        if id.ordinal == 0, distance > 0 {
            appendNumber(distance << 1)
        } else {
            appendNumber(distance << 1 | 1)
            appendNumber(UInt64(id.ordinal))
        }
        if count % Self.stride == 0 { marks.append(Mark(id: id, offset: bytes.count)) }
        count += 1
        last = id
    }

    private mutating func appendNumber(_ number: UInt64) {
        var rest = number
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package func contains(_ id: DeliveryID) -> Bool {
        var (low, high) = (0, marks.count)
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].id <= id { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return false }
        let mark = marks[low - 1]
        if mark.id == id { return true }
        var rest = Iterator(bytes: bytes, offset: mark.offset, last: mark.id)
        for _ in 1..<Self.stride {
            guard let next = rest.next(), next <= id else { return false }
            if next == id { return true }
        }
        return false
    }

    package func union(_ other: DeliverySet) -> DeliverySet {
        if other.isEmpty { return self }
        if isEmpty { return other }
        var union = DeliverySet()
        var (left, right) = (makeIterator(), other.makeIterator())
        var (a, b) = (left.next(), right.next())
        while let next = a.map({ a in b.map { Swift.min(a, $0) } ?? a }) ?? b {
            union.append(next)
            if a == next { a = left.next() }
            if b == next { b = right.next() }
        }
        return union
    }

    package func subtracting(_ other: DeliverySet) -> DeliverySet {
        if other.isEmpty { return self }
        var rest = DeliverySet()
        var gone = other.makeIterator()
        var next = gone.next()
        for id in self {
            while let candidate = next, candidate < id { next = gone.next() }
            if next != id { rest.append(id) }
        }
        return rest
    }

    // MARK: On disk

    package var encoded: [UInt8] { bytes }

    /// nil: not what `encoded` gives.
    package init?(encoded: [UInt8]) {
        var iterator = Iterator(bytes: encoded, offset: 0, last: nil)
        while let id = iterator.next() {
            guard id.rawValue > (last?.rawValue ?? 65535) else { return nil }
            append(id)
        }
        guard bytes == encoded else { return nil }
    }
}

extension DeliverySet: Sequence {
    package struct Iterator: IteratorProtocol, Sendable {
        fileprivate let bytes: [UInt8]
        fileprivate var offset: Int
        fileprivate var last: DeliveryID?

        package mutating func next() -> DeliveryID? {
            guard let head = number() else { return nil }
            let before = last?.message.rawValue ?? 0
            guard head >> 1 < 1 << 47 - UInt64(before) else { return nil }
            let message = MessageID(rawValue: before + Int64(head >> 1))
            var ordinal: UInt16 = 0
            if head & 1 == 1 {
                guard let number = number().flatMap(UInt16.init(exactly:)) else { return nil }
                ordinal = number
            }
            let id = DeliveryID(message: message, ordinal: ordinal)
            last = id
            return id
        }

        /// Up to so many; none at the end.
        package mutating func next(_ count: Int) -> [DeliveryID] {
            var ids: [DeliveryID] = []
            ids.reserveCapacity(Swift.min(count, 4096))
            while ids.count < count, let id = next() { ids.append(id) }
            return ids
        }

        private mutating func number() -> UInt64? {
            var (number, shift): (UInt64, UInt64) = (0, 0)
            while offset < bytes.count, shift < 56 {
                let byte = bytes[offset]
                offset += 1
                number |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return number }
                shift += 7
            }
            return nil
        }
    }

    package func makeIterator() -> Iterator { Iterator(bytes: bytes, offset: 0, last: nil) }
    package var underestimatedCount: Int { count }
}

extension DeliverySet: ExpressibleByArrayLiteral {
    package init(arrayLiteral ids: DeliveryID...) { self.init(ids) }
}
