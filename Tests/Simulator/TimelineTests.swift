import Scheduler
import Testing

@testable import Simulator

@Suite struct TimelineTests {
    @Test func timeAndThenTheOrderOfSayingDecide() {
        var timeline = Timeline<String>()
        let start = Instant(nanoseconds: 0)
        timeline.add("later", at: start + .seconds(2))
        timeline.add("first", at: start + .seconds(1))
        timeline.add("second", at: start + .seconds(1))
        #expect(timeline.next == start + .seconds(1))
        var order: [String] = []
        while let (_, event) = timeline.pop() { order.append(event) }
        #expect(order == ["first", "second", "later"])
    }
}
