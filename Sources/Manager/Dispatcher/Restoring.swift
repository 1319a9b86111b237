import Control
import FoundationEssentials
import Logging
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// What a start finds in the spool.
struct RestoredState: Sendable {
    var destinations: [DestinationRecord]
    var tallies: [DestinationTally]
    var unrouted: [StoredDelivery]
    var actions: [ActionRecord]
    var messages: Int

    init(_ spool: any Spool) throws(SpoolError) {
        destinations = try spool.destinations()
        tallies = try spool.tallies()
        unrouted = try spool.unrouted()
        actions = try spool.actions(limit: 1000, offset: 0)
        messages = try spool.messageCount()
    }
}

extension Dispatcher {
    /// - Parameter lived: as `StoredSnapshot.resumed` has it.
    func restore(_ state: RestoredState, lived: UnixTime) {
        let now = clocks.wall()
        for record in state.destinations {
            let destination = Destination(
                id: record.id, identity: record.identity,
                key: CRC32.checksum(record.identity), name: record.name, at: now)
            destination.domains = record.domains
            destination.domainCount = record.domains.count
            destination.pin = record.pin
            destination.pausedBy = record.pausedBy
            destination.pausedUntil = record.pausedUntil
            destination.pauseReason = record.pauseReason
            let stored = StoredSnapshot(decoding: record.scheduler)
            (destination.snapshot, destination.snapshotAt) = stored.resumed(
                at: now, lived: lived, policy: policy(of: destination))
            enroll(destination)
            routing.restore(
                identity: record.identity, id: record.id, domains: record.domains)
        }
        totals.messages = state.messages
        if districts == nil {
            for tally in state.tallies {
                guard let destination = tally.destination.flatMap({ table[$0] }) else { continue }
                take(tally, at: destination)
            }
            for stored in state.unrouted { routeStored(stored) }
            restore(state.actions) { _ in true }
        }
        logger.notice(
            "spool opened",
            metadata: [
                "messages": "\(state.messages)", "destinations": "\(state.destinations.count)",
            ])
    }

    /// What lies in the spool for a destination of which nothing is counted yet.
    func take(_ tally: DestinationTally, at destination: Destination) {
        switch tally.state {
        case .queued:
            destination.queued = tally.count
            destination.oldest = tally.oldestAt
        case .held: destination.held = tally.count
        case .purging, .bouncing: destination.purging += tally.count
        case .routing: break
        }
    }

    /// Asks where mail goes that lies in the spool without a destination.
    func routeStored(_ stored: StoredDelivery) {
        guard stored.state == .routing else { return }
        guard stored.isAsWritten else { return setAside(stored, because: Self.changedEnvelope) }
        let delivery = NewDelivery(
            id: stored.id, destination: nil, domain: stored.domain,
            recipients: stored.recipients, nextAttemptAt: stored.nextAttemptAt)
        route(delivery, of: stored.message, attempts: stored.attempts)
    }

    /// - Parameter isOwn: whether this node sees to the action with that number.
    func restore(_ records: [ActionRecord], isOwn: (Int64) -> Bool) {
        actions.restore(lastAction: records.map(\.id).max() ?? 0)
        for record in records { restoreDoomed(record, isOwn: isOwn(record.id)) }
    }

    /// An undo window that was open goes on; one that ended meanwhile ends at once.
    private func restoreDoomed(_ record: ActionRecord, isOwn: Bool) {
        guard record.state == ActionState.undoable.rawValue,
            let kind = ActionKind(rawValue: record.kind), kind.actsOnDeliveries,
            let details = ActionDetails(decoding: record.details)
        else { return }
        let ids = details.deliveries
        actions.remember(
            record.id,
            ActionTable.Mark(by: record.by, reason: record.reason, deliveries: ids))
        guard isOwn, actions.progress[record.id] == nil, let until = record.undoUntil else {
            return
        }
        actions.doom(
            record.id,
            ActionTable.Doomed(
                at: until, due: clocks.instant(of: until), kind: kind, deliveries: ids,
                reason: record.reason))
    }

    /// Records results that a worker left behind. Those that were recorded before are skipped.
    func replay(
        _ reports: [AttemptReport], of worker: Int, _ promise: EventLoopPromise<Void>
    ) {
        let ids = reports.map(\.delivery)
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.deliveries(ids).reduce(into: [DeliveryID: Int]()) { attempts, stored in
                if stored.state != .routing { attempts[stored.id] = stored.attempts }
            }
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            switch result {
            case .failure(let error): promise.fail(error)
            case .success(let present):
                // The manager may have died between the commit and its word to the worker: a
                // retry that the spool knows of is not taken for one of the recipients left.
                let open = reports.filter { report in
                    guard let attempts = present[report.delivery] else { return false }
                    return report.disposition != .retry || report.attempts > attempts
                }
                dispatcher.logger.notice(
                    "results of an earlier run recorded", metadata: ["count": "\(open.count)"])
                dispatcher.settleAll(open[...], of: worker, promise)
            }
        }
    }

    /// One after the other, as one delivery may have several.
    private func settleAll(
        _ reports: ArraySlice<AttemptReport>, of worker: Int, _ promise: EventLoopPromise<Void>
    ) {
        guard let report = reports.first else { return promise.succeed() }
        settle(report, of: worker) { [self] in
            settleAll(reports.dropFirst(), of: worker, promise)
        }
    }

    // MARK: The clock

    func startTicking() {
        after(.seconds(1)) { dispatcher in
            dispatcher.tick()
            dispatcher.startTicking()
        }
    }

    private func tick() {
        watchClock()
        endPauses()
        destroyDue()
        recount()
        // So that whoever looks after a while has not to wait for what all of it has changed.
        refreshOverview(at: clocks.wall())
        let now = clocks.monotonic()
        if now - persistedAt >= StoredSnapshot.interval {
            persistedAt = now
            persistSnapshots()
            healCounts()
        }
        let second = clocks.wall().milliseconds / 1000
        if second % lateInterval == 0 { warnLate() }
        if second % 60 == 0 { forgetIdle(after: .seconds(900)) }
    }

    /// What only the spool knows: how many messages it has, and how much room is left. Tells the
    /// next life that this one goes on, too: on the same thread, as both may wait for a disk.
    private func recount() {
        let now = clocks.wall()
        reader.read(on: loop) { [workerLock] spool throws(SpoolError) in
            workerLock?.renew(at: now)
            return (try spool.messageCount(), try spool.availableBytes())
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard case .success(let (messages, available)) = result else {
                if case .failure(let error) = result { dispatcher.spoolFailed(error) }
                return
            }
            dispatcher.totals.messages = messages
            guard dispatcher.hasRoom != (available > 0) else { return }
            dispatcher.hasRoom = available > 0
            let text =
                available > 0
                ? "there is room for mail again"
                : "the disk of the spool is nearly full: intake answers 452, delivery goes on"
            dispatcher.logger.error("\(text)")
            dispatcher.publish("spool", text)
        }
    }

    // MARK: Reload and trace

    /// Takes a new configuration; what can only change with a restart is named and stays.
    func reload(_ new: Configuration) -> String {
        var kept = new
        var unchanged: [String] = []
        func keep<Value: Equatable>(_ key: String, _ path: WritableKeyPath<Configuration, Value>) {
            guard kept[keyPath: path] != configuration[keyPath: path] else { return }
            kept[keyPath: path] = configuration[keyPath: path]
            unchanged.append(key)
        }
        keep("data_dir", \.dataDirectory)
        keep("spool", \.spool)
        keep("cluster", \.cluster)
        keep("control_socket", \.controlSocket)
        keep("intake.listen", \.intake.listen)
        if kept.intake.listeners.map(\.listen) != configuration.intake.listeners.map(\.listen) {
            kept.intake.listeners = configuration.intake.listeners
            unchanged.append("intake.listener")
        }
        let workersChanged = kept.workers != configuration.workers
        let weightsChanged = kept.workerWeights != configuration.workerWeights
        configuration = kept
        routing.forgetAnswers()
        // Mail that was looked at under the old times is looked at again.
        late.cursors = [:]
        for link in links.values { configure(link) }
        if workersChanged {
            supervisor?.setCount(kept.workers)
        } else if weightsChanged {
            supervisor?.updateRing()
        }
        let rest =
            unchanged.isEmpty
            ? "" : "; a restart is needed for \(unchanged.joined(separator: ", "))"
        return "configuration reloaded" + rest
    }

    /// Counts the listeners of a destination's trace; its owner traces while there are any.
    func trace(_ id: Int64, on: Bool, content: Bool = false) {
        let before = (isTraced(id), showsContent(id))
        traced[id, default: 0] += on ? 1 : -1
        if traced[id] == 0 { traced[id] = nil }
        if content {
            tracedContent[id, default: 0] += on ? 1 : -1
            if tracedContent[id] == 0 { tracedContent[id] = nil }
        }
        guard before != (isTraced(id), showsContent(id)), let destination = table[id] else {
            return
        }
        if case .none = destination.ownership { place(destination, empty: destination.queued == 0) }
        guard let worker = destination.ownership.worker else { return }
        links[worker]?.send(
            .trace(destination: id, on: isTraced(id), content: showsContent(id)))
    }
}
