import Cluster
import Scheduler

/// A world in 128 bits, so that millions of them can be remembered and compared.
///
/// What no step can tell apart is packed alike. Lives, beats, numbers and timelines only grow and
/// are only compared for being the same as in the table: a bit says whether they are.
struct Packed: Hashable {
    var high: UInt64 = 0
    var low: UInt64 = 0

    func hash(into hasher: inout Hasher) { hasher.combine(high &* 0x9E37_79B9_7F4A_7C15 ^ low) }

    static func == (a: Packed, b: Packed) -> Bool { a.low == b.low && a.high == b.high }

    mutating func put(_ value: Int, _ bits: Int) {
        precondition(value >= 0 && value < 1 << bits, "does not fit")
        precondition(high >> (64 - UInt64(bits)) == 0, "too much state")
        high = high << UInt64(bits) | low >> (64 - UInt64(bits))
        low = low << UInt64(bits) | UInt64(value)
    }

    mutating func put(_ value: Bool) { put(value ? 1 : 0, 1) }

    /// The last that was put.
    mutating func take(_ bits: Int) -> Int {
        let value = low & (1 << UInt64(bits) - 1)
        low = low >> UInt64(bits) | high << (64 - UInt64(bits))
        high >>= UInt64(bits)
        return Int(value)
    }

    mutating func takeFlag() -> Bool { take(1) == 1 }
}

/// The numbers that a world is unpacked with.
private enum Sample {
    static let timeline: Int64 = 7
    static let life: Int64 = 7
    static let number: Int64 = 7
    static let beat: Int64 = 7
    /// Those of what is over.
    static let old: Int64 = 1
    static let home: Int64 = 0
}

extension World {
    /// Whole seconds from the present, 0 for what is past.
    private static func ahead(_ time: Instant) -> Int {
        max(0, Int(time.nanoseconds / 1_000_000_000))
    }

    private static func second(_ count: Int) -> Instant {
        Instant(nanoseconds: Int64(count) * 1_000_000_000)
    }

    /// - Parameter order: where each node is put.
    func packed(_ bounds: Bounds, order: [Int]) -> Packed {
        var packed = Packed()
        let isStarted = members.settledTimeline == members.timeline
        packed.put(isStarted)
        packed.put(members.isSettling && isStarted)
        packed.put(isRecorded)
        packed.put(deaths, 2)
        packed.put(failovers, 2)
        // What nobody can have is nobody's.
        let owner =
            isStarted && !tenure.isFree(in: members)
            ? order.firstIndex(of: Int(tenure.owner!.rawValue))! + 1 : 0
        packed.put(owner, 2)
        for index in order {
            put(index, owner: owner > 0 ? order[owner - 1] : nil, bounds, order, &packed)
        }
        return packed
    }

    private func put(
        _ index: Int, owner: Int?, _ bounds: Bounds, _ order: [Int], _ packed: inout Packed
    ) {
        let node = nodes[index]
        let membership = node.membership
        let isStarted = members.settledTimeline == members.timeline
        let isOwner = owner == index
        let isValid = isValid(membership.request)
        /// Whether this number is the last one of the node's own tenure.
        func isGranted(_ number: Int64) -> Bool { isOwner && number == tenure.number }
        /// Whether a release can have an effect.
        func isCurrent(_ number: Int64) -> Bool {
            isGranted(number) || bounds.flaw == .releaseWithoutNumber
        }

        packed.put(membership.request != nil)
        packed.put(isValid)
        packed.put(members[membership.node]?.isLive == true && isStarted)
        packed.put(Self.ahead(membership.aliveUntil), 3)
        packed.put(membership.request == nil ? 0 : Self.ahead(membership.settledAt), 3)
        switch node.tenancy {
        case .none: packed.put(0, 3)
        case .claiming: packed.put(1, 3)
        case .held(let number): packed.put(isGranted(number) ? 3 : 2, 3)
        case .releasing: packed.put(4, 3)
        }
        if let renewal = node.renewal {
            packed.put(renewal.isApplied ? 2 : 1, 2)
            let age = -renewal.sentAt.nanoseconds / 1_000_000_000
            packed.put(min(Int(age), Int(bounds.times.lease.components.seconds)), 3)
            packed.put(renewal.hasSettled && members.isSettling && !renewal.isApplied)
        } else {
            packed.put(0, 6)
        }
        if let claim = node.claim {
            if claim.isApplied {
                packed.put(claim.granted.map { isGranted($0) ? 3 : 4 } ?? 5, 3)
            } else {
                packed.put(isValid && claim.seen == tenure.number ? 1 : 2, 3)
            }
        } else {
            packed.put(0, 3)
        }
        packed.put(node.release.map { isValid && isCurrent($0) ? 2 : 1 } ?? 0, 2)
        if let late = node.lateRenewal, self.isValid(late.request) {
            packed.put(late.hasSettled && members.isSettling ? 2 : 1, 2)
        } else {
            packed.put(0, 2)
        }
        packed.put(
            node.lateClaim.map { self.isValid($0.request) && $0.number == tenure.number } ?? false)
        packed.put(
            node.lateRelease.map { self.isValid($0.request) && isCurrent($0.number) } ?? false)
        packed.put(node.hasMail)
        packed.put(node.result.rawValue, 2)
        for other in order where other != index {
            // Not live, another life or another beat: it is looked at anew. 0.
            guard isStarted, let seen = membership.sighting(of: NodeID(Int64(other))),
                members.isLive(seen.node, life: seen.life)
            else {
                packed.put(0, 3)
                continue
            }
            let seconds = Int(-seen.since.nanoseconds / 1_000_000_000)
            let age = min(seconds, Int(bounds.times.patience.components.seconds))
            if members[seen.node]!.beat == seen.beat {
                packed.put(1 + age, 3)
            } else {
                packed.put(bounds.flaw == .declarationWithoutBeat ? 4 + age : 0, 3)
            }
        }
    }

    init(_ packed: Packed, _ bounds: Bounds) {
        var packed = packed
        self.init(bounds)
        let count = bounds.nodes
        var isLive = [Bool](repeating: false, count: count)
        var seen: [[(Int, Int)]] = Array(repeating: [], count: count)
        // In the reverse order of putting.
        for index in (0..<count).reversed() {
            take(index, &packed, bounds, &isLive, &seen)
        }
        let owner = packed.take(2)
        failovers = packed.take(2)
        deaths = packed.take(2)
        isRecorded = packed.takeFlag()
        let isSettling = packed.takeFlag()
        let isStarted = packed.takeFlag()
        members.timeline = Sample.timeline
        members.settledTimeline = isStarted ? Sample.timeline : Sample.old
        members.isSettling = isSettling
        members.lastLife = Sample.life
        members.members = (0..<count).map {
            Members.Member(
                id: NodeID(Int64($0)), life: Sample.life, beat: Sample.beat, isLive: isLive[$0],
                home: Sample.home)
        }
        tenure = Tenure(
            owner: owner > 0 ? NodeID(Int64(owner - 1)) : nil, life: owner > 0 ? Sample.life : 0,
            number: Sample.number)
        for index in 0..<count {
            nodes[index].membership.sightings = seen[index].map { other, age in
                let isOther = age == 0 || bounds.flaw == .declarationWithoutBeat && age >= 4
                let seconds = age == 0 ? 0 : isOther ? age - 4 : age - 1
                return Membership.Sighting(
                    node: NodeID(Int64(other)), life: Sample.life,
                    beat: isOther ? Sample.old : Sample.beat, since: Self.second(-seconds))
            }
        }
    }

    private mutating func take(
        _ index: Int, _ packed: inout Packed, _ bounds: Bounds, _ isLive: inout [Bool],
        _ seen: inout [[(Int, Int)]]
    ) {
        let id = NodeID(Int64(index))
        let valid = Members.Request(node: id, life: Sample.life, timeline: Sample.timeline)
        for other in (0..<bounds.nodes).reversed() where other != index {
            seen[index].insert((other, packed.take(3)), at: 0)
        }
        nodes[index].result = Result(rawValue: packed.take(2))!
        nodes[index].hasMail = packed.takeFlag()
        if packed.takeFlag() {
            nodes[index].lateRelease = Late(request: valid, number: Sample.number)
        }
        if packed.takeFlag() {
            nodes[index].lateClaim = Late(request: valid, number: Sample.number)
        }
        let lateRenewal = packed.take(2)
        if lateRenewal > 0 {
            nodes[index].lateRenewal = Late(request: valid, hasSettled: lateRenewal == 2)
        }
        let release = packed.take(2)
        if release > 0 { nodes[index].release = release == 2 ? Sample.number : Sample.old }
        let claim = packed.take(3)
        switch claim {
        case 1, 2: nodes[index].claim = Claim(seen: claim == 1 ? Sample.number : Sample.old)
        case 3, 4:
            nodes[index].claim = Claim(
                seen: Sample.old, isApplied: true,
                granted: claim == 3 ? Sample.number : Sample.old)
        case 5: nodes[index].claim = Claim(seen: Sample.old, isApplied: true)
        default: break
        }
        let hasSettled = packed.takeFlag()
        let age = packed.take(3)
        let renewal = packed.take(2)
        if renewal > 0 {
            nodes[index].renewal = Renewal(
                hasSettled: hasSettled, sentAt: Self.second(-age), isApplied: renewal == 2)
        }
        switch packed.take(3) {
        case 1: nodes[index].tenancy = .claiming(seen: nodes[index].claim?.seen ?? Sample.old)
        case 2: nodes[index].tenancy = .held(Sample.old)
        case 3: nodes[index].tenancy = .held(Sample.number)
        case 4: nodes[index].tenancy = .releasing(nodes[index].release ?? Sample.old)
        default: break
        }
        nodes[index].membership.settledAt = Self.second(packed.take(3))
        nodes[index].membership.aliveUntil = Self.second(packed.take(3))
        isLive[index] = packed.takeFlag()
        let isValid = packed.takeFlag()
        if packed.takeFlag() {
            nodes[index].membership.request =
                isValid
                ? valid
                : Members.Request(node: id, life: Sample.old, timeline: Sample.old)
        }
    }
}
