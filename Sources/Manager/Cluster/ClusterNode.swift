import Cluster
import Control
import Glibc
import Logging
import Mail
import NIOCore
import PostgreSQL
import Scheduler
import SharedSpool
import Spool
import Synchronization

/// This node's part in the cluster, on a thread of its own: keeps its life, claims what the ring
/// gives it, gives back what the dispatcher has handed over, and brings mail that others have taken
/// in. What may be delivered is decided on the dispatcher's loop (`Districts`).
final class ClusterNode: Sendable {
    /// What the dispatcher wants; read in each round.
    private struct Orders {
        /// Raised whenever everything is lost: what was asked for before says nothing any more.
        var era = 0
        /// Nothing of an earlier era is under way, and all its results are recorded.
        var isReady = false
        /// Those whose mail is known: news of more may come.
        var open: Set<Int> = []
        /// How often that has grown.
        var opens = 0
        /// Given up in good order, in this era.
        var closed: [Int] = []
        /// Nodes that are to hand over what they have.
        var drained: [String] = []
        /// The end; true: in good order.
        var leaves: Bool?
    }

    let name: String
    var lease: Duration { times.lease }
    let id: NodeID
    let spool: SpoolNode
    private let address: DatabaseAddress
    private let home: Int64
    private let weights: [Double]
    private let times: Membership.Times
    private let clocks: Clocks
    /// Of the wall clock, to the database's.
    let correction: ClockCorrection
    private let logger: Logger
    private let orders = Mutex(Orders())
    private let wake: WakeUp
    private let thread = Mutex<BlockingThread?>(nil)
    private let first: Mutex<Round?>

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Connects and starts a life. Blocks.
    ///
    /// - Throws: what keeps it from starting.
    init(
        name: String, lease: Duration, weights: [Double], address: DatabaseAddress, home: Int64,
        clocks: Clocks, correction: ClockCorrection, logger: Logger
    ) throws {
        self.name = name
        self.address = address
        self.home = home
        self.weights = weights
        self.clocks = clocks
        self.correction = correction
        self.logger = logger
        times = Membership.Times(lease: lease)
        wake = try WakeUp()
        do {
            let table = try ClusterTable(address, answer: Self.answer(lease))
            let askedAt = clocks.monotonic()
            let (request, members) = try table.join(name: name, home: home, weights: weights)
            try table.listen(as: request.node)
            var membership = Membership(node: request.node, times: times)
            membership.joined(life: request.life, in: members, at: clocks.monotonic())
            id = request.node
            spool = SpoolNode(
                id: request.node.rawValue, life: request.life, onNews: { [wake] in wake.call() })
            first = Mutex(Round(membership: membership, table: table, members: members))
            compareClocks(with: table, read: clocks.monotonic() - askedAt)
        } catch is Members.NameInUse {
            throw Failure(
                description: "cluster.node: another data directory has a node \"\(name)\" that may "
                    + "be alive; give each node a name of its own (after a move of the data "
                    + "directory, wait until the others have declared it dead)")
        } catch let error as DatabaseFailure {
            throw Failure(description: "\(address): \(error.message)")
        }
    }

    /// So that a server that does not answer leaves time to try another connection.
    private static func answer(_ lease: Duration) -> Duration { max(lease / 4, .milliseconds(500)) }

    /// From now on it renews its lease and tells the dispatcher.
    func start(_ dispatcher: DispatcherHandle) {
        thread.withLock { thread in
            thread = BlockingThread { [self] in
                guard var round = first.withLock({ $0.take() }) else { return }
                run(&round, dispatcher)
            }
        }
    }

    /// Ends its life, where it leaves in good order, and its thread. Blocks.
    func stop(leaves: Bool) {
        order { $0.leaves = leaves }
        thread.withLock { $0.take() }?.join()
    }

    // MARK: Orders, from the dispatcher's loop

    func begin(era: Int) {
        order {
            $0.era = era
            $0.isReady = false
            $0.open = []
            $0.closed = []
        }
    }

    func ready(era: Int) {
        order { if $0.era == era { $0.isReady = true } }
    }

    func opened(_ districts: [Int]) {
        order {
            $0.open.formUnion(districts)
            $0.opens += 1
        }
    }

    func closes(_ districts: [Int]) { order { $0.open.subtract(districts) } }

    func closed(_ districts: [Int], era: Int) {
        order { if $0.era == era { $0.closed += districts } }
    }

    func drain(_ node: String) { order { $0.drained.append(node) } }

    private func order(_ body: (inout Orders) -> Void) {
        orders.withLock { body(&$0) }
        wake.call()
    }

    // MARK: The thread

    /// What the thread knows.
    private struct Round {
        var membership: Membership
        var table: ClusterTable?
        var members: Members
        var nodes: [NodeID: ClusterTable.Node] = [:]
        var owners: [Int: NodeID] = [:]
        var tenancies = [Tenancy](repeating: .none, count: District.count)
        var era = 0
        /// The first era in which a new life may begin.
        var nextEra = 0
        var renewedAt: Instant?
        var mustLook = true
        var mayHaveMail = true
        /// When it was looked for, how long ago that is to be before it is again.
        var mailSought = Instant(nanoseconds: .min)
        var mailWait = ClusterNode.mailPace
        /// Others are not told of theirs before.
        var newsDue = Instant(nanoseconds: .min)
        var opens = 0
        var isReady = false
        /// Announced, and not known to be removed from the table.
        var announced: [Int64] = []
        var announcedIn = 0
        var hasFailed = false
        /// Whom to drain, as soon as the database answers.
        var drained: [String] = []
        var isStopping = false
    }

    private func run(_ round: inout Round, _ dispatcher: DispatcherHandle) {
        while true {
            wake.clear()
            let orders = self.orders.withLock { orders in
                defer {
                    orders.closed = []
                    orders.drained = []
                }
                return orders
            }
            if let leaves = orders.leaves { return end(&round, leaves: leaves) }
            if orders.era != round.era {
                round.era = orders.era
                for district in District.all { round.tenancies[district].lost() }
                round.announced = []
            }
            if orders.isReady, !round.isReady { round.mustLook = true }
            round.isReady = orders.isReady
            // What came for them before they were open was left where it is.
            if orders.opens > round.opens {
                round.mayHaveMail = true
                round.mailWait = Self.mailPace
            }
            round.opens = orders.opens
            for district in orders.closed { round.tenancies[district].stopped() }
            round.drained += orders.drained
            do {
                try step(&round, orders, dispatcher)
                if round.hasFailed { logger.notice("the cluster's database answers again") }
                round.hasFailed = false
            } catch is Members.Over {
                logger.error(
                    "this node was declared dead, or the database has failed over: it starts anew")
                round.membership.ended()
                round.nextEra = round.era + 1
                dispatcher.execute { $0.lostEverything() }
            } catch let error as DatabaseFailure {
                if error.isLost || round.table?.isLost == true { round.table = nil }
                if !round.hasFailed {
                    logger.error(
                        "the cluster's database does not answer",
                        metadata: ["error": "\(error.message)"])
                }
                round.hasFailed = true
                // What was asked for may have been granted: the table is read again.
                for district in District.all {
                    guard case .claiming = round.tenancies[district] else { continue }
                    round.tenancies[district].lost()
                }
            } catch {
                logger.error("cluster", metadata: ["error": "\(error)"])
                round.hasFailed = true
            }
            wait(&round)
        }
    }

    private func wait(_ round: inout Round) {
        let now = clocks.monotonic()
        var due = round.renewedAt.map { max($0 + times.pace - now, .zero) } ?? .zero
        guard let table = round.table, !round.hasFailed else {
            pause(for: .milliseconds(250))
            round.mustLook = true
            return
        }
        if spool.hasNews, round.membership.request != nil {
            due = min(due, max(round.newsDue - now, .zero))
        }
        let mailDue = round.mailSought + round.mailWait
        if round.mayHaveMail, mailDue > now {
            // What comes meanwhile is read soon enough.
            pause(for: min(due, mailDue - now, Self.mailPace))
            due = .zero
        }
        let changes = (try? table.changes(within: due, or: wake.descriptor)) ?? [.nodes]
        if changes.contains(.nodes) {
            // Who is there comes with the renewal.
            round.renewedAt = nil
            round.mustLook = true
        }
        if changes.contains(.tenures) { round.mustLook = true }
        if changes.contains(.arrivals) {
            round.mayHaveMail = true
            round.mailWait = Self.mailPace
        }
    }

    /// Until there are orders, or a while.
    private func pause(for time: Duration) {
        var descriptor = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&descriptor, 1, Int32((time / .milliseconds(1)).rounded(.up)))
    }

    private func step(
        _ round: inout Round, _ orders: Orders, _ dispatcher: DispatcherHandle
    ) throws {
        if round.table == nil {
            let table = try ClusterTable(address, answer: Self.answer(times.lease))
            try table.listen(as: id)
            round.table = table
            round.mustLook = true
            round.mayHaveMail = true
        }
        guard let table = round.table else { return }
        if round.membership.request == nil {
            guard orders.isReady, orders.era >= round.nextEra else { return }
            let (request, members) = try table.join(name: name, home: home, weights: weights)
            round.membership.joined(life: request.life, in: members, at: clocks.monotonic())
            round.members = members
            spool.life = request.life
            round.renewedAt = nil
        }
        try renew(&round, table, dispatcher)
        guard let request = round.membership.request else { return }
        try release(&round, table, request)
        while let name = round.drained.first {
            if try !table.setDrained(name, true) {
                logger.error("there is no such node to drain", metadata: ["node": "\(name)"])
            }
            round.drained.removeFirst()
            round.mustLook = true
        }
        if round.mustLook {
            try look(&round, table, request, orders, dispatcher)
        }
        let now = clocks.monotonic()
        if spool.hasNews, round.newsDue <= now {
            round.newsDue = now + Self.newsPace
            try table.wakeOwners(of: spool.takeNews())
        }
        let isDue = round.mayHaveMail && round.mailSought + round.mailWait <= now
        if orders.isReady, isDue || !round.announced.isEmpty {
            round.mailSought = now
            if try fetchMail(&round, table, orders, dispatcher) {
                round.mailWait = Self.mailPace
            } else {
                round.mailWait = min(round.mailWait * 2, Self.newsPace * 2)
            }
            round.mayHaveMail = round.mailWait <= Self.newsPace
        }
    }

    private func renew(
        _ round: inout Round, _ table: ClusterTable, _ dispatcher: DispatcherHandle
    ) throws {
        guard let request = round.membership.request else { return }
        let sentAt = clocks.monotonic()
        if let last = round.renewedAt, sentAt - last < times.pace { return }
        let wasAlive = round.membership.isAlive(at: sentAt)
        let members = try table.renew(
            request, hasSettled: round.membership.hasSettled(at: sentAt))
        let now = clocks.monotonic()
        compareClocks(with: table, read: now - sentAt)
        round.renewedAt = sentAt
        round.membership.renewed(sentAt: sentAt)
        round.membership.saw(members, at: now)
        if !wasAlive || members.members.map(\.life) != round.members.members.map(\.life)
            || members.members.map(\.isLive) != round.members.members.map(\.isLive)
        {
            round.mustLook = true
        }
        round.members = members
        for seen in round.membership.overdue(in: members, at: now) {
            let isDead = try table.declareDead(
                seen.node, life: seen.life, beat: seen.beat, by: request)
            guard isDead else { continue }
            logger.error(
                "a node has shown no sign of life: it is declared dead",
                metadata: ["node": "\(round.nodes[seen.node]?.name ?? "\(seen.node.rawValue)")"])
            round.mustLook = true
            round.renewedAt = nil
        }
        round.mayHaveMail = true
        // A claim that was refused, a district that is free: looked at with each renewal.
        round.mustLook = true
        let until = round.membership.aliveUntil
        let view = view(of: round, at: now)
        dispatcher.execute { $0.leased(until: until, view) }
    }

    /// - Parameter age: how old what the database said of its clock may be.
    private func compareClocks(with table: ClusterTable, read age: Duration) {
        let own = clocks.wall() + (.zero - correction.ahead)
        guard correction.compare(table.time, read: age, with: own) else { return }
        logger.warning(
            "this machine's clock is not the database's, by which the nodes go",
            metadata: ["ahead": "\((.zero - correction.ahead) / .seconds(1)) s"])
    }

    private func view(of round: Round, at now: Instant) -> ClusterView {
        ClusterView(
            nodes: round.members.members.map { member in
                let node = round.nodes[member.id]
                return ClusterView.Node(
                    id: member.id, name: node?.name ?? "", isLive: member.isLive,
                    isDrained: node?.isDrained ?? false, weights: node?.weights ?? [],
                    seenAt: member.id == id
                        ? now : round.membership.sighting(of: member.id)?.since ?? now)
            }, owners: round.owners)
    }

    /// Claims what is to be its own and gives up what is not.
    private func look(
        _ round: inout Round, _ table: ClusterTable, _ request: Members.Request, _ orders: Orders,
        _ dispatcher: DispatcherHandle
    ) throws {
        let (nodes, tenures) = try table.sight()
        round.nodes = nodes
        round.mustLook = false
        let allotment = view(of: round, at: clocks.monotonic()).allotment
        round.owners = tenures.reduce(into: [:]) { owners, item in
            guard let owner = item.value.owner, !item.value.isFree(in: round.members) else {
                return
            }
            owners[Int(item.key)] = owner
        }
        // What a drained one has forgotten is free when it has left.
        let isDrained = round.nodes[id]?.isDrained == true
        var wanted: [(destination: Int64, seen: Int64)] = []
        var unwanted: [Int] = []
        for district in District.all {
            let place = allotment.place(of: UInt32(district))
            let isOwn = place?.node == id
            let tenure = tenures[Int64(district)] ?? Tenure()
            // Granted, and the answer was lost: nobody else can have it as long as this life lasts. It
            // is claimed again, and then given up in good order.
            let isForgotten =
                place != nil && !isDrained && tenure.owner == id && tenure.life == request.life
            switch round.tenancies[district] {
            case .none where isOwn || isForgotten:
                guard tenure.isFree(in: round.members) || tenure.owner == id else { continue }
                wanted.append((Int64(district), tenure.number))
            case .held where !isOwn && place != nil:
                unwanted.append(district)
            default: break
            }
        }
        if isDrained, !round.isStopping, orders.isReady,
            round.tenancies.allSatisfy({ $0 == .none })
        {
            round.isStopping = true
            logger.notice("drained: others have everything; this node stops")
            kill(getpid(), SIGTERM)
        }
        let era = round.era
        if !unwanted.isEmpty { dispatcher.execute { [unwanted] in $0.giveUp(unwanted, era: era) } }
        defer {
            let view = view(of: round, at: clocks.monotonic())
            dispatcher.execute { $0.districts?.view = view }
        }
        guard !round.members.isSettling else { return }
        while orders.isReady, !wanted.isEmpty, round.membership.mayClaim(at: clocks.monotonic()) {
            let part = Array(wanted.prefix(Self.claimedTogether))
            wanted.removeFirst(part.count)
            for (district, seen) in part {
                round.tenancies[Int(district)] = .claiming(seen: seen)
            }
            let answers = try table.claim(part, by: request)
            let isAlive = round.membership.isAlive(at: clocks.monotonic())
            var granted: [Int: Bool] = [:]
            for ((district, _), number) in zip(part, answers) {
                round.tenancies[Int(district)].claimAnswered(number, isAlive: isAlive)
                guard round.tenancies[Int(district)].isHeld else { continue }
                // Given back by its last owner, or not: then what that did last is not known.
                let tenure = tenures[district] ?? Tenure()
                granted[Int(district)] = tenure.owner == nil && tenure.number > 0
                round.owners[Int(district)] = id
            }
            if !granted.isEmpty {
                dispatcher.execute { [granted] in $0.granted(granted, era: era) }
            }
            try renew(&round, table, dispatcher)
        }
    }

    /// Districts claimed in one transaction.
    private static let claimedTogether = 512

    private func release(
        _ round: inout Round, _ table: ClusterTable, _ request: Members.Request
    ) throws {
        let given: [(destination: Int64, number: Int64)] = District.all.compactMap { district in
            guard case .releasing(let number) = round.tenancies[district] else { return nil }
            return (Int64(district), number)
        }
        guard !given.isEmpty else { return }
        // Where it was released before and the answer was lost, it is refused: that is as well.
        _ = try table.release(given, by: request)
        for (district, _) in given { round.tenancies[Int(district)].releaseAnswered() }
        round.mustLook = true
    }

    /// Deliveries that are told of at once.
    private static let mailTogether = 500

    /// Mail that comes alone is looked for at once; where more follows it is let come together, as
    /// each look is transactions of the database, which has those of all nodes. It is looked for
    /// without being told as long as there is some, and then a little longer and seldomer.
    private static let mailPace = Duration.milliseconds(150)

    /// So others are told seldom, while they look anyway.
    private static let newsPace = Duration.milliseconds(500)

    /// Brings what others have taken in for this node. The dispatcher knows of it before it is
    /// removed from the list, and has it read after that: a load of the queue sees it in one of the
    /// two places, and never in both.
    ///
    /// - Returns: whether there was any.
    private func fetchMail(
        _ round: inout Round, _ table: ClusterTable, _ orders: Orders,
        _ dispatcher: DispatcherHandle
    ) throws -> Bool {
        var hasFound = false
        while true {
            var isLast = false
            if round.announced.isEmpty {
                guard !orders.open.isEmpty else { return hasFound }
                let found = try table.arrivals(in: orders.open, limit: Self.mailTogether)
                isLast = found.count < Self.mailTogether
                guard !found.isEmpty else { return hasFound }
                round.announcedIn = round.era
                let era = round.era
                round.announced = dispatcher.wait(otherwise: []) { $0.announce(found, era: era) }
                guard !round.announced.isEmpty else { return hasFound }
            }
            guard let request = round.membership.request else { return hasFound }
            try table.remove(arrivals: round.announced, by: request)
            let (ids, era) = (round.announced, round.announcedIn)
            round.announced = []
            dispatcher.execute { $0.fetched(ids, era: era) }
            hasFound = true
            if isLast { return true }
            try renew(&round, table, dispatcher)
        }
    }

    /// The last round. Without an answer the others declare this node dead.
    private func end(_ round: inout Round, leaves: Bool) {
        guard leaves, let request = round.membership.request else { return }
        do {
            let table = try round.table ?? ClusterTable(address, answer: Self.answer(times.lease))
            try table.leave(request)
            logger.notice("left the cluster")
        } catch {
            logger.error(
                "could not leave the cluster in good order", metadata: ["error": "\(error)"])
        }
    }
}
