import Cluster
import Control
import Logging
import Mail
import Scheduler
import Spool

/// What is told of the nodes.
extension Dispatcher {
    private func cluster() throws(APIError) -> (Districts, ClusterView) {
        guard let districts else {
            throw APIError(
                code: "no-cluster",
                message: "this daemon is the only one that uses its spool: its configuration names "
                    + "no node in [cluster]")
        }
        return (districts, districts.view)
    }

    func nodeRows() throws(APIError) -> [NodeRow] {
        let (districts, view) = try cluster()
        let now = clocks.monotonic()
        let shares = districts.shares()
        let owned = view.owners.values.reduce(into: [NodeID: Int]()) { $0[$1, default: 0] += 1 }
        func part(_ count: Int?) -> Double { Double(count ?? 0) / Double(District.count) }
        return view.nodes.map { node in
            NodeRow(
                name: SafeText(node.name).text,
                state: !node.isLive ? .gone : node.isDrained ? .draining : .live,
                isSelf: node.id == districts.node.id, workers: node.weights.count,
                has: part(owned[node.id]), share: part(shares[node.id]),
                seenSeconds: Double((now - node.seenAt).nanoseconds) / 1e9,
                leaseSeconds: Double(districts.node.lease.nanoseconds) / 1e9)
        }.sorted { $0.name < $1.name }
    }

    /// The name of the one that has a destination; nil: nobody, or there are no nodes.
    func node(of destination: Int64) -> String? {
        guard let view = districts?.view else { return nil }
        return view.owner(of: District.of(destination: destination)).map { SafeText($0.name).text }
    }

    /// - Parameters:
    ///   - node: one that goes.
    ///   - workers: those of a further one.
    ///   - tallies: what lies in the spool.
    func moves(
        without node: String?, with workers: Int?, _ tallies: [DestinationTally]
    ) throws(APIError) -> [NodeMove] {
        var (_, view) = try cluster()
        if let node {
            guard let place = view.nodes.firstIndex(where: { $0.name == node && $0.isLive }) else {
                throw Self.noNode(node, view)
            }
            view.nodes[place].isDrained = true
        }
        if let workers {
            guard (1...256).contains(workers) else {
                throw APIError(code: "bad-request", message: "a node has 1 to 256 workers")
            }
            let next = NodeID((view.nodes.map(\.id.rawValue).max() ?? 0) + 1)
            view.nodes.append(
                ClusterView.Node(
                    id: next, name: "a new node", isLive: true, isDrained: false,
                    weights: Array(repeating: 1, count: workers), seenAt: clocks.monotonic()))
        }
        let allotment = view.allotment
        var mail: [Int: (destinations: Int, deliveries: Int)] = [:]
        for tally in tallies where tally.state == .queued {
            guard let destination = tally.destination else { continue }
            mail[District.of(destination: destination), default: (0, 0)].destinations += 1
            mail[District.of(destination: destination), default: (0, 0)].deliveries += tally.count
        }
        struct Way: Hashable {
            var from: NodeID?
            var to: NodeID
        }
        var moves: [Way: NodeMove] = [:]
        func name(_ id: NodeID) -> String {
            SafeText(view.nodes.first { $0.id == id }?.name ?? "").text
        }
        for district in District.all {
            guard let to = allotment.place(of: UInt32(district))?.node else { continue }
            let from = view.owners[district]
            guard from != to else { continue }
            let way = Way(from: from, to: to)
            var move =
                moves[way]
                ?? NodeMove(
                    from: from.map(name), to: name(to), part: 0, destinations: 0, deliveries: 0)
            move.part += 1 / Double(District.count)
            move.destinations += mail[district]?.destinations ?? 0
            move.deliveries += mail[district]?.deliveries ?? 0
            moves[way] = move
        }
        return moves.values.sorted { ($0.from ?? "", $0.to) < ($1.from ?? "", $1.to) }
    }

    /// Lets a node hand over what it has and stop.
    func drain(node: String, by peer: String) throws(APIError) -> NodeRow {
        let (districts, view) = try cluster()
        guard let row = try nodeRows().first(where: { $0.name == node }), row.state != .gone else {
            throw Self.noNode(node, view)
        }
        guard view.nodes.contains(where: { $0.isLive && !$0.isDrained && $0.name != node }) else {
            throw APIError(
                code: "last-node",
                message:
                    "no other node is there that could take over what \(row.name) has; to stop "
                    + "it, stop its daemon: its mail stays in the spool")
        }
        guard clocks.monotonic() < districts.leaseEnd else {
            throw APIError(
                code: "no-database",
                message:
                    "this node cannot reach the cluster's database; try again, or at another one")
        }
        logger.notice("node drained", metadata: ["node": "\(row.name)", "by": "\(peer)"])
        publish("node", "node \(row.name) is drained by \(peer)")
        districts.node.drain(node)
        if let id = actions.newActionID(in: districts.open.sorted()) {
            let record = ActionRecord(
                id: id, kind: ActionKind.drain.rawValue, at: clocks.wall(), by: peer, reason: "",
                target: "node \(row.name)", state: ActionState.done.rawValue, undoUntil: nil,
                result: "node \(row.name) hands over what it has, and stops",
                details: ActionDetails(
                    origin: ActionDetails.Origin(node: districts.node.id.rawValue)
                ).encoded)
            write([.action(record)]) { _ in }
        }
        return row
    }

    private static func noNode(_ name: String, _ view: ClusterView) -> APIError {
        let live = view.nodes.filter(\.isLive).map(\.name).sorted().joined(separator: ", ")
        return APIError(
            code: "not-found",
            message: SafeText("no live node is named '\(name)'; there are \(live)").text)
    }
}
