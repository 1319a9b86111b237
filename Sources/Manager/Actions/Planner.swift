import Cluster
import Control
import Filter
import Mail
import Scheduler
import Settings
import Spool

/// Turns a request into a plan: selects, counts, and foretells. Reads the spool on its threads and
/// the dispatcher's state on its loop; touches nothing.
struct Planner {
    let dispatcher: DispatcherHandle
    let reader: SpoolReader

    /// Characters of what a request may call its progress.
    private static let longestName = 64

    /// - Parameter answered: other nodes that make a plan of their part; nil: somebody else sees to
    ///   what is not this node's.
    func plan(
        _ request: PlanRequest, by peer: String = "", answered: Set<NodeID>? = nil
    ) async throws -> Plan {
        guard let name = request.progress else { return try await make(request, answered) }
        guard name.count <= Self.longestName else {
            throw APIError(
                code: "bad-request",
                message: "progress has at most \(Self.longestName) characters")
        }
        let (running, now) = try await dispatcher.run { ($0.runningActions, $0.clocks.wall()) }
        running.begin(
            RunningAction(
                id: SafeText(name).text, action: request.action, by: peer, since: now,
                phase: .planning, total: 0))
        defer { running.end(SafeText(name).text) }
        return try await make(request, answered)
    }

    private func make(_ request: PlanRequest, _ answered: Set<NodeID>?) async throws -> Plan {
        if request.action.actsOnDeliveries { return try await planDeliveries(request, answered) }
        return try await planDestinations(request)
    }

    // MARK: Deliveries

    private func planDeliveries(
        _ request: PlanRequest, _ answered: Set<NodeID>?
    ) async throws -> Plan {
        let (selected, elsewhere) = try await own(try await select(request.selector), answered)
        let now = try await dispatcher.run { $0.clocks.wall() }
        let tally = try await tally(
            selected, for: request.action, at: now, progress: request.progress)
        let samples = try await reader.read { spool throws(SpoolError) in
            try spool.deliveries(tally.samples)
        }
        let drain = try await drain(tally, for: request.action)
        return try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            var plan = Plan(
                id: dispatcher.actions.newPlanID(), request: request, at: now,
                expiresAt: now + ActionTable.planLife, counts: tally.counts,
                effect: Self.effect(request, tally.counts, dispatcher))
            plan.notes = tally.notes + (drain?.notes ?? []) + elsewhere
            plan.oldestAt = tally.oldest
            plan.samples = dispatcher.rows(of: samples)
            plan.topDomains = tally.domains.safe.top(5)
            plan.topSenders = tally.senders.safe.top(5)
            plan.drainSeconds = drain?.seconds
            plan.drainPerSecond = drain?.perSecond
            plan.drainSlowest = drain?.slowest
            if request.action == .purge || request.action == .bounce {
                let undo = dispatcher.configuration.undo
                plan.undoSeconds = Double(undo.purgeWindow.nanoseconds) / 1e9
                plan.mustTypeCount = tally.counts.deliveries > undo.confirmAbove
            }
            dispatcher.actions.keep(
                BoundPlan(plan: plan, deliveries: tally.chosen, held: tally.held), at: now)
            return plan
        }
    }

    /// What this node has of them; of what no other answers for it says how many they are.
    private func own(
        _ selected: DeliverySet, _ answered: Set<NodeID>?
    ) async throws -> (DeliverySet, notes: [String]) {
        guard try await dispatcher.run({ $0.districts != nil }) else { return (selected, []) }
        var own = DeliverySet()
        var left: [String: Int] = [:]
        var rest = selected.makeIterator()
        while case let part = rest.next(ActionRunner.part), !part.isEmpty {
            let figures = try await reader.read { spool throws(SpoolError) in
                try spool.figures(part)
            }
            let (here, others) = try await dispatcher.run { dispatcher in
                var here: [DeliveryID] = []
                var others: [String: Int] = [:]
                let view = dispatcher.districts?.view ?? ClusterView()
                for figure in figures {
                    if dispatcher.holds(figure.id, of: figure.destination) {
                        here.append(figure.id)
                        continue
                    }
                    guard let answered else { continue }
                    let owner = view.owner(
                        of: District.of(destination: figure.destination, delivery: figure.id))
                    if let owner, answered.contains(owner.id) { continue }
                    others[
                        owner.map { "of node \(SafeText($0.name).text)" } ?? "of no node yet",
                        default: 0] += 1
                }
                return (here, others)
            }
            for id in here { own.append(id) }
            left.merge(others, uniquingKeysWith: +)
        }
        return (
            own,
            left.sorted { $0.key < $1.key }.map {
                "\(Counted.deliveries($0.value)) \($0.key) not among them"
            }
        )
    }

    private func select(_ selector: Selector) async throws -> DeliverySet {
        var expression: FilterExpression?
        func or(_ other: FilterExpression) {
            expression = expression.map { .or($0, other) } ?? other
        }
        if let text = selector.filter {
            or(try Self.parse(text, fields: .messages))
        }
        var ids = DeliverySet()
        var named: [DeliveryID] = []
        let destinations = try await self.destinations(of: selector)
        if !destinations.isEmpty, let field = FilterFields.messages["destination"] {
            // One comparison for all, however many they are: it is answered with their numbers.
            let any = FilterComparison(field: field, op: .equal, value: .text("*"))
            let query = DeliveryQuery(
                filter: .comparison(any), limit: 1,
                now: try await dispatcher.run { $0.clocks.wall() }
            ) { _ in destinations }
            ids = ids.union(
                try await reader.read { spool throws(SpoolError) in try spool.select(query) })
        }
        if let expression {
            let query = try await query(expression)
            ids = ids.union(
                try await reader.read { spool throws(SpoolError) in try spool.select(query) })
        }
        for text in selector.messages {
            if let id = DeliveryID(text: text) {
                named.append(id)
            } else if let message = MessageID(text: text) {
                let found = try await reader.read { spool throws(SpoolError) in
                    try spool.deliveries(of: message)
                }
                named += found.map(\.id)
            } else {
                throw APIError(
                    code: "bad-selector",
                    message:
                        "'\(SafeText(text).text)' is no message id; ids look like 1a2b or 1a2b.0")
            }
        }
        return ids.union(DeliverySet(named))
    }

    /// The destinations that a selector names or matches.
    private func destinations(of selector: Selector) async throws -> [Int64] {
        let named = selector.destinations.compactMap { Int64($0) }
        guard let text = selector.destinationFilter else { return named }
        let filter = try Self.parse(text, fields: .destinations)
        let matching = try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            return dispatcher.destinationRows().filter { filter.matches($0.lookup(at: now)) }
                .compactMap { Int64($0.id) }
        }
        return Array(Set(named + matching))
    }

    /// A query whose destination fields are answered from the dispatcher's rows of this instant.
    func query(
        _ expression: FilterExpression?, sort: String? = nil, descending: Bool = false,
        limit: Int = 100, offset: Int = 0
    ) async throws -> DeliveryQuery {
        let needsRows = expression?.mentions(["destination", "worker", "why", "node"]) ?? false
        let (rows, running, now) = try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            dispatcher.refreshOverview(at: now)
            return (
                needsRows ? dispatcher.destinationRows() : [], dispatcher.overview.running, now
            )
        }
        var query = DeliveryQuery(
            filter: expression, sort: sort, descending: descending, limit: limit, offset: offset,
            now: now
        ) { comparison in
            rows.filter { $0.matchesDeliveryField(comparison) }.compactMap { Int64($0.id) }
        }
        query.running = { running }
        return query
    }

    static func parse(
        _ text: String, fields: FilterFields
    ) throws(APIError) -> FilterExpression {
        do {
            return try FilterExpression.parse(text, fields: fields)
        } catch {
            throw APIError(
                code: "bad-filter", message: error.message, position: error.position)
        }
    }

    /// In parts, as others read from the spool too.
    private func tally(
        _ ids: DeliverySet, for action: ActionKind, at now: UnixTime, progress: String?
    ) async throws -> PlanTally {
        let name = progress.map { SafeText($0).text }
        let running = try await dispatcher.run { $0.runningActions }
        if let name { running.expect(ids.count, name) }
        var tally = PlanTally()
        var rest = ids.makeIterator()
        while case let part = rest.next(ActionRunner.part), !part.isEmpty {
            let figures = try await reader.read { spool throws(SpoolError) in
                try spool.figures(part)
            }
            for delivery in figures { tally.add(delivery, for: action, at: now) }
            if let name { running.advance(name, by: part.count) }
        }
        return tally
    }

    /// Together with what is due at the same destinations already.
    private func drain(_ tally: PlanTally, for action: ActionKind) async throws -> PlannedDrain? {
        guard action == .retry || action == .release else { return nil }
        let inputs = try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            return tally.perDestination.compactMap { id, count -> DrainInput? in
                guard var input = dispatcher.drainInput(of: id, at: now) else { return nil }
                input.queue = Drain.Queue(
                    ready: max(count, input.queue.ready + count - tally.due[id, default: 0]))
                input.isHalfOpen = action == .retry
                return input
            }
        }
        return PlannedDrain(inputs)
    }

    static func effect(
        _ request: PlanRequest, _ counts: Counts, _ dispatcher: Dispatcher
    ) -> String {
        let what =
            "\(Counted.deliveries(counts.deliveries)) (\(Counted.recipients(counts.recipients)))"
        let window = DurationText.text(dispatcher.configuration.undo.purgeWindow)
        switch request.action {
        case .retry: return "makes \(what) due now; limits still hold"
        case .purge: return "deletes \(what) after \(window), without telling the senders"
        case .bounce: return "returns \(what) to their senders after \(window)"
        case .hold: return "keeps \(what) back until released"
        case .release: return "lets \(what) go on"
        default: return what
        }
    }

    // MARK: Destinations

    private func planDestinations(_ request: PlanRequest) async throws -> Plan {
        let selector = request.selector
        let filters = try [selector.filter, selector.destinationFilter].compactMap { $0 }
            .map { text throws(APIError) in try Self.parse(text, fields: .destinations) }
        var (bound, inputs) = try await dispatcher.run { dispatcher in
            let now = dispatcher.clocks.wall()
            let selected =
                request.action.isAboutWorkers
                ? []
                : dispatcher.destinationRows().filter { row in
                    request.selector.destinations.contains(row.id)
                        || filters.contains { $0.matches(row.lookup(at: now)) }
                }.filter { row in Int64(row.id).map { dispatcher.holds(destination: $0) } ?? false }
                    .sorted { $0.queued > $1.queued }
            try dispatcher.validate(request)
            let rows = selected.filter(request.changes)
            var counts = Counts()
            counts.destinations = rows.count
            counts.deliveries = rows.reduce(0) { $0 + $1.queued }
            var plan = Plan(
                id: dispatcher.actions.newPlanID(), request: request, at: now,
                expiresAt: now + ActionTable.planLife, counts: counts,
                effect: dispatcher.effect(request, rows))
            plan.oldestAt = rows.compactMap(\.oldestAt).min()
            plan.topDomains = rows.prefix(5).map { NamedCount(name: $0.name, count: $0.queued) }
            plan.notes = request.notes(on: selected)
            if request.action.isAboutWorkers { dispatcher.foretellMoves(&plan) }
            var bound = BoundPlan(plan: plan, destinations: rows.compactMap { Int64($0.id) })
            for id in bound.destinations {
                bound.shown[id] = dispatcher.table[id].map(ActionDetails.PreviousDestination.init)
            }
            bound.workers = dispatcher.supervisor?.count ?? 0
            bound.drained = Set(dispatcher.drained.keys)
            let inputs =
                request.action == .resume || request.action == .reassign
                ? bound.destinations.compactMap { dispatcher.drainInput(of: $0, at: now) } : []
            return (bound, inputs)
        }
        if !request.action.isAboutWorkers { try await tellMail(&bound, inputs) }
        return try await dispatcher.run { [bound] dispatcher in
            dispatcher.actions.keep(bound, at: bound.plan.at)
            return bound.plan
        }
    }

    /// Mail of destinations that is looked at for a plan; of more only the number is told: to pause
    /// a destination must not take long because it has much.
    private static let mailToldInFull = 50_000

    /// Whose mail the destinations have, and how long it takes to leave where they go on.
    private func tellMail(_ bound: inout BoundPlan, _ inputs: [DrainInput]) async throws {
        if !inputs.isEmpty {
            let drain = PlannedDrain(
                inputs.map { input in
                    var input = input
                    if bound.plan.request.action == .resume { input.pausedFor = nil }
                    return input
                })
            bound.plan.drainSeconds = drain.seconds
            bound.plan.drainPerSecond = drain.perSecond
            bound.plan.drainSlowest = drain.slowest
            bound.plan.notes += drain.notes
        }
        guard bound.plan.counts.deliveries <= Self.mailToldInFull else {
            bound.plan.notes.append(
                "more than \(Self.mailToldInFull) deliveries: whose they are is not looked up")
            return
        }
        guard bound.plan.counts.deliveries > 0 else { return }
        let mail = try await select(Selector(destinations: bound.destinations.map(String.init)))
        // As a purge would have it: all that is queued or held.
        let tally = try await tally(
            mail, for: .purge, at: bound.plan.at, progress: bound.plan.request.progress)
        let samples = try await reader.read { spool throws(SpoolError) in
            try spool.deliveries(tally.samples)
        }
        bound.plan.samples = try await dispatcher.run { $0.rows(of: samples) }
        bound.plan.topSenders = tally.senders.safe.top(5)
        let destinations = bound.plan.counts.destinations
        bound.plan.counts = tally.counts
        bound.plan.counts.destinations = destinations
    }
}

extension ActionKind {
    func applies(to state: StoredState) -> Bool {
        switch self {
        case .retry, .hold: state == .queued
        case .release: state == .held
        case .purge, .bounce: state == .queued || state == .held || state == .routing
        case .pause, .resume, .reassign, .workers, .drain, .undrain: false
        }
    }
}

extension StoredState {
    var inWords: String {
        switch self {
        case .routing: "being routed"
        case .queued: "not held"
        case .held: "held"
        case .purging: "already being purged"
        case .bouncing: "already being bounced"
        }
    }
}

extension [String: Int] {
    /// Without what could drive a terminal.
    var safe: [String: Int] {
        reduce(into: [:]) { $0[SafeText($1.key).text, default: 0] += $1.value }
    }

    /// The largest counts, then by name.
    func top(_ count: Int) -> [NamedCount] {
        sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(count).map {
            NamedCount(name: $0.key, count: $0.value)
        }
    }
}

extension Dispatcher {
    func validate(_ request: PlanRequest) throws(APIError) {
        switch request.action {
        case .reassign:
            guard let worker = request.worker else { return }
            guard let row = workerRows[worker], row.state != .draining else {
                throw APIError(
                    code: "no-such-worker",
                    message: "there is no worker \(worker); there are "
                        + workerRows.keys.sorted().map(String.init).joined(separator: ", "))
            }
            guard drained[worker] == nil else {
                throw APIError(
                    code: "worker-drained",
                    message:
                        "worker \(worker) is drained by \(drained[worker] ?? ""): it gets nothing "
                        + "new until it is undrained")
            }
        case .workers:
            guard let count = request.worker, (1...256).contains(count) else {
                throw APIError(
                    code: "bad-request", message: "the number of workers must be 1 to 256")
            }
        case .drain, .undrain: try validateDrain(request)
        case .pause:
            guard let seconds = request.seconds else { return }
            // A year: whoever means longer means until resumed.
            guard seconds > 0, seconds <= 366 * 86_400 else {
                throw APIError(
                    code: "bad-request",
                    message: "a pause lasts more than 0 and at most 366 days; without a time, "
                        + "until it is resumed")
            }
        default:
            break
        }
    }

    private func validateDrain(_ request: PlanRequest) throws(APIError) {
        guard let worker = request.worker, let row = workerRows[worker], row.state != .draining
        else {
            throw APIError(
                code: "no-such-worker",
                message: "there is no worker \(request.worker.map(String.init) ?? "of no number"); "
                    + "there are "
                    + workerRows.keys.sorted().map(String.init).joined(separator: ", "))
        }
        if request.action == .undrain {
            guard drained[worker] == nil else { return }
            throw APIError(code: "not-drained", message: "worker \(worker) is not drained")
        }
        if let who = drained[worker] {
            throw APIError(
                code: "drained-already", message: "worker \(worker) is drained already, by \(who)")
        }
        let others = workerRows.values.filter {
            $0.id != worker && $0.state != .draining && drained[$0.id] == nil
                && configuration.weight(of: $0.id) > 0
        }
        guard !others.isEmpty else {
            throw APIError(
                code: "last-worker",
                message:
                    "no other worker takes mail: undrain or add one before \(worker) is drained")
        }
    }

    /// What another number of workers, or another one that is drained, moves.
    func foretellMoves(_ plan: inout Plan) {
        let request = plan.request
        let count = supervisor?.count ?? workerRows.count
        var after = drained
        var workers = max(1, count)
        switch request.action {
        case .drain: after[request.worker ?? 0] = ""
        case .undrain: after[request.worker ?? 0] = nil
        default:
            workers = request.worker ?? 1
            after = after.filter { $0.key <= workers }
        }
        let moving = moves(toWorkers: workers, drained: after)
        let all = table.values.count { $0.queued > 0 }
        plan.counts.destinations = moving.count
        plan.counts.deliveries = moving.reduce(0) { $0 + $1.destination.queued }
        plan.oldestAt = moving.compactMap { $0.destination.oldest }.min()
        plan.topDomains = moving.sorted { $1.destination.queued < $0.destination.queued }.prefix(5)
            .map { NamedCount(name: $0.destination.title, count: $0.destination.queued) }
        plan.notes.append(
            moving.isEmpty
                ? "no destination with mail moves"
                : "\(moving.count) of \(Counted.destinations(all)) with mail move; each lets its "
                    + "transactions end first")
        let receivers = moving.reduce(into: [Int: Int]()) { $0[$1.worker ?? 0, default: 0] += 1 }
        if !receivers.isEmpty {
            plan.notes.append(
                receivers.sorted { $0.key < $1.key }
                    .map { "worker \($0.key) gets \($0.value)" }.joined(separator: ", "))
        }
        let shares = ring(of: 1...workers, drained: after).shares
        plan.notes.append(
            "the ring then: "
                + (1...workers).map { "worker \($0) \(Int((100 * (shares[$0] ?? 0)).rounded())) %" }
                .prefix(12).joined(separator: ", "))
        let pinned = table.values.count { $0.pin != nil && $0.pin == request.worker }
        if request.action == .drain, pinned > 0 {
            plan.notes.append(
                "\(Counted.destinations(pinned)) pinned there come back when it is undrained")
        }
    }

    func effect(_ request: PlanRequest, _ rows: [DestinationRow]) -> String {
        effect(request, on: rows.count == 1 ? rows[0].name : Counted.destinations(rows.count))
    }

    func effect(_ request: PlanRequest, on what: String) -> String {
        switch request.action {
        case .pause:
            let time =
                request.seconds.map { " for \(DurationText.text(.seconds($0)))" }
                ?? " until resumed"
            return "keeps \(what) back\(time); running transactions end"
        case .resume: return "lets \(what) deliver again"
        case .reassign:
            guard let worker = request.worker else { return "gives \(what) back to the ring" }
            return "moves \(what) to worker \(worker) and pins it there"
        case .workers:
            return Counted.workers(request.worker ?? 0) + " instead of \(supervisor?.count ?? 0)"
        case .drain:
            return
                "worker \(request.worker ?? 0) hands all its destinations over and gets nothing new "
                + "until it is undrained, also after a restart; its process stays"
        case .undrain: return "worker \(request.worker ?? 0) takes its share of the ring again"
        default: return what
        }
    }
}

extension PlanRequest {
    /// Whether a destination is not yet as the action would make it.
    fileprivate func changes(_ row: DestinationRow) -> Bool {
        switch action {
        case .resume: row.state == .paused
        case .reassign where worker == nil: row.pin != nil
        case .reassign: row.pin != worker || row.worker != worker
        default: true
        }
    }

    fileprivate func notes(on selected: [DestinationRow]) -> [String] {
        let unchanged = selected.count { !changes($0) }
        switch action {
        case .pause:
            let already = selected.count { $0.state == .paused }
            return already > 0 ? ["\(already) paused already"] : []
        case .resume where unchanged > 0:
            return ["\(unchanged) not paused"]
        case .reassign where unchanged > 0:
            return [worker == nil ? "\(unchanged) not pinned" : "\(unchanged) there already"]
        default:
            return []
        }
    }
}
