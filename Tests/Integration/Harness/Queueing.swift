import Control
import Testbed
import Testing

/// Mail that lies in the queue before the first of it goes.
extension Scene {
    /// Sends one message through, so that the destination is known and has worked, and pauses it.
    func prepare(_ daemon: Daemon, domain: String = "rcpt.test") async throws {
        try await send(TestMail("first", to: "first@\(domain)"), to: daemon.port)
        let id = try await daemon.destination(domain).id
        try await daemon.awaitEmptyQueue()
        try await daemon.act(.pause, Selector(destinations: [id]))
    }

    /// Queues at a paused destination, and resumes it when all is there.
    func release(
        _ mails: [TestMail], at daemon: Daemon, domain: String = "rcpt.test"
    ) async throws {
        try await send(mails, to: daemon.port)
        let row = try await daemon.destination(domain)
        #expect(row.queued == mails.count && row.state == .paused)
        try await daemon.act(.resume, Selector(destinations: [row.id]))
    }

    /// Both: what goes then is not slowed down by how fast it came in.
    func queue(_ mails: [TestMail], at daemon: Daemon, domain: String = "rcpt.test") async throws {
        try await prepare(daemon, domain: domain)
        try await release(mails, at: daemon, domain: domain)
    }
}

extension TestMail {
    /// To a mailbox each.
    static func many(
        _ count: Int, prefix: String = "m", from sender: String = "app@sender.test",
        domain: String = "rcpt.test"
    ) -> [TestMail] {
        (0..<count).map {
            TestMail("\(prefix)\($0)", from: sender, to: "\(prefix)\($0)@\(domain)")
        }
    }
}

extension ReceiverStatistics {
    /// Since the receiver came up: one at first, and with each message that was taken one or two
    /// more at a time, but never a burst.
    func expectRamp(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(ramp.first?.running == 1, sourceLocation: sourceLocation)
        #expect(
            ramp.allSatisfy { $0.running <= $0.messages + 1 }, "\(ramp.prefix(20))",
            sourceLocation: sourceLocation)
    }
}
