/// Who is in the cluster: the rules of the database's table of nodes, where each call is one
/// transaction.
///
/// Nothing here knows the time: clocks of different machines are never compared. A lease is a count
/// that its node raises and that others watch with clocks of their own (`Membership`).
///
/// A database that fails over may forget its last transactions, and two servers may be taken for
/// the database one after the other. So every request names the timeline that its node knows (the
/// server's, which changes with each fail-over), and is refused on another one.
package struct Members: Sendable, Hashable {
    package struct Member: Sendable, Hashable {
        package var id: NodeID
        /// Which of its lives the node lives. Each start is a new one.
        package var life: Int64
        /// Raised by each renewal.
        package var beat: Int64
        package var isLive: Bool
        /// Of its data directory: a new life in the same place has its lock, so the last one is over.
        package var home: Int64

        package init(id: NodeID, life: Int64, beat: Int64, isLive: Bool, home: Int64) {
            self.id = id
            self.life = life
            self.beat = beat
            self.isLive = isLive
            self.home = home
        }
    }

    /// What each request of a member says of it.
    package struct Request: Sendable, Hashable {
        package var node: NodeID
        package var life: Int64
        package var timeline: Int64

        package init(node: NodeID, life: Int64, timeline: Int64) {
            self.node = node
            self.life = life
            self.timeline = timeline
        }
    }

    /// The timeline or the life of the request is over: its node has to start a new life.
    package struct Over: Error, Hashable {
        package init() {}
    }

    /// Another node, elsewhere, has this name and may be alive.
    package struct NameInUse: Error, Hashable {
        package init() {}
    }

    package var timeline: Int64
    /// The timeline of the last start.
    package var settledTimeline: Int64
    /// True from the first start on a timeline until one member has waited out those that may still
    /// be alive from the one before. Nobody claims meanwhile.
    package var isSettling = false
    package var lastLife: Int64 = 0
    package var members: [Member] = []

    package init(timeline: Int64) {
        self.timeline = timeline
        settledTimeline = timeline
    }

    package subscript(id: NodeID) -> Member? { place(id).map { members[$0] } }

    private func place(_ id: NodeID) -> Int? { members.firstIndex { $0.id == id } }

    // MARK: Requests

    /// A node starts a life; its number.
    package mutating func join(_ id: NodeID, home: Int64) throws(NameInUse) -> Int64 {
        if settledTimeline != timeline {
            settledTimeline = timeline
            isSettling = true
            // Their requests would be refused; what they may still do ends by their own clocks.
            for index in members.indices { members[index].isLive = false }
        }
        guard let place = place(id) else {
            lastLife += 1
            members.append(Member(id: id, life: lastLife, beat: 1, isLive: true, home: home))
            return lastLife
        }
        let present = members[place]
        if present.isLive, present.home != home { throw NameInUse() }
        lastLife += 1
        members[place] = Member(
            id: id, life: lastLife, beat: present.beat + 1, isLive: true, home: home)
        return lastLife
    }

    /// A sign of life.
    ///
    /// - Parameter hasSettled: it has waited, see `isSettling`.
    package mutating func renew(_ request: Request, hasSettled: Bool) throws(Over) {
        let place = try check(request)
        members[place].beat += 1
        if hasSettled { isSettling = false }
    }

    /// Ends another's life, unless it has shown a sign of life since its beat was seen.
    package mutating func declareDead(
        _ id: NodeID, life: Int64, beat: Int64, by request: Request
    ) throws(Over) -> Bool {
        _ = try check(request)
        guard let place = place(id) else { return false }
        let member = members[place]
        guard member.isLive, member.life == life, member.beat == beat else { return false }
        members[place].isLive = false
        return true
    }

    /// It has handed everything over.
    package mutating func leave(_ request: Request) throws(Over) {
        let place = try check(request)
        members[place].isLive = false
    }

    /// Whether this life is not over.
    package func isLive(_ id: NodeID, life: Int64) -> Bool {
        guard let member = self[id] else { return false }
        return member.isLive && member.life == life
    }

    /// The place of the one who asks.
    @discardableResult
    func check(_ request: Request) throws(Over) -> Int {
        guard request.timeline == timeline, let place = place(request.node),
            members[place].isLive, members[place].life == request.life
        else { throw Over() }
        return place
    }
}
