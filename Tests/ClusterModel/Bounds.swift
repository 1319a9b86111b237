package import Cluster

/// How much may happen in one history.
package struct Bounds: Sendable {
    package var nodes = 2
    /// In ticks of a second. The patience needs no more than the lease here, because all clocks go
    /// at the same speed.
    package var times = Membership.Times(lease: .seconds(2), patience: .seconds(2))
    /// Of processes, which start again.
    package var deaths = 1
    /// Of the database, to a server that may lack its last transactions.
    package var failovers = 0
    /// Whether requests that were given up may take effect later.
    package var areLate = true
    /// Whether there is a message whose fate is followed.
    package var hasMail = false
    /// Whether nodes leave in good order.
    package var canLeave = true
    package var flaw: Flaw?

    package init() {}
}

/// A rule of the protocol that is left out, to see that the explorer finds what it is good for.
package enum Flaw: String, CaseIterable, Sendable {
    /// Declared dead after 3/4 of the lease.
    case impatience
    /// The lease is counted from the answer, not from the sending.
    case leaseFromAnswer
    /// A declaration does not say which beat was seen.
    case declarationWithoutBeat
    /// A claim takes whatever number there is, and has what it finds.
    case claimWithoutOwner
    /// A release does not say which number it was granted.
    case releaseWithoutNumber
    /// Requests do not say which timeline they know.
    case noTimeline
    /// After a fail-over the first member claims at once.
    case noSettling
    /// A destination is given back while results are not recorded.
    case releaseBeforeResult
    /// A result from a life that is over is refused.
    case lateResultRefused
}
