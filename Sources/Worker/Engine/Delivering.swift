import Control
import Faults
import Logging
import Mail
import NIOCore
import SMTP
import Scheduler
import Settings

/// From a start to a connection that can take the message.
extension Engine {
    func begin(_ start: Start, at now: Instant) {
        FaultPoint.started.reached()
        let attempt = Attempt(start: start, at: now)
        attempts[start.delivery] = attempt
        guard let destination = destinations[attempt.destination] else { return release(attempt) }
        destination.running.insert(start.delivery)
        if start.connection == .reuse {
            // The kept one is just being closed: its slot is free in a moment.
            guard let pooled = destination.idle.popLast() else {
                return release(attempt, fate: .idle)
            }
            pooled.isIdle = false
            pooled.attempt = attempt
            attempt.connection = pooled.connection
            attempt.candidate = pooled.candidate
        }
        if let job = jobs[start.delivery] {
            attempt.job = job
            route(attempt)
        } else {
            fetch(start.delivery, of: attempt.destination)
        }
    }

    func fetched(_ id: DeliveryID, _ job: Job?) {
        FaultPoint.fetched.reached()
        guard let attempt = attempts[id], attempt.job == nil else { return }
        guard let job else {
            // The message has left the spool: there is nothing to do any more.
            _ = scheduler.withdraw(
                id, from: attempt.start.destination, at: clocks.monotonic())
            return release(attempt)
        }
        attempt.job = job
        route(attempt)
    }

    private func route(_ attempt: Attempt) {
        guard let domain = attempt.job?.domain else { return }
        if let known = routes.route(of: domain, at: clocks.monotonic()) {
            return routed(attempt, known)
        }
        let id = attempt.start.delivery
        let destination = destinations[attempt.destination]
        destination?.lookups.append(domain)
        asking.insert(attempt.destination)
        lookUp(domain) { engine, answer in
            if let place = destination?.lookups.firstIndex(of: domain) {
                destination?.lookups.remove(at: place)
            }
            // It may have been given up while DNS was asked.
            guard let current = engine.attempts[id], current === attempt else { return }
            engine.routed(attempt, answer)
        }
    }

    /// The exchangers of a domain: from the configuration, the cache, or DNS.
    func lookUp(_ domain: String, _ done: @escaping (Engine, RouteAnswer) -> Void) {
        if case .address(let address, let port)? = configuration.route(for: domain) {
            let exchanger = Exchanger(
                host: address.description, preference: 0, addresses: [address.description],
                port: port)
            let answer = RouteAnswer.exchangers([exchanger], ttl: 3600)
            routes.learn(answer, for: domain, at: clocks.monotonic())
            return done(self, answer)
        }
        let request = RouteRequest(
            domain: domain, route: configuration.route(for: domain), own: configuration.hostname)
        guard let resolver else { return done(self, .temporary("the worker is stopping")) }
        let work = NIOLoopBound((self, done), eventLoop: loop)
        resolver.resolve(request, on: loop) { answer in
            let (engine, done) = work.value
            // After a reload others are asked; what this one says is for this attempt only.
            if engine.resolver === resolver {
                engine.routes.learn(answer, for: domain, at: engine.clocks.monotonic())
            }
            done(engine, answer)
            engine.schedulePump()
        }
    }

    private func routed(_ attempt: Attempt, _ answer: RouteAnswer) {
        switch answer {
        case .exchangers(let exchangers, _):
            if let destination = destinations[attempt.destination], destination.learn(exchangers) {
                applyPolicy(to: destination)
            }
            attempt.exchangers = exchangers
            attempt.silent =
                destinations[attempt.destination]?.silent(at: clocks.monotonic()) ?? []
            if let connection = attempt.connection {
                // Domains of one destination usually have the same exchangers; where they do not,
                // a kept connection may lead to the wrong one.
                if attempt.candidate?.leads(toAnyOf: exchangers) == true {
                    return deliver(attempt, over: connection)
                }
                return replace(connection, of: attempt)
            }
            openNext(attempt)
        case .nullMX, .noSuchDomain, .noExchanger, .loop, .temporary, .invalid:
            guard let failure = answer.failure(of: attempt.job?.domain ?? "") else { return }
            let reply = "\(failure.enhancedStatus) \(failure.text)"
            if failure.isPermanent {
                reject(attempt, reply: reply)
            } else {
                fail(attempt, cause: .connect, text: reply)
            }
        }
    }

    /// The domain takes no mail: final for all recipients, without a word to a receiver.
    private func reject(_ attempt: Attempt, reply: String) {
        let reports = (attempt.job?.recipients ?? []).map { _ in
            RecipientReport(outcome: .failed, reply: reply)
        }
        let fate = giveBack(attempt)
        report(
            attempt, recipients: reports, result: .settled, reply: reply, remote: "", fate: fate)
    }

    /// Opens a connection to the next address, or ends the attempt.
    func openNext(_ attempt: Attempt) {
        guard let destination = destinations[attempt.destination], !isStopping, holdsLease else {
            return release(attempt)
        }
        guard let candidate = attempt.takeCandidate(using: &random) else {
            return end(attempt, at: destination)
        }
        open(candidate, for: attempt, of: destination, plain: isPlain(candidate))
    }

    /// No address is left: the last one's error decides.
    private func end(_ attempt: Attempt, at destination: OwnedDestination) {
        let error = attempt.lastError
        if let error, error.isLocal { return postpone(attempt, error.text) }
        if let refusal = attempt.refusal {
            // That the other addresses do not answer is no news of the one that did.
            var decision = Decision()
            decision.weigh(Treatment(.elsewhere, by: nil), reply: refusal)
            let rest = RecipientReport(outcome: .deferred, reply: refusal.text)
            let reports = attempt.reports(ofRest: rest)
            let remote = attempt.candidate?.description ?? ""
            return report(
                attempt, recipients: reports, result: decision.result, reply: refusal.text,
                remote: remote, fate: giveBack(attempt))
        }
        guard let reply = error?.reply, let stage = error?.stage.known else {
            let text = error.map(\.text) ?? "no address to connect to"
            return fail(attempt, cause: Classification.cause(of: error), text: text)
        }
        // A server that refuses the connection for good refuses this one, not the mail: it is
        // tried again, unless a rule says otherwise.
        let treatment = rules.treatment(
            of: reply, stage: stage, permanent: false, among: destination.rules)
        let isFinal = treatment.outcome == .fail
        var decision = Decision()
        decision.weigh(treatment, reply: reply)
        let report = RecipientReport(outcome: isFinal ? .failed : .deferred, reply: reply.text)
        let remote = attempt.candidate?.description ?? ""
        let fate = giveBack(attempt)
        self.report(
            attempt, recipients: attempt.reports(ofRest: report), result: decision.result,
            reply: decision.reply, rule: decision.rule, remote: remote, fate: fate)
    }

    private func isPlain(_ candidate: Candidate) -> Bool {
        guard configuration.tls.mode == .opportunistic else { return false }
        return withoutTLS[candidate.text].map { clocks.monotonic() < $0 } ?? false
    }

    func open(
        _ candidate: Candidate, for attempt: Attempt, of destination: OwnedDestination, plain: Bool
    ) {
        let mode: TLSMode =
            switch configuration.tls.mode {
            case .off: .off
            case .opportunistic: plain ? .off : .opportunistic
            case .required: .required
            }
        var options = ClientOptions(helo: configuration.hostname)
        options.tls = mode
        options.tlsContext = mode == .off ? nil : tlsContext
        options.serverName = candidate.host
        options.timeouts = ClientTimeouts(configuration.delivery)
        if let patience = attempt.start.patience {
            options.timeouts.connect = min(options.timeouts.connect, patience, Start.haste)
            options.timeouts.greeting = min(options.timeouts.greeting, patience)
        }
        if let text = candidate.address.ipAddress, let remote = IPAddress(text: text),
            let local = configuration.delivery.localAddress(for: remote)
        {
            options.localAddress = try? SocketAddress(ipAddress: local.description, port: 0)
        }
        let connection = ClientConnection.open(
            to: candidate.address, options: options, on: loop, delegate: self)
        if leaseEnd != nil { connection.mayGoOn = { [weak self] in self?.holdsLease ?? false } }
        connection.tracing = destination.isTraced
        connection.tracesContent = destination.tracesContent
        let pooled = PooledConnection(
            connection, destination: destination.id, candidate: candidate, number: nextConnection,
            withoutTLS: plain, at: clocks.monotonic())
        nextConnection += 1
        pooled.attempt = attempt
        connections[ObjectIdentifier(connection)] = pooled
        destination.connections += 1
        attempt.connection = connection
        attempt.isUnderWay = false
        attempt.candidate = candidate
    }

    func deliver(_ attempt: Attempt, over connection: ClientConnection) {
        guard let job = attempt.job else { return }
        guard holdsLease else { return connection.abort() }
        FaultPoint.opened.reached()
        attempt.isUnderWay = true
        if let pooled = connections[ObjectIdentifier(connection)] {
            if pooled.transactions == 0 { attempt.opened = clocks.monotonic() - pooled.openedAt }
            pooled.transactions += 1
        }
        connection.deliver(ClientTransaction(job))
    }

    // MARK: Giving up

    /// A temporary failure before a transaction: all recipients wait.
    func fail(_ attempt: Attempt, cause: Cause, text: String) {
        let reports = attempt.reports(ofRest: RecipientReport(outcome: .deferred, reply: text))
        let remote = attempt.candidate?.description ?? ""
        let fate = giveBack(attempt)
        report(
            attempt, recipients: reports, result: .deferred(cause, reply: text), reply: text,
            remote: remote, fate: fate)
    }

    /// This host cannot connect to anybody now: nobody else's fault, and no attempt.
    private func postpone(_ attempt: Attempt, _ text: String) {
        destinations[attempt.destination]?.trouble = text
        let now = clocks.monotonic()
        if troubleToldAt.map({ now - $0 > .seconds(60) }) ?? true {
            troubleToldAt = now
            logger.error(
                "cannot open a connection",
                metadata: [
                    "error": "\(text)", "to": "\(attempt.candidate?.description ?? "")",
                    "open": "\(connections.count)",
                ])
        }
        release(attempt)
    }

    /// Ends an attempt that has said nothing to a receiver; it does not count.
    func release(_ attempt: Attempt, fate: ConnectionFate? = nil) {
        if !attempt.settled.isEmpty {
            // Some recipients have their outcome already, from another address.
            return fail(attempt, cause: .us, text: attempt.refusal?.text ?? "")
        }
        let fate = fate ?? giveBack(attempt)
        report(
            attempt, recipients: [], result: .notAttempted, reply: "", remote: "", fate: fate)
    }

    /// A kept connection that was taken and not used goes back.
    private func giveBack(_ attempt: Attempt) -> ConnectionFate {
        guard let connection = attempt.connection,
            let pooled = connections[ObjectIdentifier(connection)]
        else { return .closed }
        pooled.attempt = nil
        attempt.connection = nil
        if pooled.transactions > 0, !isStopping {
            keep(pooled)
            return .idle
        }
        close(pooled)
        return .closed
    }

    /// Closes a connection that leads elsewhere; when it is gone its slot has the new one.
    private func replace(_ connection: ClientConnection, of attempt: Attempt) {
        attempt.connection = nil
        guard let pooled = connections[ObjectIdentifier(connection)] else {
            return openNext(attempt)
        }
        pooled.attempt = nil
        pooled.onClosed = { [weak self] in self?.openNext(attempt) }
        close(pooled)
    }
}

extension Classification {
    /// The cause of a connection that could not be used.
    static func cause(of error: ClientError?) -> Cause {
        guard let error else { return .connect }
        let stage = error.stage.known
        guard let reply = error.reply else {
            return classify(code: 0, enhanced: nil, text: error.text, stage: stage)
        }
        return classify(
            code: reply.code, enhanced: reply.enhanced.map { ($0.klass, $0.subject, $0.detail) },
            text: reply.text, stage: stage)
    }
}

extension SMTP.Stage {
    /// The same for the scheduler.
    var known: SchedulerStage { SchedulerStage(rawValue: rawValue) ?? .connect }
}

extension ClientTransaction {
    init(_ job: Job) {
        self.init(
            sender: job.sender,
            recipients: job.recipients.map {
                ClientRecipient(
                    address: $0.address, notify: $0.notify,
                    originalRecipient: $0.originalRecipient)
            },
            body: job.body, hasLeadingDots: job.leadingDots, eightBit: job.eightBit,
            utf8: job.utf8, ret: job.ret, envelopeID: job.envelopeID)
    }
}

extension ClientTimeouts {
    init(_ settings: DeliverySettings) {
        self.init()
        connect = settings.connectTimeout
        greeting = settings.greetingTimeout
        hello = settings.commandTimeout
        handshake = min(handshake, settings.commandTimeout)
        mail = settings.commandTimeout
        rcpt = settings.commandTimeout
        data = settings.dataTimeout
        block = settings.blockTimeout
        finalDot = settings.dotTimeout
    }
}
