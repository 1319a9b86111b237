import Glibc
import Mail
import Scheduler

/// What a decision costs, how much a queued delivery takes, and how evenly the ring divides:
/// measured here and now, so in a release build on a quiet machine.
package struct CoreBenchmark: Sendable {
    private static let deliveries = 1_000_000
    private static let destinations = 100_000
    /// Each time is that of the fastest of so many passes, the first of which fills the queue: what
    /// else the machine did, which also empties its caches, is no cost of ours.
    private static let fills = 4
    private static let rounds = 8

    package private(set) var entries: [Report.Entry] = []

    /// Takes some seconds and 200 MB.
    package init() {
        measureDecisions()
        measureRing()
    }

    package var isMet: Bool { entries.allSatisfy { $0.value <= $0.target ?? .infinity } }

    package var lines: [String] {
        let rows = entries.map { entry in
            let value = (entry.value * 1000).rounded() / 1000
            let target = entry.target ?? 0
            return [
                "  \(entry.name)", "\(value) \(entry.unit)",
                "≤ \(target), \(entry.value <= target ? "met" : "MISSED")",
            ]
        }
        let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return [
            "core: \(Self.deliveries) deliveries queued for \(Self.destinations) destinations; the ring",
            "  processor time of the fastest of \(Self.fills) fills, and of \(Self.rounds) rounds of a start "
                + "and a finish for each destination",
        ]
            + rows.map { row in
                row[0] + String(repeating: " ", count: widths[0] - row[0].count + 3)
                    + String(repeating: " ", count: widths[1] - row[1].count) + row[1] + "   "
                    + row[2]
            }
    }

    private mutating func add(_ name: String, _ value: Double, _ unit: String, most: Double) {
        entries.append(Report.Entry(name: name, value: value, unit: unit, target: most))
    }

    // MARK: Decisions

    private mutating func measureDecisions() {
        var now = Instant(nanoseconds: 1_000_000_000)
        let policy = DestinationPolicy(limits: Limits(rate: Rate(text: "100/s"), burst: 100))
        func empty() -> Scheduler {
            var scheduler = Scheduler(seed: 1)
            for number in 1...Self.destinations {
                scheduler.add(
                    DestinationID(rawValue: Int64(number)), policy: policy, snapshot: nil, at: now)
            }
            return scheduler
        }
        var scheduler = empty()
        // In an order that has nothing to do with the destinations', as mail comes.
        var random = SplitMix64(seed: 7)
        let entries = (0..<Self.deliveries).map { number in
            Entry(
                id: DeliveryID(
                    message: MessageID(rawValue: Int64(number + 1)), ordinal: 0),
                destination: DestinationID(rawValue: Int64(number % Self.destinations + 1)),
                due: now, received: now + .milliseconds(number % 1000),
                attempts: 0, size: 20_000, sender: UInt32(number % 50))
        }.shuffled(using: &random)
        let before = Self.resident
        var time = Self.measure { for entry in entries { scheduler.enqueue(entry, at: now) } }
        let taken = withExtendedLifetime(entries) { Double(Self.resident - before) }
        for _ in 1..<Self.fills {
            scheduler = empty()
            time = min(
                time, Self.measure { for entry in entries { scheduler.enqueue(entry, at: now) } })
        }
        add("enqueue", time / .microseconds(1) / Double(Self.deliveries), "µs", most: 2)
        add("memory per delivery", taken / Double(Self.deliveries), "bytes", most: 100)

        var (start, finish) = (Double.infinity, Double.infinity)
        for _ in 0..<Self.rounds {
            now = now + .seconds(1)
            var starts: [Start] = []
            starts.reserveCapacity(Self.destinations)
            let starting = Self.measure {
                while starts.count < Self.destinations, let start = scheduler.next(at: now) {
                    starts.append(start)
                }
            }
            let began = Double(max(1, starts.count))
            start = min(start, starting / .microseconds(1) / began)
            starts.shuffle(using: &random)
            now = now + .milliseconds(500)
            let finishing = Self.measure {
                for start in starts {
                    _ = scheduler.finished(
                        start.delivery, of: start.destination, .settled, connection: .idle, at: now)
                }
            }
            finish = min(finish, finishing / .microseconds(1) / began)
        }
        add("start", start, "µs", most: 2)
        add("finish", finish, "µs", most: 2)
    }

    /// Of this thread's processor, so that what else the machine does counts for less.
    private static func measure(_ work: () -> Void) -> Duration {
        func time() -> Duration {
            var now = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
            return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec)
        }
        let start = time()
        work()
        return time() - start
    }

    /// Bytes of memory that the process uses (proc(5): the second number of statm, in pages).
    private static var resident: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        let numbers = text.split(separator: " ")
        return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }

    // MARK: The ring

    private mutating func measureRing() {
        let keys = (0..<UInt32(Self.destinations)).map { CRC32.checksum("destination \($0)".utf8) }
        let eight = Ring(workers: Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, 1) }))
        let nine = Ring(workers: Dictionary(uniqueKeysWithValues: (0..<9).map { ($0, 1) }))
        let moved = keys.count { eight.owner(of: $0) != nine.owner(of: $0) }
        add(
            "ring: moved when 8 workers become 9", Double(moved) / Double(keys.count), "share",
            most: 0.13)
        for (name, ring, workers) in [("8", eight, 8), ("9", nine, 9)] {
            var loads: [Int: Int] = [:]
            for key in keys { loads[ring.owner(of: key) ?? 0, default: 0] += 1 }
            let heaviest = Double(loads.values.max() ?? 0) * Double(workers) / Double(keys.count)
            add("ring: heaviest of \(name) over the mean", heaviest, "1", most: 1.15)
        }
    }
}
