import Filter
import Mail

/// What is shown of all hosts together.
extension MergedHosts {
    package func status() async throws -> Status {
        let parts = try await askAll(keptAs: "status") { api, _ in try await api.status() }
        let merged = Status.merged(
            parts.map { part in
                let told = StatusPart(
                    name: part.link.name, reached: part.problem == nil,
                    staleSeconds: part.staleSeconds, problem: part.problem, isHost: true)
                return (told, part.value.map { status(of: part, $0) })
            })
        guard var merged else {
            throw ControlError(code: .noDaemon, message: "no host has answered yet")
        }
        merged.running = running(merged.running)
        return merged
    }

    private func status(of part: Part<Status>, _ status: Status) -> Status {
        let host = part.link.name
        var status = status
        status.workers = status.workers.map { $0.on(host).stale(part.staleSeconds) }
        status.nodes = status.nodes?.map { $0.on(host) }
        // What a host does that is away is not known.
        status.running =
            part.problem == nil ? status.running?.map { $0.on(host) } : nil
        return status
    }

    package func workers() async throws -> Page<WorkerRow> {
        .concatenated(
            try await askAll(keptAs: "workers") { api, _ in try await api.workers() }
                .compactMap { part in part.value?.on(part.link.name, stale: part.staleSeconds) })
    }

    package func nodes() async throws -> Page<NodeRow> {
        .concatenated(
            try await askAll(keptAs: "nodes") { api, _ in try await api.nodes() }
                .compactMap { part in part.value?.on(part.link.name, stale: part.staleSeconds) })
    }

    package func actions(limit: Int) async throws -> Page<ActionRow> {
        .merged(
            try await askAll(keptAs: "actions") { api, _ in try await api.actions(limit: limit) }
                .compactMap { part in part.value?.on(part.link.name, stale: part.staleSeconds) },
            limit: limit)
    }

    package func ages(limit: Int) async throws -> AgeMap {
        let parts = try await askAll(keptAs: "ages") { api, _ in try await api.ages(limit: limit) }
        return .merged(
            parts.compactMap { part in part.value?.on(part.link.name) }, limit: limit)
    }

    package func schedule(limit: Int) async throws -> Schedule {
        let parts = try await askAll(keptAs: "schedule") { api, _ in
            try await api.schedule(limit: limit)
        }
        return .merged(
            parts.compactMap { part in part.value?.on(part.link.name) }, limit: limit)
    }

    // MARK: Pages

    package func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<DestinationRow> {
        let wanted = Listed<DestinationRow>(
            kind: "destinations", fields: .destinations, filter: filter, sort: sort,
            descending: descending,
            order: sort == FilterField.host.name
                ? .hosts(descending: descending)
                : .destinations(sort: sort, descending: descending),
            lookup: { row, now in row.lookup(at: now) }
        ) { api, filter, sort, limit, offset, around in
            try await api.destinations(
                filter: filter, sort: sort, descending: descending, limit: limit, offset: offset,
                around: around)
        }
        return try await page(wanted, limit: limit, offset: offset, around: around)
    }

    package func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int,
        around: String?
    ) async throws -> Page<MessageRow> {
        let wanted = Listed<MessageRow>(
            kind: "messages", fields: .messages, filter: filter, sort: sort,
            descending: descending,
            order: sort == FilterField.host.name
                ? .hosts(descending: descending)
                : .messages(sort: sort, descending: descending),
            lookup: { row, now in row.lookup(at: now) }
        ) { api, filter, sort, limit, offset, around in
            try await api.messages(
                filter: filter, sort: sort, descending: descending, limit: limit, offset: offset,
                around: around)
        }
        return try await page(wanted, limit: limit, offset: offset, around: around)
    }

    /// A list of rows that all hosts have.
    fileprivate struct Listed<Row: Codable & HostRow & Identifiable<String>>: Sendable {
        typealias Fetch =
            @Sendable (
                any DaemonAPI, _ filter: String?, _ sort: String?, _ limit: Int, _ offset: Int,
                _ around: String?
            ) async throws -> Page<Row>

        var kind: String
        var fields: FilterFields
        var filter: String?
        var sort: String?
        var descending: Bool
        var order: RowOrder<Row>
        var lookup: @Sendable (Row, UnixTime) -> (FilterField) -> FilterFieldValue?
        var fetch: Fetch

        /// What its answers are kept by.
        func key(_ filter: String?) -> String {
            "\(kind) \(descending ? "-" : "+")\(sort ?? "") \(filter ?? "")"
        }
    }

    /// So many rows before the page are read and thrown away; where there are more, their number in
    /// each host is found out first.
    private static let directly = 500
    /// What a daemon gives at once.
    private static let largestPage = 10_000

    private func page<Row>(
        _ wanted: Listed<Row>, limit: Int, offset: Int, around: String?
    ) async throws -> Page<Row> {
        let sources = try await sources(of: wanted)
        guard !sources.isEmpty else {
            return Page(at: UnixTime(milliseconds: 0), total: 0, offset: 0, rows: [])
        }
        var offset = offset
        if let around, let place = try await place(of: around, wanted, sources) {
            offset = max(0, place - limit / 2)
        }
        var (starts, left) = ([Int](repeating: 0, count: sources.count), offset)
        if offset > Self.directly || offset + limit > Self.largestPage {
            (starts, left) = try await skipped(offset, limit: limit, wanted, sources)
        }
        let rest = min(left + limit, Self.largestPage)
        let beginnings = starts
        let pages = try await each(sources) { place, source in
            try await self.rows(
                wanted, source, offset: beginnings[place], limit: rest, keeps: true)
        }
        return .merged(pages, wanted.order, offset: offset, limit: limit, base: offset - left)
    }

    // MARK: Sources

    /// Where rows come from: a host, or what one said last.
    private struct Source<Row: Codable & HostRow & Identifiable<String>>: Sendable {
        var link: HostLink
        /// What of the filter is left for it.
        var filter: String?
        /// Already with its name, filtered and sorted.
        var kept: Page<Row>?
    }

    /// Those of whom something can match.
    private func sources<Row>(of wanted: Listed<Row>) async throws -> [Source<Row>] {
        let filters = hostFilters(wanted.filter, wanted.fields)
        let asked = links.filter { filters[$0.name] != HostFilter.nothing }
        guard !asked.isEmpty else { return [] }
        // One row of each: who does not give it is not waited for again.
        let answers = try await answers(among: asked) { api, link in
            try await wanted.fetch(
                api, Self.text(filters[link.name], wanted.filter), wanted.hostSort, 1, 0, nil)
        }
        return answers.map { link, answer in
            let filter = Self.text(filters[link.name], wanted.filter)
            if case .success = answer { return Source(link: link, filter: filter) }
            return Source(
                link: link, filter: filter,
                kept: kept(of: link, filter, wanted)
                    ?? Page(
                        at: UnixTime(milliseconds: 0), total: 0, offset: 0, rows: []))
        }
    }

    /// A filter that cannot be read goes to the hosts, which say what is wrong with it.
    func hostFilters(_ text: String?, _ fields: FilterFields) -> [String: HostFilter] {
        guard let text, let filter = try? FilterExpression.parse(text, fields: fields.withHost)
        else { return [:] }
        return Dictionary(
            uniqueKeysWithValues: hosts.map { ($0, HostFilter(filter, for: $0, among: hosts)) })
    }

    private static func text(_ filter: HostFilter?, _ original: String?) -> String? {
        guard let filter else { return original }
        return filter.text
    }

    /// What a host that is away said last to this question, or what matches of what it said to
    /// another one.
    private func kept<Row>(
        of link: HostLink, _ filter: String?, _ wanted: Listed<Row>
    ) -> Page<Row>? {
        if let same = link.kept(Page<Row>.self, as: wanted.key(filter)) {
            return same.value.on(link.name, stale: (now - same.at).inSeconds)
        }
        guard let other = link.latest(Page<Row>.self, startingWith: wanted.kind + " ") else {
            return nil
        }
        var page = other.value.on(link.name, stale: (now - other.at).inSeconds)
        let at = page.at
        if let filter,
            let expression = try? FilterExpression.parse(filter, fields: wanted.fields)
        {
            page.rows = page.rows.filter { expression.matches(wanted.lookup($0, at)) }
            page.total = page.rows.count
        }
        page.rows.sort { a, b in
            wanted.order.precedes(wanted.order.place(a, at), wanted.order.place(b, at))
        }
        return page
    }

    private func rows<Row>(
        _ wanted: Listed<Row>, _ source: Source<Row>, offset: Int, limit: Int, keeps: Bool = false
    ) async throws -> Page<Row> {
        if var kept = source.kept {
            kept.rows = Array(kept.rows.dropFirst(offset).prefix(limit))
            return kept
        }
        let (link, filter) = (source.link, source.filter)
        let answer = await ask(link) { api in
            try await wanted.fetch(api, filter, wanted.hostSort, max(1, limit), offset, nil)
        }
        switch answer {
        case .success(let page):
            if keeps, offset == 0 { link.keep(page, as: wanted.key(filter), at: now) }
            return page.on(link.name, stale: nil)
        case .failure(.cancelled): throw CancellationError()
        case .failure:
            // It went away just now.
            return kept(of: link, filter, wanted)
                ?? Page(at: UnixTime(milliseconds: 0), total: 0, offset: 0, rows: [])
        }
    }

    private func each<Row, Value: Sendable>(
        _ sources: [Source<Row>],
        _ body: @escaping @Sendable (Int, Source<Row>) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { group in
            for (place, source) in sources.enumerated() {
                group.addTask { (place, try await body(place, source)) }
            }
            var values: [Int: Value] = [:]
            for try await (place, value) in group { values[place] = value }
            return sources.indices.compactMap { values[$0] }
        }
    }

    // MARK: Far down in a long list

    /// How many rows of each source come before place `offset` of all, as far as that can be told
    /// without reading them: the last of so many rows is asked of each source, and those of the one
    /// where it comes first are all before the place.
    ///
    /// - Returns: their numbers, and how many more there are before the place.
    private func skipped<Row>(
        _ offset: Int, limit: Int, _ wanted: Listed<Row>, _ sources: [Source<Row>]
    ) async throws -> (starts: [Int], left: Int) {
        var starts = [Int](repeating: 0, count: sources.count)
        var left = offset
        let enough = min(Self.directly, max(0, Self.largestPage - limit))
        let totals = try await each(sources) { _, source in
            try await self.rows(wanted, source, offset: 0, limit: 1).total
        }
        while left > enough {
            let open = sources.indices.filter { starts[$0] < totals[$0] }
            guard let first = open.first else { break }
            if open.count == 1 {
                let step = min(left, totals[first] - starts[first])
                starts[first] += step
                left -= step
                continue
            }
            let step = max(1, left / open.count)
            let ends = open.map { min(starts[$0] + step, totals[$0]) }
            let last = try await each(open.map { sources[$0] }) { place, source in
                let page = try await self.rows(wanted, source, offset: ends[place] - 1, limit: 1)
                return page.rows.first.map { wanted.order.place($0, page.at) }
            }
            var best: Int?
            for index in open.indices {
                guard let place = last[index] else { continue }
                if let other = best, let least = last[other], !wanted.order.precedes(place, least) {
                    continue
                }
                best = index
            }
            // A row that is gone meanwhile: what is left is read.
            guard let best else { break }
            left -= ends[best] - starts[open[best]]
            starts[open[best]] = ends[best]
        }
        return (starts, left)
    }

    /// How many rows come before one, or nil where it is not in the list.
    private func place<Row>(
        of id: String, _ wanted: Listed<Row>, _ sources: [Source<Row>]
    ) async throws -> Int? {
        let qualified = QualifiedID(id)
        guard
            let own = sources.firstIndex(where: { $0.link.name == qualified.host })
        else { return nil }
        let source = sources[own]
        let page: Page<Row>
        if let kept = source.kept {
            page = kept
        } else {
            let filter = source.filter
            let answer = await ask(source.link) { api in
                try await wanted.fetch(api, filter, wanted.hostSort, 20, 0, qualified.id)
            }
            guard case .success(let found) = answer else { return nil }
            page = found.on(source.link.name, stale: nil)
        }
        guard let index = page.rows.firstIndex(where: { $0.id == id }) else { return nil }
        let place = wanted.order.place(page.rows[index], page.at)
        let before = try await each(sources) { other, source -> Int in
            if other == own { return page.offset + index }
            var low = 0
            var high = try await self.rows(wanted, source, offset: 0, limit: 1).total
            while low < high {
                let middle = (low + high) / 2
                let found = try await self.rows(wanted, source, offset: middle, limit: 1)
                guard let row = found.rows.first else {
                    high = middle
                    continue
                }
                let there = wanted.order.place(row, found.at)
                // Of two that are equal the one of the earlier host comes first.
                let isBefore =
                    other < own
                    ? !wanted.order.precedes(place, there) : wanted.order.precedes(there, place)
                if isBefore { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return before.reduce(0, +)
    }
}

extension MergedHosts.Listed {
    /// A host does not know what it is called.
    fileprivate var hostSort: String? { sort == FilterField.host.name ? nil : sort }
}

extension RowOrder where Row: HostRow {
    /// Host by host, each in its own order.
    fileprivate static func hosts(descending: Bool) -> RowOrder {
        RowOrder(isDescending: descending) { row, _ in
            Place(key: .text(row.host ?? ""), number: 0)
        }
    }
}
