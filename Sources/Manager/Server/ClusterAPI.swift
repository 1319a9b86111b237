import Cluster
import Control
import Filter
import Mail
import Scheduler
import Spool

/// What the control socket answers: for this daemon, or, where it is one of several nodes, for all of
/// them. Each is asked for its part; what cannot be asked now is shown as it was last known, with its
/// age.
struct ClusterAPI: Sendable {
    let node: NodeAPI
    /// nil: there is one daemon alone.
    let peers: Peers?
    /// Plans of which each node has a part.
    let plans = JointPlans()

    var dispatcher: DispatcherHandle { node.dispatcher }
    var reader: SpoolReader { node.reader }

    /// Another node, and why it cannot be asked.
    struct Other: Sendable {
        var id: NodeID
        var name: String
        /// nil: it can be asked.
        var problem: String?
        var published: Peers.Published?
        var staleSeconds: Double?
    }

    /// What is known of the cluster at this moment.
    struct Scene: Sendable {
        var own: String
        var view: ClusterView
        /// Those that are live, or that had something nobody has taken over yet; by name.
        var others: [Other]

        func owner(of destination: Int64) -> NodeID? {
            view.owners[District.of(destination: destination)]
        }

        /// Whether no node has it that could be asked.
        func isLeft(_ row: DestinationRow, with other: Other) -> Bool {
            guard let id = Int64(row.id) else { return false }
            return owner(of: id) ?? other.id == other.id
        }

        func other(named name: String) -> Other? { others.first { $0.name == name } }
    }

    func scene(_ peers: Peers) async throws -> Scene {
        await peers.attend()
        let (published, silent) = peers.known()
        return try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.monotonic()
            let view = dispatcher.districts?.view ?? ClusterView()
            // Until somebody has them all, what one that is gone had is shown as it was.
            let isComplete = view.owners.count == District.count
            let others = view.nodes.compactMap { node -> Other? in
                guard node.id != peers.node else { return nil }
                let stale = published[node.id]?.staleSeconds(at: now)
                guard
                    node.isLive || (!isComplete && (stale ?? .infinity) < Self.remembered)
                else { return nil }
                let isSilent = !node.isLive || silent.contains(node.id)
                return Other(
                    id: node.id, name: SafeText(node.name).text,
                    problem: isSilent
                        ? Self.problem(stale, isLive: node.isLive) : nil,
                    published: published[node.id], staleSeconds: isSilent ? stale : nil)
            }
            return Scene(
                own: SafeText(dispatcher.districts?.node.name ?? "").text, view: view,
                others: others.sorted { $0.name < $1.name })
        }
    }

    /// How long what a node that is gone had is shown, in seconds, where nobody takes it over.
    private static let remembered = 300.0

    private static func problem(_ stale: Double?, isLive: Bool) -> String {
        let since = stale.map { "; last heard of \(Duration.seconds($0).brief) ago" } ?? ""
        return isLive ? "cannot be reached\(since)" : "is gone\(since)"
    }

    /// - Parameter only: the one that is asked; nil: all.
    /// - Returns: the answer of each that has one; in `scene` those that have none are marked.
    func ask<Value: Decodable & Sendable>(
        _ peers: Peers, _ scene: inout Scene, _ request: PeerRequest, only: NodeID? = nil
    ) async throws -> [(other: Other, value: Value)] {
        let asked = scene.others.filter { $0.problem == nil && only ?? $0.id == $0.id }
        let answers = try await withThrowingTaskGroup(
            of: (NodeID, Result<Value, any Error>).self
        ) { group in
            for other in asked {
                group.addTask {
                    do {
                        return (other.id, .success(try await peers.ask(other.id, request)))
                    } catch {
                        return (other.id, .failure(error))
                    }
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        try Task.checkCancellation()
        let now = try await dispatcher.run { $0.clocks.monotonic() }
        var found: [(Other, Value)] = []
        for index in scene.others.indices {
            let other = scene.others[index]
            switch answers[other.id] {
            case .success(let value)?: found.append((other, value))
            case .failure(let error as APIError)?:
                scene.others[index].problem = "answers: \(error.message)"
            case .failure?:
                let stale = other.published?.staleSeconds(at: now)
                scene.others[index].problem = Self.problem(stale, isLive: true)
                scene.others[index].staleSeconds = stale
            case nil: break
            }
        }
        return found
    }

    // MARK: Status

    func status() async throws -> Status {
        let own = try await dispatcher.run { $0.status() }
        guard let peers else { return own }
        let scene = try await scene(peers)
        var parts: [(part: StatusPart, status: Status?)] = [
            (StatusPart(name: scene.own, reached: true), own.labelled(scene.own, stale: nil))
        ]
        for other in scene.others {
            parts.append(
                (
                    StatusPart(
                        name: other.name, reached: other.problem == nil,
                        staleSeconds: other.staleSeconds, problem: other.problem),
                    other.published?.status.labelled(other.name, stale: other.staleSeconds)
                ))
        }
        guard var merged = Status.merged(parts) else { return own }
        merged.at = own.at
        merged.hostname = own.hostname
        merged.pid = own.pid
        merged.startedAt = own.startedAt
        // All count the messages of the one spool.
        merged.totals.messages = own.totals.messages
        merged.nodes = try await nodes(scene)
        merged.mayOperate = own.mayOperate
        merged.mayNotOperateBecause = own.mayNotOperateBecause
        return merged
    }

    func nodes() async throws -> Page<NodeRow> {
        let now = try await dispatcher.run { dispatcher in
            // Throws where there is no cluster.
            _ = try dispatcher.nodeRows()
            return dispatcher.clocks.wall()
        }
        guard let peers else { return Page(at: now, total: 0, offset: 0, rows: []) }
        let rows = try await nodes(try await scene(peers))
        return Page(at: now, total: rows.count, offset: 0, rows: rows)
    }

    private func nodes(_ scene: Scene) async throws -> [NodeRow] {
        let (rows, own) = try await dispatcher.run { (try $0.nodeRows(), $0.status()) }
        return rows.map { row in
            var row = row
            if row.isSelf {
                row.take(own, stale: nil)
            } else if let other = scene.other(named: row.name), let published = other.published {
                row.take(published.status, stale: other.staleSeconds)
            }
            return row
        }
    }

    func workers() async throws -> Page<WorkerRow> {
        guard peers != nil else { return try await node.workers() }
        let status = try await status()
        return Page(
            at: status.at, total: status.workers.count, offset: 0, rows: status.workers)
    }

    // MARK: Destinations

    /// Rows that are looked through for the one that a page is to be around.
    private static let aroundLimit = 10_000

    func destinations(_ query: ListQuery<Int64>) async throws -> Page<DestinationRow> {
        guard let peers else { return try await node.destinations(query) }
        var count = query.offset + query.limit
        while true {
            let pages = try await pages(peers, query, count: count)
            func merged(_ offset: Int) -> Page<DestinationRow> {
                Page.merged(
                    pages, sort: query.sort, descending: query.isDescending, offset: offset,
                    limit: query.limit)
            }
            guard let around = query.around.map({ String($0) }) else { return merged(query.offset) }
            let all = Page.merged(
                pages, sort: query.sort, descending: query.isDescending, offset: 0, limit: count)
            if let place = all.rows.firstIndex(where: { $0.id == around }) {
                let offset = max(0, place - query.limit / 2)
                if offset + query.limit <= count || count >= all.total { return merged(offset) }
            } else if count >= all.total || count >= Self.aroundLimit {
                return merged(query.offset)
            }
            count *= 4
        }
    }

    /// Of each its first rows.
    private func pages(
        _ peers: Peers, _ query: ListQuery<Int64>, count: Int
    ) async throws -> [Page<DestinationRow>] {
        var first = query
        (first.offset, first.limit, first.around) = (0, count, nil)
        var own = try await node.destinations(first)
        var scene = try await scene(peers)
        own.label(scene.own)
        let answers: [(other: Other, value: Page<DestinationRow>)] = try await ask(
            peers, &scene,
            .destinations(
                PeerRequest.Rows(
                    filter: query.filter, sort: query.sort, isDescending: query.isDescending,
                    count: count)))
        let others = answers.map { other, page in
            var page = page
            page.label(other.name)
            return page
        }
        let last = try lastKnown(scene, query, at: own.at)
        return [own] + others + (last.rows.isEmpty ? [] : [last])
    }

    /// What those that cannot be asked have published, as far as no other has it by now.
    private func lastKnown(
        _ scene: Scene, _ query: ListQuery<Int64>, at now: UnixTime
    ) throws -> Page<DestinationRow> {
        let filter = try query.filter.map { text throws(APIError) in
            try Planner.parse(text, fields: .destinations)
        }
        var rows: [DestinationRow] = []
        for other in scene.others where other.problem != nil {
            for var row in other.published?.destinations ?? [] {
                row.label(other)
                guard scene.isLeft(row, with: other),
                    filter?.matches(row.lookup(at: now)) ?? true
                else { continue }
                rows.append(row)
            }
        }
        let order = RowOrder.destinations(sort: query.sort, descending: query.isDescending)
        let places = rows.map { order.place($0, now) }
        rows = rows.indices.sorted { order.precedes(places[$0], places[$1]) }.map { rows[$0] }
        return Page(at: now, total: rows.count, offset: 0, rows: rows)
    }

    /// By its number or a name of it.
    func destination(_ name: String) async throws -> DestinationRow {
        try await one(
            name, own: { try await node.destination(name) }, .destination(name)
        ) { row, node in
            row.node = node
        } last: {
            $1
        }
    }

    func detail(of name: String) async throws -> DestinationDetail {
        try await one(name, own: { try await node.detail(of: name) }, .detail(name)) {
            detail, node in
            detail.row.node = node
        } last: {
            DestinationDetail(at: $0, row: $1)
        }
    }

    /// What one node has to say: this one, or another.
    private func one<Value: Codable & Sendable>(
        _ name: String, own: () async throws -> Value, _ request: PeerRequest,
        label: (inout Value, String) -> Void, last: (UnixTime, DestinationRow) -> Value
    ) async throws -> Value {
        guard let peers else { return try await own() }
        var scene = try await scene(peers)
        let refusal: APIError
        do {
            var value = try await own()
            label(&value, scene.own)
            return value
        } catch let error as APIError where error.code == "not-found" {
            refusal = error
        }
        let answers: [(other: Other, value: Value)] = try await ask(
            peers, &scene, request, only: Int64(name).flatMap { scene.owner(of: $0) })
        if let (other, value) = answers.first {
            var value = value
            label(&value, other.name)
            return value
        }
        let wanted = name.lowercased()
        for other in scene.others {
            for var row in other.published?.destinations ?? []
            where row.id == wanted || row.domains.contains(wanted)
                || row.name.lowercased() == wanted
            {
                guard other.problem != nil, scene.isLeft(row, with: other) else { continue }
                row.label(other)
                return last(try await dispatcher.run { $0.clocks.wall() }, row)
            }
        }
        throw refusal
    }

    // MARK: Maps

    func ages(limit: Int) async throws -> AgeMap {
        try await counted(.ages(limit: limit)) {
            try await node.ages(limit: limit, elsewhere: $0)
        } merged: {
            AgeMap.merged($0, limit: limit)
        }
    }

    func schedule(limit: Int) async throws -> Schedule {
        try await counted(.schedule(limit: limit)) {
            try await node.schedule(limit: limit, elsewhere: $0)
        } merged: {
            Schedule.merged($0, limit: limit)
        }
    }

    /// Each counts what it has; this one also what is of nobody, or of those that do not answer.
    private func counted<Value: Codable & Sendable>(
        _ request: PeerRequest,
        own: (@escaping @Sendable (Int64?) -> Bool) async throws -> Value,
        merged: ([Value]) -> Value
    ) async throws -> Value {
        guard let peers else { return try await own { _ in false } }
        var scene = try await scene(peers)
        let answers: [(other: Other, value: Value)] = try await ask(peers, &scene, request)
        let answered = Set(answers.map(\.other.id))
        let owners = scene.view.owners
        let rest = try await own { destination in
            destination.flatMap { owners[District.of(destination: $0)] }.map(answered.contains)
                ?? false
        }
        return merged([rest] + answers.map(\.value))
    }
}

extension Status {
    /// What of it says by itself whose it is.
    fileprivate func labelled(_ node: String, stale: Double?) -> Status {
        var status = self
        for index in status.workers.indices {
            status.workers[index].node = node
            status.workers[index].staleSeconds = stale
        }
        for index in status.running?.indices ?? 0..<0 { status.running?[index].node = node }
        return status
    }
}

extension NodeRow {
    fileprivate mutating func take(_ status: Status, stale: Double?) {
        queued = status.totals.deliveries
        delivering = status.totals.delivering
        connections = status.totals.connections
        deliveredPerSecond = status.rates.delivered
        cpu = status.workers.reduce(0) { $0 + $1.cpu }
        memory = status.workers.reduce(0) { $0 + $1.memory }
        staleSeconds = stale
    }
}

extension DestinationRow {
    fileprivate mutating func label(_ other: ClusterAPI.Other) {
        node = other.name
        staleSeconds = other.staleSeconds
    }
}

extension Page where Row == DestinationRow {
    fileprivate mutating func label(_ node: String) {
        for index in rows.indices { rows[index].node = node }
    }
}
