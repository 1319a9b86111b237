import Control

/// What one destination adds to the totals.
struct DestinationShare: Equatable {
    private var queued: Int32 = 0
    private var ready: Int32 = 0
    private var delivering: Int32 = 0
    private var delayed: Int32 = 0
    private var held: Int32 = 0
    private var purging: Int32 = 0
    private var connections: Int32 = 0
    private var isCounted = false
    private var isPaused = false
    private var isBackingOff = false
    /// Transactions run.
    private(set) var isRunning = false
    /// -1: none.
    fileprivate var worker: Int32 = -1
    fileprivate var pin: Int32 = -1
    fileprivate var isOwned = false

    init() {}

    init(_ destination: Destination, _ figures: DestinationFigures) {
        queued = Int32(clamping: figures.queued)
        ready = Int32(clamping: figures.ready)
        delivering = Int32(clamping: figures.delivering)
        delayed = Int32(clamping: figures.delayed)
        held = Int32(clamping: destination.held)
        purging = Int32(clamping: destination.purging)
        connections = Int32(clamping: figures.connections)
        isPaused = figures.state == .paused
        isBackingOff = figures.state == .backoff || figures.state == .probing
        // Those that are counted one by one are among those that are counted.
        isCounted = figures.queued + destination.purging > 0 || isPaused || isBackingOff
        worker = destination.ownership.worker.map { Int32(clamping: $0) } ?? -1
        pin = destination.pin.map { Int32(clamping: $0) } ?? -1
        isRunning = destination.report.map { !$0.running.isEmpty } ?? false
        isOwned = worker >= 0 && destination.queued > 0
    }

    fileprivate func add(to totals: inout Totals, _ sign: Int) {
        totals.deliveries += sign * (Int(queued) + Int(purging))
        totals.ready += sign * Int(ready)
        totals.delivering += sign * Int(delivering)
        totals.delayed += sign * Int(delayed)
        totals.held += sign * Int(held)
        totals.purging += sign * Int(purging)
        totals.connections += sign * Int(connections)
        if isCounted { totals.destinations += sign }
        if isPaused { totals.paused += sign }
        if isBackingOff { totals.backoff += sign }
    }
}

/// The sums of all shares.
struct DestinationSums {
    private(set) var totals = Totals()
    /// By worker: destinations with mail that it has, and those pinned to it.
    private(set) var owned: [Int: Int] = [:]
    private(set) var pinned: [Int: Int] = [:]

    mutating func replace(_ old: DestinationShare, by new: DestinationShare) {
        guard old != new else { return }
        add(old, -1)
        add(new, 1)
    }

    private mutating func add(_ share: DestinationShare, _ sign: Int) {
        share.add(to: &totals, sign)
        if share.isOwned { owned[Int(share.worker), default: 0] += sign }
        if share.pin >= 0 { pinned[Int(share.pin), default: 0] += sign }
    }
}

extension DestinationSums: Equatable {
    static func == (a: Self, b: Self) -> Bool {
        func numbers(_ sums: Self) -> [Int] {
            let totals = sums.totals
            return [
                totals.deliveries, totals.ready, totals.delivering, totals.delayed, totals.held,
                totals.purging, totals.connections, totals.destinations, totals.paused,
                totals.backoff,
            ]
        }
        func present(_ counts: [Int: Int]) -> [Int: Int] { counts.filter { $0.value != 0 } }
        return numbers(a) == numbers(b) && present(a.owned) == present(b.owned)
            && present(a.pinned) == present(b.pinned)
    }
}
