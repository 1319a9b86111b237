import Testing

@testable import Mail

@Suite("Sets of deliveries")
struct DeliverySetTests {
    private func id(_ message: Int64, _ ordinal: UInt16 = 0) -> DeliveryID {
        DeliveryID(message: MessageID(rawValue: message), ordinal: ordinal)
    }

    /// Runs of neighbours, gaps of all lengths, several deliveries of a message.
    private func ids(seed: UInt64, count: Int) -> [DeliveryID] {
        var state = seed
        func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        var ids: [DeliveryID] = []
        var message: Int64 = 0
        while ids.count < count {
            message += Int64(next(4) == 0 ? 1 + next(1 << 20) : 1)
            var ordinal: UInt16 = 0
            repeat {
                ids.append(id(message, ordinal))
                ordinal += UInt16(1 + next(3) * next(1000))
            } while next(5) == 0
        }
        return ids
    }

    @Test(arguments: [0, 1, 2, 255, 256, 257, 5000])
    func holdsWhatWasPutIn(_ count: Int) throws {
        let ids = ids(seed: UInt64(count), count: count)
        let set = DeliverySet(ids.shuffled() + ids.prefix(3))
        #expect(Array(set) == ids && set.count == ids.count && set.last == ids.last)
        #expect(ids.allSatisfy(set.contains))
        let there = Set(ids)
        for id in ids {
            for other in [id.rawValue - 1, id.rawValue + 1, id.rawValue + 65536] {
                let other = DeliveryID(rawValue: other)
                #expect(set.contains(other) == there.contains(other))
            }
        }
        let again = try #require(DeliverySet(encoded: set.encoded))
        #expect(again == set && Array(again) == ids)
        var rest = set.makeIterator()
        var parts: [[DeliveryID]] = []
        while case let part = rest.next(100), !part.isEmpty { parts.append(part) }
        #expect(parts.flatMap { $0 } == ids && parts.dropLast().allSatisfy { $0.count == 100 })
    }

    @Test func isSmall() {
        let half = DeliverySet((1...500_000).map { id($0 * 2) })
        #expect(half.encoded.count <= 500_010)
    }

    @Test func unionAndDifferenceAreThoseOfSets() {
        for seed in 0..<20 as Range<UInt64> {
            let (a, b) = (ids(seed: seed, count: 300), ids(seed: seed + 1, count: 200) + [id(7)])
            let (left, right) = (DeliverySet(a), DeliverySet(b))
            #expect(Array(left.union(right)) == Set(a).union(b).sorted())
            #expect(Array(left.subtracting(right)) == Set(a).subtracting(b).sorted())
        }
    }

    @Test func whatIsNoSetIsRefused() {
        // Unfinished numbers, message 0, ids that do not ascend, ordinals and messages too large.
        for bytes: [UInt8] in [
            [0x80], [3], [0], [1, 0], [2, 1, 0], [3, 0x80, 0x80, 4], [0x82, 0],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [UInt8](repeating: 0xFF, count: 12),
        ] {
            #expect(DeliverySet(encoded: bytes) == nil, "\(bytes)")
        }
        #expect(DeliverySet(encoded: [])?.isEmpty == true)
    }
}
