/// One node's hold on one destination.
///
/// It delivers only while it holds the destination and is alive (`Membership`). What it asks of the
/// table it asks with the number that it has seen; an answer that does not come is nothing, and the
/// table is read again before it asks for more.
package enum Tenancy: Sendable, Hashable {
    /// Not its own, as far as it knows.
    case none
    /// Asked for, with the number that was seen.
    case claiming(seen: Int64)
    /// Its own: its transactions may run.
    case held(Int64)
    /// No transaction runs any more and their results are recorded; the table is told so.
    case releasing(Int64)

    package var isHeld: Bool {
        if case .held = self { true } else { false }
    }

    /// - Parameters:
    ///   - number: as granted; nil: refused.
    ///   - isAlive: the node, when the answer came.
    package mutating func claimAnswered(_ number: Int64?, isAlive: Bool) {
        guard case .claiming = self else { return }
        // Granted, but too late: others may have it by now.
        self = if let number, isAlive { .held(number) } else { .none }
    }

    /// The connection broke, or the node is no longer alive by its own clock.
    package mutating func lost() { self = .none }

    /// Its last transaction has ended, and its result is recorded.
    package mutating func stopped() {
        guard case .held(let number) = self else { return }
        self = .releasing(number)
    }

    package mutating func releaseAnswered() {
        guard case .releasing = self else { return }
        self = .none
    }
}
