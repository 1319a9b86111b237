import Control
import Filter
import Mail
import Scheduler

/// Which destinations have changed since somebody last looked; by their places in the overview.
final class DestinationChanges {
    fileprivate(set) var slots: [Int] = []

    func note(_ slot: Int) {
        slots.append(slot)
    }
}

/// The totals of all destinations and the orders that were asked for, kept up by what changes: a
/// frame of the monitor costs what has happened since the last one, not what is in the table.
///
/// Confined to the dispatcher's event loop.
final class DestinationOverview {
    typealias Value = (String, Destination, UnixTime) -> FilterFieldValue?

    private let changes = DestinationChanges()
    private var members: [Destination?] = []
    private var free: [Int] = []
    private var shares: [DestinationShare] = []
    private var orders: [DestinationOrder] = []

    private(set) var sums = DestinationSums()
    /// Recipients delivered per second now, by worker.
    private(set) var perSecond: [Int: Double] = [:]

    /// Several monitors look at different orders; each holds a key per destination.
    private static let orderLimit = 4
    private static let orderLife = Duration.seconds(60)

    func add(_ destination: Destination) {
        let slot: Int
        if let known = free.popLast() {
            slot = known
            members[slot] = destination
        } else {
            slot = members.count
            members.append(destination)
            shares.append(DestinationShare())
        }
        destination.join(changes, slot: slot)
    }

    func remove(_ destination: Destination) { remove([destination]) }

    func remove(_ destinations: [Destination]) {
        let slots = Set(destinations.compactMap { $0.leave() })
        guard !slots.isEmpty else { return }
        for slot in slots {
            sums.replace(shares[slot], by: DestinationShare())
            shares[slot] = DestinationShare()
            for index in orders.indices { orders[index].remove(slot) }
            members[slot] = nil
        }
        changes.slots.removeAll { slots.contains($0) }
        free += slots
    }

    /// How many destinations the next `refresh` looks at.
    var pending: Int { changes.slots.count }

    /// Brings the totals and the orders to this instant.
    func refresh(at now: UnixTime, _ instant: Instant, _ value: Value) {
        orders.removeAll { instant - $0.usedAt > Self.orderLife }
        let changed = changes.slots
        changes.slots.removeAll(keepingCapacity: changed.count < 4096)
        perSecond.removeAll(keepingCapacity: true)
        for slot in changed {
            guard let destination = members[slot] else { continue }
            let figures = DestinationFigures(destination, at: now)
            let share = DestinationShare(destination, figures)
            sums.replace(shares[slot], by: share)
            shares[slot] = share
            for index in orders.indices { orders[index].update(slot, destination, at: now, value) }
            if let worker = destination.ownership.worker {
                perSecond[worker, default: 0] += destination.history.rate(at: now)
            }
            // What is shown of it changes with the clock alone.
            destination.wasSeen(
                goesOn: !destination.history.isQuiet(at: now)
                    || figures.remembered?.openFor != nil)
        }
        assert(sums == counted(at: now), "the totals have drifted from the table")
    }

    /// The destinations of a page, where it begins, and how many there are in all. After
    /// `refresh`.
    func page(
        _ query: DestinationOrder.Query, offset: Int, limit: Int, around: Int64? = nil,
        at now: UnixTime, _ instant: () -> Instant, _ value: Value
    ) -> (total: Int, offset: Int, page: [Destination]) {
        let start = instant()
        let index: Int
        if let known = orders.firstIndex(where: { $0.query == query }) {
            index = known
        } else {
            if orders.count >= Self.orderLimit,
                let oldest = orders.indices.min(by: { orders[$0].usedAt < orders[$1].usedAt })
            {
                orders.remove(at: oldest)
            }
            index = orders.count
            orders.append(DestinationOrder(query))
        }
        if orders[index].isStale(at: start) {
            orders[index].fill(members, at: now, value)
            let end = instant()
            orders[index].filled(at: end, cost: end - start)
        }
        orders[index].usedAt = start
        let place = around.flatMap { orders[index].place(of: $0) }
        let offset = place.map { max(0, $0 - limit / 2) } ?? offset
        let slots = orders[index].first(offset + limit).dropFirst(offset)
        return (orders[index].total, offset, slots.compactMap { members[$0] })
    }

    /// The deliveries whose transactions run. After `refresh`.
    var running: [DeliveryID] {
        shares.indices.filter { shares[$0].isRunning }.flatMap {
            members[$0]?.report?.running ?? []
        }
    }

    private func counted(at now: UnixTime) -> DestinationSums {
        members.reduce(into: DestinationSums()) { sums, destination in
            guard let destination else { return }
            sums.replace(
                DestinationShare(),
                by: DestinationShare(destination, DestinationFigures(destination, at: now)))
        }
    }
}
