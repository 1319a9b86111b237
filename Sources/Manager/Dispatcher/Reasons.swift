import Cluster
import Control
import Mail
import Scheduler
import Settings
import Spool

/// What mail waits for: what its worker says, and what only the manager knows.
extension Dispatcher {
    /// All reasons for a destination, what lasts longest or hides the others first.
    func waits(of row: DestinationRow, _ destination: Destination, at now: UnixTime) -> [Why] {
        guard row.queued > 0 || destination.isPaused || destination.purging > 0 else { return [] }
        var waits: [Why] = []
        if let by = destination.pausedBy {
            waits.append(pause(by: by, of: destination))
        }
        if destination.held > 0 {
            var facts = Wait.Facts()
            facts.deliveries = destination.held
            waits.append(Why(.held, "\(Counted.deliveries(destination.held)) on hold", facts))
        }
        if destination.purging > 0 {
            var facts = Wait.Facts()
            facts.deliveries = destination.purging
            let what = Counted.deliveries(destination.purging)
            waits.append(Why(.purging, "\(what) to be deleted or returned, unless undone", facts))
        }
        // What is said of a few is not what the rest waits for.
        let aside = destination.isPaused ? 1 : 0
        guard destination.queued > 0 else { return waits }
        var others: [Why] = []
        if let error = spoolError {
            others.append(Why(.spool, SafeText("the spool cannot record: \(error.cause)").text))
        }
        others += ownersReasons(for: destination, at: now)
        waits.insert(contentsOf: others, at: aside)
        return waits
    }

    private func pause(by: String, of destination: Destination) -> Why {
        var facts = Wait.Facts()
        facts.by = SafeText(by).text
        let reason = SafeText(destination.pauseReason).text
        facts.reason = reason.isEmpty ? nil : reason
        return Why(
            .paused, SafeText("paused by \(by)").text + (reason.isEmpty ? "" : ": \(reason)"),
            until: destination.pausedUntil, facts)
    }

    /// What the owner's scheduler says; where nobody has it, why, and what is known from before.
    private func ownersReasons(for destination: Destination, at now: UnixTime) -> [Why] {
        switch destination.ownership {
        case .none where !holds(destination: destination.id):
            return elsewhere(District.of(destination: destination.id))
        case .none:
            return remembered(of: destination) + [nobody(for: destination, at: now)]
        case .surrendering(let worker):
            let running = destination.report?.running.count ?? 0
            let ends = running > 0 ? "; \(Counted.transactions(running)) to end first" : ""
            let to = target(of: destination).map { " to worker \($0)" } ?? ""
            return [
                about(worker, "being handed over from worker \(worker)\(to)\(ends)")
            ]
        case .loading(let worker) where destination.report == nil:
            return remembered(of: destination) + [about(worker, "worker \(worker) takes it over")]
        case .owned(let worker), .loading(let worker):
            let reported = (destination.report?.waits ?? []).filter { why in
                why.kind != Wait.Kind.paused.rawValue && why.kind != Wait.Kind.spool.rawValue
            }
            return reported + silence(of: worker, at: now)
        }
    }

    /// Another node has it, or nobody.
    private func elsewhere(_ district: Int) -> [Why] {
        guard let districts, districts.states[district] == .away else {
            return [Why(.worker, "this node is taking it over or handing it over")]
        }
        guard let owner = districts.view.owner(of: district), owner.id != districts.node.id else {
            return [Why(.worker, "no node has it yet")]
        }
        return [Why(.worker, SafeText("node \(owner.name) has it").text)]
    }

    private func about(_ worker: Int, _ text: String, until: UnixTime? = nil) -> Why {
        var facts = Wait.Facts()
        facts.worker = worker
        return Why(.worker, text, until: until, facts)
    }

    private func nobody(for destination: Destination, at now: UnixTime) -> Why {
        target(of: destination) != nil ? Why(.worker, "no worker has it yet") : absence(at: now)
    }

    /// Why no worker runs.
    private func absence(at now: UnixTime) -> Why {
        let dead = workerRows.values.filter { $0.state == .dead && $0.restartAt != nil }
        if let first = dead.min(by: { $0.restartAt ?? now < $1.restartAt ?? now }) {
            return about(first.id, "worker \(first.id) is restarting", until: first.restartAt)
        }
        if let starting = workerRows.values.first(where: { $0.state == .starting }) {
            return about(starting.id, "worker \(starting.id) is starting")
        }
        return Why(.worker, "no worker is running")
    }

    private func silence(of worker: Int, at now: UnixTime) -> [Why] {
        guard let row = workerRows[worker], row.state == .silent else { return [] }
        let heard = row.heartbeatAt.map { " for \((now - $0).brief)" } ?? ""
        return [
            about(
                worker, "worker \(worker) has been silent\(heard)",
                until: row.heartbeatAt.map { $0 + configuration.supervision.heartbeatTimeout })
        ]
    }

    /// The breaker stays open while nobody has the destination.
    private func remembered(of destination: Destination) -> [Why] {
        guard let snapshot = DestinationSnapshot(decoding: destination.snapshot),
            let open = snapshot.openFor, open > .zero,
            case let until = destination.snapshotAt + open, until > clocks.wall()
        else { return [] }
        var facts = Wait.Facts()
        facts.reply = snapshot.lastReply.map { SafeText($0).text }
        facts.reason = snapshot.lastRule.map { "rule \(SafeText($0).text)" }
        facts.attempts = snapshot.failures
        let blame = facts.reply ?? "\(snapshot.failures) failed attempts"
        return [
            Why(.breaker, "\(SafeText(snapshot.backsOff).text) after \(blame)", until: until, facts)
        ]
    }

    /// All reasons for a delivery, in the same order.
    ///
    /// - Parameter shared: what destinations wait for, kept from row to row.
    func waits(
        of stored: StoredDelivery, state: DeliveryState, _ destination: Destination?,
        _ shared: inout [Int64: [Why]], at now: UnixTime
    ) -> [Why] {
        let paused = destination.flatMap { destination in
            destination.pausedBy.map { pause(by: $0, of: destination) }
        }
        switch state {
        case .delivering:
            return []
        case .routing where !holds(unrouted: stored.id.message):
            return elsewhere(District.of(message: stored.id.message))
        case .routing:
            return routing(stored.id)
        case .held:
            let reason =
                switch stored.lastReply {
                case Self.damageReply: Why(.held, "its text is damaged")
                case Self.envelopeReply: Why(.held, "its envelope is damaged")
                default: mark(on: stored, "held", .held)
                }
            return [reason] + (paused.map { [$0] } ?? [])
        case .purging:
            let verb = stored.state == .bouncing ? "bounced" : "purged"
            return [mark(on: stored, verb, .purging, until: stored.purgeAt)]
        case .ready, .delayed:
            break
        }
        if let id = stored.destination, !holds(destination: id) {
            return elsewhere(District.of(destination: id))
        }
        guard let destination else { return [Why(.worker, "no worker has it yet")] }
        let known = shared[destination.id] ?? row(of: destination, at: now).waits
        shared[destination.id] = known
        // What others of the same destination wait for.
        let common = known.filter { why in
            ![.held, .purging, .schedule].contains(Wait.Kind(rawValue: why.kind))
        }
        guard state == .delayed else { return common }
        let last = SafeText(stored.lastReply).text
        var facts = Wait.Facts()
        facts.attempts = stored.attempts
        facts.reply = last.isEmpty ? nil : last
        let own = Why(
            .schedule, last.isEmpty ? "waits for its retry time" : "retries after \(last)",
            until: stored.nextAttemptAt, facts)
        var waits = common.filter(\.isForAll)
        // What ends before its own time comes is not what it waits for in the end.
        let place = waits.firstIndex { $0.until.map { $0 < stored.nextAttemptAt } ?? false }
        waits.insert(own, at: place ?? waits.count)
        return waits
    }

    /// What an operator does to a delivery: "held by ann: ticket 7".
    private func mark(
        on stored: StoredDelivery, _ verb: String, _ kind: Wait.Kind, until: UnixTime? = nil
    ) -> Why {
        let unless = kind == .purging ? ", unless undone" : ""
        guard let mark = actions.mark(on: stored.id) else {
            return Why(kind, "\(verb) by an operator\(unless)", until: until)
        }
        var facts = Wait.Facts()
        facts.by = SafeText(mark.by).text
        let reason = SafeText(mark.reason).text
        facts.reason = reason.isEmpty ? nil : reason
        let what = "\(verb) by \(SafeText(mark.by).text)"
        return Why(
            kind, what + (reason.isEmpty ? "" : ": \(reason)") + unless, until: until, facts)
    }

    private func routing(_ id: DeliveryID) -> [Why] {
        let open = unrouted[id]?.openDomains.sorted() ?? []
        let unasked = open.filter { asked[$0] == nil }
        let spool = spoolError.map {
            [Why(.spool, SafeText("the spool cannot record: \($0.cause)").text)]
        }
        if let domain = unasked.first {
            let name = SafeText(domain).text
            var why = absence(at: clocks.wall())
            why.text = "no worker is there to ask DNS where \(name) goes: \(why.text)"
            return (spool ?? []) + [why]
        }
        let more = open.count > 1 ? " and \(open.count - 1) more" : ""
        let what = open.first.map { "where \(SafeText($0).text)\(more) goes" } ?? "where it goes"
        return (spool ?? []) + [Why(.routing, "DNS is asked \(what)")]
    }
}

extension Why {
    /// Without what could drive a terminal.
    var safe: Why {
        var why = self
        why.text = SafeText(text).text
        why.detail?.by = detail?.by.map { SafeText($0).text }
        why.detail?.reason = detail?.reason.map { SafeText($0).text }
        why.detail?.reply = detail?.reply.map { SafeText($0).text }
        return why
    }
}
