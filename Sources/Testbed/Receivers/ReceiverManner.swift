/// How a receiving server behaves: a set of independent rules, and the named combinations of them
/// that real receivers are known for.
package struct ReceiverManner: Sendable {
    /// A short name, for tables: "rate limit".
    package var name: String
    package var availability = Availability.up
    /// Connections served at once; one more is greeted with 421 and closed. Nil: no limit.
    package var connectionLimit: Int?
    /// One of so many machines behind a load balancer is broken, and `brokenness` says how. Nil: all
    /// are well.
    package var brokenBackend: Int?
    package var brokenness = Brokenness.busy
    /// Messages accepted per time. Nil: no limit.
    package var quota: Quota?
    /// How long an unknown pair of sender and recipient is put off (450 4.2.0). Nil: not at all.
    package var greylisting: Duration?
    /// The share (0…1) of the mailboxes that do not exist (550 5.1.1); always the same ones.
    package var unknownShare = 0.0
    /// The share (0…1) of the mailboxes that are full (452 4.2.2); always the same ones.
    package var fullShare = 0.0
    package var delays = Delays()
    package var drops = Drops()
    /// Recipients of one transaction; one more is answered 452 4.5.3 (RFC 5321 §4.5.3.1.8).
    package var maxRecipients = 100
    /// Bytes of one message; announced as SIZE (RFC 1870).
    package var maxSize = 35_882_577

    package enum Availability: Hashable, Sendable {
        case up
        /// Nothing listens: connections are refused.
        case refusing
        /// Listens for a time, then refuses for a time, again and again; starts listening.
        case cycle(up: Duration, down: Duration)
    }

    /// What becomes of a connection that the load balancer gives to a broken machine.
    package enum Brokenness: Hashable, Sendable, CaseIterable {
        /// It is greeted with 421 and closed.
        case busy
        /// The machine refuses it, and so the balancer closes it without a word.
        case refusing
    }

    package struct Quota: Sendable {
        package enum Stage: Sendable {
            /// Answered to MAIL.
            case mail
            /// Answered to the final dot: the whole message was sent in vain.
            case endOfData
        }

        /// Messages per second, sustained.
        package var perSecond: Double
        /// Messages that may come at once.
        package var burst: Double
        package var stage: Stage
        /// What a message above the quota is answered.
        package var reply: ScriptedReply
        /// Whether the receiver closes the connection after that reply, as it must with a 421.
        package var hangsUp: Bool

        package init(
            perSecond: Double, burst: Double, stage: Stage, reply: ScriptedReply, hangsUp: Bool
        ) {
            self.perSecond = perSecond
            self.burst = burst
            self.stage = stage
            self.reply = reply
            self.hangsUp = hangsUp
        }
    }

    /// How long the receiver thinks before it answers.
    package struct Delays: Sendable {
        package var greeting: Duration = .zero
        package var command: Duration = .zero
        package var recipient: Duration = .zero
        package var endOfData: Duration = .zero

        package init() {}
    }

    /// How likely (0…1) the connection is torn at a stage.
    package struct Drops: Sendable {
        /// Instead of the answer to RCPT.
        package var afterRecipient = 0.0
        /// Somewhere within the message.
        package var duringData = 0.0
        /// After the message was taken, instead of the 250: the one case in which SMTP itself
        /// makes duplicates.
        package var beforeReply = 0.0

        package init() {}
    }

    package init(name: String) {
        self.name = name
    }
}

extension ReceiverManner {
    /// A large provider on a good day: takes everything, at once.
    package static var fast: ReceiverManner { ReceiverManner(name: "fast") }

    /// Gmail: above a rate for one sending address every message is answered, after it was sent
    /// whole, with `421-4.7.28 … unusual rate`, and the connection is closed.
    package static func rateLimited(perSecond: Double, burst: Double) -> ReceiverManner {
        var manner = ReceiverManner(name: "rate limit 421")
        manner.quota = Quota(
            perSecond: perSecond, burst: burst, stage: .endOfData,
            reply: ScriptedReply(
                421, "4.7.28",
                "Our system has detected an unusual rate of mail originating from",
                "your IP address. To protect our users, mail sent from your IP",
                "address has been temporarily rate limited. - gsmtp"),
            hangsUp: true)
        return manner
    }

    /// Outlook.com: `451 4.7.500 Server busy` to MAIL above a rate; the connection stays.
    package static func busy(perSecond: Double, burst: Double) -> ReceiverManner {
        var manner = ReceiverManner(name: "throttle 451")
        manner.quota = Quota(
            perSecond: perSecond, burst: burst, stage: .mail,
            reply: ScriptedReply(
                451, "4.7.500", "Server busy. Please try again later. (S77719)"),
            hangsUp: false)
        return manner
    }

    /// Yahoo: few connections at once for each sender, and `421 4.7.0 [TSS04]` to MAIL above a
    /// volume.
    package static func connectionLimited(
        to connections: Int, perSecond: Double, burst: Double
    ) -> ReceiverManner {
        var manner = ReceiverManner(name: "connection limit")
        manner.connectionLimit = connections
        manner.quota = Quota(
            perSecond: perSecond, burst: burst, stage: .mail,
            reply: ScriptedReply(
                421, "4.7.0",
                "[TSS04] Messages temporarily deferred due to unexpected volume"),
            hangsUp: true)
        return manner
    }

    /// A pool of machines behind a load balancer that goes around, one of which is broken.
    package static func oneBroken(
        of backends: Int, _ brokenness: Brokenness = .busy
    ) -> ReceiverManner {
        var manner = ReceiverManner(name: "one backend of \(backends) broken")
        manner.brokenBackend = backends
        manner.brokenness = brokenness
        return manner
    }

    /// A small server with Postgrey: an unknown pair of sender and recipient has to come back.
    package static func greylisting(for time: Duration) -> ReceiverManner {
        var manner = ReceiverManner(name: "greylisting")
        manner.greylisting = time
        return manner
    }

    /// A machine that is gone for good while its MX record stays.
    package static var dead: ReceiverManner {
        var manner = ReceiverManner(name: "dead")
        manner.availability = .refusing
        return manner
    }

    /// An overloaded server: it looks everything up before it answers, and scans every message
    /// before it takes it.
    package static var slow: ReceiverManner {
        var manner = ReceiverManner(name: "slow")
        manner.delays.greeting = .milliseconds(400)
        manner.delays.command = .milliseconds(60)
        manner.delays.recipient = .milliseconds(150)
        manner.delays.endOfData = .milliseconds(700)
        return manner
    }

    /// A company whose people come and go, fed from an old list.
    package static func unknownUsers(share: Double) -> ReceiverManner {
        var manner = ReceiverManner(name: "unknown users")
        manner.unknownShare = share
        return manner
    }

    /// A server that is restarted, or whose line fails, again and again.
    package static func flapping(up: Duration, down: Duration) -> ReceiverManner {
        var manner = ReceiverManner(name: "flapping")
        manner.availability = .cycle(up: up, down: down)
        return manner
    }

    /// A broken firewall or a crashing filter: connections vanish after RCPT and within messages.
    package static func dropping(odds: Double) -> ReceiverManner {
        var manner = ReceiverManner(name: "drops")
        manner.drops.afterRecipient = odds / 2
        manner.drops.duringData = odds / 2
        return manner
    }

    /// A free-mail provider with small quotas: `452 4.2.2` for the mailboxes nobody reads.
    package static func fullMailboxes(share: Double) -> ReceiverManner {
        var manner = ReceiverManner(name: "full mailboxes")
        manner.fullShare = share
        return manner
    }

    /// A tarpit: it lets in few clients and keeps each of them waiting, most of all per recipient.
    package static var tarpit: ReceiverManner {
        var manner = ReceiverManner(name: "tarpit")
        manner.connectionLimit = 4
        manner.delays.greeting = .seconds(3)
        manner.delays.command = .milliseconds(500)
        manner.delays.recipient = .seconds(1)
        manner.delays.endOfData = .seconds(1)
        return manner
    }
}
