package import Mail

package enum DeliveryState: String, Codable, Sendable, CaseIterable {
    /// DNS has not said yet where it goes.
    case routing
    /// Due; waits for its destination.
    case ready
    /// A transaction is running.
    case delivering
    /// Was tried or waits for its destination; due at `nextAttemptAt`.
    case delayed
    case held
    /// Purged, and still to be undone until `purgeAt`.
    case purging
}

package struct RecipientRow: Codable, Sendable {
    package var address: String
    /// `queued`, or the outcome that is already final for this one: `delivered`, `bounced`.
    package var state: String
    package var lastReply: String?

    package init(address: String, state: String, lastReply: String?) {
        self.address = address
        self.state = state
        self.lastReply = lastReply
    }
}

/// One row of `GET /v1/messages`: one message for the recipients of one destination (a delivery).
package struct MessageRow: Codable, Sendable, Identifiable {
    /// The delivery: message id, ".", ordinal.
    package var id: String
    /// The message: never used again for another one.
    package var message: String
    package var sender: String
    /// The recipients that are still queued.
    package var recipients: [String]
    package var domain: String
    /// The destination's id, and its name for people; nil while it is being routed.
    package var destination: String?
    package var destinationName: String?
    package var worker: Int?
    /// The node that has the destination; nil where there is one daemon alone, or nobody has it.
    package var node: String?
    /// Which of several hosts has it; nil where one is asked alone.
    package var host: String?
    /// How long ago this was so, in seconds, where its node or host cannot be reached now; nil: now.
    package var staleSeconds: Double?
    package var size: Int
    package var receivedAt: UnixTime
    package var expiresAt: UnixTime
    package var state: DeliveryState
    package var attempts: Int
    package var nextAttemptAt: UnixTime?
    package var purgeAt: UnixTime?
    package var lastReply: String?
    /// The rule that said what to make of the last reply; nil where none did.
    package var lastRule: String?
    /// -3 (bulk) to 4 (urgent), 0 is normal: each step doubles its share of the destination's
    /// turns.
    package var priority: Int?
    /// The first of `waits`, or of kind `nothing`.
    package var why: Why
    /// All that it waits for, what lasts longest or hides the others first.
    package var waits: [Why]

    package init(
        id: String, message: String, sender: String, recipients: [String], domain: String,
        size: Int, receivedAt: UnixTime, expiresAt: UnixTime, state: DeliveryState, attempts: Int,
        why: Why, waits: [Why] = []
    ) {
        self.id = id
        self.message = message
        self.sender = sender
        self.recipients = recipients
        self.domain = domain
        self.size = size
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.state = state
        self.attempts = attempts
        self.why = why
        self.waits = waits
    }
}

/// An attempt that has ended.
package struct AttemptRow: Codable, Hashable, Sendable {
    package var delivery: String
    /// 1 for the first.
    package var number: Int
    package var at: UnixTime
    /// From its start to its end, in seconds.
    package var seconds: Double
    /// "mx1.example.com [192.0.2.10]"; nil where none was reached.
    package var remote: String?
    /// "TLSv1.3"; nil in plain text.
    package var tls: String?
    package var worker: Int?
    package var reply: String
    /// The rule that said what to make of it; nil where none did.
    package var rule: String?

    package init(
        delivery: String, number: Int, at: UnixTime, seconds: Double, remote: String?,
        tls: String?, worker: Int?, reply: String, rule: String? = nil
    ) {
        self.rule = rule
        self.delivery = delivery
        self.number = number
        self.at = at
        self.seconds = seconds
        self.remote = remote
        self.tls = tls
        self.worker = worker
        self.reply = reply
    }
}

/// `GET /v1/messages/{id}/body`: what follows the header, cleaned for a screen.
package struct MessageBody: Codable, Sendable {
    package var version = 1
    package var id: String
    /// At most so many as asked for.
    package var lines: [String]
    /// Bytes of the whole message that are not among them.
    package var bytesLeft: Int

    package init(id: String, lines: [String], bytesLeft: Int) {
        self.id = id
        self.lines = lines
        self.bytesLeft = bytesLeft
    }
}

/// `GET /v1/messages/{id}`.
package struct MessageDetail: Codable, Sendable {
    package var version = 1
    package var at: UnixTime
    package var id: String
    package var sender: String
    package var size: Int
    package var receivedAt: UnixTime
    package var expiresAt: UnixTime
    package var client: String
    package var deliveries: [MessageRow]
    /// Each recipient of each delivery, in the order of `deliveries`.
    package var recipients: [RecipientRow]
    /// The attempts that are kept, in the order of `deliveries`, of each oldest first: the first 4
    /// and the last 16; the numbers say how many lie between.
    package var history: [AttemptRow]
    /// The header section as received, at most 64 KiB.
    package var header: String

    package init(
        at: UnixTime, id: String, sender: String, size: Int, receivedAt: UnixTime,
        expiresAt: UnixTime, client: String, deliveries: [MessageRow],
        recipients: [RecipientRow], history: [AttemptRow] = [], header: String
    ) {
        self.at = at
        self.id = id
        self.sender = sender
        self.size = size
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.client = client
        self.deliveries = deliveries
        self.recipients = recipients
        self.history = history
        self.header = header
    }
}
