package import Scheduler

/// One node's part in the cluster: whether it is alive by its own clock, and who else is.
///
/// A node counts as alive for `lease` from the moment at which it *sent* a renewal that was
/// answered. Another node declares it dead when it has seen the same beat for `patience`, by its own
/// clock, which is longer: it saw the beat after the renewal had been sent. So a life is over for
/// its node before anybody else takes what it had, without any two clocks being compared; only
/// their speeds must agree, within `patience / lease`.
///
/// (Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
/// consistency", SOSP 1989, with the other side's clock in place of the server's.)
package struct Membership: Sendable, Hashable {
    package struct Times: Sendable, Hashable {
        package var lease: Duration
        /// At least 5/4 of the lease, for clocks of different speed and a process that is slow to
        /// close its connections.
        package var patience: Duration

        package init(lease: Duration) {
            self.lease = lease
            patience = lease * 5 / 4
        }

        package init(lease: Duration, patience: Duration) {
            self.lease = lease
            self.patience = patience
        }

        /// Between two renewals, each of which shows the others' beats too. So from a node's death
        /// to its declaration pass at most two of these, the patience and what the database takes
        /// to answer: less than two leases.
        package var pace: Duration { lease / 4 }
    }

    /// The last beat that was seen of another node, and since when.
    package struct Sighting: Sendable, Hashable {
        package var node: NodeID
        package var life: Int64
        package var beat: Int64
        package var since: Instant

        package init(node: NodeID, life: Int64, beat: Int64, since: Instant) {
            self.node = node
            self.life = life
            self.beat = beat
            self.since = since
        }
    }

    package let node: NodeID
    package let times: Times
    /// Nil before the first life and after each.
    package var request: Members.Request?
    /// It delivers nothing from here on, unless a renewal is answered before.
    package var aliveUntil = Instant(nanoseconds: .min)
    /// It claims nothing before.
    package var settledAt = Instant(nanoseconds: .min)
    package var sightings: [Sighting] = []

    package init(node: NodeID, times: Times) {
        self.node = node
        self.times = times
    }

    // MARK: What happens

    /// A life has begun, and the table was as given right after. It is not alive before its first
    /// renewal is answered.
    package mutating func joined(life: Int64, in members: Members, at now: Instant) {
        request = Members.Request(node: node, life: life, timeline: members.timeline)
        aliveUntil = Instant(nanoseconds: .min)
        settledAt = members.isSettling ? now + times.patience : now
        sightings = []
        saw(members, at: now)
    }

    /// A renewal of the present life was answered; `sentAt`: before it was sent.
    package mutating func renewed(sentAt: Instant) {
        guard request != nil else { return }
        aliveUntil = max(aliveUntil, sentAt + times.lease)
    }

    /// What the table said at a time that is not after `now`. It must not be older than what was
    /// seen before.
    package mutating func saw(_ members: Members, at now: Instant) {
        sightings = members.members.compactMap { other in
            guard other.id != node else { return nil }
            if let seen = sighting(of: other.id), seen.life == other.life,
                seen.beat == other.beat
            {
                return seen
            }
            return Sighting(node: other.id, life: other.life, beat: other.beat, since: now)
        }
    }

    /// The table knows this life no longer.
    package mutating func ended() {
        request = nil
        aliveUntil = Instant(nanoseconds: .min)
        sightings = []
    }

    // MARK: What follows

    /// Whether it may deliver what it has claimed.
    package func isAlive(at now: Instant) -> Bool { request != nil && now < aliveUntil }

    /// Whether those that a timeline before this one may have left alive are over.
    package func hasSettled(at now: Instant) -> Bool { request != nil && now >= settledAt }

    package func mayClaim(at now: Instant) -> Bool { isAlive(at: now) && hasSettled(at: now) }

    /// Those to declare dead, with the beat that was seen.
    package func overdue(in members: Members, at now: Instant) -> [Sighting] {
        guard request != nil else { return [] }
        return sightings.filter { seen in
            now - seen.since >= times.patience && members.isLive(seen.node, life: seen.life)
        }
    }

    package func sighting(of id: NodeID) -> Sighting? { sightings.first { $0.node == id } }
}
