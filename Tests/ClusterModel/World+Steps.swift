import Cluster
import Scheduler

extension World {
    /// Every world that one step leads to.
    func forEachStep(_ bounds: Bounds, _ body: (World, Step) -> Void) {
        var next = self
        next.tick(bounds)
        body(next, Step(kind: .timeGoesOn, node: 0))
        if failovers > 0 {
            // What the new server lacks makes no difference: nothing of the old timeline counts
            // there, whatever it is.
            var next = self
            next.failovers -= 1
            if bounds.flaw == .noTimeline {
                // A standby that has seen nothing of the last claim, and is taken for the same.
                next.tenure.owner = nil
            } else {
                next.members.timeline += 1
            }
            body(next, Step(kind: .failover, node: 0))
        }
        for index in nodes.indices {
            let step = { (kind: Step.Kind, change: (inout World) -> Void) in
                var next = self
                change(&next)
                body(next, Step(kind: kind, node: index))
            }
            life(index, bounds, step)
            if nodes[index].membership.request != nil { destination(index, bounds, step) }
            late(index, bounds, step)
            if bounds.hasMail { mail(index, bounds, step) }
        }
    }

    private typealias Make = (Step.Kind, (inout World) -> Void) -> Void

    // MARK: Lives

    private func life(_ index: Int, _ bounds: Bounds, _ step: Make) {
        let node = nodes[index]
        let membership = node.membership
        guard let request = membership.request else {
            step(.joins) { world in
                guard let life = try? world.members.join(membership.node, home: 0) else { return }
                if bounds.flaw == .noSettling { world.members.isSettling = false }
                world.nodes[index].membership.joined(life: life, in: world.members, at: Self.now)
            }
            return
        }
        if deaths > 0 {
            step(.dies) { world in
                world.deaths -= 1
                world.endLife(index, bounds)
                world.nodes[index].result = .none
            }
        }
        if bounds.canLeave, node.tenancy == .none, node.result == .none {
            step(.leaves) { world in
                try? world.members.leave(request)
                world.endLife(index, bounds)
            }
        }
        if let renewal = node.renewal {
            step(.givesUpRenewal) { $0.giveUpRenewal(index, bounds) }
            if renewal.isApplied {
                step(.learnsRenewal) { world in
                    world.nodes[index].membership.renewed(
                        sentAt: bounds.flaw == .leaseFromAnswer ? Self.now : renewal.sentAt)
                    world.nodes[index].renewal = nil
                }
            } else {
                step(.renews) { world in
                    do throws(Members.Over) {
                        try world.members.renew(
                            request, hasSettled: renewal.hasSettled)
                        world.nodes[index].renewal!.isApplied = true
                        world.nodes[index].membership.saw(world.members, at: Self.now)
                    } catch {
                        world.endLife(index, bounds)
                    }
                }
            }
        } else {
            step(.sendsRenewal) { world in
                world.nodes[index].renewal = Renewal(
                    hasSettled: membership.hasSettled(at: Self.now), sentAt: Self.now)
            }
        }
        for seen in membership.overdue(in: members, at: Self.now) {
            step(.declaresDead) { world in
                let beat =
                    bounds.flaw == .declarationWithoutBeat
                    ? world.members[seen.node]!.beat : seen.beat
                _ = try? world.members.declareDead(
                    seen.node, life: seen.life, beat: beat, by: request)
            }
        }
    }

    // MARK: The destination

    private func destination(_ index: Int, _ bounds: Bounds, _ step: Make) {
        let node = nodes[index]
        let request = node.membership.request!
        switch node.tenancy {
        case .none:
            guard node.membership.mayClaim(at: Self.now),
                tenure.isFree(in: members) || tenure.owner == request.node
                    || bounds.flaw == .claimWithoutOwner
            else { return }
            step(.sendsClaim) { world in
                world.nodes[index].tenancy = .claiming(seen: tenure.number)
                world.nodes[index].claim = Claim(seen: tenure.number)
            }
        case .claiming:
            guard let claim = node.claim else { return }
            step(.givesUpClaim) { $0.giveUpClaim(index, bounds) }
            if claim.isApplied {
                step(.learnsClaim) { world in
                    world.nodes[index].claim = nil
                    world.nodes[index].tenancy.claimAnswered(
                        claim.granted,
                        isAlive: node.membership.isAlive(at: Self.now))
                }
            } else {
                step(.claims) { world in
                    world.nodes[index].claim!.isApplied = true
                    world.nodes[index].claim!.granted = world.claim(
                        claim.seen, by: request, bounds)
                }
            }
        case .held(let number):
            guard node.result == .none || bounds.flaw == .releaseBeforeResult else { return }
            step(.stops) { world in
                world.nodes[index].tenancy.stopped()
                world.nodes[index].release = number
                world.nodes[index].hasMail = false
            }
        case .releasing:
            guard let release = node.release else { return }
            step(.givesUpRelease) { $0.giveUpRelease(index, bounds) }
            step(.releases) { world in
                world.release(release, by: request, bounds)
                world.nodes[index].release = nil
                world.nodes[index].tenancy.releaseAnswered()
            }
        }
    }

    private mutating func claim(
        _ seen: Int64, by request: Members.Request, _ bounds: Bounds
    ) -> Int64? {
        if bounds.flaw == .claimWithoutOwner { tenure.owner = nil }
        return try? tenure.claim(seen: seen, by: request, in: members)
    }

    private mutating func release(
        _ number: Int64, by request: Members.Request, _ bounds: Bounds
    ) {
        let number = bounds.flaw == .releaseWithoutNumber ? tenure.number : number
        _ = try? tenure.release(number: number, by: request, in: members)
    }

    private func late(_ index: Int, _ bounds: Bounds, _ step: Make) {
        let node = nodes[index]
        if let late = node.lateRenewal {
            step(.lateRenewal) { world in
                world.nodes[index].lateRenewal = nil
                try? world.members.renew(
                    late.request, hasSettled: late.hasSettled)
            }
        }
        if let late = node.lateClaim {
            step(.lateClaim) { world in
                world.nodes[index].lateClaim = nil
                _ = world.claim(late.number, by: late.request, bounds)
            }
        }
        if let late = node.lateRelease {
            step(.lateRelease) { world in
                world.nodes[index].lateRelease = nil
                world.release(late.number, by: late.request, bounds)
            }
        }
    }

    // MARK: The message

    private func mail(_ index: Int, _ bounds: Bounds, _ step: Make) {
        let node = nodes[index]
        if delivers(index) {
            if node.hasMail {
                step(.sends) { world in
                    world.nodes[index].hasMail = false
                    world.nodes[index].result = .ofThisLife
                }
            } else if !isRecorded, node.result == .none {
                step(.reads) { $0.nodes[index].hasMail = true }
            }
        }
        if node.result != .none {
            let isRefused =
                bounds.flaw == .lateResultRefused && !isValid(node.membership.request)
            step(.records) { world in
                if !isRefused { world.isRecorded = true }
                world.nodes[index].result = .none
            }
        }
    }

    // MARK: Ends

    /// What it has asked for goes on without it; what it has sent is known to its workers.
    private mutating func endLife(_ index: Int, _ bounds: Bounds) {
        giveUpRenewal(index, bounds)
        giveUpClaim(index, bounds)
        giveUpRelease(index, bounds)
        nodes[index].membership.ended()
        nodes[index].hasMail = false
        if nodes[index].result == .ofThisLife { nodes[index].result = .ofLastLife }
    }

    private mutating func giveUpRenewal(_ index: Int, _ bounds: Bounds) {
        if let renewal = nodes[index].renewal, !renewal.isApplied, bounds.areLate {
            nodes[index].lateRenewal = Late(
                request: nodes[index].membership.request!, hasSettled: renewal.hasSettled)
        }
        nodes[index].renewal = nil
    }

    private mutating func giveUpClaim(_ index: Int, _ bounds: Bounds) {
        if let claim = nodes[index].claim, !claim.isApplied, bounds.areLate {
            nodes[index].lateClaim = Late(
                request: nodes[index].membership.request!, number: claim.seen)
        }
        nodes[index].claim = nil
        nodes[index].tenancy.lost()
    }

    private mutating func giveUpRelease(_ index: Int, _ bounds: Bounds) {
        if let release = nodes[index].release, bounds.areLate {
            nodes[index].lateRelease = Late(
                request: nodes[index].membership.request!, number: release)
        }
        nodes[index].release = nil
        nodes[index].tenancy.lost()
    }

    /// Second by second for all; within one, what happens comes in every order.
    private mutating func tick(_ bounds: Bounds) {
        let second = Duration.seconds(-1)
        for index in nodes.indices {
            let wasAlive = nodes[index].membership.isAlive(at: Self.now)
            if nodes[index].membership.request != nil {
                nodes[index].membership.aliveUntil = max(
                    Self.now, nodes[index].membership.aliveUntil + second)
                nodes[index].membership.settledAt = max(
                    Self.now, nodes[index].membership.settledAt + second)
            }
            for place in nodes[index].membership.sightings.indices {
                nodes[index].membership.sightings[place].since =
                    nodes[index].membership.sightings[place].since + second
            }
            if let renewal = nodes[index].renewal {
                nodes[index].renewal!.sentAt = renewal.sentAt + second
            }
            // By its own clock: its connections are closed.
            if wasAlive, !nodes[index].membership.isAlive(at: Self.now) {
                nodes[index].hasMail = false
                if case .held = nodes[index].tenancy { nodes[index].tenancy.lost() }
            }
        }
    }
}
