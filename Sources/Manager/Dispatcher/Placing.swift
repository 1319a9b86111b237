import Control
import Faults
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// Who owns what: placing destinations on the ring, loading their mail, handing them over.
extension Dispatcher {
    /// The worker that should have a destination: the pinned one while it lives, else the ring's.
    func target(of destination: Destination) -> Int? {
        if let pin = destination.pin, links[pin]?.isReady == true, drained[pin] == nil {
            return pin
        }
        return ring.owner(of: destination.key)
    }

    /// The ring of these workers with their configured weights. Where only workers are left that
    /// are to get nothing, they get everything: mail must not wait for the others to come back.
    func ring(of workers: some Collection<Int>, drained: [Int: String]? = nil) -> Ring {
        let drained = drained ?? self.drained
        let weights = workers.map {
            ($0, drained[$0] == nil ? configuration.weight(of: $0) : 0)
        }
        let isIdle = weights.allSatisfy { $0.1 <= 0 }
        return Ring(
            workers: Dictionary(uniqueKeysWithValues: weights.map { ($0, isIdle ? 1 : $1) }))
    }

    /// What would move if there were so many workers, of which these are drained: destinations that
    /// have mail, and to which worker.
    func moves(
        toWorkers count: Int, drained: [Int: String]
    ) -> [(destination: Destination, worker: Int?)] {
        let ring = ring(of: 1...count, drained: drained)
        return table.values.compactMap { destination in
            guard destination.queued > 0 else { return nil }
            let now = destination.ownership.worker ?? target(of: destination)
            var next = ring.owner(of: destination.key)
            if let pin = destination.pin, pin <= count, drained[pin] == nil { next = pin }
            return next == now ? nil : (destination, next)
        }
    }

    /// Gives a destination that nobody has to its worker. `empty`: nothing of it lies in the spool
    /// but what is on its way right now, so that nothing has to be loaded.
    func place(_ destination: Destination, empty: Bool) {
        guard case .none = destination.ownership, holds(destination: destination.id),
            let worker = target(of: destination), let link = links[worker]
        else { return }
        destination.generation += 1
        link.send(.assign(assignment(of: destination)))
        FaultPoint.assigned.reached()
        if isTraced(destination.id) {
            link.send(
                .trace(
                    destination: destination.id, on: true, content: showsContent(destination.id)))
        }
        if empty, destination.pendingSettlements == 0 {
            destination.ownership = .owned(worker)
            sendHastened(destination)
        } else {
            destination.ownership = .loading(worker)
            // News of these has come: they are read by themselves.
            destination.lateArrivals = districts?.announced[destination.id] ?? []
            load(destination)
        }
    }

    private func assignment(of destination: Destination) -> Assignment {
        let lain = max(.zero, clocks.wall() - destination.snapshotAt)
        let snapshot = DestinationSnapshot(decoding: destination.snapshot)?.advanced(by: lain)
        return Assignment(
            destination: destination.id, identity: destination.identity, name: destination.name,
            domains: destination.domains, snapshot: snapshot?.encoded ?? destination.snapshot,
            pausedBy: destination.pausedBy, pausedUntil: destination.pausedUntil,
            pauseReason: destination.pauseReason)
    }

    /// Moves every destination whose worker is not the one it should have. About 1/N of them when
    /// a worker comes or goes.
    func rebalance() {
        for destination in table.values { move(destination) }
    }

    /// Hands a destination to the worker it should have, if that is another one.
    func move(_ destination: Destination) {
        switch destination.ownership {
        case .none:
            if destination.queued > 0 { place(destination, empty: false) }
        case .owned(let worker), .loading(let worker):
            guard let target = target(of: destination), target != worker, let link = links[worker]
            else { return }
            surrender(destination, link)
        case .surrendering:
            break
        }
    }

    private func surrender(_ destination: Destination, _ link: WorkerLink) {
        destination.generation += 1
        destination.ownership = .surrendering(link.worker)
        link.send(.surrender(destination: destination.id))
        FaultPoint.surrenderAsked.reached()
    }

    /// Takes a destination from the worker that has it; nobody gets it.
    func surrender(_ destination: Destination) {
        switch destination.ownership {
        case .owned(let worker), .loading(let worker):
            if let link = links[worker] { surrender(destination, link) }
        case .none, .surrendering: break
        }
    }

    /// The old owner has stopped; nothing of this destination is under way any more.
    func surrendered(_ id: Int64, snapshot: [UInt8], by worker: Int) {
        guard let destination = table[id], destination.ownership == .surrendering(worker) else {
            return
        }
        destination.ownership = .none
        destination.learn(snapshot)
        destination.snapshotAt = clocks.wall()
        destination.report = nil
        persist(destination)
        FaultPoint.handedOver.reached()
        if destination.queued > 0 || isTraced(id) { place(destination, empty: false) }
    }

    /// A worker is gone; what it had goes to the ring's next owners.
    func abandon(worker: Int) {
        for destination in table.values where destination.ownership.worker == worker {
            destination.generation += 1
            destination.ownership = .none
            // Its last tokens may have been spent since it reported them: the next owner starts
            // with none, so that the rate holds through the crash.
            let now = clocks.wall()
            let lain = max(.zero, now - destination.snapshotAt)
            let policy = policy(of: destination)
            if let last = DestinationSnapshot(decoding: destination.snapshot)
                ?? (policy.limits.isPaced ? DestinationSnapshot(policy) : nil)
            {
                destination.snapshot = last.advanced(by: lain).drained.encoded
                destination.snapshotAt = now
            }
            destination.report = nil
            if destination.queued > 0 { place(destination, empty: false) }
        }
    }

    func reported(_ reports: [DestinationReport], by worker: Int) {
        for report in reports {
            guard let destination = table[report.destination],
                destination.ownership.worker == worker
            else { continue }
            let before = LastBreaker(destination)
            // Once for each report, and not for each row that is shown.
            var report = report
            report.waits = report.waits.map(\.safe)
            destination.report = report
            destination.reportedAt = clocks.wall()
            destination.snapshotAt = destination.reportedAt
            if destination.learn(report.snapshot) { destination.snapshotChanged = true }
            destination.past.reported(report, at: destination.reportedAt)
            guard before.differs(from: report) else { continue }
            destination.past.breakerChanged(
                to: [.closed, .open, .halfOpen][min(Int(report.breaker), 2)],
                reason: report.breaker == 0
                    ? ""
                    : destination.lastReply.isEmpty
                        ? report.waits.first?.text ?? "" : destination.lastReply,
                at: destination.reportedAt)
            if events.isWanted {
                let states = ["closed", "open", "half-open"]
                publish(
                    "breaker",
                    "\(destination.title): breaker \(states[min(Int(report.breaker), 2)])"
                        + (report.breaker == 1 ? ": \(report.waits.first?.text ?? "")" : ""),
                    destination: destination.id, worker: worker)
            }
        }
    }

    /// Writes the schedulers' states that changed, so that a restart of everything keeps them.
    func persistSnapshots() {
        let changed = table.values.filter(\.snapshotChanged)
        guard !changed.isEmpty, spoolError == nil else { return }
        write(changed.map { .destination(record(of: $0)) })
        for destination in changed { destination.snapshotChanged = false }
    }

    /// Forgets destinations that were idle for a while, so that a long life with many domains does
    /// not fill the memory.
    func forgetIdle(after idle: Duration) {
        let limit = clocks.wall() + (.zero - idle)
        for destination in table.values
        where destination.queued == 0 && destination.held == 0 && destination.purging == 0
            && !destination.isPaused && destination.pin == nil && destination.lastActive < limit
            && !isTraced(destination.id)
        {
            switch destination.ownership {
            case .owned(let worker):
                destination.generation += 1
                destination.ownership = .surrendering(worker)
                links[worker]?.send(.surrender(destination: destination.id))
            case .none:
                // Another node may be taking in mail for it: its record stays, and its number is the
                // same whoever meets it next.
                let isShared = districts != nil
                if isShared, destination.id != RoutingTable.sharedNumber(destination.identity) {
                    continue
                }
                strike(destination)
                routing.forget(destination: destination.id, identity: destination.identity)
                if !isShared { write([.forgetDestination(destination.id)]) }
            case .loading, .surrendering:
                break
            }
        }
    }
}
