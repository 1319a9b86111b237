import Control
import Filter
import Mail
import Scheduler
import Spool

/// How the deliveries of a destination divide, and what state that makes it. Cheap: asked of every
/// destination for a total and for a page of few.
struct DestinationFigures {
    var queued: Int
    var ready: Int
    var delivering = 0
    var delayed = 0
    var connections = 0
    var breaker = BreakerState.closed
    /// What is known of one that nobody has.
    var remembered: DestinationSnapshot?
    var state: DestinationState

    init(_ destination: Destination, at now: UnixTime) {
        queued = destination.queued + destination.held
        ready = destination.queued
        if let report = destination.report {
            // The owner's counts may be a fraction of a second older than the manager's: what is
            // queued is the manager's, and how it divides the owner's, so that the parts add up.
            delivering = min(report.running.count, destination.queued)
            delayed = min(report.delayed, destination.queued - delivering)
            ready = destination.queued - delivering - delayed
            connections = report.connections
            breaker = [.closed, .open, .halfOpen][min(Int(report.breaker), 2)]
        } else if destination.queued > 0,
            let snapshot = DestinationSnapshot(decoding: destination.snapshot)
        {
            remembered = snapshot
            let lain = now - destination.snapshotAt
            breaker =
                snapshot.isProbing(after: lain)
                ? .halfOpen : snapshot.openFor == nil ? .closed : .open
        }
        if destination.isPaused {
            state = .paused
        } else if breaker == .open {
            state = .backoff
        } else if breaker == .halfOpen {
            state = .probing
        } else if ready > 0 {
            state = .waiting
        } else if delivering > 0 {
            state = .delivering
        } else {
            state = delayed > 0 || destination.held > 0 ? .scheduled : .idle
        }
    }
}

/// One page, made without making the rows of all others.
extension Dispatcher {
    /// - Parameters:
    ///   - sort: a field of the filter language; nil: those with the most mail first.
    ///   - around: a destination that is to be in the middle of the page, if it is in the order.
    func destinationPage(
        filter: FilterExpression?, sort: String?, descending: Bool, offset: Int, limit: Int,
        around: Int64? = nil
    ) throws(APIError) -> Page<DestinationRow> {
        let now = clocks.wall()
        let field = sort ?? "queued"
        guard FilterFields.destinations[field] != nil else {
            throw APIError(
                code: "bad-sort", message: "destinations have no field '\(SafeText(field).text)'")
        }
        refreshOverview(at: now)
        let (total, offset, page) = overview.page(
            DestinationOrder.Query(
                filter: filter, field: field, isDescending: sort == nil || descending),
            offset: offset, limit: limit, around: around, at: now, clocks.monotonic
        ) { value(of: $0, $1, at: $2) }
        return Page(
            at: now, total: total, offset: offset, rows: page.map { row(of: $0, at: now) })
    }

    func refreshOverview(at now: UnixTime) {
        overview.refresh(at: now, clocks.monotonic()) { value(of: $0, $1, at: $2) }
    }

    /// As `DestinationRow.value`, for most fields without a row.
    func value(of field: String, _ destination: Destination, at now: UnixTime)
        -> FilterFieldValue?
    {
        switch field {
        case "id": return .number(Double(destination.id))
        case "name": return .text(destination.title)
        case "domain": return .list(destination.domains)
        case "worker": return destination.ownership.worker.map { .number(Double($0)) }
        case "node": return node(of: destination.id).map { .text($0) }
        case "pinned": return .flag(destination.pin != nil)
        case "paused": return .flag(destination.isPaused)
        case "held": return .number(Double(destination.held))
        case "attempts": return .number(Double(destination.attempts))
        case "out": return .number(destination.history.rate(at: now))
        case "delivered": return .number(Double(destination.delivered))
        case "deferred": return .number(Double(destination.deferred))
        case "bounced": return .number(Double(destination.bounced))
        case "queued": return .number(Double(destination.queued + destination.held))
        case "state": return .text(DestinationFigures(destination, at: now).state.rawValue)
        case "ready": return .number(Double(DestinationFigures(destination, at: now).ready))
        case "delayed": return .number(Double(DestinationFigures(destination, at: now).delayed))
        case "delivering":
            return .number(Double(DestinationFigures(destination, at: now).delivering))
        case "connections":
            return .number(Double(DestinationFigures(destination, at: now).connections))
        case "failures": return .number(Double(destination.report?.failures ?? 0))
        case "next":
            return destination.report?.nextDue.map { .number($0.seconds - now.seconds) }
        case "code":
            return Int(destination.lastReply.prefix(3)).map { .number(Double($0)) }
        default: return row(of: destination, at: now).value(of: field, at: now)
        }
    }
}

extension Array {
    /// The first `count` of what sorting would give, in that order. For a few out of many it costs
    /// little more than looking at each.
    func smallest(_ count: Int, by precedes: (Element, Element) -> Bool) -> ArraySlice<Element> {
        let count = Swift.min(Swift.max(count, 0), self.count)
        guard count < self.count / 8 else { return sorted(by: precedes).prefix(count) }
        guard count > 0 else { return [] }
        // Sorted, and at most twice as many as are wanted before it is cut.
        var best: [Element] = []
        var candidates: [Element] = []
        for element in self {
            if best.count == count, let last = best.last, !precedes(element, last) { continue }
            candidates.append(element)
            guard candidates.count >= Swift.max(count, 64) else { continue }
            best = Array((best + candidates).sorted(by: precedes).prefix(count))
            candidates.removeAll(keepingCapacity: true)
        }
        return (best + candidates).sorted(by: precedes).prefix(count)
    }
}
