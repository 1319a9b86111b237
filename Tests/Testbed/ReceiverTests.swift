import Mail
import NIOCore
import NIOPosix
import Testing

@testable import Testbed

/// Receivers on real sockets.
@Suite(.timeLimit(.minutes(15))) struct ReceiverTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    private func with<Result>(
        _ receiver: Receiver, _ body: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        try await Conversation.with(
            host: receiver.host, port: receiver.port, group: group, body)
    }

    private func send(_ content: ByteBuffer, to receiver: Receiver) async throws
        -> Conversation.Outcome
    {
        try await with(receiver) { conversation in
            try await conversation.greet(as: "client.test")
            return try await conversation.send(
                from: "s@example.test", to: ["a@example.test"], content)
        }
    }

    @Test func keepsAMessageByteForByte() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .fast, host: "127.3.0.1", group: group, keep: .messages)
        var stream = MailStream(domains: ["example.test"], seed: 5)
        let mails = (0..<20).map { _ in stream.next(date: UnixTime(milliseconds: 0)) }
        try await with(receiver) { conversation in
            try await conversation.greet(as: "client.test")
            for mail in mails {
                let outcome = try await conversation.send(
                    from: mail.sender, to: mail.recipients, mail.content)
                guard case .taken(mail.recipients) = outcome else {
                    Issue.record("\(outcome)")
                    return
                }
            }
            #expect(try await conversation.command("QUIT").code == 221)
        }
        let statistics = receiver.statistics
        #expect(statistics.captured.map(\.content) == mails.map(\.content))
        #expect(statistics.captured.map(\.recipients) == mails.map(\.recipients))
        #expect(statistics.deliveries.count == statistics.recipients)
        await receiver.shutDown()
    }

    @Test func offersSTARTTLSWhereItHasACertificate() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .fast, group: group, keep: .messages,
            tls: try TestCertificate.serverContext())
        try await with(receiver) { conversation in
            #expect(try await conversation.reply().code == 220)
            let before = try await conversation.command("EHLO client.test")
            #expect(before.lines.contains("STARTTLS"))
            try await conversation.startTLS(try TestCertificate.trustingContext())
            let after = try await conversation.command("EHLO client.test")
            #expect(after.code == 250)
            #expect(!after.lines.contains("STARTTLS"))
            _ = try await conversation.send(
                from: "s@example.test", to: ["a@example.test"], ByteBuffer(string: "x\r\n"))
        }
        #expect(receiver.statistics.captured.map(\.encrypted) == [true])
        await receiver.shutDown()
    }

    @Test func aDeadReceiverRefusesAndKeepsItsPort() async throws {
        let receiver = try await Receiver(name: "mx.test", manner: .dead, group: group)
        await #expect(throws: NIOConnectionError.self) {
            try await with(receiver) { _ in }
        }
        try await receiver.comeUp()
        #expect(try await with(receiver) { try await $0.reply().code } == 220)
        await receiver.shutDown()
    }

    @Test func goesDownAndComesBackOnTheSamePort() async throws {
        let receiver = try await Receiver(name: "mx.test", manner: .fast, group: group)
        try await with(receiver) { conversation in
            try await conversation.greet(as: "client.test")
            await receiver.goDown()
            await #expect(throws: (any Error).self) { try await conversation.reply() }
        }
        await #expect(throws: NIOConnectionError.self) {
            try await with(receiver) { _ in }
        }
        try await receiver.comeUp()
        #expect(try await with(receiver) { try await $0.reply().code } == 220)
        await receiver.shutDown()
        await #expect(throws: NIOConnectionError.self) {
            try await with(receiver) { _ in }
        }
    }

    @Test func flapsByItself() async throws {
        let receiver = try await Receiver(
            name: "mx.test",
            manner: .flapping(up: .milliseconds(20), down: .milliseconds(20)), group: group)
        var wasUp = 0
        var wasDown = 0
        while wasUp < 2 || wasDown < 2 {
            do {
                _ = try await with(receiver) { try await $0.reply() }
                wasUp += 1
            } catch {
                wasDown += 1
            }
        }
        await receiver.shutDown()
    }

    @Test func turnsAwayOneConnectionTooMany() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .connectionLimited(to: 1, perSecond: 100, burst: 100),
            group: group)
        try await with(receiver) { first in
            #expect(try await first.reply().code == 220)
            try await with(receiver) { second in
                let greeting = try await second.reply()
                #expect(greeting.code == 421)
                await #expect(throws: TestbedError.self) { try await second.reply() }
            }
        }
        await receiver.shutDown()
        #expect(receiver.statistics.turnedAway == 1)
        #expect(receiver.statistics.connectionsMax == 1)
    }

    @Test func tearsAConnectionWithinAMessage() async throws {
        var manner = ReceiverManner.fast
        manner.drops.duringData = 1
        let receiver = try await Receiver(name: "mx.test", manner: manner, group: group)
        await #expect(throws: (any Error).self) {
            try await send(ByteBuffer(repeating: UInt8(ascii: "\n"), count: 4096), to: receiver)
        }
        #expect(receiver.statistics.messages == 0)
        #expect(receiver.statistics.drops == 1)
        await receiver.shutDown()
    }

    @Test func a421ReachesAClientThatPipelines() async throws {
        let receiver = try await Receiver(
            name: "mx.test", manner: .connectionLimited(to: 5, perSecond: 0.001, burst: 1),
            group: group)
        let content = ByteBuffer(string: "x\r\n")
        _ = try await send(content, to: receiver)
        try await with(receiver) { conversation in
            try await conversation.greet(as: "client.test")
            try await conversation.send(
                "MAIL FROM:<s@example.test>", "RCPT TO:<a@example.test>", "DATA")
            #expect(try await conversation.reply().code == 421)
            await #expect(throws: TestbedError.self) { try await conversation.reply() }
        }
        await receiver.shutDown()
    }

    @Test func answersInOrderThroughDelays() async throws {
        var manner = ReceiverManner.fast
        manner.delays.command = .milliseconds(5)
        let receiver = try await Receiver(name: "mx.test", manner: manner, group: group)
        try await with(receiver) { conversation in
            try await conversation.greet(as: "client.test")
            try await conversation.send("NOOP", "MAIL FROM:<>", "NONSENSE", "RSET", "QUIT")
            for code in [250, 250, 502, 250, 221] {
                #expect(try await conversation.reply().code == code)
            }
        }
        await receiver.shutDown()
    }
}
