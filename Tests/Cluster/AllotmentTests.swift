import Cluster
import Scheduler
import Testing

@Suite struct AllotmentTests {
    private let keys = (0..<100_000).map { CRC32.checksum("192.0.2.\($0)") }

    private func allotment(_ nodes: [Int64], workers: Int = 2) -> Allotment {
        let weights = Dictionary(uniqueKeysWithValues: (1...workers).map { ($0, 1.0) })
        return Allotment(
            nodes: Dictionary(uniqueKeysWithValues: nodes.map { (NodeID($0), weights) }))
    }

    @Test func aFourthNodeTakesItsShareAndNoMore() {
        let three = allotment([1, 2, 3])
        let four = allotment([1, 2, 3, 4])
        var moved = 0
        for key in keys where three.place(of: key) != four.place(of: key) {
            moved += 1
            // Nothing moves between those that were there.
            #expect(four.place(of: key)?.node == NodeID(4))
        }
        #expect(moved > keys.count / 5)
        #expect(Double(moved) <= 1.3 * Double(keys.count) / 4)
    }

    @Test func aNodeThatLeavesIsSharedByTheOthers() {
        let three = allotment([1, 2, 3])
        let two = allotment([1, 3])
        var counts: [NodeID: Int] = [:]
        for key in keys {
            guard let before = three.place(of: key), let after = two.place(of: key) else {
                Issue.record("nobody")
                continue
            }
            if before.node == NodeID(2) {
                counts[after.node, default: 0] += 1
            } else {
                #expect(before == after)
            }
        }
        #expect(counts.count == 2 && counts.values.allSatisfy { $0 > keys.count / 9 })
    }

    @Test func weightsAndPins() {
        let uneven = Allotment(nodes: [NodeID(1): [1: 1], NodeID(2): [1: 1, 2: 2, 3: 0]])
        var counts: [Allotment.Place: Int] = [:]
        for key in keys { counts[uneven.place(of: key)!, default: 0] += 1 }
        let big = Allotment.Place(node: NodeID(2), worker: 2)
        #expect(counts.count == 3)
        #expect(abs(Double(counts[big] ?? 0) / Double(keys.count) - 0.5) < 0.05)
        #expect(uneven.place(of: 1, pin: big) == big)
        // A pin to who takes no part is none.
        let gone = Allotment.Place(node: NodeID(2), worker: 3)
        #expect(uneven.place(of: 1, pin: gone) == uneven.place(of: 1))
        #expect(Allotment(nodes: [:]).place(of: 1) == nil)
    }
}
