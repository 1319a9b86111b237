package import Mail

/// `GET /v1/destinations/{id}/detail`: the row, and what its page shows besides.
package struct DestinationDetail: Codable, Sendable {
    package var version = 1
    package var at: UnixTime
    package var row: DestinationRow
    /// Those that are open, and attempts that do not have one yet.
    package var connections: [ConnectionRow]
    /// The addresses that were spoken to or tried, the latest first.
    package var contacts: [ContactRow]
    /// What becomes due next, in that order, at most 50.
    package var due: [MessageRow]
    /// The replies of the last hour, the most frequent first.
    package var replies: [ReplyCount]
    /// The last changes of the breaker, the latest first.
    package var breakerChanges: [BreakerChange]
    /// The last hour, oldest first; minutes in which nothing happened are left out.
    package var minutes: [MinuteRow]

    package init(at: UnixTime, row: DestinationRow) {
        self.at = at
        self.row = row
        connections = []
        contacts = []
        due = []
        replies = []
        breakerChanges = []
        minutes = []
    }
}

/// A connection of a destination, or an attempt that waits for one.
package struct ConnectionRow: Codable, Hashable, Sendable {
    /// As in traces; 0 for an attempt without a connection.
    package var number: Int
    /// "mx1.example.com [192.0.2.10]"; empty where none has been chosen.
    package var remote: String
    /// `connecting`, `greeting`, `EHLO`, `TLS`, `MAIL`, `RCPT`, `DATA`, `message`, `dot`, `idle`,
    /// …; `fetch` (the body comes from the manager) and `route` (DNS is asked) without a
    /// connection.
    package var phase: String
    /// Since when it is waited for what ends the phase.
    package var since: UnixTime
    package var openedAt: UnixTime
    /// The delivery that it carries.
    package var delivery: String?
    /// "TLSv1.3"; nil in plain text.
    package var tls: String?
    /// Messages that it carried, this one included.
    package var transactions: Int

    package init(
        number: Int, remote: String, phase: String, since: UnixTime, openedAt: UnixTime,
        delivery: String?, tls: String?, transactions: Int
    ) {
        self.number = number
        self.remote = remote
        self.phase = phase
        self.since = since
        self.openedAt = openedAt
        self.delivery = delivery
        self.tls = tls
        self.transactions = transactions
    }
}

/// What became of the last connection to an address.
package struct ContactRow: Codable, Hashable, Sendable {
    package var remote: String
    package var at: UnixTime
    /// "TLSv1.3"; nil in plain text, or where it did not come to that.
    package var tls: String?
    /// Why it could not be used; nil where it could.
    package var problem: String?

    package init(remote: String, at: UnixTime, tls: String?, problem: String?) {
        self.remote = remote
        self.at = at
        self.tls = tls
        self.problem = problem
    }
}

/// Replies that differ only in what is peculiar to each.
package struct ReplyCount: Codable, Hashable, Sendable {
    /// The latest of them.
    package var reply: String
    package var count: Int
    package var lastAt: UnixTime

    package init(reply: String, count: Int, lastAt: UnixTime) {
        self.reply = reply
        self.count = count
        self.lastAt = lastAt
    }
}

package struct BreakerChange: Codable, Hashable, Sendable {
    package var at: UnixTime
    package var state: BreakerState
    /// What caused it; empty where it closed.
    package var reason: String

    package init(at: UnixTime, state: BreakerState, reason: String) {
        self.at = at
        self.state = state
        self.reason = reason
    }
}

/// One minute of a destination.
package struct MinuteRow: Codable, Hashable, Sendable {
    /// The minute's begin.
    package var at: UnixTime
    /// Recipients, by outcome.
    package var delivered: Int
    package var deferred: Int
    package var bounced: Int
    /// The most connections that were seen, the last window, the fewest whole tokens.
    package var connections: Int
    package var window: Int
    package var tokens: Int?

    package init(
        at: UnixTime, delivered: Int, deferred: Int, bounced: Int, connections: Int, window: Int,
        tokens: Int?
    ) {
        self.at = at
        self.delivered = delivered
        self.deferred = deferred
        self.bounced = bounced
        self.connections = connections
        self.window = window
        self.tokens = tokens
    }
}
