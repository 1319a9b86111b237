import Filter
import Mail
import Synchronization

/// Plans and actions: one on each host, shown as one.
extension MergedHosts {
    /// What belongs to a plan that was made for several hosts.
    struct OpenPlans {
        struct Entry {
            var plans: [(host: String, plan: Plan)]
            var counts: Counts
            var mustTypeCount: Bool
            /// Of the hosts that have no part in it, why: "mx2 cannot be reached (…)".
            var absent: [String]
        }

        var entries: [String: Entry] = [:]
        /// The oldest first.
        var order: [String] = []
        /// What is under way on several hosts under one name.
        var running: [String: [QualifiedID]] = [:]

        mutating func add(_ id: String, _ entry: Entry) {
            entries[id] = entry
            order.append(id)
            if order.count > 100 { entries[order.removeFirst()] = nil }
        }
    }

    package func plan(_ request: PlanRequest) async throws -> Plan {
        let requests = try requests(for: request)
        guard !requests.isEmpty else {
            throw APIError(code: "nothing-selected", message: "that selects nothing on any host")
        }
        let among = links.filter { requests[$0.name] != nil }
        if let name = request.progress {
            let parts = among.map { QualifiedID(host: $0.name, id: name) }
            plans.withLock { $0.running[name] = parts }
        }
        defer {
            if let name = request.progress {
                plans.withLock { _ = $0.running.removeValue(forKey: name) }
            }
        }
        let (reached, away) = try await reachable(among)
        let answers = try await answers(among: reached, waits: true) { api, link in
            guard let own = requests[link.name] else { throw CancellationError() }
            return try await api.plan(own)
        }
        var parts: [(name: String, plan: Plan)] = []
        var absent = away.map { Self.away($0.name, $0.problem ?? "") }
        for (link, answer) in answers {
            switch answer {
            case .success(let plan): parts.append((link.name, plan))
            case .failure(.lost(let problem)): absent.append(Self.away(link.name, problem))
            case .failure(let failure): absent.append("\(link.name): \(failure.words)")
            }
        }
        // Where nothing matches nothing is done; where that is everywhere, one says so.
        let selected = parts.filter { $0.plan.touches }
        let idle = selected.isEmpty ? [] : parts.filter { !$0.plan.touches }
        if !selected.isEmpty { parts = selected }
        let id = JointID(parts.map { QualifiedID(host: $0.name, id: $0.plan.id) }).description
        var merged = Plan.merged(
            parts.map { ($0.name, $0.plan.on($0.name)) }, id: id, request: request)
        if parts.count == 1, !request.action.isAboutWorkers {
            merged.effect = "on \(parts[0].name): \(merged.effect)"
        }
        merged.notes += idle.flatMap { part in
            ["\(part.name): nothing there matches"] + part.plan.notes.map { "\(part.name): \($0)" }
        }
        merged.notes += absent.map { "\($0): nothing is done there" }
        let entry = OpenPlans.Entry(
            plans: parts.map { (host: $0.name, plan: $0.plan) }, counts: merged.counts,
            mustTypeCount: merged.mustTypeCount, absent: absent)
        plans.withLock { $0.add(id, entry) }
        return merged
    }

    private static func away(_ host: String, _ problem: String) -> String {
        "\(host) cannot be reached (\(problem))"
    }

    /// Who answers now: what is sent to others would make all wait.
    private func reachable(
        _ links: [HostLink]
    ) async throws -> (reached: [HostLink], away: [HostLink]) {
        let answers: [(HostLink, Result<Status, Failure>)]
        do {
            answers = try await self.answers(among: links) { api, _ in try await api.status() }
        } catch var error as ControlError {
            error.message += ": nothing was done there"
            throw error
        }
        var (reached, away): ([HostLink], [HostLink]) = ([], [])
        for (link, answer) in answers {
            switch answer {
            case .success, .failure(.refused): reached.append(link)
            case .failure: away.append(link)
            }
        }
        return (reached, away)
    }

    package func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow {
        guard let entry = plans.withLock({ $0.entries[plan] }) else {
            throw APIError(
                code: "no-such-plan", message: "there is no plan '\(plan)'; ask for it again")
        }
        guard !entry.mustTypeCount || request.count == entry.counts.deliveries else {
            throw APIError(
                code: "count-required",
                message: "type the number of deliveries, \(entry.counts.deliveries), to do it")
        }
        let requests = Dictionary(
            uniqueKeysWithValues: entry.plans.map { host, plan in
                (
                    host,
                    (
                        id: plan.id,
                        body: ApplyRequest(
                            count: plan.mustTypeCount ? plan.counts.deliveries : nil,
                            reason: request.reason)
                    )
                )
            })
        return try await act(
            JointID(plan), absent: entry.absent
        ) { api, id in
            guard let own = requests[id.host ?? ""] else { throw CancellationError() }
            return try await api.apply(own.id, own.body)
        }
    }

    package func undo(_ action: String) async throws -> ActionRow {
        let joint = JointID(action)
        for part in joint.parts { _ = try await link(of: part) }
        return try await act(joint, absent: []) { api, id in try await api.undo(id.id) }
    }

    /// Does each part on its host.
    ///
    /// - Parameter absent: what there is to say of hosts that have no part.
    private func act(
        _ joint: JointID, absent: [String],
        _ request: @escaping @Sendable (any DaemonAPI, QualifiedID) async throws -> ActionRow
    ) async throws -> ActionRow {
        let parts = Dictionary(
            joint.parts.map { ($0.host ?? "", $0) }, uniquingKeysWith: { first, _ in first })
        let among = links.filter { parts[$0.name] != nil }
        if joint.parts.count > 1 {
            plans.withLock { $0.running[joint.description] = joint.parts }
        }
        defer { plans.withLock { _ = $0.running.removeValue(forKey: joint.description) } }
        let (reached, away) = try await reachable(among)
        let answers = try await answers(among: reached, waits: true) { api, link in
            guard let part = parts[link.name] else { throw CancellationError() }
            return try await request(api, part)
        }
        var done: [(name: String, row: ActionRow)] = []
        var failed = away.map { "\(Self.away($0.name, $0.problem ?? "")): nothing was done there" }
        for (link, answer) in answers {
            switch answer {
            case .success(let row): done.append((link.name, row))
            case .failure(.refused(let error)):
                failed.append("\(link.name): \(error.message): nothing was done there")
            case .failure(let failure):
                failed.append(
                    "\(link.name) has not said whether it was done there (\(failure.words)): "
                        + "see its actions")
            }
        }
        let id = JointID(done.map { QualifiedID(host: $0.name, id: $0.row.id) }).description
        var merged = ActionRow.merged(done.map { ($0.name, $0.row.on($0.name)) }, id: id)
        if done.count == 1, hosts.count > 1 { merged.result = "\(done[0].name): \(merged.result)" }
        let said = failed + absent.map { "\($0): nothing was done there" }
        merged.result = ([merged.result] + said).joined(separator: "; ")
        if !failed.isEmpty, merged.state != .undoable { merged.state = .failed }
        return merged
    }

    // MARK: Who gets what

    /// What each host is asked to plan; those that have nothing to do are left out.
    private func requests(for request: PlanRequest) throws -> [String: PlanRequest] {
        if let host = request.host {
            guard hosts.contains(host) else {
                throw APIError(
                    code: "not-found",
                    message: "'\(host)' is not asked; these are: \(hosts.joined(separator: ", "))")
            }
            var own = request
            own.host = nil
            own.selector = selectors(request)[host] ?? own.selector
            return [host: own]
        }
        if request.action.isAboutWorkers {
            throw APIError(
                code: "host-needed",
                message: "\(request.action.rawValue) is about the workers of one host: name it "
                    + "alone with --ssh")
        }
        for id in request.selector.destinations + request.selector.messages {
            let named = QualifiedID(id).host
            guard let named, hosts.contains(named) else {
                throw APIError(
                    code: "host-needed",
                    message: "'\(id)' does not say on which host, as in "
                        + "\(QualifiedID(host: hosts[0], id: QualifiedID(id).id))")
            }
        }
        return selectors(request).mapValues { selector in
            var own = request
            own.selector = selector
            return own
        }
    }

    /// Ids go to their hosts, filters to all that they do not leave out.
    private func selectors(_ request: PlanRequest) -> [String: Selector] {
        let selector = request.selector
        let fields: FilterFields =
            request.action.actsOnDeliveries ? .messages : .destinations
        let filters = hostFilters(selector.filter, fields)
        let destinationFilters = hostFilters(selector.destinationFilter, .destinations)
        var selectors: [String: Selector] = [:]
        for host in hosts {
            func own(_ ids: [String]) -> [String] {
                ids.map { QualifiedID($0) }.filter { $0.host == host }.map(\.id)
            }
            func part(
                _ filter: String?, _ parts: [String: HostFilter], _ all: String
            ) -> String? {
                guard let filter else { return nil }
                switch parts[host] {
                case .nothing?: return nil
                case .everything?: return all
                case .part(let expression)?: return expression.description
                case nil: return filter
                }
            }
            let everything =
                request.action.actsOnDeliveries ? Self.everyDelivery : Self.everyDestination
            let split = Selector(
                destinations: own(selector.destinations), messages: own(selector.messages),
                filter: part(selector.filter, filters, everything),
                destinationFilter: part(
                    selector.destinationFilter, destinationFilters, Self.everyDestination))
            if split != Selector() { selectors[host] = split }
        }
        return selectors
    }

    /// True of every row.
    private static let everyDestination = "id >= 0"
    private static let everyDelivery = "attempts >= 0"

    // MARK: How far

    /// With what is done on several hosts under one name told as one.
    func running(_ actions: [RunningAction]?) -> [RunningAction]? {
        guard var actions else { return nil }
        for (name, parts) in plans.withLock(\.running) {
            let ids = Set(parts.map(\.description))
            let own = actions.filter { ids.contains($0.id) }
            guard var whole = own.first else { continue }
            whole.id = name
            whole.host = nil
            whole.done = own.reduce(0) { $0 + $1.done }
            whole.total = own.reduce(0) { $0 + $1.total }
            // The one that is furthest behind.
            whole.phase = own.min { $0.fraction < $1.fraction }?.phase ?? whole.phase
            actions.removeAll { ids.contains($0.id) }
            actions.append(whole)
        }
        return actions.sorted { $0.since < $1.since }
    }
}

extension Plan {
    fileprivate var touches: Bool {
        request.action.isAboutWorkers
            || (request.action.actsOnDeliveries ? counts.deliveries : counts.destinations) > 0
    }
}

extension MergedHosts {
    /// Without the host's name before it, and what to do about one host alone behind it.
    static func words(_ error: any Error, of host: String) -> String {
        let text = (error as? APIError)?.message ?? "\(error)"
        let own = host + ": "
        let problem = text.hasPrefix(own) ? text.dropFirst(own.count) : text[...]
        return String(
            problem.firstRange(of: ControlError.sshAdvice).map { problem[..<$0.lowerBound] }
                ?? problem)
    }
}
