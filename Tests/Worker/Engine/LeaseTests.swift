import Control
import Mail
import NIOPosix
import Scheduler
import Settings
import Testbed
import Testing

@testable import Worker

/// A worker of one of several nodes.
@Suite(.timeLimit(.minutes(1))) struct LeaseTests {
    private let group = MultiThreadedEventLoopGroup.singleton
    private let hour = Clocks.system.monotonic() + .seconds(3600)
    private let past = Clocks.system.monotonic() + .seconds(-1)

    @Test func nothingBeginsWithoutALease() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .fast, host: "127.7.0.1", group: group, keep: .messages)
        try await withEngine { rig in
            try await rig.configure(receiver)
            try await rig.say(.lease(until: past, ahead: .zero))
            // The spool's word does not make up for it.
            try await rig.say(.recording(true))
            try await rig.deliver(3)
            try await rig.on { parts in
                let now = parts.engine.clocks.monotonic()
                #expect(parts.engine.scheduler.next(at: now) == nil)
            }
            try await rig.say(.lease(until: hour, ahead: .zero))
            #expect(try await rig.results(3).allSatisfy { $0.disposition == .settled })
            #expect(receiver.statistics.messages == 3)
        }
        await receiver.shutDown()
    }

    @Test func itsEndClosesWhatIsOpen() async throws {
        var manner = ReceiverManner.fast
        // Longer than the test takes: only the end of the lease ends the transaction.
        manner.delays.endOfData = .seconds(600)
        let receiver = try await Receiver(
            name: "mx.test", manner: manner, host: "127.7.0.1", group: group, keep: .messages)
        try await withEngine { rig in
            try await rig.configure(receiver) { $0.limits.concurrency = 1 }
            try await rig.say(.lease(until: hour, ahead: .zero))
            try await rig.say(.trace(destination: 1, on: true, content: false))
            try await rig.deliver(2)
            try await rig.until { frames in
                frames.contains { frame in
                    guard case .traced(_, _, _, _, let line) = frame else { return false }
                    return line.hasPrefix("a message of")
                }
            }
            try await rig.say(.lease(until: past, ahead: .zero))
            let results = try await rig.results(1)
            #expect(results.map(\.disposition) == [.retry])
            try await rig.on { parts in
                #expect(parts.engine.connections.isEmpty && parts.engine.attempts.isEmpty)
                let now = parts.engine.clocks.monotonic()
                #expect(parts.engine.scheduler.next(at: now) == nil)
            }
        }
        await receiver.shutDown()
    }
}
