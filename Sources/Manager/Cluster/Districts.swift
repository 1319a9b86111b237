import Cluster
import Control
import Logging
import Mail
import NIOCore
import Scheduler
import Spool

/// Which districts this node has. Confined to the dispatcher's event loop.
///
/// One is *opening* from the moment it is granted until what lies in it is known, *open* while its
/// mail is delivered here, and *closing* until nothing of it is under way any more, here or in a
/// worker, and all that is known of it is recorded: then another node may have it.
final class Districts {
    enum State { case away, opening, open, closing }

    let node: ClusterNode
    /// Raised whenever everything is lost at once.
    private(set) var era = 0
    private(set) var states = [State](repeating: .away, count: District.count)
    /// Its own life, and the workers', ends then.
    var leaseEnd = Instant(nanoseconds: .min)
    var isWatching = false
    /// What the workers are told of it.
    var frame: Frame { .lease(until: leaseEnd, ahead: node.correction.ahead) }
    var view = ClusterView() {
        didSet { counted = nil }
    }
    private var counted: [NodeID: Int]?
    /// Those of `closing` for which the last writes are waited for.
    fileprivate var ending: Set<Int> = []
    /// Everything was lost, and nothing may be claimed before all of it has ended.
    fileprivate var isReady = false
    fileprivate var isClosing = false
    /// Deliveries that are being routed, with the districts from and to which.
    var routing: [DeliveryID: Set<Int>] = [:]
    /// Mail of which news has come and that is not read yet, by its destination.
    fileprivate(set) var announced: [Int64: Set<DeliveryID>] = [:]
    private var lateAt: Instant?

    init(node: ClusterNode) { self.node = node }

    func isOpen(_ district: Int) -> Bool { states[district] == .open }

    var open: Set<Int> { Set(those(.open)) }

    fileprivate func set(_ state: State, _ districts: some Sequence<Int>) {
        for district in districts { states[district] = state }
    }

    fileprivate func those(_ state: State) -> [Int] {
        District.all.filter { states[$0] == state }
    }

    fileprivate func beginEra() {
        era += 1
        isReady = false
        announced = [:]
        node.begin(era: era)
    }

    fileprivate func announce(_ id: DeliveryID, of destination: Int64) {
        announced[destination, default: []].insert(id)
    }

    fileprivate func forgetAnnouncement(_ id: DeliveryID, of destination: Int64) {
        announced[destination]?.remove(id)
        if announced[destination]?.isEmpty == true { announced[destination] = nil }
    }

    /// Whether the look for late mail is to begin anew.
    func isLateRound(at now: Instant, every time: Duration) -> Bool {
        if let lateAt, now - lateAt < time { return false }
        lateAt = now
        return true
    }

    /// How many districts the ring gives to each node, counted once for a view: monitors ask for
    /// it each second.
    func shares() -> [NodeID: Int] {
        if let counted { return counted }
        let allotment = view.allotment
        let shares = District.all.reduce(into: [NodeID: Int]()) { shares, district in
            guard let place = allotment.place(of: UInt32(district)) else { return }
            shares[place.node, default: 0] += 1
        }
        counted = shares
        return shares
    }

    /// Of the nodes that are live, as far as is known.
    var liveNodes: Int { view.nodes.count { $0.isLive } }
}

extension Dispatcher {
    /// Whether this node delivers to it.
    func holds(destination: Int64) -> Bool {
        districts?.isOpen(District.of(destination: destination)) ?? true
    }

    /// Whether this node has mail that has no destination yet.
    func holds(unrouted message: MessageID) -> Bool {
        districts?.isOpen(District.of(message: message)) ?? true
    }

    func holds(_ delivery: DeliveryID, of destination: Int64?) -> Bool {
        districts?.isOpen(District.of(destination: destination, delivery: delivery)) ?? true
    }

    // MARK: The lease

    func leased(until end: Instant, _ view: ClusterView) {
        guard let districts else { return }
        districts.view = view
        districts.leaseEnd = end
        for link in links.values { link.send(districts.frame) }
        watchLease()
    }

    private func watchLease() {
        guard let districts, !districts.isWatching else { return }
        districts.isWatching = true
        after(max(districts.leaseEnd - clocks.monotonic(), .zero)) { dispatcher in
            districts.isWatching = false
            if dispatcher.clocks.monotonic() < districts.leaseEnd {
                dispatcher.watchLease()
            } else {
                dispatcher.logger.error(
                    "this node cannot renew its lease: it delivers nothing until it can")
                dispatcher.lostEverything()
            }
        }
    }

    /// Everything that this node had may be another's by now.
    func lostEverything() {
        guard let districts else { return }
        districts.beginEra()
        close(districts.those(.open) + districts.those(.opening))
        watchClosing()
    }

    // MARK: Opening

    /// After the start: what an earlier life has left is recorded.
    func takePart() {
        guard let districts else { return }
        districts.isReady = true
        districts.node.ready(era: districts.era)
    }

    /// - Parameter granted: districts, and whether their last owner gave them back.
    func granted(_ granted: [Int: Bool], era: Int) {
        guard let districts, districts.era == era else { return }
        districts.set(.opening, granted.keys)
        open(granted, era: era)
    }

    private func open(_ granted: [Int: Bool], era: Int) {
        reader.read(on: loop) { spool throws(SpoolError) in
            let destinations = try spool.destinations(
                leaving: Set(granted.keys), dividedBy: District.count)
            let tallies = try spool.tallies(of: Set(destinations.map(\.id)))
            let unrouted = try spool.unrouted().filter {
                granted[District.of(message: $0.id.message)] != nil
            }
            return (destinations, tallies, unrouted, try spool.actions(limit: 1000, offset: 0))
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard let districts = dispatcher.districts, districts.era == era else { return }
            switch result {
            case .failure(let error):
                dispatcher.readFailed(error) { $0.open(granted, era: era) }
            case .success(let (destinations, tallies, unrouted, actions)):
                let present = granted.filter { districts.states[$0.key] == .opening }
                dispatcher.opened(present, destinations, tallies, unrouted)
                dispatcher.restore(actions) {
                    present[District.of(destination: $0)] != nil
                }
            }
        }
    }

    private func opened(
        _ granted: [Int: Bool], _ records: [DestinationRecord], _ tallies: [DestinationTally],
        _ unrouted: [StoredDelivery]
    ) {
        guard let districts, !granted.isEmpty else { return }
        districts.set(.open, granted.keys)
        for destination in table.values
        where granted[District.of(destination: destination.id)] != nil {
            if !destination.isShown { overview.add(destination) }
            destination.queued = 0
            destination.held = 0
            destination.purging = 0
            destination.oldest = nil
        }
        let now = clocks.wall()
        for record in records {
            guard let wasGivenBack = granted[District.of(destination: record.id)] else { continue }
            let destination = enroll(record, at: now)
            let stored = StoredSnapshot(decoding: record.scheduler)
            if wasGivenBack, let at = stored.at, at <= now {
                (destination.snapshot, destination.snapshotAt) = (stored.bytes, at)
            } else {
                (destination.snapshot, destination.snapshotAt) = stored.resumed(
                    at: now, lived: now, policy: policy(of: destination))
            }
        }
        for tally in tallies {
            guard let id = tally.destination, granted[District.of(destination: id)] != nil,
                let destination = table[id]
            else { continue }
            take(tally, at: destination)
        }
        late.cursors = [:]
        for destination in table.values
        where granted[District.of(destination: destination.id)] != nil && destination.queued > 0 {
            place(destination, empty: false)
        }
        for stored in unrouted where granted[District.of(message: stored.id.message)] != nil {
            routeStored(stored)
        }
        districts.node.opened(Array(granted.keys))
    }

    /// Known from its record, new or as another node has changed it.
    @discardableResult
    private func enroll(_ record: DestinationRecord, at now: UnixTime) -> Destination {
        let destination =
            table[record.id]
            ?? Destination(
                id: record.id, identity: record.identity,
                key: CRC32.checksum(record.identity), name: record.name, at: now)
        destination.domains = record.domains
        destination.domainCount = max(destination.domainCount, record.domains.count)
        destination.pin = record.pin
        destination.pausedBy = record.pausedBy
        destination.pausedUntil = record.pausedUntil
        destination.pauseReason = record.pauseReason
        destination.lastActive = now
        if table[record.id] == nil {
            enroll(destination)
            routing.restore(identity: record.identity, id: record.id, domains: record.domains)
        }
        return destination
    }

    // MARK: Closing

    /// The ring gives them to others.
    func giveUp(_ unwanted: [Int], era: Int) {
        guard let districts, districts.era == era else { return }
        close(unwanted.filter { [.open, .opening].contains(districts.states[$0]) })
    }

    private func close(_ closing: [Int]) {
        guard let districts, !closing.isEmpty else { return }
        let closing = Set(closing)
        districts.set(.closing, closing)
        districts.node.closes(Array(closing))
        actions.giveUp { closing.contains(District.of(destination: $0)) }
        for destination in table.values
        where closing.contains(District.of(destination: destination.id)) {
            surrender(destination)
        }
        // They lie in the spool for the next one; those that are being recorded are waited for.
        unrouted = unrouted.filter { !closing.contains(District.of(message: $0.key.message)) }
        watchClosing()
    }

    private static let closingPace = Duration.milliseconds(50)

    private func watchClosing() {
        guard let districts, !districts.isClosing else { return }
        districts.isClosing = true
        lookAtClosing(districts)
    }

    private func lookAtClosing(_ districts: Districts) {
        let closing = Set(districts.those(.closing))
        let waiting = closing.subtracting(districts.ending)
        var busy = districts.routing.values.reduce(into: Set<Int>()) { $0.formUnion($1) }
        for destination in table.values {
            let district = District.of(destination: destination.id)
            guard waiting.contains(district) else { continue }
            if destination.ownership != .none || destination.pendingSettlements > 0 {
                surrender(destination)
                busy.insert(district)
            }
        }
        busy.formUnion(actions.busy.map { District.of(destination: $0) })
        let free = waiting.subtracting(busy)
        if !free.isEmpty || (closing.isEmpty && !districts.isReady) {
            districts.ending.formUnion(free)
            let era = districts.era
            barrier { dispatcher in
                districts.ending.subtract(free)
                districts.set(.away, free)
                dispatcher.overview.remove(
                    dispatcher.table.values.filter {
                        free.contains(District.of(destination: $0.id))
                    })
                districts.node.closed(Array(free), era: era)
                dispatcher.closedAll(districts)
            }
        }
        guard free.count < waiting.count else {
            districts.isClosing = false
            return
        }
        after(Self.closingPace) { $0.lookAtClosing(districts) }
    }

    /// After everything was lost: nothing of it is under way any more.
    private func closedAll(_ districts: Districts) {
        guard !districts.isReady, districts.those(.closing).isEmpty else { return }
        districts.isReady = true
        districts.node.ready(era: districts.era)
    }

    // MARK: Mail from other nodes

    /// - Returns: those that this node takes over.
    func announce(_ found: [(delivery: Int64, destination: Int64?)], era: Int) -> [Int64] {
        guard let districts, districts.era == era else { return [] }
        return found.compactMap { delivery, destination in
            let id = DeliveryID(rawValue: delivery)
            guard holds(id, of: destination) else { return nil }
            if let destination {
                districts.announce(id, of: destination)
                if let known = table[destination], case .loading = known.ownership {
                    known.lateArrivals.insert(id)
                }
            }
            return delivery
        }
    }

    /// They are in nobody's list any more.
    func fetched(_ ids: [Int64], era: Int) {
        let ids = ids.map { DeliveryID(rawValue: $0) }
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.letters(ids, upTo: Self.smallBody)
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard let districts = dispatcher.districts, districts.era == era else { return }
            switch result {
            case .failure(let error):
                dispatcher.readFailed(error) { $0.fetched(ids.map(\.rawValue), era: era) }
            case .success(let letters):
                dispatcher.introduce(letters, era: era)
            }
        }
    }

    /// Those whose destinations are not known here wait until they are.
    private func introduce(_ letters: SpoolLetters, era: Int) {
        let unknown = Set(letters.deliveries.compactMap(\.destination).filter { table[$0] == nil })
        guard !unknown.isEmpty else { return arrived(letters) }
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.destinations(unknown)
        } completion: { [handle = handle] result in
            let dispatcher = handle.value
            guard let districts = dispatcher.districts, districts.era == era else { return }
            switch result {
            case .failure(let error):
                dispatcher.readFailed(error) { $0.introduce(letters, era: era) }
            case .success(let destinations):
                let now = dispatcher.clocks.wall()
                for record in destinations where dispatcher.table[record.id] == nil {
                    dispatcher.enroll(record, at: now)
                }
                dispatcher.arrived(letters)
            }
        }
    }

    private func arrived(_ letters: SpoolLetters) {
        guard let districts else { return }
        for stored in letters.deliveries {
            arrived(stored, body: letters.bodies.texts[stored.id.message], districts)
        }
    }

    /// - Parameter body: nil: it is large, or is not what was written.
    private func arrived(_ stored: StoredDelivery, body: ByteBuffer?, _ districts: Districts) {
        if let destination = stored.destination {
            districts.forgetAnnouncement(stored.id, of: destination)
        }
        // Otherwise it lies in the spool for whoever opens its district next.
        guard holds(stored.id, of: stored.destination) else { return }
        guard let id = stored.destination else { return routeStored(stored) }
        guard let destination = table[id] else {
            return logger.critical(
                "mail has a destination that is not known", metadata: ["id": "\(stored.id)"])
        }
        destination.lastActive = clocks.wall()
        learn(domain: stored.domain, of: destination)
        switch stored.state {
        case .queued:
            queue(stored, destination: id, body: body)
        case .held: destination.held += 1
        case .purging, .bouncing: destination.purging += 1
        case .routing: break
        }
    }

    /// Those that took it in know the domain; its owner goes by it too.
    private func learn(domain: String, of destination: Destination) {
        guard !destination.domains.contains(domain), destination.domains.count < 20 else { return }
        destination.domainCount += 1
        destination.domains.append(domain)
        persist(destination)
    }
}
