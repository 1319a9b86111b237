import Control
import Mail
import Testing

@testable import Manager
@testable import Spool

@Suite(.timeLimit(.minutes(15))) struct RoutingAgainTests {
    /// The worker that was asked dies while several messages wait for its answer: all of them wait
    /// for the next one's.
    @Test func everyMessageThatWaitsIsAskedForAgain() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                for name in ["u", "v", "w"] { _ = stage.accept(["\(name)@x.test"]) }
            }
            try await rig.drain()
            try await rig.on { stage in
                #expect(stage.lastResolve(1)?.domain == "x.test")
                stage.killWorker(1)
                stage.addWorker(2)
                let question = try #require(stage.lastResolve(2))
                stage.say(
                    .resolved(request: question.request, .to("192.0.2.1")), from: 2)
            }
            try await rig.drain()
            #expect(try rig.stored().count == 3)
            #expect(try rig.stored().allSatisfy { $0.destination != nil })
        }
    }
}
