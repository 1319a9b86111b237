import ArgumentParser
import Cluster
import Control
import Foundation
import Scheduler

/// Who owns what in a large cluster, by the ring that the nodes compute, district by district; and
/// what moves when nodes come and go.
struct Scale: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Place millions of destinations on the ring of many nodes.",
        discussion: """
            The destinations' queues are as uneven as domains are (Zipf: the second has half of the \
            first, the third a third). Prints JSON.
            """)

    @Option(help: "Nodes.")
    var nodes = 100

    @Option(help: "Workers of each node.")
    var workers = 4

    @Option(help: "Destinations.")
    var destinations = 10_000_000

    @Option(help: "Deliveries that are queued for them.")
    var queued = 1_000_000_000

    func validate() throws {
        guard nodes > 1, workers > 0, destinations > 0, queued > 0 else {
            throw ValidationError("at least two nodes, and one of the others")
        }
    }

    func run() throws {
        let began = Clocks.system.monotonic()
        let before = Self.residentBytes()
        let ring = allotment(of: nodes)
        let ringSeconds = Self.seconds(since: began)
        let ringBytes = Self.residentBytes() - before

        let placed = Clocks.system.monotonic()
        let districts = owners(in: ring)
        let placeSeconds = Self.seconds(since: placed)
        let homes = Self.districts(of: destinations)
        let owners = homes.map { districts[$0] }

        let weights = queueLengths()
        var report = Report(
            nodes: nodes, workers: workers, destinations: destinations, queued: queued,
            ringBytes: ringBytes, ringSeconds: ringSeconds,
            districts: District.count, secondsToPlace: placeSeconds,
            districtsOfANode: spread(districts) { _ in 1 },
            destinationsOfANode: spread(owners) { _ in 1 },
            queuedOfANode: spread(owners) { weights[$0] },
            queuedOfANodeButTheLargest: spread(owners) { $0 < 100 ? 0 : weights[$0] },
            queuedForTheLargest: weights[0], changes: [])
        for change in Change.allCases {
            let then = self.owners(in: allotment(after: change))
            report.changes.append(
                moves(change, from: owners, to: homes.map { then[$0] }, weights: weights))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }

    // MARK: The ring

    private enum Change: String, CaseIterable, Codable {
        case join, death, threeDeaths, twiceTheWeight
    }

    private func allotment(of count: Int) -> Allotment {
        Allotment(nodes: weights(of: count))
    }

    private func weights(of count: Int) -> [NodeID: [Int: Double]] {
        var nodes: [NodeID: [Int: Double]] = [:]
        for node in 1...count {
            nodes[NodeID(Int64(node))] = Dictionary(
                uniqueKeysWithValues: (1...workers).map { ($0, 1) })
        }
        return nodes
    }

    private func allotment(after change: Change) -> Allotment {
        var nodes = weights(of: change == .join ? self.nodes + 1 : self.nodes)
        switch change {
        case .join: break
        case .death: nodes[NodeID(1)] = nil
        case .threeDeaths: for node in 1...3 { nodes[NodeID(Int64(node))] = nil }
        case .twiceTheWeight: nodes[NodeID(1)] = nodes[NodeID(1)]!.mapValues { $0 * 2 }
        }
        return Allotment(nodes: nodes)
    }

    private func owners(in ring: Allotment) -> [Int32] {
        District.all.map { Int32(ring.place(of: UInt32($0))?.node.rawValue ?? 0) }
    }

    /// Numbers of destinations are hashes; these are the same in each run.
    private static func districts(of count: Int) -> [Int] {
        var random = SplitMix64(seed: 1)
        return (0..<count).map { _ in
            District.of(destination: Int64(random.next() >> 1))
        }
    }

    // MARK: Queues

    /// Of each destination, the largest first.
    private func queueLengths() -> [Int] {
        let all = (1...destinations).reduce(0.0) { $0 + 1 / Double($1) }
        return (1...destinations).map { Int(Double(queued) / all / Double($0)) }
    }

    // MARK: The report

    private struct Spread: Codable {
        var least: Int
        var median: Int
        var most: Int
    }

    private struct Moves: Codable {
        var change: Change
        /// Destinations that have another node then, and their mail.
        var destinations: Int
        var queued: Int
        /// What one node gets of them at most.
        var mostDestinationsOfANode: Int
        /// Destinations that move although neither their old nor their new node has changed.
        var needless: Int
    }

    private struct Report: Codable {
        var nodes: Int
        var workers: Int
        var destinations: Int
        var queued: Int
        var ringBytes: Int
        var ringSeconds: Double
        var districts: Int
        var secondsToPlace: Double
        var districtsOfANode: Spread
        var destinationsOfANode: Spread
        var queuedOfANode: Spread
        /// Without the hundred destinations that have most mail.
        var queuedOfANodeButTheLargest: Spread
        var queuedForTheLargest: Int
        var changes: [Moves]
    }

    private func spread(_ owners: [Int32], of weight: (Int) -> Int) -> Spread {
        var totals: [Int32: Int] = [:]
        for index in owners.indices { totals[owners[index], default: 0] += weight(index) }
        let sorted = totals.values.sorted()
        return Spread(
            least: sorted.first ?? 0, median: sorted[sorted.count / 2], most: sorted.last ?? 0)
    }

    private func moves(
        _ change: Change, from before: [Int32], to after: [Int32], weights: [Int]
    ) -> Moves {
        let changed: Set<Int32> =
            switch change {
            case .join: [Int32(nodes + 1)]
            case .death, .twiceTheWeight: [1]
            case .threeDeaths: [1, 2, 3]
            }
        var moves = Moves(
            change: change, destinations: 0, queued: 0, mostDestinationsOfANode: 0, needless: 0)
        var got: [Int32: Int] = [:]
        for index in before.indices where before[index] != after[index] {
            moves.destinations += 1
            moves.queued += weights[index]
            got[after[index], default: 0] += 1
            if !changed.contains(before[index]), !changed.contains(after[index]) {
                moves.needless += 1
            }
        }
        moves.mostDestinationsOfANode = got.values.max() ?? 0
        return moves
    }

    private static func seconds(since start: Instant) -> Double {
        Double((Clocks.system.monotonic() - start).nanoseconds) / 1e9
    }

    /// Of this process (proc(5), statm).
    private static func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let fields = text.split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
