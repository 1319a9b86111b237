import NIOCore
import Testing

@testable import Testbed

/// A receiver without a network and with a clock that stands still until it is moved.
private struct Rig {
    var state: ReceiverState
    var session = ReceiverSession(hostname: "mx.test", offersTLS: false)
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    init(_ manner: ReceiverManner, keep: Keep = .deliveries, seed: UInt64 = 1) {
        state = ReceiverState(manner: manner, keep: keep, seed: seed, now: now)
        _ = session.connected(&state)
        _ = session.command("EHLO client.test", &state, now: now)
    }

    mutating func say(_ line: String) -> [ReceiverSession.Action] {
        session.command(line, &state, now: now)
    }

    /// The code of the only reply.
    mutating func code(_ line: String) -> Int? { say(line).reply?.code }

    mutating func message(_ text: String = "Subject: x\r\n\r\nhello\r\n")
        -> [ReceiverSession.Action]
    {
        session.message(ByteBuffer(string: text), &state, now: now)
    }

    /// A whole transaction for one recipient; the reply that ended it.
    mutating func send(to recipient: String = "a@example.test") -> ScriptedReply? {
        for command in ["MAIL FROM:<s@example.test>", "RCPT TO:<\(recipient)>", "DATA"] {
            let reply = say(command).reply
            guard let reply, reply.code < 400 else {
                _ = say("RSET")
                return reply
            }
        }
        return message().reply
    }
}

extension [ReceiverSession.Action] {
    fileprivate var reply: ScriptedReply? {
        for case .reply(let reply) in self { return reply }
        return nil
    }
}

@Suite struct ReceiverSessionTests {
    @Test func takesAMessageAndCountsItForEachRecipient() {
        var rig = Rig(.fast)
        #expect(rig.code("MAIL FROM:<s@example.test> SIZE=100 BODY=8BITMIME") == 250)
        #expect(rig.code("RCPT TO:<a@example.test>") == 250)
        #expect(rig.code("RCPT TO:<b@example.test>") == 250)
        #expect(rig.state.statistics.transactionsNow == 1)
        #expect(rig.code("DATA") == 354)
        #expect(rig.message("X-Testbed-ID: 7\r\n\r\nhi\r\n").reply?.code == 250)
        let statistics = rig.state.statistics
        #expect(statistics.messages == 1)
        #expect(statistics.recipients == 2)
        #expect(statistics.transactionsNow == 0)
        #expect(statistics.deliveries[ReceivedDelivery(id: "7", recipient: "b@example.test")] == 1)
        #expect(statistics.duplicates == 0)
    }

    @Test func aSecondCopyIsADuplicate() {
        var rig = Rig(.fast)
        for _ in 0..<2 {
            _ = rig.say("MAIL FROM:<>")
            _ = rig.say("RCPT TO:<a@example.test>")
            _ = rig.say("DATA")
            _ = rig.message("Subject: y\r\nx-testbed-id:  9 \r\n\r\n")
        }
        #expect(rig.state.statistics.duplicates == 1)
    }

    @Test func commandsOutOfOrderAreRefused() {
        var rig = Rig(.fast)
        #expect(rig.code("RCPT TO:<a@example.test>") == 503)
        #expect(rig.code("DATA") == 503)
        #expect(rig.code("MAIL FROM:<s@example.test>") == 250)
        #expect(rig.code("MAIL FROM:<s@example.test>") == 503)
        #expect(rig.code("DATA") == 554)
        #expect(rig.code("NONSENSE") == 502)
        #expect(rig.code("STARTTLS") == 502)
    }

    @Test func gmailTakesItsQuotaAndAnswers421AfterTheMessage() {
        var rig = Rig(.rateLimited(perSecond: 2, burst: 3))
        for _ in 0..<3 {
            #expect(rig.send()?.code == 250)
        }
        #expect(rig.code("MAIL FROM:<s@example.test>") == 250)
        #expect(rig.code("RCPT TO:<a@example.test>") == 250)
        #expect(rig.code("DATA") == 354)
        let actions = rig.message()
        #expect(actions.reply?.code == 421)
        #expect(actions.reply?.status == "4.7.28")
        #expect(actions.last == .close)
        rig.now = rig.now + .milliseconds(499)
        #expect(rig.send()?.code == 421)
        rig.now = rig.now + .milliseconds(1)
        #expect(rig.send()?.code == 250)
        #expect(rig.state.statistics.messages == 4)
        #expect(rig.state.statistics.transactionsNow == 0)
    }

    @Test func outlookAnswersMailAndStays() {
        var rig = Rig(.busy(perSecond: 1, burst: 1))
        #expect(rig.send()?.code == 250)
        let actions = rig.say("MAIL FROM:<s@example.test>")
        #expect(actions.reply?.code == 451)
        #expect(actions.reply?.status == "4.7.500")
        #expect(!actions.contains(.close))
        #expect(rig.state.statistics.transactions == 2)
        #expect(rig.state.statistics.transactionsNow == 0)
    }

    @Test func greylistingPutsOffEachPairOnce() {
        var rig = Rig(.greylisting(for: .seconds(10)))
        #expect(rig.send(to: "a@example.test")?.status == "4.2.0")
        rig.now = rig.now + .seconds(9)
        #expect(rig.send(to: "a@example.test")?.code == 450)
        #expect(rig.send(to: "b@example.test")?.code == 450)
        rig.now = rig.now + .seconds(1)
        #expect(rig.send(to: "a@example.test")?.code == 250)
        #expect(rig.send(to: "b@example.test")?.code == 450)
        rig.now = rig.now + .seconds(9)
        #expect(rig.send(to: "b@example.test")?.code == 250)
    }

    @Test func theSameMailboxesAreUnknownInEveryRun() {
        func unknown(seed: UInt64) -> Set<Int> {
            var rig = Rig(.unknownUsers(share: 0.25), seed: seed)
            return Set((0..<400).filter { rig.send(to: "u\($0)@example.test")?.code == 550 })
        }
        let first = unknown(seed: 3)
        #expect(first == unknown(seed: 3))
        #expect(first != unknown(seed: 4))
        #expect((70...130).contains(first.count))
    }

    @Test func fullMailboxesAreTemporary() {
        var rig = Rig(.fullMailboxes(share: 1))
        #expect(rig.send()?.code == 452)
        #expect(rig.state.statistics.replies[452] == 1)
    }

    @Test func waitsBeforeItSpeaks() {
        var rig = Rig(.slow)
        let actions = rig.say("NOOP")
        #expect(actions.first == .wait(.milliseconds(60)))
        #expect(actions.count == 2)
    }

    @Test func tearsConnectionsAtTheStageAskedFor() {
        var manner = ReceiverManner.fast
        manner.drops.afterRecipient = 1
        var rig = Rig(manner)
        _ = rig.say("MAIL FROM:<s@example.test>")
        #expect(rig.say("RCPT TO:<a@example.test>") == [.tear])

        manner = .fast
        manner.drops.beforeReply = 1
        rig = Rig(manner)
        _ = rig.say("MAIL FROM:<s@example.test>")
        _ = rig.say("RCPT TO:<a@example.test>")
        _ = rig.say("DATA")
        #expect(rig.message() == [.tear])
        #expect(rig.state.statistics.messages == 1)
        #expect(rig.state.statistics.unacknowledged == 1)
    }

    @Test func oneConnectionTooManyIsGreetedWith421AndTakesNoPlace() {
        var state = ReceiverState(
            manner: .connectionLimited(to: 1, perSecond: 9, burst: 9), keep: .counts, seed: 1,
            now: .uptimeNanoseconds(0))
        var first = ReceiverSession(hostname: "mx.test", offersTLS: false)
        var second = first
        #expect(first.connected(&state).reply?.code == 220)
        let actions = second.connected(&state)
        #expect(actions.reply?.code == 421)
        #expect(actions.last == .close)
        second.disconnected(&state)
        #expect(state.statistics.connectionsNow == 1)
        first.disconnected(&state)
        var third = ReceiverSession(hostname: "mx.test", offersTLS: false)
        #expect(third.connected(&state).reply?.code == 220)
        #expect(state.statistics.turnedAway == 1)
    }

    @Test func limitsOfOneTransaction() {
        var manner = ReceiverManner.fast
        manner.maxRecipients = 1
        manner.maxSize = 10
        var rig = Rig(manner)
        #expect(rig.code("MAIL FROM:<s@example.test> SIZE=11") == 552)
        #expect(rig.code("MAIL FROM:<s@example.test>") == 250)
        #expect(rig.code("RCPT TO:<a@example.test>") == 250)
        #expect(rig.code("RCPT TO:<b@example.test>") == 452)
        #expect(rig.code("DATA") == 354)
        #expect(rig.message("0123456789\r\n").reply?.code == 552)
        #expect(rig.state.statistics.messages == 0)
    }

    @Test func theBusiestSecondIsExact() {
        var busiest = BusiestSecond()
        for milliseconds in [0, 900, 950, 1000, 1800, 1899, 1901] {
            busiest.count(at: .uptimeNanoseconds(UInt64(milliseconds) * 1_000_000))
        }
        // 900, 950, 1000, 1800 and 1899 lie within one second; 1901 is not in that of 900.
        #expect(busiest.most == 5)
    }

    @Test func aReplyOfSeveralLines() {
        var buffer = ByteBuffer()
        ScriptedReply(421, "4.7.28", "one", "two").write(to: &buffer)
        #expect(String(buffer: buffer) == "421-4.7.28 one\r\n421 4.7.28 two\r\n")
    }
}

@Suite struct DataCollectorTests {
    /// Fed in pieces of every size, the outcome is the same.
    @Test(arguments: 1...7)
    func endsAtTheFinalDotOnlyAndUnstuffs(pieceSize: Int) {
        let wire = "a\r\n..b\r\n.c\r\nbare\n.\nlf\r\r\n.\r\nQUIT\r\n"
        var collector = DataCollector()
        var input = ByteBuffer()
        var rest = ByteBuffer(string: wire)
        var isComplete = false
        while !isComplete, var piece = rest.readSlice(length: min(pieceSize, rest.readableBytes)),
            piece.readableBytes > 0
        {
            input.writeBuffer(&piece)
            isComplete = collector.collect(from: &input)
        }
        #expect(isComplete)
        #expect(String(buffer: collector.content) == "a\r\n.b\r\nc\r\nbare\n.\nlf\r\r\n")
        input.writeBuffer(&rest)
        #expect(String(buffer: input) == "QUIT\r\n")
    }

    @Test func anEmptyMessage() {
        var collector = DataCollector()
        var input = ByteBuffer(string: ".\r\n")
        let isComplete = collector.collect(from: &input)
        #expect(isComplete)
        #expect(collector.content.readableBytes == 0)
    }

    @Test func stuffingIsUndone() {
        let text = ".\r\n..\r\nx\r\n.y\r\n"
        var wire = Conversation.stuffed(ByteBuffer(string: text))
        var collector = DataCollector()
        let isComplete = collector.collect(from: &wire)
        #expect(isComplete)
        #expect(String(buffer: collector.content) == text)
    }
}
