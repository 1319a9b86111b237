import Cluster
import Control
import Filter
import Mail
import NIOCore
import Scheduler
import Spool

/// The list of messages is that of the spool, which all share; what they wait for is known to the node
/// that has their destination.
extension ClusterAPI {
    func messages(_ asked: ListQuery<DeliveryID>) async throws -> Page<MessageRow> {
        let filter = try asked.filter.map { text throws(APIError) in
            try Planner.parse(text, fields: .messages)
        }
        if let sort = asked.sort, FilterFields.messages[sort] == nil {
            throw APIError(
                code: "bad-sort", message: "messages have no field '\(SafeText(sort).text)'")
        }
        var query = try await node.planner.query(
            filter, sort: asked.sort, descending: asked.isDescending, limit: asked.limit,
            offset: asked.offset)
        query.around = asked.around
        if let peers, let text = asked.filter, let filter,
            filter.mentions(["destination", "worker", "why", "state", "node"])
        {
            try await add(peers, text, filter, to: &query)
        }
        let spoolQuery = query
        let page = try await reader.read { spool throws(SpoolError) in try spool.page(spoolQuery) }
        return Page(
            at: spoolQuery.now, total: page.total, offset: page.offset,
            rows: try await rows(of: page.rows))
    }

    /// What other nodes know of destinations, and the deliveries that run there.
    private func add(
        _ peers: Peers, _ text: String, _ filter: FilterExpression, to query: inout DeliveryQuery
    ) async throws {
        var scene = try await scene(peers)
        let answers: [(other: Other, value: NodeAPI.Matching)] = try await ask(
            peers, &scene, .matching(filter: text))
        var matching: [FilterComparison: [Int64]] = [:]
        for (_, answer) in answers {
            for (comparison, ids) in zip(filter.comparisons, answer.destinations) {
                matching[comparison.affirmed, default: []] += ids
            }
        }
        let found = matching
        let running = answers.flatMap(\.value.running).map(DeliveryID.init(rawValue:))
        let (own, ownRunning) = (query.destinationsMatching, query.running)
        query.destinationsMatching = { own($0) + (found[$0.affirmed] ?? []) }
        query.running = { ownRunning() + running }
    }

    /// Rows of deliveries that were read from the spool.
    func rows(of stored: [StoredDelivery]) async throws -> [MessageRow] {
        var rows = try await dispatcher.run { $0.rows(of: stored) }
        guard let peers else { return rows }
        var scene = try await scene(peers)
        let foreign = Dictionary(
            grouping: rows.indices.filter { rows[$0].node != nil && rows[$0].node != scene.own }
        ) { rows[$0].node ?? "" }
        for (name, places) in foreign {
            guard let other = scene.other(named: name), other.problem == nil else { continue }
            let answers: [(other: Other, value: [MessageRow])] = try await ask(
                peers, &scene, .messages(places.map { rows[$0].id }), only: other.id)
            let found = (answers.first?.value ?? []).reduce(into: [String: MessageRow]()) {
                $0[$1.id] = $1
            }
            for place in places {
                guard let row = found[rows[place].id] else { continue }
                rows[place] = row
                rows[place].node = name
            }
        }
        for (name, places) in foreign {
            guard let problem = scene.other(named: name)?.problem else { continue }
            for place in places {
                let why = Why(.worker, "node \(name) has it, and \(problem)")
                rows[place].why = why
                rows[place].waits = [why]
            }
        }
        return rows
    }

    func message(_ text: String) async throws -> MessageDetail {
        guard let id = DeliveryID(text: text)?.message ?? MessageID(text: text) else {
            throw APIError(
                code: "not-found",
                message: "'\(SafeText(text).text)' is no message id; ids look like 1a2b")
        }
        let found = try await reader.read { spool throws(SpoolError) -> WholeMessage? in
            guard let record = try spool.message(id) else { return nil }
            return WholeMessage(
                record: record, deliveries: try spool.deliveries(of: id),
                // What is damaged is no reason not to show the rest.
                attempts: (try? spool.attempts(of: id)) ?? [],
                body: (try? spool.body(of: id)) ?? nil)
        }
        guard let found else {
            throw APIError(
                code: "not-found", message: "message \(id) is not in the queue (any more)")
        }
        let recipients = found.deliveries.flatMap { delivery in
            delivery.recipients.map {
                RecipientRow(
                    address: SafeText($0.address).text, state: "queued",
                    lastReply: $0.lastReply.isEmpty ? nil : SafeText($0.lastReply).text)
            }
        }
        let rows = try await rows(of: found.deliveries)
        let now = try await dispatcher.run { $0.clocks.wall() }
        return MessageDetail(
            at: now, id: id.description,
            sender: SafeText(found.record.sender).text, size: found.record.size,
            receivedAt: found.record.receivedAt, expiresAt: found.record.expiresAt,
            client: SafeText(found.record.client).text, deliveries: rows, recipients: recipients,
            history: found.attempts.map(AttemptRow.init),
            header: found.body?.headerSection(limit: 64 << 10) ?? "")
    }

    func body(of text: String, lines: Int) async throws -> MessageBody {
        guard let id = DeliveryID(text: text)?.message ?? MessageID(text: text) else {
            throw APIError(
                code: "not-found",
                message: "'\(SafeText(text).text)' is no message id; ids look like 1a2b")
        }
        let body = try await reader.read { spool throws(SpoolError) in try spool.body(of: id) }
        guard let body else {
            throw APIError(
                code: "not-found", message: "message \(id) is not in the queue (any more)")
        }
        return body.bodyLines(of: id.description, limit: lines)
    }
}

private struct WholeMessage: Sendable {
    var record: MessageRecord
    var deliveries: [StoredDelivery]
    var attempts: [StoredAttempt]
    var body: ByteBuffer?
}

extension FilterComparison {
    /// Without negation, as the spool asks.
    fileprivate var affirmed: FilterComparison {
        switch op {
        case .notEqual: FilterComparison(field: field, op: .equal, value: value)
        case .notContains: FilterComparison(field: field, op: .contains, value: value)
        default: self
        }
    }
}
