package import Mail

/// An attempt at a delivery that failed for now, kept for people as long as the delivery is queued.
///
/// Of each delivery the first and the last attempts are kept; how many lie between them can be told
/// from their numbers. One that did not count (it was this host's fault, say) has the number of the
/// one before it; of those with the same number the first and the last are kept.
package struct StoredAttempt: Hashable, Sendable {
    /// Of the counted attempts of a delivery.
    package static let firstKept = 4
    package static let lastKept = 16

    package var delivery: DeliveryID
    /// Attempts so far, this one included where it counts.
    package var number: Int
    /// When it ended.
    package var at: UnixTime
    package var milliseconds: Int
    /// The worker that made it; nil where that is not known.
    package var worker: Int?
    /// "mx1.example.com [192.0.2.10]"; empty where none was reached.
    package var remote: String
    /// "TLSv1.3"; empty in plain text.
    package var tls: String
    package var reply: String
    /// The rule that said what to make of the reply; empty: none did.
    package var rule: String

    package init(
        delivery: DeliveryID, number: Int, at: UnixTime, milliseconds: Int = 0, worker: Int? = nil,
        remote: String = "", tls: String = "", reply: String = "", rule: String = ""
    ) {
        self.delivery = delivery
        self.number = number
        self.at = at
        self.milliseconds = milliseconds
        self.worker = worker
        self.remote = remote
        self.tls = tls
        self.reply = reply
        self.rule = rule
    }

    /// Numbers up to this one, and above `firstKept`, are not kept any longer; nil: all are.
    package var lastForgotten: Int? {
        let last = number - Self.lastKept
        return last > Self.firstKept ? last : nil
    }

    /// In the order in which `init(row:)` reads them.
    package static let columns =
        "delivery, number, at, milliseconds, worker, remote, tls, reply, rule"

    package init(_ row: some SpoolRow) {
        self.init(
            delivery: DeliveryID(rawValue: row.int(0)), number: Int(row.int(1)),
            at: UnixTime(milliseconds: row.int(2)), milliseconds: Int(row.int(3)),
            worker: row.optionalInt(4).map(Int.init), remote: row.text(5), tls: row.text(6),
            reply: row.text(7), rule: row.text(8))
    }
}
