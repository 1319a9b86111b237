import Control
import Glibc
import Mail
import NIOCore
import Scheduler
import Settings

/// What the worker says by itself: heartbeats, and the state of destinations that changed.
extension Engine {
    /// Four times a second is faster than an eye follows and slow enough to cost nothing.
    private static let statusInterval: Duration = .milliseconds(250)
    /// Lines of traces in each interval; the rest is counted as dropped.
    private static let traceLines = 250
    /// Destinations told in one frame.
    private static let statusBatch = 2000

    func beat() {
        link?.send(.heartbeat(load()))
        after(configuration.supervision.heartbeat) { $0.beat() }
    }

    private func load() -> Load {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let time = usage.ru_utime.microseconds + usage.ru_stime.microseconds
        return Load(
            destinations: destinations.count, queued: scheduler.count,
            connections: connections.count, cpuMicroseconds: time,
            residentBytes: Self.residentBytes())
    }

    /// The second field of /proc/self/statm, in pages (proc(5)).
    private static func residentBytes() -> Int64 {
        let descriptor = Glibc.open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { Glibc.close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &buffer, buffer.count)
        let fields = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(
            separator: " ")
        guard fields.count > 1, let pages = Int64(fields[1]) else { return 0 }
        return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }

    func reportStatus() {
        traceBudget = Self.traceLines
        if let link, link.isOpen {
            let now = clocks.monotonic()
            var changed = scheduler.drainChanged(limit: Self.statusBatch)
            let also = asking.subtracting(changed.map(\.rawValue)).prefix(Self.statusBatch)
            changed += also.map(DestinationID.init(rawValue:))
            let reports = changed.compactMap { report(of: $0, at: now) }
            asking = asking.filter { destinations[$0]?.lookups.isEmpty == false }
            if !reports.isEmpty { link.send(.status(reports)) }
        }
        after(Self.statusInterval) { $0.reportStatus() }
    }

    private func report(of id: DestinationID, at now: Instant) -> DestinationReport? {
        guard let destination = destinations[id.rawValue], !destination.isSurrendering,
            let status = scheduler.status(id, at: now)
        else { return nil }
        var waits = scheduler.waits(id, at: now).map { Why($0, clocks) }
        if !holdsLease {
            waits.insert(
                Why(.worker, "this node cannot renew its lease and may not deliver"), at: 0)
        }
        if let trouble = destination.trouble {
            waits.insert(
                Why(.worker, "worker \(number) cannot open a connection: \(trouble)"),
                at: waits.firstIndex { !$0.isForAll } ?? waits.count)
        }
        if let domain = destination.lookups.first, destination.connections == 0 {
            waits.append(
                Why(kind: Wait.Kind.routing.rawValue, text: "DNS is asked where \(domain) goes"))
        }
        return DestinationReport(
            destination: destination.id, ready: status.ready, delayed: status.delayed,
            running: destination.running.sorted(), connections: status.connections,
            window: status.window, limit: status.limit, tokens: status.tokens,
            burst: status.burst, rate: status.rate, breaker: status.breaker.number,
            breakerUntil: status.breakerUntil.flatMap(clocks.time), failures: status.failures,
            nextDue: status.nextDue.flatMap(clocks.time),
            oldest: status.oldestReceived.flatMap(clocks.time), suspended: status.suspended,
            latestDue: status.latestDue.flatMap(clocks.time), learnedRate: status.learnedRate,
            learnedConnectionRate: status.learnedConnectionRate, waits: waits,
            exchangers: destination.exchangers,
            snapshot: scheduler.snapshot(id, at: now)?.encoded ?? [])
    }
}

extension timeval {
    fileprivate var microseconds: Int64 { Int64(tv_sec) * 1_000_000 + Int64(tv_usec) }
}

extension DestinationStatus.Breaker {
    fileprivate var number: UInt8 {
        switch self {
        case .closed: 0
        case .open: 1
        case .halfOpen: 2
        }
    }
}
