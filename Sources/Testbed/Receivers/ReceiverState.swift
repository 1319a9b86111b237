import NIOCore
import Scheduler

/// What all sessions of one receiver share: its dice, its quota, its greylist, its statistics.
/// A value without I/O and without a clock of its own.
struct ReceiverState {
    let manner: ReceiverManner
    private let keep: Keep
    private let salt: UInt64
    private var dice: SplitMix64
    private var tokens: Double
    private var refilledAt: NIODeadline
    private var greylist: [String: NIODeadline] = [:]
    private var recentTransactions = BusiestSecond()
    private var recentMessages = BusiestSecond()
    /// Taken before it last came up.
    private var messagesBefore = 0
    private(set) var statistics = ReceiverStatistics()

    init(manner: ReceiverManner, keep: Keep, seed: UInt64, now: NIODeadline) {
        self.manner = manner
        self.keep = keep
        salt = seed
        dice = SplitMix64(seed: seed)
        tokens = manner.quota?.burst ?? 0
        refilledAt = now
    }

    mutating func chance(_ probability: Double) -> Bool { dice.chance(probability) }

    mutating func random(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &dice) }

    func exists(_ mailbox: String) -> Bool {
        stableShare(mailbox, salt: salt) >= manner.unknownShare
    }

    func isFull(_ mailbox: String) -> Bool {
        stableShare(mailbox, salt: ~salt) < manner.fullShare
    }

    /// Takes one message out of the quota at this stage; false if it is used up. A message that is
    /// answered so takes nothing.
    mutating func allows(at stage: ReceiverManner.Quota.Stage, now: NIODeadline) -> Bool {
        guard let quota = manner.quota, quota.stage == stage else { return true }
        let elapsed = Double((now - refilledAt).nanoseconds) / 1e9
        tokens = min(quota.burst, tokens + elapsed * quota.perSecond)
        refilledAt = now
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    /// Whether the pair has waited long enough; its first appearance starts the wait.
    mutating func greylists(sender: String, recipient: String, now: NIODeadline) -> Bool {
        guard let time = manner.greylisting else { return false }
        let pair = "\(sender) \(recipient)"
        if let seen = greylist[pair] {
            return now < seen + TimeAmount(time)
        }
        greylist[pair] = now
        return true
    }

    /// False: one connection too many. It is counted, but takes no place.
    mutating func connected() -> Bool {
        statistics.connections += 1
        if let limit = manner.connectionLimit, statistics.connectionsNow >= limit {
            statistics.turnedAway += 1
            return false
        }
        statistics.connectionsNow += 1
        statistics.connectionsMax = max(statistics.connectionsMax, statistics.connectionsNow)
        return true
    }

    /// Whether the connection that was just taken leads to the machine that is broken.
    mutating func isBroken() -> Bool {
        guard let backends = manner.brokenBackend, statistics.connections % backends == 0 else {
            return false
        }
        statistics.broken += 1
        return true
    }

    /// It comes up, perhaps not for the first time.
    mutating func cameUp() {
        statistics.ramp = []
        messagesBefore = statistics.messages
    }

    mutating func disconnected() { statistics.connectionsNow -= 1 }

    mutating func transactionBegan(now: NIODeadline) {
        statistics.transactions += 1
        statistics.transactionsNow += 1
        statistics.transactionsMax = max(statistics.transactionsMax, statistics.transactionsNow)
        statistics.transactionShares += 1 / Double(statistics.transactionsNow)
        if statistics.ramp.count < ReceiverStatistics.rampLength {
            statistics.ramp.append(
                ReceiverStatistics.RampStep(
                    messages: statistics.messages - messagesBefore,
                    running: statistics.transactionsNow))
        }
        recentTransactions.count(at: now)
        statistics.transactionsInBusiestSecond = recentTransactions.most
    }

    mutating func transactionEnded() { statistics.transactionsNow -= 1 }

    mutating func said(_ reply: ScriptedReply) { statistics.replies[reply.code, default: 0] += 1 }

    mutating func dropped() { statistics.drops += 1 }

    mutating func took(_ message: CapturedMessage, acknowledged: Bool, now: NIODeadline) {
        statistics.messages += 1
        statistics.recipients += message.recipients.count
        statistics.bytes += message.content.readableBytes
        if !acknowledged { statistics.unacknowledged += 1 }
        recentMessages.count(at: now)
        statistics.messagesInBusiestSecond = recentMessages.most
        if keep >= .deliveries, let id = message.content.testbedID {
            for recipient in message.recipients {
                let delivery = ReceivedDelivery(id: id, recipient: recipient)
                statistics.deliveries[delivery, default: 0] += 1
            }
        }
        if keep >= .messages { statistics.captured.append(message) }
    }
}

extension ByteBuffer {
    /// The value of the `X-Testbed-ID` field in the header of a message.
    var testbedID: String? {
        let field = "x-testbed-id:"
        var rest = readableBytesView
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[..<end]
            if line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { return nil }
            if line.count > field.utf8.count,
                zip(line, field.utf8).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
            {
                let value = line.dropFirst(field.utf8.count)
                    .filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") }
                return String(decoding: value, as: UTF8.self)
            }
            rest = rest[(end + 1)...]
        }
        return nil
    }
}
