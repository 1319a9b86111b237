import Glibc

/// What the receivers see of the nodes, and what of it must not be. A value without I/O: what
/// happens is told to it in the order in which it happened.
struct Book {
    /// A connection from a node to a destination.
    private struct Line {
        var node: Int
        var destination: Int
        /// The sender of the message that is being handed over: its id.
        var transaction: String?
        var mailAt: Wall = 0
        /// The way to the node was cut after the last that came from it: it may be gone, and nobody
        /// here can know.
        var isCut = false
        /// The node was killed while its way was cut: what the kernel of its machine still had may
        /// come, whoever delivers by then.
        var isOrphan = false
        /// Another node has begun to deliver there while it was cut.
        var isSuperseded = false
    }

    /// A message that was taken, or whose 250 did not get through.
    struct Copy {
        var id: String
        var destination: Int
        var node: Int
        var mailAt: Wall
        /// When its final dot was here.
        var dotAt: Wall
    }

    private let limit: Int
    private var lines: [Int: Line] = [:]
    private var cut: Set<Int> = []
    /// In their order.
    private(set) var copies: [Copy] = []
    private(set) var counts: [Int]
    /// The node that last began a transaction there.
    private(set) var owners: [Int: Int] = [:]
    private(set) var connectionsMax = 0
    private(set) var transactions = 0
    /// What came from the kernels of machines whose node had been killed behind a cut.
    private(set) var lateOnes = 0
    /// What must not be.
    private(set) var faults: [String] = []
    /// Nobody may begin anything.
    var isQuiet = false

    init(destinations: Int, limit: Int) {
        self.limit = limit
        counts = [Int](repeating: 0, count: destinations)
    }

    // MARK: Connections

    mutating func opened(_ number: Int, from node: Int, to destination: Int) {
        lines[number] = Line(node: node, destination: destination, isCut: cut.contains(node))
        count(at: destination)
    }

    mutating func closed(_ number: Int) { lines[number] = nil }

    /// Anything at all has come over it.
    mutating func heard(_ number: Int) {
        guard let line = lines[number], line.isCut else { return }
        if line.isOrphan {
            lateOnes += 1
        } else if line.isSuperseded, let id = line.transaction {
            fault(line, "goes on with \(id), and another has taken over")
        }
        guard !cut.contains(line.node) else { return }
        lines[number]?.isCut = false
        count(at: line.destination)
    }

    /// Those of others that are in a transaction at this destination.
    func rivals(of number: Int) -> [Int] {
        guard let line = lines[number] else { return [] }
        return lines.filter {
            $0.value.destination == line.destination && $0.value.node != line.node
                && $0.value.transaction != nil
        }.map(\.key).sorted()
    }

    func connections(to destination: Int) -> [Int] {
        lines.filter { $0.value.destination == destination }.map(\.key).sorted()
    }

    private mutating func count(at destination: Int) {
        let open = lines.values.filter { $0.destination == destination && !$0.isCut }
        connectionsMax = max(connectionsMax, open.count)
        guard open.count > limit else { return }
        let nodes = open.map { "\($0.node)" }.sorted().joined(separator: ", ")
        faults.append(
            "destination \(destination) has \(open.count) connections, from nodes \(nodes)")
    }

    // MARK: Transactions

    mutating func mail(_ number: Int, id: String, at now: Wall) {
        guard let line = lines[number] else { return }
        if !line.isOrphan {
            if line.isSuperseded {
                fault(line, "begins with \(id), and another has taken over")
            }
            for (other, rival) in lines
            where rival.destination == line.destination && rival.node != line.node {
                if rival.isCut {
                    lines[other]?.isSuperseded = true
                } else if rival.transaction != nil {
                    fault(line, "begins with \(id) while node \(rival.node) has a transaction")
                }
            }
        }
        if isQuiet { fault(line, "begins with \(id) while nobody has a lease") }
        lines[number]?.transaction = id
        lines[number]?.mailAt = now
        transactions += 1
        owners[line.destination] = line.node
    }

    mutating func dot(_ number: Int, at now: Wall) {
        guard let line = lines[number], let id = line.transaction else { return }
        copies.append(
            Copy(
                id: id, destination: line.destination, node: line.node, mailAt: line.mailAt,
                dotAt: now))
        counts[line.destination] += 1
    }

    mutating func transactionEnded(_ number: Int) {
        lines[number]?.transaction = nil
    }

    private mutating func fault(_ line: Line, _ what: String) {
        faults.append("destination \(line.destination): node \(line.node) \(what)")
    }

    // MARK: The network

    mutating func cut(_ node: Int) {
        cut.insert(node)
        for (number, line) in lines where line.node == node { lines[number]?.isCut = true }
    }

    mutating func mended(_ node: Int) { cut.remove(node) }

    mutating func killed(_ node: Int) {
        for (number, line) in lines where line.node == node && line.isCut {
            lines[number]?.isOrphan = true
        }
    }
}

/// The wall clock of this machine, in microseconds since 1970: the tests' and the database's.
typealias Wall = Int64

func wallClock() -> Wall {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Wall(time.tv_sec) * 1_000_000 + Wall(time.tv_nsec) / 1000
}
