import Cluster
import Control
import Faults
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// A question to DNS, put to a worker, and who waits for the answer.
struct Question {
    var domain: String
    var worker: Int
    var waiting: Set<DeliveryID>
}

/// A delivery on disk whose recipients are in domains that are being asked for.
struct Unrouted {
    var delivery: NewDelivery
    var message: MessageRecord
    var attempts: Int
    var openDomains: Set<String>
    /// Domains that take no mail: enhanced code and text.
    var refused: [String: (code: String, text: String)] = [:]
}

extension Dispatcher {
    /// The destination of a domain if nobody has to be asked.
    func knownDestination(of domain: String, at now: Instant) -> Int64? {
        if let known = routing.destination(
            of: domain, at: now,
            sticky: { id in self.table[id].map { $0.queued + $0.held > 0 } ?? false })
        {
            return known
        }
        if case .address(let host, let port)? = configuration.route(for: domain) {
            let address = Self.addressText(host.description, port: port)
            let exchanger = ExchangerRecord(host: address, preference: 0, addresses: [address])
            return learn(domain: domain, identity: identity(of: domain, [exchanger]), ttl: nil).id
        }
        return nil
    }

    /// "192.0.2.1", "192.0.2.1:2526", "[2001:db8::1]:2526".
    static func addressText(_ host: String, port: Int) -> String {
        if port == 25 { return host }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Asks for every open domain of a delivery; when all are known it is split by destination.
    func route(_ delivery: NewDelivery, of message: MessageRecord, attempts: Int = 0) {
        guard holds(unrouted: delivery.id.message) else { return }
        let now = clocks.monotonic()
        var open: Set<String> = []
        for recipient in delivery.recipients {
            let domain = Self.domain(of: recipient.address)
            if knownDestination(of: domain, at: now) == nil { open.insert(domain) }
        }
        unrouted[delivery.id] = Unrouted(
            delivery: delivery, message: message, attempts: attempts, openDomains: open)
        if open.isEmpty {
            routed(delivery.id)
        } else {
            for domain in open { ask(domain, for: delivery.id) }
        }
    }

    private func ask(_ domain: String, for delivery: DeliveryID) {
        if let request = asked[domain] {
            questions[request]?.waiting.insert(delivery)
            return
        }
        // Any worker can ask; the ring spreads the questions and keeps the caches apart.
        guard let worker = ring.owner(of: CRC32.checksum(domain)), let link = links[worker]
        else {
            // No worker lives: asked again when one does.
            return
        }
        let request = nextRequest
        nextRequest += 1
        asked[domain] = request
        questions[request] = Question(domain: domain, worker: worker, waiting: [delivery])
        link.send(.resolve(request: request, domain: domain))
        FaultPoint.routeAsked.reached()
    }

    /// After a worker came or went: what nobody is being asked for is asked again.
    func askAgain(lost worker: Int? = nil) {
        for (request, question) in questions where question.worker == worker {
            questions[request] = nil
            asked[question.domain] = nil
        }
        // All that wait, not only the first of each domain: the new question has to know them.
        for (id, waiting) in unrouted {
            for domain in waiting.openDomains { ask(domain, for: id) }
        }
    }

    func resolved(request: UInt64, _ result: RouteResult) {
        guard let question = questions.removeValue(forKey: request) else { return }
        asked[question.domain] = nil
        let domain = question.domain
        switch result {
        case .exchangers(let exchangers, let ttl):
            learn(
                domain: domain, identity: identity(of: domain, exchangers), ttl: .seconds(ttl))
        case .temporary:
            // Grouped by its own name until DNS answers; the owner asks at every attempt.
            learn(domain: domain, identity: domain, ttl: RoutingTable.shortestLife)
        case .permanent(let code, let text):
            for id in question.waiting {
                unrouted[id]?.refused[domain] = (code, text)
            }
        }
        for id in question.waiting.sorted() {
            unrouted[id]?.openDomains.remove(domain)
            if unrouted[id]?.openDomains.isEmpty == true { routed(id) }
        }
    }

    private func identity(of domain: String, _ exchangers: [ExchangerRecord]) -> String {
        switch configuration.routing.groupBy {
        case .mxAddress:
            DestinationKey.canonical(addresses: exchangers.flatMap(\.addresses))
        case .mxHost:
            DestinationKey.canonical(addresses: exchangers.map { $0.host.lowercased() })
        case .domain:
            domain
        }
    }

    /// All domains of a delivery have an answer: deliveries by destination take its place, and
    /// recipients whose domain takes no mail bounce.
    private func routed(_ id: DeliveryID) {
        guard let waiting = unrouted[id] else { return }
        let instant = clocks.monotonic()
        // The first answer may have ended before the last one came.
        let open = Set(waiting.delivery.recipients.map { Self.domain(of: $0.address) }).filter {
            waiting.refused[$0] == nil && knownDestination(of: $0, at: instant) == nil
        }
        guard open.isEmpty else {
            unrouted[id]?.openDomains = open
            for domain in open { ask(domain, for: id) }
            return
        }
        FaultPoint.routed.reached()
        unrouted[id] = nil
        guard holds(unrouted: id.message) else { return }
        let now = clocks.wall()
        let refused = waiting.delivery.recipients.filter {
            waiting.refused[Self.domain(of: $0.address)] != nil
        }
        let kept = waiting.delivery.recipients.filter {
            waiting.refused[Self.domain(of: $0.address)] == nil
        }
        let deliveries = split(kept, of: id.message, from: id.ordinal + 1, at: now)
        let message = waiting.message
        if let districts {
            districts.routing[id] = Set(
                deliveries.map { District.of(destination: $0.destination, delivery: $0.id) }
                    + [District.of(message: id.message)])
        }
        let writes: [SpoolWrite] = [
            deliveries.isEmpty ? .remove(id) : .route(id, into: deliveries)
        ]
        let failures = refused.map { recipient in
            let reason = waiting.refused[Self.domain(of: recipient.address)]
            return ReportedRecipient(
                recipient: recipient, status: reason?.code ?? "5.1.2",
                reply: reason?.text ?? "domain not found", remote: "")
        }
        if !failures.isEmpty {
            totals.bounced += failures.count
            totals.bouncedHistory.add(failures.count, at: now)
            publish(
                "bounced", "\(id.message): \(failures[0].recipient.address): \(failures[0].reply)",
                message: id.message)
        }
        record(writes, arriving: deliveries, reporting: failures, of: message) { dispatcher in
            FaultPoint.routeRecorded.reached()
            dispatcher.districts?.routing[id] = nil
            for delivery in deliveries {
                dispatcher.arrived(delivery, of: message, body: nil)
            }
        }
    }

    /// Puts a domain into the destination with that identity, which is made if it is new.
    @discardableResult
    func learn(domain: String, identity: String, ttl: Duration?) -> Destination {
        let id = routing.number(identity: identity)
        routing.learn(domain: domain, destination: id, ttl: ttl, at: clocks.monotonic())
        let destination: Destination
        if let known = table[id] {
            destination = known
            guard !known.domains.contains(domain) else { return known }
            known.domainCount += 1
            guard known.domains.count < 20 else { return known }
        } else {
            destination = Destination(
                id: id, identity: identity, key: CRC32.checksum(identity), name: domain,
                at: clocks.wall())
            destination.domainCount = 1
            enroll(destination)
        }
        destination.domains.append(domain)
        persist(destination)
        return destination
    }

    func persist(_ destination: Destination) {
        destination.snapshotChanged = false
        write([.destination(record(of: destination))])
    }

    /// - Parameter snapshot: what to store in place of what its owner said last.
    func record(
        of destination: Destination, snapshot: [UInt8]? = nil
    ) -> DestinationRecord {
        DestinationRecord(
            id: destination.id, identity: destination.identity, name: destination.name,
            domains: destination.domains, pin: destination.pin, pausedBy: destination.pausedBy,
            pausedUntil: destination.pausedUntil, pauseReason: destination.pauseReason,
            scheduler: StoredSnapshot(
                at: destination.snapshotAt, bytes: snapshot ?? destination.snapshot
            ).encoded)
    }
}
