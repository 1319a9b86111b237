package import NIOCore
import NIOHTTP1

/// The requests of the control API, one method each.
extension ControlClient {
    package func status() async throws -> Status { try await get(RequestTarget("v1", "status")) }

    /// Of the node alone that is asked, where it is one of several.
    package func nodeStatus() async throws -> Status {
        try await get(RequestTarget("v1", "status").adding("scope", "node"))
    }

    /// - Parameters:
    ///   - filter: in the filter language; nil for all.
    ///   - sort: the name of a field; nil for the daemon's own order.
    ///   - limit: rows in the answer at most; the daemon has a bound of its own.
    package func destinations(
        filter: String? = nil, sort: String? = nil, descending: Bool = false, limit: Int = 100,
        offset: Int = 0
    ) async throws -> Page<DestinationRow> {
        try await destinations(
            filter: filter, sort: sort, descending: descending, limit: limit, offset: offset,
            around: nil)
    }

    /// - Parameter around: the id of a row that is to be in the middle of the page; where it is
    ///   not among the rows the page begins at `offset`.
    package func destinations(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int, around: String?
    ) async throws -> Page<DestinationRow> {
        try await get(
            Self.page(RequestTarget("v1", "destinations"), filter, sort, descending, limit, offset)
                .adding("around", around))
    }

    package func destination(_ id: String) async throws -> DestinationRow {
        try await get(RequestTarget("v1", "destinations", id))
    }

    package func detail(of destination: String) async throws -> DestinationDetail {
        try await get(RequestTarget("v1", "destinations", destination, "detail"))
    }

    /// How old what is queued is, by destination.
    package func ages(limit: Int = 100) async throws -> AgeMap {
        try await get(RequestTarget("v1", "ages").adding("limit", String(limit)))
    }

    /// When what is queued goes.
    package func schedule(limit: Int = 100) async throws -> Schedule {
        try await get(RequestTarget("v1", "schedule").adding("limit", String(limit)))
    }

    /// - Parameter message: the id of a message or of one of its deliveries.
    package func body(of message: String, lines: Int = 100) async throws -> MessageBody {
        try await get(
            RequestTarget("v1", "messages", message, "body").adding("limit", String(lines)))
    }

    package func messages(
        filter: String? = nil, sort: String? = nil, descending: Bool = false, limit: Int = 100,
        offset: Int = 0
    ) async throws -> Page<MessageRow> {
        try await messages(
            filter: filter, sort: sort, descending: descending, limit: limit, offset: offset,
            around: nil)
    }

    /// - Parameter around: the id of a row that is to be in the middle of the page; where it is
    ///   not among the rows the page begins at `offset`.
    package func messages(
        filter: String?, sort: String?, descending: Bool, limit: Int, offset: Int, around: String?
    ) async throws -> Page<MessageRow> {
        try await get(
            Self.page(RequestTarget("v1", "messages"), filter, sort, descending, limit, offset)
                .adding("around", around))
    }

    /// - Parameter id: of a message or of one of its deliveries.
    package func message(_ id: String) async throws -> MessageDetail {
        try await get(RequestTarget("v1", "messages", id))
    }

    package func workers() async throws -> Page<WorkerRow> {
        try await get(RequestTarget("v1", "workers"))
    }

    /// Of the cluster, by their names.
    package func nodes() async throws -> Page<NodeRow> {
        try await get(RequestTarget("v1", "nodes"))
    }

    /// What would move to follow the ring; with one node less, or with one more of so many workers.
    package func rebalancing(without node: String?, with workers: Int?) async throws -> Page<
        NodeMove
    > {
        try await get(
            RequestTarget("v1", "rebalancing").adding("without", node)
                .adding("with", workers.map { String($0) }))
    }

    /// Lets a node hand over what it has and stop; its row right before.
    package func drain(node: String) async throws -> NodeRow {
        try await post(RequestTarget("v1", "nodes", node, "drain"), nil as ApplyRequest?)
    }

    /// The latest first.
    package func actions(limit: Int = 100) async throws -> Page<ActionRow> {
        try await get(
            RequestTarget("v1", "actions").adding("limit", String(limit)))
    }

    package func plan(_ request: PlanRequest) async throws -> Plan {
        try await post(RequestTarget("v1", "plans"), request)
    }

    package func apply(_ plan: String, _ request: ApplyRequest) async throws -> ActionRow {
        try await post(RequestTarget("v1", "plans", plan, "apply"), request)
    }

    package func undo(_ action: String) async throws -> ActionRow {
        try await post(RequestTarget("v1", "actions", action, "undo"), nil as ApplyRequest?)
    }

    /// Reads the configuration again. Throws what is wrong with it; then the old one stays.
    package func reload() async throws {
        try await answer(.POST, RequestTarget("v1", "reload").text, body: nil)
    }

    /// A consistent copy of the spool, piece by piece: the bytes of an SQLite database.
    package func backup(
        _ receive: (ByteBuffer) async throws -> Void
    ) async throws {
        let target = RequestTarget("v1", "backup").text
        do {
            // The copy is made before the answer begins, and a spool may be large.
            let connection = try await openStream(
                target, splitsLines: false, timeout: .seconds(3600))
            while let piece = try await connection.next() { try await receive(piece) }
        } catch {
            try Task.checkCancellation()
            throw await streamError(error, target)
        }
    }

    package func events() -> ControlStream<Event> {
        ControlStream(client: self, target: RequestTarget("v1", "events").text)
    }

    /// - Parameter content: also what messages say; for operators only.
    package func trace(
        destination: String, content: Bool = false
    ) -> ControlStream<TraceLine> {
        ControlStream(
            client: self,
            target: RequestTarget("v1", "trace").adding("destination", destination)
                .adding("content", content ? "1" : nil).text)
    }

    /// Hands a message in. Returns its id, once it is on disk.
    ///
    /// - Parameters:
    ///   - message: with CRLF line ends.
    ///   - sender: empty for the null sender.
    /// - Throws: also `SubmissionRefused`.
    package func submit(
        _ message: ByteBuffer, from sender: String, to recipients: [String]
    ) async throws -> String {
        var target = RequestTarget("v1", "messages").adding("from", sender)
        for recipient in recipients { target.add("rcpt", recipient) }
        let answer = try await exchange(.POST, target.text, body: message, type: "message/rfc822")
        guard (200..<300).contains(answer.status) else {
            guard let error = refusal(answer, "/v1/messages") as? APIError else {
                throw refusal(answer, "/v1/messages")
            }
            throw SubmissionRefused(status: answer.status, error: error)
        }
        let accepted: AcceptedMessage = try decoded(answer.body, "/v1/messages")
        return accepted.id
    }

    private static func page(
        _ target: RequestTarget, _ filter: String?, _ sort: String?, _ descending: Bool,
        _ limit: Int, _ offset: Int
    ) -> RequestTarget {
        target.adding("filter", filter)
            .adding("sort", sort.map { (descending ? "-" : "") + $0 })
            .adding("limit", String(limit))
            .adding("offset", offset == 0 ? nil : String(offset))
    }
}

/// The answer to `POST /v1/messages`.
package struct AcceptedMessage: Codable, Sendable {
    package var id: String

    package init(id: String) {
        self.id = id
    }
}

/// The daemon did not take a message.
package struct SubmissionRefused: Error {
    /// The HTTP status: 4xx for a message that will never be taken, 5xx for one that may be taken
    /// later.
    package var status: Int
    package var error: APIError

    package init(status: Int, error: APIError) {
        self.status = status
        self.error = error
    }
}
