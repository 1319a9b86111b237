package import Mail
package import NIOCore

package struct ClientRecipient: Hashable, Sendable {
    /// A validated address.
    package var address: String
    /// The value of NOTIFY, or "".
    package var notify: String
    /// The value of ORCPT, or "".
    package var originalRecipient: String

    package init(address: String, notify: String = "", originalRecipient: String = "") {
        self.address = address
        self.notify = notify
        self.originalRecipient = originalRecipient
    }
}

/// One message to some recipients.
package struct ClientTransaction: Sendable {
    /// A validated address, or "" for the null sender.
    package var sender: String
    package var recipients: [ClientRecipient]
    /// CRLF line ends, not dot-stuffed, without the final ".".
    package var body: ByteBuffer
    /// A line of `body` begins with "."; if false, the body is sent as it is.
    package var hasLeadingDots: Bool
    /// The body is not all ASCII. To a server without 8BITMIME it is sent all the same, as most
    /// servers do: nearly every one takes it, and converting it would break signatures.
    package var eightBit: Bool
    /// The message came with SMTPUTF8.
    package var utf8: Bool
    /// "FULL", "HDRS" or "".
    package var ret: String
    /// The value of ENVID (xtext), or "".
    package var envelopeID: String
    /// Octets, for SIZE.
    package var size: Int

    package init(
        sender: String, recipients: [ClientRecipient], body: ByteBuffer, hasLeadingDots: Bool,
        eightBit: Bool = false, utf8: Bool = false, ret: String = "", envelopeID: String = "",
        size: Int? = nil
    ) {
        self.sender = sender
        self.recipients = recipients
        self.body = body
        self.hasLeadingDots = hasLeadingDots
        self.eightBit = eightBit
        self.utf8 = utf8
        self.ret = ret
        self.envelopeID = envelopeID
        self.size = size ?? body.readableBytes
    }
}

/// How far a connection or a transaction was.
package enum Stage: String, Sendable, Hashable, CaseIterable {
    case connect, greeting, tls, ehlo, mail, rcpt, data, dot
}

/// What became of one recipient. A reply that no server gave is a local one (`Reply.isLocal`).
package enum RecipientOutcome: Hashable, Sendable {
    case delivered(Reply)
    case deferred(Reply, Stage)
    case failed(Reply, Stage)
}

/// In milliseconds.
package struct TransactionTimings: Hashable, Sendable {
    /// From the start to the established connection; of the connection, not the transaction.
    package var connect = 0
    /// From MAIL to the answer to DATA, or to the end if it did not come so far.
    package var mail = 0
    /// From the answer to DATA to the final reply.
    package var data = 0
}

package struct TransactionResult: Sendable {
    /// In the order of the recipients.
    package var outcomes: [RecipientOutcome]
    /// The connection can take another transaction.
    package var reusable: Bool
    /// The whole message with its final dot went to the network: a deferred recipient may have
    /// got it, and will get it twice if it is sent again.
    package var dotSent: Bool
    /// The server gives reports itself: it was told what the sender asked for (RFC 3461).
    package var offersDSN: Bool
    package var timings: TransactionTimings
    /// The server said 421: it closes the connection.
    package var closing: Bool
    /// The connection ended before any answer: usual for one that was kept too long, and no sign
    /// against the destination.
    package var unanswered: Bool
}

/// Why a connection ended.
package struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    package var stage: Stage
    package var reply: Reply?
    package var text: String
    /// The cause lies in this host: nothing was said to anybody.
    package var isLocal = false

    package init(stage: Stage, reply: Reply? = nil, text: String) {
        self.stage = stage
        self.reply = reply
        self.text = text
    }

    package var description: String { "\(stage.rawValue): \(text)" }
}
