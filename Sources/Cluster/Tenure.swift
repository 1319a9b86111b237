/// Who may deliver to a destination: the rules of its row in the database, where each call is one
/// transaction.
package struct Tenure: Sendable, Hashable {
    package var owner: NodeID?
    package var life: Int64 = 0
    /// Raised by each change: whoever changes it says which number it has seen, so that a request
    /// that was given up and arrives late changes nothing.
    package var number: Int64 = 0

    package init() {}

    package init(owner: NodeID?, life: Int64, number: Int64) {
        self.owner = owner
        self.life = life
        self.number = number
    }

    /// Whether nobody can have the destination any more.
    package func isFree(in members: Members) -> Bool {
        guard let owner else { return true }
        return !members.isLive(owner, life: life)
    }

    /// Takes a destination that is free or the node's own, if it is still as it was seen.
    ///
    /// - Returns: the new number; nil if it was refused.
    package mutating func claim(
        seen: Int64, by request: Members.Request, in members: Members
    ) throws(Members.Over) -> Int64? {
        try members.check(request)
        guard !members.isSettling, number == seen,
            isFree(in: members) || owner == request.node
        else { return nil }
        self = Tenure(owner: request.node, life: request.life, number: seen + 1)
        return number
    }

    /// Gives a destination back, if it is still as it was claimed.
    package mutating func release(
        number: Int64, by request: Members.Request, in members: Members
    ) throws(Members.Over) -> Bool {
        try members.check(request)
        guard owner == request.node, life == request.life, self.number == number else {
            return false
        }
        self = Tenure(owner: nil, life: 0, number: number + 1)
        return true
    }
}
