import Testing

@testable import Scheduler

@Suite struct RingTests {
    @Test(
        arguments: [
            ("123456789", 0xCBF4_3926), ("", 0), ("a,b", 0x2CD9_13DF),
            ("192.0.2.10,198.51.100.7", 0xEAA3_4D03),
            ("192.0.2.10,192.0.2.9,198.51.100.7,2001:db8::25,203.0.113.9", 0xB2C0_45FA),
        ] as [(String, UInt32)])
    func crc(text: String, value: UInt32) {
        #expect(CRC32.checksum(text) == value)
        #expect(DestinationKey.ring(text) == value)
    }

    @Test func canonical() {
        #expect(
            DestinationKey.canonical(addresses: [
                "2001:db8::25", "203.0.113.9", "198.51.100.7", "192.0.2.10", "192.0.2.9",
                "192.0.2.10",
            ]) == "192.0.2.10,192.0.2.9,198.51.100.7,2001:db8::25,203.0.113.9")
        #expect(DestinationKey.canonical(addresses: ["b", "a"]) == "a,b")
        #expect(DestinationKey.canonical(addresses: []) == "")
    }

    private static let keys = (0..<20_000).map {
        CRC32.checksum("192.0.\($0 / 250).\($0 % 250),198.51.100.\($0 % 99)")
    }

    private func equal(_ count: Int) -> Ring {
        Ring(workers: Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, 1) }))
    }

    @Test(arguments: 2...16)
    func balance(workers: Int) throws {
        let ring = equal(workers)
        let loads = Self.keys.reduce(into: [Int: Int]()) {
            $0[ring.owner(of: $1)!, default: 0] += 1
        }
        let heaviest = try #require(loads.values.max())
        let ratio = Double(heaviest) * Double(workers) / Double(Self.keys.count)
        #expect(loads.count == workers)
        #expect(ratio <= 1.15, "heaviest over mean \(ratio)")
    }

    @Test func movement() {
        let (eight, nine) = (equal(8), equal(9))
        var moved = 0
        for key in Self.keys where eight.owner(of: key) != nine.owner(of: key) {
            moved += 1
            #expect(nine.owner(of: key) == 8, "only to the new one")
        }
        let share = Double(moved) / Double(Self.keys.count)
        #expect(share <= 0.13 && share > 0.09, "moved \(share)")
    }

    @Test func aDeadWorkerLeavesTheOthersAlone() {
        let all = equal(8)
        let rest = Ring(workers: [0: 1, 1: 1, 2: 1, 4: 1, 5: 1, 6: 1, 7: 1])
        var heirs: Set<Int> = []
        for key in Self.keys {
            let owner = all.owner(of: key)!
            if owner == 3 {
                heirs.insert(rest.owner(of: key)!)
            } else {
                #expect(rest.owner(of: key) == owner)
            }
        }
        #expect(heirs == [0, 1, 2, 4, 5, 6, 7])
    }

    @Test func sharesAddUpAndFollowTheWeights() {
        let shares = Ring(workers: [1: 1, 2: 2, 3: 0, 4: 1]).shares
        #expect(abs(shares.values.reduce(0, +) - 1) < 1e-9)
        #expect(shares[3] == nil)
        for (worker, share) in [1: 0.25, 2: 0.5, 4: 0.25] {
            #expect(abs(shares[worker]! / share - 1) < 0.1)
        }
        #expect(Ring(workers: [:]).shares.isEmpty)
        #expect(abs(Ring(workers: [7: 1]).shares[7]! - 1) < 1e-9)
    }

    @Test func weights() {
        let ring = Ring(workers: [0: 1, 1: 3, 2: 0, 3: -1])
        let heavy = Self.keys.count { ring.owner(of: $0) == 1 }
        let share = Double(heavy) / Double(Self.keys.count)
        #expect(0.72...0.78 ~= share, "\(share)")
        #expect(!Self.keys.contains { ring.owner(of: $0)! > 1 })
    }

    @Test func edges() {
        #expect(Ring(workers: [:]).owner(of: 1) == nil)
        let one = Ring(workers: [42: 0.001])
        #expect([0, 1, UInt32.max].allSatisfy { one.owner(of: $0) == 42 })
    }
}
