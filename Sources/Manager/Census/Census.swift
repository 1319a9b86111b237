import Control
import Mail
import Scheduler
import Spool

/// The newest count of the queue. Counting reads all deliveries: it is done when somebody asks,
/// and then not again before it has been idle fifty times as long as it took, so that it costs
/// at most 2 % of a core however much is queued.
actor Census {
    private let reader: SpoolReader
    private let clocks: Clocks
    private var last: (count: QueueCensus, endedAt: Instant, cost: Duration)?
    private var isCounting = false

    init(reader: SpoolReader, clocks: Clocks) {
        self.reader = reader
        self.clocks = clocks
    }

    func count() async throws -> QueueCensus {
        if let last,
            isCounting || clocks.monotonic() - last.endedAt < max(.seconds(1), last.cost * 50)
        {
            return last.count
        }
        isCounting = true
        defer { isCounting = false }
        let start = clocks.monotonic()
        let now = clocks.wall()
        let count = try await reader.read { spool throws(SpoolError) in
            try spool.census(ages: AgeBuckets.bounds, due: Schedule.bounds, at: now)
        }
        let end = clocks.monotonic()
        last = (count, end, end - start)
        return count
    }
}

extension Dispatcher {
    func ageMap(_ census: QueueCensus, limit: Int) -> AgeMap {
        let now = clocks.wall()
        var totals = [Int](repeating: 0, count: AgeBuckets.count)
        for tally in census.tallies {
            for (bucket, count) in tally.ages.enumerated() { totals[bucket] += Int(count) }
        }
        let sized = census.tallies.compactMap { tally in
            tally.destination.map { (id: $0, tally: tally, total: tally.ages.reduce(0, +)) }
        }
        let most = sized.sorted { ($1.total, $0.id) < ($0.total, $1.id) }.prefix(limit)
        return AgeMap(
            at: now, countedAt: census.at, bounds: AgeBuckets.bounds, totals: totals,
            destinations: sized.count,
            rows: most.map { entry in
                let row = table[entry.id].map { self.row(of: $0, at: now) }
                return AgeRow(
                    id: String(entry.id), name: row?.name ?? "destination \(entry.id)",
                    state: row?.state ?? .idle, counts: entry.tally.ages.map(Int.init))
            })
    }

    func schedule(_ census: QueueCensus, limit: Int) -> Schedule {
        let now = clocks.wall()
        var schedule = Schedule(at: now, countedAt: census.at)
        var expiring: [(tally: DestinationCensus, inDay: Int)] = []
        for tally in census.tallies {
            schedule.held += Int(tally.held)
            schedule.routing += Int(tally.routing)
            schedule.expiresInHour += Int(tally.expiresInHour)
            schedule.expiresInDay += Int(tally.expiresInDay)
            if tally.expiresInDay > 0, tally.destination != nil {
                expiring.append((tally, Int(tally.expiresInDay)))
            }
            add(tally, to: &schedule, at: now)
        }
        addProbes(to: &schedule, limit: limit, at: now)
        expiring.sort { ($1.inDay, $0.tally.id) < ($0.inDay, $1.tally.id) }
        schedule.expiring = expiring.prefix(limit).map { entry in
            ExpiringRow(
                id: String(entry.tally.id),
                name: table[entry.tally.id]?.title ?? "destination \(entry.tally.id)",
                inHour: Int(entry.tally.expiresInHour), inDay: entry.inDay,
                firstAt: entry.tally.firstExpiry)
        }
        return schedule
    }

    /// What is due before the breaker probes or the pause ends waits for that.
    private func add(_ tally: DestinationCensus, to schedule: inout Schedule, at now: UnixTime) {
        let total = tally.due.reduce(0) { $0 + Int($1) }
        guard total > 0 else { return }
        var counts = tally.due.map(Int.init)
        if let destination = tally.destination.flatMap({ table[$0] }) {
            if destination.isPaused, destination.pausedUntil == nil {
                schedule.paused.deliveries += total
                schedule.paused.destinations += 1
                return
            }
            var until = destination.pausedUntil
            if let report = destination.report, report.breaker == 1, let probe = report.breakerUntil
            {
                until = max(until ?? probe, probe)
            }
            if let until, until > now {
                let wait = until.seconds - now.seconds
                let bucket =
                    1 + (Schedule.bounds.firstIndex { wait <= $0 } ?? Schedule.bounds.count)
                let early = counts[..<bucket].reduce(0, +)
                for index in 0..<bucket { counts[index] = 0 }
                counts[bucket] += early
            }
        }
        if counts[0] > 0 {
            schedule.ready.deliveries += counts[0]
            schedule.ready.destinations += 1
        }
        for (bucket, count) in counts.dropFirst().enumerated() where count > 0 {
            schedule.due[bucket].deliveries += count
            schedule.due[bucket].destinations += 1
        }
    }

    private func addProbes(to schedule: inout Schedule, limit: Int, at now: UnixTime) {
        let open = table.values.filter { $0.report?.breaker == 1 && !$0.isPaused }
        schedule.openBreakers = open.count
        let next = open.compactMap { destination in
            destination.report?.breakerUntil.map { (destination, $0) }
        }.sorted { ($0.1, $0.0.id) < ($1.1, $1.0.id) }.prefix(limit)
        schedule.probes = next.map { destination, at in
            ProbeRow(
                id: String(destination.id), name: destination.title, at: at,
                queued: destination.queued, failures: destination.report?.failures ?? 0,
                lastReply: destination.lastReply.isEmpty
                    ? nil : SafeText(destination.lastReply).text)
        }
    }
}

extension DestinationCensus {
    fileprivate var id: Int64 { destination ?? 0 }
}
