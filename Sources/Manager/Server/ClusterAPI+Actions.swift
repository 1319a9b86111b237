import Cluster
import Control
import Mail
import Settings
import Spool

/// Actions reach whoever has what they are about: each node makes a plan of its part, carries that
/// out, and records it as an action of its own. What they have in common is a name, under which they
/// are listed and undone as one.
extension ClusterAPI {
    // MARK: Plans

    func plan(_ request: PlanRequest, by peer: String) async throws -> Plan {
        guard let peers else {
            if let node = request.node { throw Self.noCluster(node) }
            return try await node.planner.plan(request, by: peer)
        }
        var scene = try await scene(peers)
        // Without a node the workers are those of the one that is asked.
        let only = try target(request, scene, peers)
        if let other = scene.others.first(where: { $0.id == only }) {
            let plan: Plan = try await reaching(other) {
                try await peers.ask(other.id, .plan(request, by: peer))
            }
            return try await joined(
                [JointPlan.Part(other: other, name: other.name, plan: plan)], request, [])
        }
        let asked: [(other: Other, value: Plan)] =
            only == nil ? try await ask(peers, &scene, .plan(request, by: peer)) : []
        var parts = asked.map {
            JointPlan.Part(other: $0.other, name: $0.other.name, plan: $0.value)
        }
        var unreached = scene.others.compactMap { other -> String? in
            guard only == nil, let problem = other.problem else { return nil }
            return "node \(other.name) \(problem): nothing of it is among them"
        }
        let answered = Set(asked.map(\.other.id))
        do {
            let own = try await node.planner.plan(request, by: peer, answered: answered)
            parts.insert(JointPlan.Part(other: nil, name: scene.own, plan: own), at: 0)
        } catch let error as APIError {
            // It may be about what another has, and possible there: a worker of that number.
            guard parts.contains(where: { !$0.isEmpty }) else { throw error }
            unreached.insert("node \(scene.own): \(error.message)", at: 0)
        }
        return try await joined(parts, request, unreached)
    }

    private func joined(
        _ parts: [JointPlan.Part], _ request: PlanRequest, _ unreached: [String]
    ) async throws -> Plan {
        let joint = try await join(parts, request, unreached)
        plans.keep(joint, at: joint.plan.at)
        return joint.plan
    }

    private static func noCluster(_ node: String) -> APIError {
        APIError(
            code: "no-cluster",
            message: "there is no node '\(SafeText(node).text)': this daemon is the only one that "
                + "uses its spool")
    }

    /// The node that alone is asked; nil: all.
    private func target(
        _ request: PlanRequest, _ scene: Scene, _ peers: Peers
    ) throws(APIError) -> NodeID? {
        guard let name = request.node, name != scene.own else {
            return request.node != nil || request.action.isAboutWorkers ? peers.node : nil
        }
        guard let other = scene.other(named: name) else {
            let names = ([scene.own] + scene.others.map(\.name)).sorted().joined(separator: ", ")
            throw APIError(
                code: "not-found",
                message: "no live node is named '\(SafeText(name).text)'; there are \(names)")
        }
        if let problem = other.problem {
            throw APIError(
                code: "not-reached", message: "node \(name) \(problem); nothing was done")
        }
        return other.id
    }

    private func join(
        _ parts: [JointPlan.Part], _ request: PlanRequest, _ unreached: [String]
    ) async throws -> JointPlan {
        let full = parts.filter { !$0.isEmpty }
        let shown = full.isEmpty ? Array(parts.prefix(1)) : full
        let rest = parts.filter { part in !shown.contains { $0.name == part.name } }
        var plan = Plan.merged(
            shown.map { ($0.name, $0.plan) }, id: plans.newID(), request: request)
        plan.notes += PartTexts.joined(rest.map { ($0.name, $0.plan.notes) } + [("", [])])
        plan.notes += unreached
        if shown.count == 1, parts.count > 1, !full.isEmpty, let name = shown.first?.name {
            plan.notes.insert("all on node \(name)", at: 0)
        }
        if request.action.actsOnDeliveries {
            let counts = plan.counts
            let (effect, confirmAbove) = try await dispatcher.run { dispatcher in
                (
                    Planner.effect(request, counts, dispatcher),
                    dispatcher.configuration.undo.confirmAbove
                )
            }
            plan.effect = effect
            if request.action == .purge || request.action == .bounce {
                plan.mustTypeCount = plan.mustTypeCount || counts.deliveries > confirmAbove
            }
        }
        if !request.action.actsOnDeliveries, shown.count > 1 {
            let what = Counted.destinations(plan.counts.destinations)
            plan.effect = try await dispatcher.run { $0.effect(request, on: what) }
        }
        return JointPlan(plan: plan, parts: shown, unreached: unreached)
    }

    // MARK: Apply

    func apply(_ id: String, _ request: ApplyRequest, by peer: String) async throws -> ActionRow {
        guard let peers else { return try await node.runner.apply(id, request, by: peer) }
        guard let known = plans.plan(id) else {
            throw APIError(
                code: "no-such-plan",
                message:
                    "plan \(SafeText(id).text) is unknown here, applied, or older than 10 min; "
                    + "make a new one")
        }
        if known.plan.mustTypeCount, request.count != known.plan.counts.deliveries {
            throw APIError(
                code: "count-required",
                message: "this plan touches \(known.plan.counts.deliveries) deliveries; "
                    + "apply it with that count to confirm")
        }
        guard let joint = plans.take(id) else {
            throw APIError(code: "no-such-plan", message: "plan \(id) is applied already")
        }
        let group = "\(peers.node.rawValue)-\(joint.plan.at.milliseconds)-\(id)"
        let results = try await withThrowingTaskGroup(
            of: (Int, Result<ActionRow, any Error>).self
        ) { tasks in
            for (index, part) in joint.parts.enumerated() {
                tasks.addTask {
                    do {
                        return (index, .success(try await apply(part, request, group, by: peer)))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            return try await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return try joined(
            joint.parts.enumerated().compactMap { index, part in
                results[index].map { (part.name, $0) }
            }, unreached: joint.unreached)
    }

    private func apply(
        _ part: JointPlan.Part, _ request: ApplyRequest, _ group: String, by peer: String
    ) async throws -> ActionRow {
        var own = request
        // The sum was typed; each part has its own.
        if part.plan.mustTypeCount || request.count != nil {
            own.count = part.plan.counts.deliveries
        }
        guard let other = part.other, let peers else {
            return try await node.runner.apply(part.plan.id, own, by: peer, group: group)
        }
        return try await reaching(other) {
            try await peers.ask(
                other.id, .apply(plan: part.plan.id, own, by: peer, group: group))
        }
    }

    private func reaching<Value>(
        _ other: Other, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch Peers.Failure.notReached {
            throw APIError(
                code: "not-reached",
                message: "node \(other.name) cannot be reached: nothing was done there")
        } catch Peers.Failure.noAnswer {
            throw APIError(
                code: "not-reached",
                message: "node \(other.name) has got it and does not answer: what it did is in the "
                    + "list of actions, as soon as it is done")
        }
    }

    /// What several did, as one; throws where none did anything.
    private func joined(
        _ results: [(name: String, result: Result<ActionRow, any Error>)], unreached: [String] = []
    ) throws -> ActionRow {
        var done: [(name: String, row: ActionRow)] = []
        var refused: [(name: String, error: any Error)] = []
        for (name, result) in results {
            switch result {
            case .success(var row):
                row.node = name
                done.append((name, row))
            case .failure(let error): refused.append((name, error))
            }
        }
        guard !done.isEmpty else {
            throw refused.first?.error
                ?? APIError(code: "plan-changed", message: "there is nothing to do")
        }
        var row = ActionRow.merged(done, id: done.map(\.row.id).joined(separator: Self.separator))
        for (name, error) in refused {
            row.result += "; \(name): \((error as? APIError)?.message ?? "\(error)")"
        }
        for text in unreached { row.result += "; \(text)" }
        return row
    }

    /// Between the numbers of actions that were done as one.
    private static let separator = "-"

    // MARK: Undo

    /// - Parameter text: the number of an action, or several as `apply` returns them.
    func undo(_ text: String, by peer: String) async throws -> ActionRow {
        guard let peers else { return try await node.runner.undo(text, by: peer) }
        var scene = try await scene(peers)
        var results: [(name: String, result: Result<ActionRow, any Error>)] = []
        var known: [(id: String, record: ActionRecord?)] = []
        for id in text.split(separator: Self.separator, omittingEmptySubsequences: false) {
            let record = try await record(of: String(id))
            guard record != nil else {
                throw APIError(
                    code: "not-found",
                    message: "there is no action \(SafeText(String(id)).text); nothing was undone")
            }
            known.append((String(id), record))
        }
        // Some of them may have been undone before.
        let undoable = known.filter { $0.record?.state == ActionState.undoable.rawValue }
        for (id, record) in undoable.isEmpty ? known : undoable {
            let owner = try owner(of: record, scene, peers)
            let name = owner?.name ?? scene.own
            do {
                var row: ActionRow
                if let owner {
                    if let problem = owner.problem {
                        throw APIError(
                            code: "not-reached",
                            message: "node \(owner.name), which has action \(id), \(problem); "
                                + "nothing was undone there: try again when it is back, or when "
                                + "another has taken over")
                    }
                    row = try await reaching(owner) {
                        try await peers.ask(owner.id, .undo(action: id, by: peer))
                    }
                } else {
                    row = try await node.runner.undo(id, by: peer)
                }
                if let record { try await undoParts(of: record, but: owner, &row, &scene, peers) }
                results.append((name, .success(row)))
            } catch {
                results.append((name, .failure(error)))
            }
        }
        return try joined(results)
    }

    private func record(of text: String) async throws -> ActionRecord? {
        guard let id = Int64(text) else { return nil }
        return try await reader.read { spool throws(SpoolError) in try spool.action(id) }
    }

    /// Destinations that have moved since, to nodes other than the one that has the action.
    private func undoParts(
        of record: ActionRecord, but owner: Other?, _ row: inout ActionRow, _ scene: inout Scene,
        _ peers: Peers
    ) async throws {
        guard let details = ActionDetails(decoding: record.details) else { return }
        let first = owner?.id ?? peers.node
        let nodes = Set(details.destinations.map { scene.owner(of: $0.id) }).subtracting([first])
        var left = details.destinations.count - row.counts.destinations
        for id in nodes {
            guard let id else { continue }
            if id == peers.node {
                let count = try await node.runner.undoPart(of: String(record.id))
                row.counts.destinations += count
                left -= count
                continue
            }
            let answers: [(other: Other, value: Int)] = try await ask(
                peers, &scene, .undoPart(action: String(record.id)), only: id)
            for (_, count) in answers {
                row.counts.destinations += count
                left -= count
            }
        }
        if !details.destinations.isEmpty, !nodes.isEmpty {
            row.result =
                "undone: \(Counted.destinations(row.counts.destinations)) as before"
                + (left > 0 ? "; \(left) gone since, or with a node that cannot be reached" : "")
        }
    }

    /// The other node that can undo it; nil: this one.
    private func owner(
        of record: ActionRecord?, _ scene: Scene, _ peers: Peers
    ) throws(APIError) -> Other? {
        guard let record else { return nil }
        let id = record.id
        var owner = scene.owner(of: id)
        if record.isAboutWorkers {
            owner = ActionDetails.origin(in: record.details).node.map { NodeID($0) }
        }
        guard owner != peers.node else { return nil }
        if let other = scene.others.first(where: { $0.id == owner }) { return other }
        throw APIError(
            code: "not-reached",
            message: "no node that can be reached has action \(id) at present; try again when "
                + "another has taken it over")
    }

    // MARK: The list

    func actions(limit: Int, offset: Int) async throws -> Page<ActionRow> {
        let (records, count) = try await reader.read { spool throws(SpoolError) in
            (try spool.actions(limit: limit, offset: offset), try spool.actionCount())
        }
        let (now, names) = try await dispatcher.run { dispatcher in
            (
                dispatcher.clocks.wall(),
                (dispatcher.districts?.view.nodes ?? []).reduce(into: [Int64: String]()) {
                    $0[$1.id.rawValue] = SafeText($1.name).text
                }
            )
        }
        var groups: [[(name: String, row: ActionRow)]] = []
        var places: [String: Int] = [:]
        for record in records {
            let origin = ActionDetails.origin(in: record.details)
            var row = ActionRow(record)
            row.node = origin.node.flatMap { names[$0] }
            let part = (name: row.node ?? "", row: row)
            if let group = origin.group, let place = places[group] {
                groups[place].append(part)
            } else {
                if let group = origin.group { places[group] = groups.count }
                groups.append([part])
            }
        }
        let rows = groups.map { parts in
            let parts = parts.sorted { $0.name < $1.name }
            return ActionRow.merged(
                parts, id: parts.map(\.row.id).joined(separator: Self.separator))
        }
        return Page(
            at: now, total: count - (records.count - rows.count), offset: offset, rows: rows)
    }
}
