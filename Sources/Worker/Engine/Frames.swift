import Control
import Faults
import FoundationEssentials
import Logging
import Mail
import NIOCore
import SMTP
import Scheduler
import Settings

/// What the manager says.
extension Engine {
    func received(_ frame: Frame) {
        let now = clocks.monotonic()
        switch frame {
        case .configure(let worker, let buffer):
            configure(worker: worker, buffer)
        case .resolve(let request, let domain):
            lookUp(domain) { engine, answer in
                FaultPoint.routeResolved.reached()
                engine.link?.send(.resolved(request: request, answer.result(for: domain)))
            }
        case .assign(let assignment):
            assign(assignment, at: now)
        case .enqueue(let entries):
            for entry in entries { enqueue(entry, at: now) }
        case .deliver(let entry, let job):
            guard destinations[entry.destination]?.isSurrendering == false else { return }
            jobs.offer(job, for: entry.id, of: entry.destination)
            enqueue(entry, at: now)
        case .job(let id, _, let job):
            fetched(id, job)
        case .withdraw(let request, let ids):
            withdraw(ids, request: request, at: now)
        case .pause(let destination, let until, let by, let reason):
            scheduler.pause(
                DestinationID(rawValue: destination), until: until.map(clocks.instant), by: by,
                reason: reason, at: now)
        case .resume(let destination):
            scheduler.resume(DestinationID(rawValue: destination), at: now)
        case .retryNow(let destination, let ids):
            _ = scheduler.retryNow(
                DestinationID(rawValue: destination), deliveries: ids.isEmpty ? nil : ids, at: now)
        case .surrender(let destination):
            surrender(destination, at: now)
        case .recorded(let number):
            FaultPoint.acknowledged.reached()
            outbox.recorded(upTo: number)
            jobs.recorded(upTo: number)
            if isStopping { endIfDone() }
        case .recording(let possible):
            isRecording = possible
            scheduler.setRecording(possible && holdsLease, at: now)
        case .lease(let until, let ahead):
            correction.ahead = ahead
            leased(until: until, at: now)
        case .trace(let destination, let on, let content):
            trace(destination, on: on, content: content)
        case .inspect(let request, let destination):
            link?.send(.inspected(request: request, inspection(of: destination, at: now)))
        case .shutdown(let grace):
            shutDown(grace: grace)
        default:
            logger.error("the manager sent a frame that only workers send")
        }
    }

    private func configure(worker: Int, _ buffer: ByteBuffer) {
        number = worker
        let isFirst = !isConfigured
        let before = configuration.dns
        do {
            configuration = try JSONDecoder().decode(
                Configuration.self, from: Data(buffer.readableBytesView))
            logs(configuration.log)
            if tlsContext == nil, configuration.tls.mode != .off {
                tlsContext = try TLSContexts.opportunistic()
            }
            if isFirst || configuration.dns != before {
                // The one before lives until it has answered what it was asked.
                resolver = try RouteResolver(
                    servers: configuration.dns.servers, timeout: configuration.dns.timeout)
            }
            if isFirst {
                isConfigured = true
                beat()
                reportStatus()
            }
        } catch {
            logger.critical(
                "the worker cannot use its configuration", metadata: ["error": "\(error)"])
            ended.succeed()
            return
        }
        routes.forgetAll()
        rules = ReplyRules(configuration)
        scheduler.setCapacity(min(configuration.delivery.maxConnections ?? .max, descriptors))
        for destination in destinations.values { applyPolicy(to: destination) }
    }

    /// Again when its exchangers become known: shaping and rules may go by their names.
    func applyPolicy(to destination: OwnedDestination) {
        destination.rules = rules.selection(for: destination.names)
        let policy = configuration.policy(for: destination.names)
        guard policy != destination.policy else { return }
        destination.policy = policy
        scheduler.configure(
            DestinationID(rawValue: destination.id), policy: policy, at: clocks.monotonic())
    }

    private func assign(_ assignment: Assignment, at now: Instant) {
        let owned = OwnedDestination(assignment, configuration, rules: rules)
        destinations[owned.id] = owned
        let id = DestinationID(rawValue: owned.id)
        scheduler.add(
            id, policy: owned.policy,
            snapshot: DestinationSnapshot(decoding: assignment.snapshot), at: now)
        if let by = assignment.pausedBy {
            scheduler.pause(
                id, until: assignment.pausedUntil.map(clocks.instant), by: by,
                reason: assignment.pauseReason, at: now)
        }
    }

    private func enqueue(_ entry: QueuedDelivery, at now: Instant) {
        guard let destination = destinations[entry.destination], !destination.isSurrendering else {
            return
        }
        // A due time that was written while the clock was ahead: no wait is longer than the longest.
        let due = min(clocks.instant(of: entry.due), now + longestWait(of: destination))
        scheduler.enqueue(
            Entry(
                id: entry.id, destination: DestinationID(rawValue: entry.destination),
                due: due, received: clocks.instant(of: entry.received),
                attempts: entry.attempts, size: entry.size, sender: entry.senderHash,
                priority: MailPriority.weight(Int(entry.priority))),
            at: now)
        FaultPoint.queued.reached()
    }

    private func longestWait(of destination: OwnedDestination) -> Duration {
        let retry = destination.policy.retry
        return max(retry.cap, retry.fullCap, retry.schedule?.max() ?? .zero)
    }

    private func withdraw(_ ids: [DeliveryID], request: UInt64, at now: Instant) {
        var running: [DeliveryID] = []
        for id in ids {
            switch scheduler.withdraw(id, at: now) {
            case .running: running.append(id)
            case .removed: jobs.drop(id)
            case .unknown: break
            }
        }
        link?.send(.withdrawn(request: request, running: running))
    }

    // MARK: Handing over

    private func surrender(_ id: Int64, at now: Instant) {
        guard let destination = destinations[id] else {
            link?.send(.surrendered(destination: id, snapshot: []))
            return
        }
        destination.isSurrendering = true
        scheduler.pause(
            DestinationID(rawValue: id), until: nil, by: "sluice",
            reason: "moving to another worker",
            at: now)
        FaultPoint.surrendering.reached()
        surrenderIfDone(destination)
    }

    /// When its last transaction has ended and its last connection is closed the other worker may
    /// begin: together they never have more connections than the limit.
    func surrenderIfDone(_ destination: OwnedDestination) {
        // The end of its last connection may have handed it over already.
        guard destination.isSurrendering, destination.running.isEmpty,
            destinations[destination.id] === destination
        else { return }
        for pooled in destination.idle { close(pooled) }
        guard destination.connections == 0 else { return }
        let now = clocks.monotonic()
        let snapshot = scheduler.remove(DestinationID(rawValue: destination.id), at: now)
        destinations[destination.id] = nil
        jobs.drop(destination: destination.id)
        FaultPoint.surrendered.reached()
        // Results first: the manager reads the spool for the next owner when this arrives.
        flushResults()
        link?.send(
            .surrendered(destination: destination.id, snapshot: snapshot?.encoded ?? []))
    }

    private func trace(_ id: Int64, on: Bool, content: Bool) {
        guard let destination = destinations[id] else { return }
        destination.isTraced = on
        destination.tracesContent = content
        for pooled in connections.values where pooled.destination == id {
            pooled.connection.tracing = on
            pooled.connection.tracesContent = content
        }
    }

    // MARK: The end

    private func shutDown(grace: Duration) {
        guard !isStopping else { return }
        FaultPoint.dismissed.reached()
        isStopping = true
        giveUpWaiting()
        after(grace) { engine in
            for pooled in engine.connections.values { pooled.connection.abort() }
        }
        // The manager may be unable to record; what it does not confirm stays in the journal.
        after(grace + .seconds(3)) { engine in
            engine.leave(engine.outbox.allUnrecorded)
            engine.outbox = Outbox()
            engine.finish()
        }
        endIfDone()
    }

    /// The manager is gone: running transactions end, results go to the journal, and then this
    /// process ends too.
    func managerGone() {
        link?.ended()
        guard isConfigured else { return finish() }
        isStopping = true
        leave(outbox.allUnrecorded)
        outbox = Outbox()
        giveUpWaiting()
        after(configuration.supervision.shutdownTimeout) { engine in
            for pooled in engine.connections.values { pooled.connection.abort() }
            engine.flushResults()
            engine.finish()
        }
        endIfDone()
    }

    /// Attempts that have not spoken to a receiver yet: they wait for a connection, for DNS, or for
    /// a text from a manager that may be gone.
    private func giveUpWaiting() {
        for attempt in attempts.values where attempt.connection == nil || !attempt.isUnderWay {
            release(attempt)
        }
        for pooled in connections.values where pooled.isIdle { close(pooled) }
    }

    func endIfDone() {
        guard isStopping, attempts.isEmpty else { return }
        flushResults()
        guard unwritten.isEmpty else { return }
        if let link, link.isOpen, !outbox.isEmpty {
            // A manager that cannot record now may be able to before this process has to end, and
            // knows what it has recorded; for the journal it is soon enough in any case.
            guard !isRecording else { return }
            leave(outbox.allUnrecorded)
            outbox = Outbox()
            guard unwritten.isEmpty else { return }
        }
        finish()
    }

    private func finish() {
        flushResults()
        if !unwritten.isEmpty {
            logger.critical(
                "results are left nowhere: their mail is sent again",
                metadata: ["results": "\(unwritten.count)"])
        }
        resolver?.close()
        resolver = nil
        link?.close()
        ended.succeed()
    }
}
