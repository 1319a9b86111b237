import Testing

@testable import Scheduler

@Suite struct SlotsTests {
    @Test func size() {
        #expect(MemoryLayout<Slot>.stride == 56)
    }

    /// Against a dictionary, with ids that collide and many removals.
    @Test(arguments: 0..<20)
    func findsWhatIsThere(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var slots = Slots()
        var model: [Int64: UInt32] = [:]
        for _ in 0..<3000 {
            let id = Int64.random(in: 1...400, using: &random) << 16
            if let number = model[id] {
                #expect(slots.number(of: id) == number)
                if Bool.random(using: &random) {
                    slots.remove(number)
                    model[id] = nil
                    #expect(slots.number(of: id) == nil)
                }
            } else {
                #expect(slots.number(of: id) == nil)
                var slot = Slot()
                slot.id = id
                model[id] = slots.insert(slot)
            }
            #expect(slots.count == model.count)
        }
        for (id, number) in model { #expect(slots.number(of: id) == number) }
    }

    /// Against sorting, with removals from the middle and keys that change.
    @Test(arguments: 0..<20)
    func heapKeepsOrder(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var heap = IndexedHeap<AlarmOrder>()
        var alarms = Array(repeating: Alarm(), count: 200)
        var model: Set<UInt32> = []
        for _ in 0..<2000 {
            let item = UInt32.random(in: 0..<200, using: &random)
            if !model.contains(item) {
                alarms[Int(item)].time = Int64.random(in: 0..<100, using: &random)
                heap.push(item, &alarms)
                model.insert(item)
            } else if Bool.random(using: &random) {
                heap.remove(item, &alarms)
                model.remove(item)
                #expect(alarms[Int(item)].position == nowhere)
            } else {
                alarms[Int(item)].time = Int64.random(in: 0..<100, using: &random)
                heap.moved(item, &alarms)
            }
            #expect(heap.count == model.count)
            let least = model.map { alarms[Int($0)].time }.min()
            #expect(heap.first.map { alarms[Int($0)].time } == least)
        }
        var last = Int64.min
        while let item = heap.popFirst(&alarms) {
            #expect(alarms[Int(item)].time >= last)
            last = alarms[Int(item)].time
        }
    }
}
