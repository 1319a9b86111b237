package import NIOCore

/// What a receiver has seen; a copy taken at one instant.
package struct ReceiverStatistics: Sendable {
    /// Connections taken, those turned away at the limit included.
    package var connections = 0
    package var connectionsNow = 0
    package var connectionsMax = 0
    /// Connections greeted with 421 because of the limit.
    package var turnedAway = 0
    /// Connections that led to the machine that is broken.
    package var broken = 0
    /// MAIL commands, whatever they were answered.
    package var transactions = 0
    /// Transactions between their MAIL and their end. A client's concurrency is exact here:
    /// connections overlap for a moment when one is closed and another opened.
    package var transactionsNow = 0
    package var transactionsMax = 0
    /// Of each start, one over how many ran then, added up.
    var transactionShares = 0.0
    /// How many ran at a time, in the mean over time where each takes equally long: the harmonic
    /// mean over their starts. Without a clock, and so whatever else the machine does, it says what
    /// share of what the receiver could take was sent.
    package var transactionsMean: Double {
        transactionShares > 0 ? Double(transactions) / transactionShares : 0
    }
    /// How it went after the receiver last came up: for each of the first transactions how many
    /// messages had been taken by then, and how many transactions ran, itself included.
    package var ramp: [RampStep] = []
    /// The most MAIL commands within any one second.
    package var transactionsInBusiestSecond = 0
    /// Messages taken: 250 was sent, or would have been (see `unacknowledged`).
    package var messages = 0
    /// The most messages taken within any one second.
    package var messagesInBusiestSecond = 0
    /// Recipients of the messages taken.
    package var recipients = 0
    package var bytes = 0
    /// Messages taken whose 250 was never sent because the connection was torn.
    package var unacknowledged = 0
    /// Connections torn by the receiver's manner.
    package var drops = 0
    /// Replies sent, by code.
    package var replies: [Int: Int] = [:]
    /// How often each message reached each recipient; filled where asked for (`Keep.deliveries`).
    package var deliveries: [ReceivedDelivery: Int] = [:]
    /// The messages themselves; filled where asked for (`Keep.messages`).
    package var captured: [CapturedMessage] = []

    package struct RampStep: Sendable, Hashable {
        package var messages: Int
        package var running: Int
    }

    package static let rampLength = 500

    package init() {}

    /// Deliveries that came more than once.
    package var duplicates: Int { deliveries.values.reduce(0) { $0 + $1 - 1 } }
}

/// One message for one recipient; `id` is the value of its `X-Testbed-ID` header field.
package struct ReceivedDelivery: Hashable, Sendable {
    package var id: String
    package var recipient: String

    package init(id: String, recipient: String) {
        self.id = id
        self.recipient = recipient
    }
}

package struct CapturedMessage: Sendable {
    package var sender: String
    package var recipients: [String]
    /// As it was before dot-stuffing, with its line ends.
    package var content: ByteBuffer
    /// Whether STARTTLS had been done.
    package var encrypted: Bool
}

/// What a receiver keeps of the messages that it takes.
package enum Keep: Int, Comparable, Sendable {
    case counts
    /// Also how often each `X-Testbed-ID` reached each recipient.
    case deliveries
    /// Also the messages themselves.
    case messages

    package static func < (a: Keep, b: Keep) -> Bool { a.rawValue < b.rawValue }
}

/// The most events within any one second: exact, over a sliding window.
struct BusiestSecond {
    private var times: [NIODeadline] = []
    private var first = 0
    private(set) var most = 0

    mutating func count(at now: NIODeadline) {
        while first < times.count, times[first] + .seconds(1) <= now {
            first += 1
        }
        if first > 1024, first > times.count / 2 {
            times.removeFirst(first)
            first = 0
        }
        times.append(now)
        most = max(most, times.count - first)
    }
}
