package import Scheduler

/// How a modelled receiving server behaves. All rules that are set apply together.
package struct ReceiverModel: Hashable, Sendable {
    /// What a machine that does not work does to a connection.
    package enum Fault: String, Hashable, Sendable, CaseIterable {
        /// Refuses it at once.
        case refuse
        /// Never answers: it ends with the sender's connect timeout.
        case timeout
        /// Greets with 421 and closes.
        case busy
    }

    package struct Outage: Hashable, Sendable {
        package var from: Duration
        package var length: Duration
        package var fault = Fault.refuse

        package init(from: Duration, length: Duration, fault: Fault = .refuse) {
            self.from = from
            self.length = length
            self.fault = fault
        }
    }

    package struct Quota: Hashable, Sendable {
        /// Messages; a bucket of `burst`.
        package var rate: Rate
        package var burst: Double
        /// Whether it closes the connection, as it must with a 421.
        package var closes: Bool

        package init(rate: Rate, burst: Double, closes: Bool = true) {
            self.rate = rate
            self.burst = burst
            self.closes = closes
        }
    }

    /// To open a connection, with its greeting and EHLO.
    package var connectTime = Duration.milliseconds(100)
    /// From MAIL to the answer to the final dot; varies at random by a fifth.
    package var transactionTime = Duration.milliseconds(500)
    /// Where a connection that is one too many is told so.
    package enum LimitStage: String, Hashable, Sendable, CaseIterable {
        case greeting
        /// In answer to MAIL: the connection is let in, and counts, until then.
        case mail
        /// In answer to the first RCPT: likewise.
        case rcpt
    }

    /// Connections at once; one more is answered with 421.
    package var connectionLimit: Int?
    package var limitAt = LimitStage.greeting
    package var quota: Quota?
    /// New connections, as a bucket; what is too much gets 421 as greeting.
    package var connectionQuota: Quota?
    /// Whether that 421 says what it is for.
    package var namesConnectionRate = true
    /// Messages after which it closes a connection; nil: it never does.
    package var messagesPerConnection: Int?
    /// Machines behind one address, of which each connection finds one at random.
    package var machines = 1
    package var badMachines = 0
    package var fault = Fault.refuse
    package var outage: Outage?
    /// How long a message is put off from its first attempt on.
    package var greylisting: Duration?
    /// The share (0…1) of the mailboxes that are full.
    package var fullShare = 0.0

    package init() {}

    /// From EHLO until a connection that is one too many is told so: one round trip to MAIL, two to
    /// RCPT. Connecting takes two.
    var excessTime: Duration { limitAt == .rcpt ? connectTime : connectTime / 2 }
}

/// A receiver and what it remembers.
struct Receiver {
    enum Greeting {
        /// `isExcess`: MAIL will be refused, as there are too many.
        case accepted(isExcess: Bool)
        case refused(after: Duration, Cause, reply: String)
    }

    private let model: ReceiverModel
    private(set) var connections = 0
    private(set) var mostConnections = 0
    private var tokens: Double
    private var filledAt = Instant(nanoseconds: 0)
    private var connectionTokens: Double
    private var connectionsFilledAt = Instant(nanoseconds: 0)
    private var firstSeen: [Int: Instant] = [:]
    private var random: SplitMix64

    init(_ model: ReceiverModel, seed: UInt64) {
        self.model = model
        tokens = model.quota?.burst ?? 0
        connectionTokens = model.connectionQuota?.burst ?? 0
        random = SplitMix64(seed: seed)
    }

    /// A connection arrives. One that is accepted stays open until `closed`.
    mutating func connect(timeout: Duration, at now: Instant) -> Greeting {
        if let outage = model.outage, now >= Self.start + outage.from,
            now < Self.start + outage.from + outage.length
        {
            return refusal(outage.fault, timeout)
        }
        if model.badMachines > 0,
            Int.random(in: 0..<model.machines, using: &random) < model.badMachines
        {
            return refusal(model.fault, timeout)
        }
        if model.limitAt == .greeting, let limit = model.connectionLimit, connections >= limit {
            return .refused(
                after: model.connectTime, .crowded,
                reply: Self.crowdedReply)
        }
        if let quota = model.connectionQuota {
            let earned = (now - connectionsFilledAt) / .seconds(1) * quota.rate.perSecond
            connectionTokens = min(quota.burst, connectionTokens + earned)
            connectionsFilledAt = now
            guard connectionTokens >= 1 else {
                return model.namesConnectionRate
                    ? .refused(after: model.connectTime, .hurried, reply: Self.hurriedReply)
                    : .refused(after: model.connectTime, .crowded, reply: Self.busyReply)
            }
            connectionTokens -= 1
        }
        connections += 1
        mostConnections = max(mostConnections, connections)
        return .accepted(isExcess: connections > model.connectionLimit ?? .max)
    }

    static let start = Instant(nanoseconds: 0)

    private func refusal(_ fault: ReceiverModel.Fault, _ timeout: Duration) -> Greeting {
        switch fault {
        case .refuse:
            .refused(after: .milliseconds(1), .connect, reply: "Connection refused")
        case .timeout:
            .refused(after: timeout, .connect, reply: "Connection timed out")
        case .busy:
            .refused(
                after: model.connectTime, .crowded,
                reply: Self.busyReply)
        }
    }

    mutating func closed() { connections -= 1 }

    private static let busyReply = "421 4.3.2 Service not available, try again later"
    private static let hurriedReply = "421 4.7.0 Connection rate limit exceeded, try again later"
    static let crowdedReply = "421 4.7.0 Too many concurrent connections from your address"

    mutating func transactionTime() -> Duration {
        model.transactionTime * Double.random(in: 0.8...1.2, using: &random)
    }

    /// The answer to a message, and whether the connection stays open.
    mutating func answer(
        _ mail: SimulatedMail, at now: Instant
    ) -> (outcome: SimulatedOutcome, isOpen: Bool) {
        if let outage = model.outage, now >= Self.start + outage.from,
            now < Self.start + outage.from + outage.length
        {
            return (.deferred(.destination, reply: "4.4.2 Connection lost"), false)
        }
        if let greylisting = model.greylisting {
            let first = firstSeen[mail.number] ?? now
            firstSeen[mail.number] = first
            if now < first + greylisting {
                return (.deferred(.greylisted, reply: "450 4.2.0 Greylisted"), true)
            }
        }
        if model.fullShare > 0, Self.share(of: mail.number) < model.fullShare {
            return (.deferred(.full, reply: "452 4.2.2 Mailbox full"), true)
        }
        if let quota = model.quota {
            let earned = (now - filledAt) / .seconds(1) * quota.rate.perSecond
            tokens = min(quota.burst, tokens + earned)
            filledAt = now
            guard tokens >= 1 else {
                return (
                    .deferred(
                        .destination, reply: "421 4.7.28 Unusual rate of mail, try again later"),
                    !quota.closes
                )
            }
            tokens -= 1
        }
        return (.delivered, true)
    }

    /// The same mailbox is full every time.
    private static func share(of number: Int) -> Double {
        var generator = SplitMix64(seed: UInt64(number))
        return Double.random(in: 0..<1, using: &generator)
    }
}
